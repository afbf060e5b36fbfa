#include "controllers/logic/compile.h"

#include <utility>

namespace millrace::logic {
namespace {

using codec::Value;

constexpr const char* kInvalid = "PipelineInvalid";
constexpr const char* kOneBody =
    "spec: give exactly one body: steps, batchJob, streamJob, or stages with jobs";

tl::unexpected<Error> refuse(const char* reason, std::string message) {
  Error error;
  error.code = Code::Invalid;
  error.message = std::move(message);
  error.reason = reason;
  return fail(std::move(error));
}

/// One kind of input or output: its settings, if given, and its image.
struct Adapter {
  const char* kind;
  const std::optional<crds::AdapterSettings>* settings;
  const char* config_key;
  const std::string* image;
};

/// The one adapter that is given; `count` tells how many are.
struct Choice {
  const Adapter* adapter = nullptr;
  int count = 0;
};

template <std::size_t N>
Choice choose(const Adapter (&adapters)[N]) {
  Choice choice;
  for (const Adapter& adapter : adapters) {
    if (!adapter.settings->has_value()) continue;
    if (choice.adapter == nullptr) choice.adapter = &adapter;
    ++choice.count;
  }
  return choice;
}

Value arguments(const crds::AdapterSettings& settings, std::string_view without = {}) {
  Value args = Value::array();
  for (const auto& [key, value] : settings) {  // a map: sorted by key
    if (key != without) args.push_back("--" + key + "=" + value);
  }
  return args;
}

Value adapter_container(const std::string& image, Value args) {
  Value container = Value::object({{"image", image}, {"imagePullPolicy", "Always"}});
  if (!args.empty()) container["args"] = std::move(args);
  return container;
}

Result<PodContainer> compile_input(const crds::Input& input, const AdapterImages& images) {
  const std::string path = "spec.batchJob.input";
  const Adapter adapters[] = {
      {"elasticSearch", &input.elastic_search, "inputElasticSearch", &images.input_elastic_search},
      {"apiServer", &input.api_server, "inputApiServer", &images.input_api_server}};
  const Choice choice = choose(adapters);
  if (choice.count != 1) {
    return refuse(kInvalid, path + ": give exactly one of elasticSearch and apiServer");
  }
  if (choice.adapter->image->empty()) {
    return refuse(kAdapterImageMissing,
                  missing_image(path, choice.adapter->kind, choice.adapter->config_key));
  }
  return PodContainer{
      "input", adapter_container(*choice.adapter->image, arguments(**choice.adapter->settings))};
}

Result<PodContainer> compile_output(const crds::Output& output, const std::string& path,
                                    const AdapterImages& images) {
  static const std::string none;
  const Adapter adapters[] = {{"api", &output.api, "outputApi", &images.output_api},
                              {"as2", &output.as2, "outputAs2", &images.output_as2},
                              {"ftp", &output.ftp, "outputFtp", &images.output_ftp},
                              {"kafka", &output.kafka, "outputKafka", &images.output_kafka},
                              {"email", &output.email, "outputEmail", &images.output_email},
                              {"custom", &output.custom, nullptr, &none}};
  const Choice choice = choose(adapters);
  if (output.name.empty()) return refuse(kInvalid, path + ".name: required");
  if (choice.count != 1) {
    return refuse(kInvalid, path + ": give exactly one of api, as2, ftp, kafka, email and custom");
  }
  const std::string step = "output--" + output.name;
  const crds::AdapterSettings& settings = **choice.adapter->settings;
  if (choice.adapter->config_key == nullptr) {
    const auto image = settings.find("image");
    if (image == settings.end() || image->second.empty()) {
      return refuse(kInvalid, path + ".custom: needs the key image, the image to run");
    }
    return PodContainer{step, adapter_container(image->second, arguments(settings, "image"))};
  }
  if (choice.adapter->image->empty()) {
    return refuse(kAdapterImageMissing,
                  missing_image(path, choice.adapter->kind, choice.adapter->config_key));
  }
  return PodContainer{step, adapter_container(*choice.adapter->image, arguments(settings))};
}

Result<PodContainer> compile_processor(const Value& processor, const std::string& path) {
  if (!processor.is_object()) return refuse(kInvalid, path + ": must be a container");
  const Value* name = processor.find("name");
  if (name == nullptr || name->as_string().empty()) {
    return refuse(kInvalid, path + ".name: required");
  }
  const Value* image = processor.find("image");
  if (image == nullptr || image->as_string().empty()) {
    return refuse(kInvalid, path + ".image: required");
  }
  PodContainer out{name->as_string(), processor};
  out.container.erase("name");
  return out;
}

Result<PodStep> compile_batch(const crds::BatchJob& job, const Config& config) {
  PodStep step;
  if (job.input) {
    MR_ASSIGN(PodContainer input, compile_input(*job.input, config.adapter_images));
    step.containers.push_back(std::move(input));
  }
  for (std::size_t i = 0; i < job.processors.size(); ++i) {
    const std::string path = "spec.batchJob.processors[" + std::to_string(i) + "]";
    MR_ASSIGN(PodContainer processor, compile_processor(job.processors[i], path));
    step.containers.push_back(std::move(processor));
  }
  for (std::size_t i = 0; i < job.outputs.size(); ++i) {
    const std::string path = "spec.batchJob.outputs[" + std::to_string(i) + "]";
    MR_ASSIGN(PodContainer output, compile_output(job.outputs[i], path, config.adapter_images));
    step.containers.push_back(std::move(output));
  }
  if (step.containers.empty()) {
    return refuse(kInvalid,
                  "spec.batchJob: give at least one step: an input, a processor or an output");
  }
  for (std::size_t i = 0; i < step.containers.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (step.containers[i].name != step.containers[j].name) continue;
      return refuse(kInvalid, "spec.batchJob: two steps are named " + step.containers[i].name +
                                  "; step names must be unique");
    }
  }
  if (!job.resources.is_null()) {
    for (PodContainer& container : step.containers) {
      const Value* own = container.container.find("resources");
      if (own == nullptr || own->empty()) container.container["resources"] = job.resources;
    }
  }
  step.volumes = job.volumes;
  step.service_account_name = job.service_account_name;
  step.node_selector = job.node_selector;
  step.affinity = job.affinity;
  return step;
}

Result<Stream> compile_stream(const crds::StreamJob& job) {
  Stream stream;
  if (job.micro_services.empty()) {
    return refuse(kInvalid, "spec.streamJob.microServices: give at least one");
  }
  for (std::size_t i = 0; i < job.micro_services.size(); ++i) {
    const crds::MicroService& service = job.micro_services[i];
    const std::string path = "spec.streamJob.microServices[" + std::to_string(i) + "]";
    if (service.name.empty()) return refuse(kInvalid, path + ".name: required");
    for (const StreamService& other : stream.services) {
      if (other.name == service.name) {
        return refuse(kInvalid, path + ".name: " + service.name + " is there twice");
      }
    }
    const Value* containers = service.spec.find("containers");
    if (containers == nullptr || containers->items().empty()) {
      return refuse(kInvalid, path + ".spec.containers: give at least one");
    }
    stream.services.push_back({service.name, service.replicas.value_or(1), service.spec});
  }
  return stream;
}

}  // namespace

