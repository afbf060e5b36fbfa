#include <algorithm>

#include "controllers/expression/go_template.h"
#include "controllers/logic/graph_parts.h"
#include "controllers/logic/job_body.h"
#include "controllers/logic/labels.h"
#include "controllers/logic/names.h"
#include "controllers/logic/objects.h"
#include "controllers/logic/outcome.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/base/hash.h"
#include "kubeclient/base/time_format.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::logic {

using codec::Value;
using crds::StepPhase;

namespace {

constexpr std::size_t kMaxCombinations = 256;

std::string upper(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  });
  return text;
}

bool has_header(const std::vector<crds::HttpHeader>& headers, std::string_view name) {
  return std::any_of(headers.begin(), headers.end(), [&](const crds::HttpHeader& header) {
    return upper(header.name) == upper(std::string(name));
  });
}

}  // namespace

/// The step's turn has come, and its condition holds.
void Graph::start(Unit& unit) {
  const Node& node = node_of(unit);
  unit.state.attempt = std::max(1, unit.state.attempt);
  if (is_matrix(unit)) {
    expand(unit);
    return;
  }
  stop_waiting(unit);
  unit.state.started_at = truncate_to_second(input_.now);
  const auto begin = [&](const auto& step) -> Result<void> {
    using Step = std::decay_t<decltype(step)>;
    if constexpr (std::is_same_v<Step, PodStep>) return start_pod(unit, step);
    if constexpr (std::is_same_v<Step, HttpStep>) return start_http(unit, step);
    if constexpr (std::is_same_v<Step, ManifestStep>) return start_manifest(unit, step);
    if constexpr (std::is_same_v<Step, ChildStep>) return start_child(unit, step);
    if constexpr (std::is_same_v<Step, WaitStep>) return start_wait(unit, step);
    if constexpr (std::is_same_v<Step, ApprovalStep>) {
      unit.state.state = StepPhase::Running;
      watch_approval(unit, step);
    }
    return {};
  };
  const Result<void> begun = std::visit(begin, node.action);
  if (begun.ok()) {
    if (unit.state.state == StepPhase::Running) ++running_;
    return;
  }
  fail_attempt(
      unit,
      {"ExpressionError", node.path + ": " + begun.error().message, crds::RetryCause::Failed, true},
      input_.now);
}

/// Make one unit of each combination of the matrix.
void Graph::expand(Unit& unit) {
  const Node& node = node_of(unit);
  std::vector<Value> combined = {Value::object()};
  for (const auto& [name, given] : node.matrix->params) {
    Value list = given;
    if (given.is_string()) {
      Result<Value> value = evaluate(unit, given.as_string());
      std::string problem;
      if (!value.ok()) {
        problem = value.error().message;
      } else if (!value->is_array()) {
        problem = "must give a list, not " + std::string(value->kind_name());
      }
      if (!problem.empty()) {
        fail_attempt(unit,
                     {"ExpressionError", node.path + ".matrix.params." + name + ": " + problem,
                      crds::RetryCause::Failed, true},
                     input_.now);
        return;
      }
      list = *std::move(value);
    }
    if (combined.size() * list.items().size() > kMaxCombinations) {
      fail_attempt(
          unit,
          {"MatrixTooLarge",
           node.path + ".matrix: more than " + std::to_string(kMaxCombinations) + " combinations",
           crds::RetryCause::Failed, true},
          input_.now);
      return;
    }
    std::vector<Value> next;
    for (const Value& so_far : combined) {
      for (const Value& item : list.items()) {
        Value one = so_far;
        one[name] = item;
        next.push_back(std::move(one));
      }
    }
    combined = std::move(next);
  }
  unit.state.state = StepPhase::Running;
  unit.state.started_at = truncate_to_second(input_.now);
  stop_waiting(unit);
  const std::size_t node_index = unit.node;
  const std::string name = unit.name;
  for (std::size_t i = 0; i < combined.size(); ++i) {
    Unit& one = add_unit(name + "." + std::to_string(i), node_index);
    one.state.of = name;
    one.state.matrix = std::move(combined[i]);
    if (!stands(one)) continue;
    one.state.attempt = 1;  // begun already; the status that says so is still to come
    one.state.state = StepPhase::Running;
    one.state.started_at = truncate_to_second(input_.now);
    watch(one);
  }
  watch_matrix(unit);
}

