#include "controllers/logic/graph_check.h"

#include <algorithm>
#include <iterator>
#include <unordered_map>
#include <utility>

#include "controllers/logic/compile.h"
#include "controllers/logic/graph_check_parts.h"
#include "kubeclient/codec/schema_check.h"

namespace millrace::logic {

using codec::FieldError;

namespace {

constexpr std::size_t kCycleShown = 20;

/// Looks at one graph, field by field in the order of the schema.
class GraphCheck {
 public:
  GraphCheck(const crds::PipelineSpec& spec, const std::vector<GraphStep>& steps,
             const GraphShape& shape)
      : spec_(spec), steps_(steps), shape_(shape), templates_(spec, steps, shape, found_) {}

  GraphFindings check() {
    if (!spec_.jobs.empty() && !spec_.steps.empty()) {
      complain("spec.jobs", "not possible next to steps");
    }
    if (is_belt() && spec_.jobs.empty()) complain("spec.jobs", "no jobs configured");
    if (steps_.size() > static_cast<std::size_t>(crds::kMaxSteps)) {
      complain("spec.steps",
               "at most " + std::to_string(crds::kMaxSteps) + ", onError and finally included");
    }
    if (spec_.pod_template) {
      volumes_ =
          check_volumes(found_.errors, "spec.podTemplate.volumes", spec_.pod_template->volumes);
    } else {
      volumes_ = {"home", "workspace"};
    }
    check_stages();
    check_params(found_.errors, spec_.params);
    for (std::size_t i = 0; i < steps_.size(); ++i) check_one(i);
    check_cycle();
    check_limits();
    return std::move(found_);
  }

 private:
  void complain(std::string path, std::string message) {
    found_.errors.push_back({std::move(path), std::move(message)});
  }

  bool is_belt() const { return spec_.steps.empty(); }

  void check_stages() {
    for (std::size_t s = 0; s < spec_.stages.size(); ++s) {
      const std::string path = indexed("spec.stages", s);
      const std::string& name = spec_.stages[s];
      if (name.empty()) {
        complain(path, "required");
      } else if (!stages_.emplace(name, s).second) {
        complain(path, "stage " + name + " is there twice");
      }
    }
    if (spec_.stages.empty() && !spec_.jobs.empty()) {
      complain("spec.stages", "no stages configured: list those of the jobs, in their order");
    }
  }

  void check_one(std::size_t i) {
    const GraphStep& step = steps_[i];
    if (step.job != nullptr) {
      check_job(step);
    } else {
      check_name(i);
      check_edges(i);
      check_stage(step);
      check_step(found_.errors, step.path, *step.step, volumes_);
    }
    templates_.check_step(i);
  }

  void check_name(std::size_t i) {
    const GraphStep& step = steps_[i];
    const std::string path = step.path + ".name";
    if (!is_dns_label(step.name)) {
      complain(path, step.name.empty() ? "required"
                                       : "must be a DNS label: lower-case letters, digits and "
                                         "'-', with a letter or digit at both ends");
    } else if (step.name.size() > kMaxStepName) {
      complain(path, "at most " + std::to_string(kMaxStepName) + " bytes");
    } else if (step.name == kReservedStepName) {
      complain(path, "is the operator's own; choose another");
    }
    const std::size_t first = shape_.find(step.name);
    if (first != i && !step.name.empty()) {
      complain(path,
               "another step is named " + step.name + " already (" + steps_[first].path + ")");
    }
  }

  void check_edges(std::size_t i) {
    const GraphStep& step = steps_[i];
    const std::vector<std::string>& names = step.step->depends_on;
    for (std::size_t k = 0; k < names.size(); ++k) {
      const std::string path = indexed(step.path + ".dependsOn", k);
      const std::size_t other = shape_.find(names[k]);
      if (names[k] == step.name) {
        complain(path, "a step cannot wait for itself");
      } else if (other == GraphShape::npos) {
        complain(path, "there is no step " + names[k] + suggestion(names[k]));
      } else if (steps_[other].group < step.group) {
        complain(path, "step " + names[k] + " has ended before anyway; leave it out");
      } else if (steps_[other].group > step.group) {
        complain(path,
                 "step " + names[k] + " runs after all of these (" + steps_[other].path + ")");
      }
    }
  }

  std::string suggestion(const std::string& name) {
    constexpr int kMost = 20;  // looking for similar names costs
    if (suggestions_++ >= kMost) return {};
    std::vector<std::string_view> names;
    for (const GraphStep& step : steps_) names.push_back(step.name);
    const std::string_view near = codec::nearest_name(name, names);
    return near.empty() ? std::string() : "; did you mean " + std::string(near) + "?";
  }

  void check_stage(const GraphStep& step) {
    if (step.stage.empty()) return;
    if (step.group != Group::Main) {
      complain(step.path + ".stage", "stages are for steps only");
    } else if (!stages_.contains(step.stage)) {
      complain(step.path + ".stage", "unknown stage: " + step.stage);
    }
  }

  void check_job(const GraphStep& step) {
    const crds::BeltJob& job = *step.job;
    if (step.group == Group::Main) {
      if (!stages_.contains(job.stage)) {
        complain(step.path + ".stage", "unknown stage: " + job.stage);
      }
      const auto [first, is_new] = jobs_.emplace(job.stage + "\n" + job.name, step.path);
      if (!is_new) {
        complain(step.path + ".name", "stage " + job.stage + " has a job " + job.name +
                                          " already (" + first->second + ")");
      }
    }
    check_belt_job(found_.errors, step.path, job);
  }

