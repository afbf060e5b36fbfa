#include "controllers/logic/trial_values.h"

#include <algorithm>
#include <utility>

#include "controllers/expression/evaluate.h"

namespace millrace::logic {

using codec::Value;
using expression::Lookup;
using expression::Segment;

namespace {

constexpr const char* kSample = "sample";
constexpr std::size_t kMaxCombinations = 256;

Value sample_of(const crds::Param& param) {
  if (!param.choices.empty()) return param.choices.front();
  switch (param.type) {
    case crds::ParamType::integer:
    case crds::ParamType::number:
      return 1;
    case crds::ParamType::boolean:
      return true;
    case crds::ParamType::list:
      return Value::array();
    case crds::ParamType::object:
      return Value::object();
    case crds::ParamType::string:
      break;
  }
  return kSample;
}

/// What stands where a template cannot be worked out with samples, by what belongs there.
Value stand_in(bool list) { return list ? Value::array({kSample}) : Value(kSample); }

class SampleRenderer {
 public:
  explicit SampleRenderer(const SampleScope& scope) : scope_(scope) {}

  Value render(const Value& value, Place place, const std::string& path, bool list) {
    if (value.is_string()) return leaf(value.as_string(), place, path, list);
    if (value.is_array()) {
      Value out = Value::array();
      std::size_t i = 0;
      for (const Value& item : value.items()) {
        out.push_back(render(item, place, path + "[" + std::to_string(i++) + "]", false));
      }
      return out;
    }
    if (!value.is_object()) return value;
    Value out = Value::object();
    for (const auto& [key, member] : value.members()) {
      const std::string at = path.empty() ? key : path + "." + key;
      if (place == Place::Container && (key == "command" || key == "args")) {
        out[key] = render(member, Place::Sample, at, true);
      } else if (place == Place::Container && key == "env" && member.is_array()) {
        out[key] = environment(member, at);
      } else {
        out[key] = render(member, Place::Decides, at, false);
      }
    }
    return out;
  }

  Rendered result;

 private:
  Value environment(const Value& env, const std::string& path) {
    Value out = Value::array();
    std::size_t i = 0;
    for (const Value& item : env.items()) {
      const std::string at = path + "[" + std::to_string(i++) + "]";
      if (!item.is_object()) {
        out.push_back(render(item, Place::Decides, at, false));
        continue;
      }
      Value one = Value::object();
      for (const auto& [key, member] : item.members()) {
        const Place place = key == "value" ? Place::Sample : Place::Decides;
        one[key] = render(member, place, at + "." + key, false);
      }
      out.push_back(std::move(one));
    }
    return out;
  }

  Value leaf(const std::string& text, Place place, const std::string& path, bool list) {
    if (text.find("{{") == std::string::npos) return text;
    scope_.take_made_up();
    const auto parsed = expression::Template::parse(text);
    const auto value = parsed.ok() ? expression::evaluate(*parsed, scope_)
                                   : Result<Value>(fail(Error(parsed.error())));
    const std::set<std::string> made_up = scope_.take_made_up();
    if (made_up.empty()) {
      if (value.ok()) return *value;
      complain(path + ": " + value.error().message);
      return {};
    }
    if (place != Place::Sample) {
      const std::string& name = *made_up.begin();
      complain(path + " depends on " + name +
               (name.starts_with("params.") ? ", which has no default"
                                            : ", which is known only in a run"));
      return {};
    }
    result.samples.insert(made_up.begin(), made_up.end());
    if (!value.ok() || value->is_null() || (list && !value->is_array())) return stand_in(list);
    return *value;
  }

  void complain(std::string problem) {
    if (result.problem.empty()) result.problem = std::move(problem);
  }

  const SampleScope& scope_;
};

}  // namespace

/// `named` segments are enough for people to know what is meant.
Lookup SampleScope::sample(std::span<const Segment> path, std::size_t named, Value value) const {
  const std::size_t count = std::min(named, path.size());
  made_up_.insert(expression::to_string({path.begin(), path.begin() + static_cast<long>(count)}));
  return Lookup::owned(std::move(value), path.size());
}

Result<Lookup> SampleScope::find_param(std::span<const Segment> path) const {
  const auto param =
      path.size() < 2 ? params_.end()
                      : std::find_if(params_.begin(), params_.end(), [&](const crds::Param& one) {
                          return one.name == path[1].name;
                        });
  if (param == params_.end()) {
    if (path.size() > 1) return fail(Code::NotFound, "there is no param " + path[1].name);
    Value all = Value::object();
    for (const crds::Param& one : params_) {
      if (one.default_value.is_null()) made_up_.insert("params." + one.name);
      all[one.name] = one.default_value.is_null() ? sample_of(one) : one.default_value;
    }
    return Lookup::owned(std::move(all), 1);
  }
  if (!param->default_value.is_null()) return Lookup::borrowed(param->default_value, 2);
  Value value = sample_of(*param);
  if (path.size() > 2) value = kSample;
  return sample(path, 2, std::move(value));
}

Result<Lookup> SampleScope::find(std::span<const Segment> path) const {
  const std::string& root = path[0].name;
  if (root == "params") return find_param(path);
  if (root == "run") {
    Value run = Value::object({{"name", run_.metadata.name},
                               {"id", run_.metadata.uid},
                               {"namespace", run_.metadata.ns},
                               {"pipeline", run_.spec.ref_pipeline},
                               {"attempt", 1},
                               {"status", "Succeeded"},
                               {"failedSteps", Value::array()}});
    return Lookup::owned(std::move(run), 1);
  }
  if (root == "matrix" && path.size() > 1 && matrix_.values.is_object() &&
      !matrix_.unknown.contains(path[1].name)) {
    if (const Value* value = matrix_.values.find(path[1].name)) return Lookup::borrowed(*value, 2);
  }
  return sample(path, 4, kSample);
}

Rendered render_sample(const Value& document, Place place, const SampleScope& scope) {
  SampleRenderer renderer(scope);
  Value value = renderer.render(document, place, "", false);
  renderer.result.value = std::move(value);
  return std::move(renderer.result);
}

std::vector<SampleMatrix> sample_matrix(const Node& node, const std::vector<crds::Param>& params,
                                        const crds::PipelineRun& run) {
  std::vector<SampleMatrix> combined(1);
  if (!node.matrix) return combined;
  combined.front().values = Value::object();
  const SampleMatrix none;
  const SampleScope scope(params, run, none);
  for (const auto& [name, given] : node.matrix->params) {
    Value list = given;
    bool known = true;
    if (given.is_string()) {
      const Rendered rendered = render_sample(given, Place::Sample, scope);
      known = rendered.samples.empty() && rendered.problem.empty() && rendered.value.is_array();
      list = known ? rendered.value : Value();
    }
    if (!known) {
      for (SampleMatrix& one : combined) one.unknown.insert(name);
      continue;
    }
    std::vector<SampleMatrix> next;
    for (const SampleMatrix& so_far : combined) {
      for (const Value& item : list.items()) {
        if (next.size() == kMaxCombinations) break;
        SampleMatrix one = so_far;
        one.values[name] = item;
        next.push_back(std::move(one));
      }
    }
    combined = std::move(next);
  }
  return combined;
}

}  // namespace millrace::logic