Result<void> Graph::start_pod(Unit& unit, const PodStep& step) {
  if (input_.create_failure && !archive_refused()) {
    const CreateFailure& failure = *input_.create_failure;
    if (failure.key.name == object_name(unit)) {
      const CreateVerdict verdict = judge(failure);
      if (verdict.permanent) {
        const std::string what = verdict.reason == "NameConflict"
                                     ? "exists already and belongs to somebody else"
                                     : "was refused: " + failure.error.message;
        fail_attempt(unit,
                     {verdict.reason, failure.kind + " " + failure.key.name + " " + what,
                      crds::RetryCause::Failed, true},
                     input_.now);
        return {};
      }
      wait_for(unit, verdict.reason,
               failure.kind + " " + failure.key.name +
                   " cannot be created yet: " + failure.error.message);
      look_again(plan_, verdict.pause);
    } else {
      wait_for(unit, "Creating", "its Job is next");
      look_again(plan_, std::chrono::seconds(1));
    }
    unit.state.started_at.reset();
    held_ = true;
    return {};
  }
  Node rendered;  // of the node, what create_job looks at
  rendered.name = unit.name;
  PodStep pod = step;
  std::vector<std::string> names;
  for (std::size_t i = 0; i < pod.containers.size(); ++i) {
    names.push_back(pod.containers[i].name);
    const std::string at =
        pod.containers.size() == 1 ? "container" : "containers[" + std::to_string(i) + "]";
    MR_ASSIGN(pod.containers[i].container, render(unit, pod.containers[i].container).with(at));
  }
  rendered.action = std::move(pod);
  const Action create = create_job(input_, revision_, rendered, unit.state.attempt, names);
  unit.state.job_name = create.key.name;
  unit.state.state = StepPhase::Running;
  wait_for(unit, "PodPending", "");
  plan_.actions.push_back(create);
  look_again(plan_, kFirstWriteDelay);
  return {};
}

Result<CallOrder> Graph::call_of(const Unit& unit, const HttpStep& step) const {
  CallOrder order;
  const std::string attempt = std::to_string(std::max(1, unit.state.attempt));
  order.key = unit.name + "/" + attempt;
  order.url = step.call.url;
  order.timeout = node_of(unit).timeout;
  if (order.timeout && *order.timeout <= Duration::zero()) order.timeout.reset();
  order.follow_redirects = step.call.follow_redirects.value_or(true);
  order.max_response_bytes =
      static_cast<std::size_t>(std::max(0, step.call.max_response_bytes.value_or(65536)));
  order.ca = step.call.ca;
  Value body = step.call.body;
  if (step.belt) {
    if (!body.is_null()) {
      MR_ASSIGN(body, expression::render_document(body, belt_root(), {},
                                                  expression::GoTemplate::Spelling::Go)
                          .with("data"));
    }
    order.headers.push_back({"Content-Type", "application/json", std::nullopt});
  } else {
    MR_ASSIGN(order.url, text(unit, step.call.url).with("url"));
    for (std::size_t i = 0; i < step.call.headers.size(); ++i) {
      crds::HttpHeader header = step.call.headers[i];
      const std::string at = "headers[" + std::to_string(i) + "].value";
      MR_ASSIGN(header.value, text(unit, header.value).with(at));
      if (header.value.find_first_of("\r\n") != std::string::npos) {
        return fail(Code::Invalid, at + ": a header must not hold a line end");
      }
      order.headers.push_back(std::move(header));
    }
    if (!body.is_null()) {
      MR_ASSIGN(body, render(unit, body).with("body"));
      if (!has_header(order.headers, "Content-Type")) {
        order.headers.push_back(
            {"Content-Type", body.is_string() ? "text/plain; charset=utf-8" : "application/json",
             std::nullopt});
      }
    }
  }
  order.has_body = !body.is_null();
  if (order.has_body) order.body = body.is_string() && !step.belt ? body.as_string() : body.dump();
  order.method = upper(step.call.method);
  if (order.method.empty()) order.method = order.has_body && !step.belt ? "POST" : "GET";
  if (!has_header(order.headers, "Idempotency-Key")) {
    const std::string text = run_.metadata.uid + "/" + order.key;
    order.headers.push_back({"Idempotency-Key",
                             hex(stable_hash(text), 16) + hex(stable_hash(text + "#"), 16),
                             std::nullopt});
  }
  return order;
}

