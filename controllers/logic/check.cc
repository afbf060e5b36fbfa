#include "controllers/logic/check.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "controllers/logic/compile.h"
#include "controllers/logic/cron.h"
#include "controllers/logic/expire.h"
#include "controllers/logic/graph_check_parts.h"
#include "controllers/logic/names.h"
#include "controllers/logic/run_status.h"
#include "kubeclient/base/time_format.h"

namespace millrace::logic {
namespace {

using codec::FieldError;
using codec::Value;
using Errors = std::vector<FieldError>;

constexpr std::size_t kMaxContainerName = 63;

/// Collects the complaints about one pipeline.
struct Checker {
  const CheckContext& context;
  Errors errors;

  void complain(std::string path, std::string message) {
    errors.push_back({std::move(path), std::move(message)});
  }

  // ---- batch ----

  /// The kinds of an input or output that are given, with their configuration keys.
  struct Kind {
    const char* name;
    const std::optional<crds::AdapterSettings>* settings;
    const char* key;  ///< null: brings its own image
    std::string AdapterImages::*image;
  };

  void check_kinds(const std::string& path, const std::vector<Kind>& kinds) {
    std::vector<const Kind*> given;
    std::string names;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      if (kinds[i].settings->has_value()) given.push_back(&kinds[i]);
      names += (i == 0 ? "" : i + 1 == kinds.size() ? " and " : ", ") + std::string(kinds[i].name);
    }
    if (given.size() != 1) {
      complain(path, "give exactly one of " + names);
      return;
    }
    const Kind& kind = *given.front();
    const std::string kind_path = path + "." + kind.name;
    for (const auto& [key, value] : **kind.settings) {
      if (key.empty() || key.find_first_of("= \t\n") != std::string::npos) {
        complain(kind_path, "\"" + key + "\" cannot be an argument: keys have no spaces and no =");
      }
    }
    if (kind.key == nullptr) {
      const auto image = (*kind.settings)->find("image");
      if (image == (*kind.settings)->end() || image->second.empty()) {
        complain(kind_path, "needs the key image, the image to run");
      }
    } else if (context.config != nullptr && (context.config->adapter_images.*kind.image).empty()) {
      const std::string text = missing_image(path, kind.name, kind.key);
      complain(kind_path, text.substr(kind_path.size() + 2));
    }
  }

  void check_batch(const crds::BatchJob& job) {
    const std::string base = "spec.batchJob";
    using Images = AdapterImages;
    if (!job.input && job.processors.empty() && job.outputs.empty()) {
      complain(base, "give at least one step: an input, a processor or an output");
    }
    if (job.input) {
      check_kinds(base + ".input", {{"elasticSearch", &job.input->elastic_search,
                                     "inputElasticSearch", &Images::input_elastic_search},
                                    {"apiServer", &job.input->api_server, "inputApiServer",
                                     &Images::input_api_server}});
    }
    const std::set<std::string> volumes = check_volumes(errors, base + ".volumes", job.volumes);
    const ContainerRules rules{volumes, "spec.batchJob.volumes"};
    std::set<std::string> names = {"input"};
    for (std::size_t i = 0; i < job.processors.size(); ++i) {
      const std::string path = indexed(base + ".processors", i);
      check_container(errors, path, job.processors[i], rules);
      const std::string& name = text_of(job.processors[i], "name");
      if (!name.empty() && !names.insert(name).second) {
        complain(path + ".name", "another step is named " + name + " already");
      }
    }
    for (std::size_t i = 0; i < job.outputs.size(); ++i) {
      const crds::Output& output = job.outputs[i];
      const std::string path = indexed(base + ".outputs", i);
      const std::string step = "output--" + output.name;
      if (!is_dns_label(output.name)) {
        complain(path + ".name", output.name.empty() ? "required"
                                                     : "must be a DNS label: lower-case letters, "
                                                       "digits and '-'");
      } else if (container_name(step).size() > kMaxContainerName) {
        complain(path + ".name",
                 "at most 44 bytes: its container is " + container_name("output--<name>"));
      } else if (!names.insert(step).second) {
        complain(path + ".name", "another step is named " + step + " already");
      }
      check_kinds(path, {{"api", &output.api, "outputApi", &Images::output_api},
                         {"as2", &output.as2, "outputAs2", &Images::output_as2},
                         {"ftp", &output.ftp, "outputFtp", &Images::output_ftp},
                         {"kafka", &output.kafka, "outputKafka", &Images::output_kafka},
                         {"email", &output.email, "outputEmail", &Images::output_email},
                         {"custom", &output.custom, nullptr, nullptr}});
    }
  }

