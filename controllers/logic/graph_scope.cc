#include "controllers/expression/evaluate.h"
#include "controllers/expression/go_template.h"
#include "controllers/expression/template.h"
#include "controllers/logic/graph_parts.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {

using codec::Value;
using crds::StepPhase;
using crds::StepState;
using expression::Lookup;
using expression::RootScope;
using expression::Segment;

namespace {

std::string_view phase_name(StepPhase phase) { return codec::enum_name(phase); }

}  // namespace

/// What the expressions of one step see.
class GraphScope final : public expression::Scope {
 public:
  GraphScope(const Graph& graph, const Unit& unit, const Value* own)
      : graph_(graph), unit_(unit), own_(own) {}

  Result<Lookup> find(std::span<const Segment> path) const override {
    const std::string& root = path[0].name;
    if (root == "steps") return find_step(path);
    if (root == "matrix") {
      if (unit_.state.matrix.is_object()) return Lookup::borrowed(unit_.state.matrix, 1);
      return fail(Code::NotFound, "the step has no matrix");
    }
    if (own_ != nullptr) {
      if (const Value* value = own_->find(root)) return Lookup::borrowed(*value, 1);
    }
    if (root == "params") return Lookup::borrowed(graph_.params_value(), 1);
    if (root == "run") return Lookup::borrowed(graph_.run_value(), 1);
    const Value& trigger = graph_.run_.spec.trigger;
    if (root == "trigger" && !trigger.is_null()) return Lookup::borrowed(trigger, 1);
    if (root == "trigger") return fail(Code::NotFound, "the run was not started by a trigger");
    return fail(Code::NotFound,
                "there is no " + root + " here; known: params, steps, run, trigger, matrix");
  }

 private:
  Result<Lookup> find_step(std::span<const Segment> path) const {
    if (path.size() < 2) return fail(Code::NotFound, "name a step: steps.<step>");
    const Unit* unit = graph_.find(path[1].name);
    if (unit == nullptr) return fail(Code::NotFound, "there is no step " + path[1].name);
    const StepState& state = unit->state;
    if (path.size() == 2) return Lookup::owned(whole(state), 2);
    const std::string& field = path[2].name;
    if (field == "outputs") {
      if (path.size() > 3 && state.outputs.find(path[3].name) == nullptr) {
        return fail(Code::NotFound,
                    "step " + path[1].name + " has no output " + path[3].name + how(state));
      }
      return state.outputs.is_null() ? Lookup::owned(Value::object(), 3)
                                     : Lookup::borrowed(state.outputs, 3);
    }
    if (field == "response") {
      if (state.response.is_null()) {
        return fail(Code::NotFound, "step " + path[1].name + " has no response" + how(state));
      }
      return Lookup::borrowed(state.response, 3);
    }
    Value all = whole(state);
    if (Value* value = all.find(field)) return Lookup::owned(std::move(*value), 3);
    return fail(Code::NotFound, "a step has no " + field +
                                    "; it has status, outputs, response, reason, message, "
                                    "exitCode and attempt");
  }

  static std::string how(const StepState& state) {
    if (state.state == StepPhase::Succeeded) return {};
    return " (it is " + std::string(phase_name(state.state)) + ")";
  }

  static Value whole(const StepState& state) {
    Value out = Value::object({{"status", phase_name(state.state)},
                               {"reason", state.reason},
                               {"message", state.message},
                               {"attempt", state.attempt}});
    if (state.exit_code) out["exitCode"] = *state.exit_code;
    if (!state.outputs.is_null()) out["outputs"] = state.outputs;
    if (!state.response.is_null()) out["response"] = state.response;
    return out;
  }

  const Graph& graph_;
  const Unit& unit_;
  const Value* own_;
};

const Value& Graph::params_value() const {
  if (params_value_) return *params_value_;
  Value params = Value::object();
  for (const auto& [name, value] : params_) params[name] = value;
  return params_value_.emplace(std::move(params));
}