/// Begin the call, once the status that says so is written.
void Graph::order_call(CallOrder order, bool needs_record) {
  plan_.calls.push_back(std::move(order));
  must_write_ = must_write_ || needs_record;
}

Result<void> Graph::start_http(Unit& unit, const HttpStep& step) {
  MR_ASSIGN(CallOrder order, call_of(unit, step));
  unit.state.state = StepPhase::Running;
  // A run that the gateway made says by its creation, and by the revision on it, that its first
  // calls are under way.
  const bool said = node_of(unit).after.empty() && node_of(unit).group == Group::Main &&
                    unit.state.attempt == 1 && unit.state.of.empty() &&
                    !run_.metadata.annotation(kRevisionAnnotation).empty() &&
                    run_.status.conditions.empty();
  order_call(std::move(order), !said);
  return {};
}

namespace {

const std::string& account_of(const crds::PipelineRun& run, const ManifestStep& step) {
  static const std::string none = "default";
  const std::string& own = run.spec.service_account_name;
  if (!own.empty()) return own;
  return step.service_account_name.empty() ? none : step.service_account_name;
}

}  // namespace

Result<Action> apply_manifest(Value object, const ManifestStep& step,
                              const crds::PipelineRun& run) {
  for (const char* field : {"apiVersion", "kind"}) {
    const Value* value = object.find(field);
    if (value == nullptr || value->as_string().empty()) {
      return fail(Code::Invalid, std::string("manifest.object.") + field + ": required");
    }
  }
  const Value* name = object.at_path({"metadata", "name"});
  if (name == nullptr || name->as_string().empty()) {
    return fail(Code::Invalid, "manifest.object.metadata.name: required");
  }
  Value& metadata = object["metadata"];
  const Value* ns = metadata.find("namespace");
  if (ns == nullptr || ns->as_string().empty()) metadata["namespace"] = run.metadata.ns;
  metadata["labels"][kRunLabel] = label_value(run.metadata.name);
  if (!step.manifest.keep && metadata.find("namespace")->as_string() == run.metadata.ns) {
    Value owner = controller_reference(crds::PipelineRun::kResource, run.metadata);
    owner.erase("controller");  // its own controller may want to be that
    metadata["ownerReferences"].push_back(std::move(owner));
  }
  Action apply;
  apply.verb = Action::Verb::Apply;
  apply.key = {metadata.find("namespace")->as_string(), metadata.find("name")->as_string()};
  apply.service_account = account_of(run, step);
  apply.account_ns = run.metadata.ns;
  apply.body = std::move(object);
  return apply;
}

const std::string& Graph::service_account(const ManifestStep& step) const {
  return account_of(run_, step);
}

Result<Value> Graph::object_of(const Unit& unit, const ManifestStep& step) const {
  MR_ASSIGN(Value object, render(unit, step.manifest.object).with("manifest.object"));
  MR_ASSIGN(Action apply, apply_manifest(std::move(object), step, run_));
  return std::move(apply.body);
}