  // ---- stream ----

  void check_stream(const crds::StreamJob& job) {
    const std::string base = "spec.streamJob.microServices";
    if (job.micro_services.empty()) complain(base, "give at least one");
    std::set<std::string> names;
    for (std::size_t i = 0; i < job.micro_services.size(); ++i) {
      const crds::MicroService& service = job.micro_services[i];
      const std::string path = indexed(base, i);
      if (!is_dns_label(service.name) || (service.name[0] >= '0' && service.name[0] <= '9')) {
        complain(path + ".name",
                 service.name.empty()
                     ? "required"
                     : "must be the name of a Service: lower-case letters, digits and '-', "
                       "beginning with a letter");
      } else if (!names.insert(service.name).second) {
        complain(path + ".name", "another service is named " + service.name + " already");
      }
      if (service.replicas.value_or(1) < 0) complain(path + ".replicas", "must not be negative");
      check_pod_spec(path + ".spec", service.spec);
    }
  }

  void check_pod_spec(const std::string& path, const Value& spec) {
    const Value* containers = spec.find("containers");
    if (containers == nullptr || containers->items().empty()) {
      complain(path + ".containers", "give at least one");
      return;
    }
    std::set<std::string> names;
    for (std::size_t i = 0; i < containers->items().size(); ++i) {
      const Value& container = containers->items()[i];
      const std::string at = indexed(path + ".containers", i);
      const std::string& name = text_of(container, "name");
      if (!is_dns_label(name)) {
        complain(at + ".name", name.empty() ? "required" : "must be a DNS label");
      } else if (!names.insert(name).second) {
        complain(at + ".name", name + " is there twice");
      }
      if (text_of(container, "image").empty()) complain(at + ".image", "required");
    }
    const std::string& restart = text_of(spec, "restartPolicy");
    if (!restart.empty() && restart != "Always") {
      complain(path + ".restartPolicy", "must be Always (or absent) for a service");
    }
  }

  // ---- schedule ----

  void check_strategy(const crds::Strategy& strategy) {
    const std::string base = "spec.strategy";
    if (!strategy.cron_expression.empty()) {
      const auto cron = CronSchedule::parse(strategy.cron_expression);
      if (!cron.ok()) complain(base + ".cronExpression", cron.error().message);
    }
    const auto expire = parse_expire(strategy.expire);
    if (!expire.ok()) complain(base + ".expire", expire.error().message);
    if (!strategy.time_zone.empty() && context.zone_problem) {
      std::string problem = context.zone_problem(strategy.time_zone);
      if (!problem.empty()) complain(base + ".timeZone", std::move(problem));
    }
    if (strategy.starting_deadline && *strategy.starting_deadline < Duration::zero()) {
      complain(base + ".startingDeadline", "must not be negative");
    }
    check_range(base + ".catchUpLimit", strategy.catch_up_limit, 1, 100);
    check_range(base + ".successfulRunsHistoryLimit", strategy.successful_runs_history_limit, 0,
                10000);
    check_range(base + ".failedRunsHistoryLimit", strategy.failed_runs_history_limit, 0, 10000);
  }

  /// Ticks give no params: one without a default would make each of their runs fail.
  void check_params_of_ticks(const crds::PipelineSpec& spec) {
    if (!spec.strategy || spec.strategy->cron_expression.empty() || spec.strategy->suspend) return;
    for (std::size_t i = 0; i < spec.params.size(); ++i) {
      if (!spec.params[i].default_value.is_null()) continue;
      complain(indexed("spec.params", i) + ".default",
               "required with a schedule: runs that strategy.cronExpression starts give no params");
    }
  }

  void check_range(const std::string& path, std::optional<int> value, int low, int high) {
    if (!value || (*value >= low && *value <= high)) return;
    complain(path, "must be between " + std::to_string(low) + " and " + std::to_string(high));
  }
};

}  // namespace