  void check_cycle() {
    const std::vector<std::size_t> cycle = shape_.cycle();
    if (cycle.empty()) return;
    std::string names;
    for (std::size_t k = 0; k < std::min(kCycleShown, cycle.size()); ++k) {
      names += steps_[cycle[k]].name + " -> ";
    }
    if (cycle.size() > kCycleShown) names += "... -> ";
    complain(steps_[cycle.front()].path + ".dependsOn",
             "these steps wait for each other: " + names + steps_[cycle.front()].name);
  }

  void check_limits() {
    if (shape_.edges() > kMaxEdges) {
      complain("spec.stages", "more than " + std::to_string(kMaxEdges) +
                                  " dependencies, counting each step of a stage after each one "
                                  "of the stage before; put a stage of one step between them");
    }
    if (spec_.parallelism && (*spec_.parallelism < 1 || *spec_.parallelism > crds::kMaxSteps)) {
      complain("spec.parallelism", "must be between 1 and " + std::to_string(crds::kMaxSteps));
    }
    if (spec_.finally_timeout && *spec_.finally_timeout < Duration::zero()) {
      complain("spec.finallyTimeout", "must not be negative");
    }
    if (!spec_.concurrency) return;
    const int limit = spec_.concurrency->limit.value_or(1);
    if (limit < 1 || limit > 1000) {
      complain("spec.concurrency.limit", "must be between 1 and 1000");
    }
    templates_.check_concurrency();
  }

  const crds::PipelineSpec& spec_;
  const std::vector<GraphStep>& steps_;
  const GraphShape& shape_;
  GraphFindings found_;
  TemplateCheck templates_;
  std::set<std::string> volumes_;
  std::unordered_map<std::string_view, std::size_t> stages_;
  std::unordered_map<std::string, std::string> jobs_;  ///< stage and name → path
  int suggestions_ = 0;
};

/// One expression over `trigger`, as `triggers[].params` has them.
std::string trigger_problem(const std::string& text) {
  const bool bare = text.find("{{") == std::string::npos;
  const auto parsed = expression::Template::parse(bare ? "{{ " + text + " }}" : text);
  if (!parsed.ok()) return parsed.error().message;
  for (const expression::Reference& reference : parsed->references()) {
    const expression::Segment& root = reference.path.front();
    if (root.name != "trigger") return reference.text + ": only trigger is known here";
    if (reference.path.size() < 2) continue;
    const std::string& name = reference.path[1].name;
    constexpr std::string_view kFields[] = {"body", "headers",     "query",
                                            "id",   "callbackUrl", "type"};
    if (std::find(std::begin(kFields), std::end(kFields), name) != std::end(kFields)) continue;
    return reference.text + ": a trigger has body, headers, query, id, callbackUrl and type";
  }
  return {};
}

void check_triggers(const crds::PipelineSpec& spec, std::vector<FieldError>& errors) {
  const bool belt = is_graph(spec) && spec.steps.empty();
  if (belt && spec.triggers.empty()) errors.push_back({"spec.triggers", "no triggers configured"});
  if (spec.triggers.size() > 1) errors.push_back({"spec.triggers", "at most one"});
  std::set<std::string> params;
  for (const crds::Param& param : spec.params) params.insert(param.name);
  for (std::size_t i = 0; i < spec.triggers.size(); ++i) {
    const crds::Trigger& trigger = spec.triggers[i];
    const std::string path = indexed("spec.triggers", i);
    if (trigger.type != "webhook") {
      errors.push_back({path + ".type", "unknown trigger: " + trigger.type});
    }
    const auto secret = [&](const char* field, const std::optional<crds::SecretKey>& key) {
      if (!key || (!key->name.empty() && !key->key.empty())) return;
      errors.push_back({path + "." + field, "needs a name and a key"});
    };
    secret("bearerTokenFrom", trigger.token);
    secret("hmacFrom", trigger.hmac);
    for (const auto& [name, text] : trigger.params) {
      const std::string at = path + ".params." + name;
      if (!params.contains(name)) errors.push_back({at, "the pipeline has no param " + name});
      std::string problem = trigger_problem(text);
      if (!problem.empty()) errors.push_back({at, std::move(problem)});
    }
  }
}

}  // namespace

GraphFindings check_graph(const crds::PipelineSpec& spec, const std::vector<GraphStep>& steps,
                          const GraphShape& shape) {
  return GraphCheck(spec, steps, shape).check();
}

std::vector<FieldError> check_surroundings(const crds::PipelineSpec& spec) {
  std::vector<FieldError> errors;
  const auto refuse = [&](const char* field, bool given, const char* why) {
    if (given) errors.push_back({std::string("spec.") + field, why});
  };
  if (!is_graph(spec) || !spec.steps.empty()) {
    constexpr const char* kJobsOnly = "only possible with stages and jobs";
    refuse("error", spec.error.has_value(), kJobsOnly);
    refuse("port", spec.port.has_value(), kJobsOnly);
  }
  if (!is_graph(spec) && (spec.batch_job || spec.stream_job)) {
    const char* why = spec.batch_job
                          ? "not possible next to batchJob; write the pipeline as steps for it"
                          : "not possible next to streamJob";
    refuse("params", !spec.params.empty(), why);
    refuse("onError", !spec.on_error.empty(), why);
    refuse("finally", !spec.finally_steps.empty(), why);
    refuse("finallyTimeout", spec.finally_timeout.has_value(), why);
    refuse("concurrency", spec.concurrency.has_value(), why);
    refuse("parallelism", spec.parallelism.has_value(), why);
    refuse("podTemplate", spec.pod_template.has_value(), why);
    refuse("triggers", spec.stream_job && !spec.triggers.empty(), why);
  }
  check_triggers(spec, errors);
  return errors;
}

}  // namespace millrace::logic