Result<void> Graph::start_manifest(Unit& unit, const ManifestStep& step) {
  MR_ASSIGN(Value object, render(unit, step.manifest.object).with("manifest.object"));
  MR_ASSIGN(Action apply, apply_manifest(std::move(object), step, run_));
  if (input_.create_failure && input_.create_failure->key == apply.key) {
    const CreateFailure& failure = *input_.create_failure;
    const CreateVerdict verdict = judge(failure);
    const bool wrong = verdict.permanent || failure.error.code == Code::Denied;
    if (wrong) {
      fail_attempt(unit,
                   {failure.error.code == Code::Denied ? "Forbidden" : verdict.reason,
                    apply.key.name + " was refused: " + failure.error.message,
                    crds::RetryCause::Failed, false},
                   input_.now);
      return {};
    }
    wait_for(unit, verdict.reason,
             apply.key.name + " cannot be applied yet: " + failure.error.message);
    unit.state.started_at.reset();
    look_again(plan_, verdict.pause);
    return {};
  }
  unit.state.state = StepPhase::Running;
  plan_.actions.push_back(std::move(apply));
  must_write_ = true;
  look_again(plan_, Duration::zero());
  return {};
}

Result<void> Graph::start_child(Unit& unit, const ChildStep& step) {
  constexpr int kMaxDepth = 8;
  const std::string& above = run_.metadata.annotation(kDepthAnnotation);
  const int depth = above.empty() ? 1 : std::atoi(above.c_str()) + 1;
  if (depth > kMaxDepth) {
    return fail(Code::Invalid, "pipeline: runs are nested more than " + std::to_string(kMaxDepth) +
                                   " deep; does a pipeline start itself?");
  }
  Value params = Value::object();
  for (const auto& [name, value] : step.child.params) {
    MR_ASSIGN(params[name], render(unit, value).with("pipeline.params." + name));
  }
  Action create;
  create.verb = Action::Verb::Create;
  create.resource = crds::PipelineRun::kResource;
  create.key = {run_.metadata.ns, object_name(unit)};
  if (input_.create_failure && input_.create_failure->key == create.key) {
    const CreateVerdict verdict = judge(*input_.create_failure);
    if (verdict.permanent) {
      fail_attempt(
          unit,
          {verdict.reason, "run " + create.key.name + ": " + input_.create_failure->error.message,
           crds::RetryCause::Failed, true},
          input_.now);
      return {};
    }
    wait_for(unit, verdict.reason, input_.create_failure->error.message);
    look_again(plan_, verdict.pause);
    return {};
  }
  create.owner_uid = run_.metadata.uid;
  create.body = object_head(create.resource, create.key);
  Value& metadata = create.body["metadata"];
  metadata["annotations"] = Value::object({{kDepthAnnotation, std::to_string(depth)}});
  metadata["labels"] = to_value(
      {{kRunLabel, label_value(run_.metadata.name)}, {kStepLabel, label_value(unit.name)}});
  metadata["ownerReferences"] =
      Value::array({controller_reference(crds::PipelineRun::kResource, run_.metadata)});
  Value spec = Value::object({{"refPipeline", step.child.name}});
  if (!params.empty()) spec["params"] = std::move(params);
  if (step.child.max_retry_count > 0) spec["maxRetryCount"] = step.child.max_retry_count;
  if (!run_.spec.service_account_name.empty()) {
    spec["serviceAccountName"] = run_.spec.service_account_name;
  }
  create.body["spec"] = std::move(spec);
  unit.state.run_name = create.key.name;
  unit.state.state = StepPhase::Running;
  plan_.actions.push_back(std::move(create));
  look_again(plan_, kFirstWriteDelay);
  return {};
}

Result<void> Graph::start_wait(Unit& unit, const WaitStep& step) {
  MR_ASSIGN(const std::string given, text(unit, step.duration).with("wait.duration"));
  const auto length = parse_duration(given);
  if (!length.ok()) return fail(Code::Invalid, "wait.duration: " + length.error().message);
  unit.state.state = StepPhase::Running;
  // The length as it was when the wait began, so that nothing changes it afterwards.
  unit.state.outputs = Value::object({{"duration", format_duration(*length)}});
  must_write_ = true;
  watch_wait(unit, step);
  return {};
}

}  // namespace millrace::logic