const Value& Graph::run_value() const {
  if (run_value_) return *run_value_;
  Value failed_steps = Value::array();
  for (const auto& unit : units_) {
    const bool whole = unit->name == node_of(*unit).name;  // not a combination of a matrix
    if (whole && failed(*unit)) failed_steps.push_back(unit->name);
  }
  const char* how = run_.spec.cancel ? "Cancelled" : failed_steps.empty() ? "Succeeded" : "Failed";
  const int retries = status_.retry_status ? status_.retry_status->retry_count : 0;
  Value run = Value::object({{"name", run_.metadata.name},
                             {"id", run_.metadata.uid},
                             {"namespace", run_.metadata.ns},
                             {"pipeline", run_.spec.ref_pipeline},
                             {"attempt", retries + 1},
                             {"status", how}});
  run["failedSteps"] = std::move(failed_steps);
  return run_value_.emplace(std::move(run));
}

const Value& Graph::belt_root() const {
  if (belt_root_) return *belt_root_;
  Value stages = Value::array();
  for (const std::string& stage : compiled_.stages) stages.push_back(stage);
  Value responses = Value::object();
  for (const auto& unit : units_) {
    const auto* http = std::get_if<HttpStep>(&node_of(*unit).action);
    if (http == nullptr || !http->belt || node_of(*unit).group != Group::Main) continue;
    if (unit->state.response.is_null()) continue;
    const auto part = [&](std::string_view key) {
      const Value* value = unit->state.response.find(key);
      return value == nullptr ? Value() : *value;
    };
    responses[node_of(*unit).stage][http->job] = Value::object(
        {{"Status", part("status")}, {"Headers", part("headers")}, {"Body", part("body")}});
  }
  const Time start = status_.start_time.value_or(input_.now);
  const auto total =
      std::chrono::duration_cast<std::chrono::milliseconds>(input_.now - start).count();
  return belt_root_.emplace(Value::object(
      {{"Name", run_.spec.ref_pipeline},
       {"Stages", std::move(stages)},
       {"Response", std::move(responses)},
       {"Time",
        Value::object({{"Start", format_time(start)},
                       {"Total", static_cast<std::int64_t>(std::max<std::int64_t>(0, total))}})}}));
}

Result<Value> Graph::evaluate(const Unit& unit, const std::string& text, const Value* own) const {
  MR_ASSIGN(const auto parsed, expression::Template::parse(text));
  return expression::evaluate(parsed, GraphScope(*this, unit, own));
}

Result<bool> Graph::holds(const Unit& unit, const std::string& text, const Value* own) const {
  const bool bare = text.find("{{") == std::string::npos;
  MR_ASSIGN(const auto parsed, expression::Template::parse(bare ? "{{ " + text + " }}" : text));
  return expression::evaluate_condition(parsed, GraphScope(*this, unit, own));
}

Result<Value> Graph::render(const Unit& unit, const Value& document) const {
  return expression::render(document, GraphScope(*this, unit, nullptr));
}

Result<std::string> Graph::text(const Unit& unit, const std::string& templated) const {
  if (templated.find("{{") == std::string::npos) return templated;
  MR_ASSIGN(const Value value, evaluate(unit, templated));
  if (value.is_string()) return value.as_string();
  if (value.is_null()) return fail(Code::Invalid, "gives null, not a text; use | default('...')");
  return value.dump();
}

Result<void> Graph::set_outputs(Unit& unit, const Value& own) const {
  for (const auto& [name, text] : node_of(unit).outputs) {
    const bool bare = text.find("{{") == std::string::npos;
    MR_ASSIGN(Value value, evaluate(unit, bare ? "{{ " + text + " }}" : text, &own)
                               .with(node_of(unit).path + ".outputs." + name));
    unit.state.outputs[name] = std::move(value);
  }
  return {};
}

}  // namespace millrace::logic
