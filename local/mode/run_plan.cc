#include "local/mode/run_plan.h"

#include <algorithm>

#include "crds/pipeline_run.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::mode {
namespace {

using codec::Value;

constexpr const char* kDefaultNamespace = "default";
/// Of metadata.name [bytes]; generated ones get six more.
constexpr std::size_t kMostPrefix = 57;

std::string text_at(const Value& object, std::initializer_list<std::string_view> path) {
  const Value* value = object.at_path(path);
  return value == nullptr ? std::string() : value->as_string();
}

/// Collects the objects of all files.
class Collector {
 public:
  Result<> add(const Manifest& file) {
    MR_ASSIGN(const auto documents, codec::parse_yaml_documents(file.text, file.name));
    for (const codec::YamlDocument& document : documents) {
      const std::string place = file.name + ":" + std::to_string(document.start.line);
      MR_TRY(add_object(document.value, place));
    }
    return {};
  }
  std::vector<PlannedObject> take() { return std::move(objects_); }

 private:
  Result<> add_object(const Value& object, const std::string& place) {
    const std::string kind = text_at(object, {"kind"});
    const std::string api_version = text_at(object, {"apiVersion"});
    if (kind == "List" && api_version == "v1") {
      if (const Value* items = object.find("items")) {
        for (const Value& item : items->items()) MR_TRY(add_object(item, place));
      }
      return {};
    }
    if (kind.empty() || api_version.empty()) {
      return fail(Code::Invalid, place + ": no Kubernetes object: apiVersion or kind is missing");
    }
    const std::size_t slash = api_version.find('/');
    const std::string group = slash == std::string::npos ? "" : api_version.substr(0, slash);
    PlannedObject planned;
    planned.kind =
        schema::find_kind_by_name(group, api_version.substr(slash + 1), kind);  // npos + 1 is 0
    if (planned.kind == nullptr) {
      return fail(Code::Invalid, place + ": local mode does not know the kind " + kind + " of " +
                                     api_version + "; leave it out, or run on a cluster");
    }
    planned.place = place;
    planned.object = object;
    planned.name = text_at(object, {"metadata", "name"});
    if (planned.kind->resource.namespaced) {
      planned.ns = text_at(object, {"metadata", "namespace"});
      if (planned.ns.empty()) {
        planned.ns = kDefaultNamespace;
        planned.object["metadata"]["namespace"] = planned.ns;
      }
    }
    const bool is_run = planned.kind->resource == crds::PipelineRun::kResource;
    if (planned.name.empty() &&
        (!is_run || text_at(object, {"metadata", "generateName"}).empty())) {
      return fail(Code::Invalid, place + ": metadata.name is missing");
    }
    objects_.push_back(std::move(planned));
    return {};
  }

  std::vector<PlannedObject> objects_;
};

/// A run of `pipeline`, named by the server.
PlannedObject run_of(const PlannedObject& pipeline) {
  PlannedObject run;
  const api::ApiResource& kind = crds::PipelineRun::kResource;
  run.kind = schema::find_kind_by_name(kind.group, kind.version, kind.kind);
  run.ns = pipeline.ns;
  run.place = pipeline.place;
  run.object = Value::object(
      {{"apiVersion", kind.api_version()},
       {"kind", kind.kind},
       {"metadata", Value::object({{"generateName", pipeline.name.substr(0, kMostPrefix - 1) + "-"},
                                   {"namespace", run.ns}})},
       {"spec", Value::object({{"refPipeline", pipeline.name}})}});
  return run;
}

void set_params(const Value& params, PlannedObject& run) {
  for (const auto& [name, value] : params.members()) run.object["spec"]["params"][name] = value;
}

tl::unexpected<Error> no_run(const std::vector<Manifest>& files,
                             const std::vector<const PlannedObject*>& pipelines,
                             const std::string& wanted) {
  std::string where;
  for (const Manifest& file : files) where += (where.empty() ? "" : ", ") + file.name;
  std::string names;
  for (const PlannedObject* p : pipelines) names += (names.empty() ? "" : ", ") + p->name;
  if (!wanted.empty()) {
    return fail(Code::Invalid, where + ": there is no Pipeline \"" + wanted + "\"" +
                                   (names.empty() ? "" : "; there are: " + names));
  }
  if (pipelines.empty()) {
    return fail(Code::Invalid, where + ": nothing to run: neither a Pipeline nor a PipelineRun");
  }
  return fail(Code::Invalid, where +
                                 ": several Pipelines and no PipelineRun; say which one with "
                                 "--pipeline: " +
                                 names);
}

}  // namespace

Result<RunPlan> plan_run(const std::vector<Manifest>& files, const std::string& pipeline,
                         const Value& params) {
  Collector collector;
  for (const Manifest& file : files) MR_TRY(collector.add(file));
  RunPlan plan;
  for (PlannedObject& object : collector.take()) {
    const bool is_run = object.kind->resource == crds::PipelineRun::kResource;
    if (is_run && !pipeline.empty() &&
        text_at(object.object, {"spec", "refPipeline"}) != pipeline) {
      continue;
    }
    (is_run ? plan.runs : plan.apply).push_back(std::move(object));
  }
  std::stable_partition(plan.apply.begin(), plan.apply.end(), [](const PlannedObject& object) {
    return object.kind->resource.kind == "Namespace";
  });
  for (PlannedObject& run : plan.runs) set_params(params, run);
  if (!plan.runs.empty()) return plan;
  std::vector<const PlannedObject*> pipelines;
  const PlannedObject* chosen = nullptr;
  for (const PlannedObject& object : plan.apply) {
    if (object.kind->resource != crds::Pipeline::kResource) continue;
    pipelines.push_back(&object);
    if (pipeline.empty() || pipeline == object.name) chosen = &object;
  }
  if (chosen == nullptr || (pipeline.empty() && pipelines.size() > 1)) {
    return no_run(files, pipelines, pipeline);
  }
  plan.runs.push_back(run_of(*chosen));
  set_params(params, plan.runs.back());
  return plan;
}

}  // namespace millrace::mode
