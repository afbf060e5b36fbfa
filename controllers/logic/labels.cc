#include "controllers/logic/labels.h"

#include "controllers/logic/names.h"

namespace millrace::logic {
namespace {

constexpr std::string_view kOurPrefix = "millrace.dev/";
constexpr std::string_view kJobApiPrefix = "batch.kubernetes.io/";

bool set_by_job_api(std::string_view key) {
  return key.starts_with(kJobApiPrefix) || key == "controller-uid" || key == "job-name";
}

}  // namespace

std::map<std::string, std::string> inherited_labels(
    const std::map<std::string, std::string>& labels) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : labels) {
    if (!set_by_job_api(key) && !key.starts_with(kOurPrefix)) out.emplace(key, value);
  }
  return out;
}

std::map<std::string, std::string> inherited_annotations(
    const std::map<std::string, std::string>& annotations) {
  std::map<std::string, std::string> out;
  for (const auto& [key, value] : annotations) {
    if (set_by_job_api(key) || key.starts_with(kOurPrefix)) continue;
    if (key.starts_with("kubectl.kubernetes.io/") || key.starts_with("deployment.kubernetes.io/")) {
      continue;
    }
    out.emplace(key, value);
  }
  return out;
}

std::map<std::string, std::string> workload_labels(
    const std::map<std::string, std::string>& inherited, const std::string& pipeline,
    const std::string& run, const std::string& app) {
  std::map<std::string, std::string> out = inherited;
  out[kPipelineLabel] = label_value(pipeline);
  out[kPipelineRunLabel] = label_value(run);
  out[kAppLabel] = label_value(app);
  return out;
}

bool is_our_finalizer(std::string_view finalizer) {
  return finalizer == kForeignFinalizer || finalizer.starts_with(kOurPrefix);
}

}  // namespace millrace::logic