std::string missing_image(const std::string& path, std::string_view kind, std::string_view key) {
  return path + "." + std::string(kind) + ": the operator has no image for it; set adapterImages." +
         std::string(key) + " in the operator's configuration file";
}

bool is_graph(const crds::PipelineSpec& spec) {
  return !spec.steps.empty() || !spec.jobs.empty() || !spec.stages.empty();
}

Result<Plan> compile(const crds::PipelineSpec& spec, const Config& config) {
  const int bodies =
      (spec.batch_job ? 1 : 0) + (spec.stream_job ? 1 : 0) + (is_graph(spec) ? 1 : 0);
  if (bodies != 1) return refuse(kInvalid, kOneBody);
  if (is_graph(spec)) return compile_graph(spec);
  Plan plan;
  if (spec.batch_job) {
    MR_ASSIGN(PodStep step, compile_batch(*spec.batch_job, config));
    plan.nodes.push_back({kBatchNode, {}, std::move(step)});
  } else {
    MR_ASSIGN(Stream stream, compile_stream(*spec.stream_job));
    plan.nodes.push_back({kStreamNode, {}, std::move(stream)});
  }
  return plan;
}

std::vector<std::string> step_names(const crds::PipelineSpec& spec) {
  std::vector<std::string> names;
  if (!spec.batch_job) return names;
  if (spec.batch_job->input) names.push_back("input");
  for (const Value& processor : spec.batch_job->processors) {
    const Value* name = processor.find("name");
    names.push_back(name == nullptr ? std::string() : name->as_string());
  }
  for (const crds::Output& output : spec.batch_job->outputs) {
    names.push_back("output--" + output.name);
  }
  return names;
}

}  // namespace millrace::logic