std::vector<FieldError> check_pipeline(const crds::Pipeline& pipeline,
                                       const CheckContext& context) {
  Checker checker{context, {}};
  const crds::PipelineSpec& spec = pipeline.spec;
  const int bodies =
      (spec.batch_job ? 1 : 0) + (spec.stream_job ? 1 : 0) + (is_graph(spec) ? 1 : 0);
  if (bodies != 1) {
    checker.complain("spec",
                     "give exactly one body: steps, batchJob, streamJob, or stages with jobs");
  }
  if (is_graph(spec)) {
    const std::vector<GraphStep> steps = graph_steps(spec);
    GraphFindings found = check_graph(spec, steps, GraphShape(steps, spec.stages));
    checker.errors.insert(checker.errors.end(), std::make_move_iterator(found.errors.begin()),
                          std::make_move_iterator(found.errors.end()));
  }
  if (spec.batch_job) checker.check_batch(*spec.batch_job);
  if (spec.stream_job) checker.check_stream(*spec.stream_job);
  for (FieldError& error : check_surroundings(spec)) checker.errors.push_back(std::move(error));
  if (spec.strategy) checker.check_strategy(*spec.strategy);
  checker.check_params_of_ticks(spec);
  if (context.pipeline && is_graph(spec)) {
    for (FieldError& error : check_children(pipeline, context.pipeline)) {
      checker.errors.push_back(std::move(error));
    }
  }
  return std::move(checker.errors);
}

std::vector<FieldError> check_run(const crds::PipelineRun& run) {
  std::vector<FieldError> errors;
  if (run.spec.ref_pipeline.empty()) errors.push_back({"spec.refPipeline", "required"});
  if (run.spec.max_retry_count < 0 || run.spec.max_retry_count > 1000) {
    errors.push_back({"spec.maxRetryCount", "must be between 0 and 1000"});
  }
  const Duration timeout = run.spec.timeout.value_or(Duration::zero());
  if (timeout < Duration::zero() || timeout > std::chrono::hours(24)) {
    errors.push_back({"spec.timeout", "must be between 0s (no limit) and 24h"});
  }
  return errors;
}

api::Condition ready_condition(const std::vector<FieldError>& errors, const Admission* admission,
                               std::int64_t generation, const api::Condition* before, Time now) {
  constexpr std::size_t kShown = 5;
  api::Condition condition;
  condition.type = "Ready";
  condition.status = errors.empty() ? "True" : "False";
  condition.reason = kReadyReason;
  condition.message = "runs can start";
  condition.observed_generation = generation;
  if (!errors.empty()) {
    condition.reason = kInvalidReason;
    condition.message.clear();
    for (std::size_t i = 0; i < std::min(errors.size(), kShown); ++i) {
      condition.message += (i == 0 ? "" : "; ") + codec::to_string(errors[i]);
    }
    if (errors.size() > kShown) {
      condition.message += "; and " + std::to_string(errors.size() - kShown) + " more";
    }
    const bool only_images = std::all_of(errors.begin(), errors.end(), [](const FieldError& e) {
      return e.message.find("adapterImages.") != std::string::npos;
    });
    if (only_images) condition.reason = kAdapterImageMissing;
    if (std::all_of(errors.begin(), errors.end(), is_missing_child)) {
      condition.reason = kPipelineNotFound;
    }
  } else if (admission != nullptr && admission->status == "False") {
    // A quota is used up for a time, and often by this pipeline's own runs.
    if (admission->reason == kRefused) condition.status = "False";
    condition.reason = admission->reason;
    condition.message = admission->message;
  } else if (admission != nullptr && admission->status == "Unknown" &&
             admission->reason != kChecking) {
    condition.message += "; " + admission->message;
  }
  condition.message = cut(condition.message, kMessageLimit);
  const bool same = before != nullptr && before->status == condition.status;
  condition.last_transition_time =
      same ? before->last_transition_time : std::optional<Time>(truncate_to_second(now));
  return condition;
}

bool bars_runs(const api::Condition& ready) {
  return ready.status == "False" && ready.reason != kRefused;
}

}  // namespace millrace::logic
