#include "controllers/logic/names.h"

#include <algorithm>

#include "kubeclient/base/hash.h"

namespace millrace::logic {
namespace {

constexpr std::size_t kLabelLimit = 63;
constexpr std::size_t kSeparatorAndHash = 9;  // '-' and 8 hex digits

bool is_alnum(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

std::string join(std::initializer_list<std::string_view> parts) {
  std::string out;
  for (const std::string_view part : parts) {
    out += part;
    out += '\n';  // stands in no name, so that no two lists give the same text
  }
  return out;
}

}  // namespace

std::string shorten(std::string_view name, std::size_t limit) {
  if (name.size() <= limit) return std::string(name);
  std::string_view head = name.substr(0, limit - kSeparatorAndHash);
  while (!head.empty() && !is_alnum(head.back())) head.remove_suffix(1);
  return std::string(head) + "-" + hex(stable_hash(name), 8);
}

std::string label_value(std::string_view name) { return shorten(name, kLabelLimit); }

std::string job_name(std::string_view run, std::string_view run_uid, std::string_view node,
                     int attempt) {
  const std::uint64_t hash = stable_hash(join({run_uid, node, std::to_string(attempt)}));
  // 57 = 63 bytes less '-' and the pod's 5 digits; 44 = 57 less "-build-" and 6 digits.
  return shorten(run, 44) + "-build-" + hex(hash, 6);
}

std::string step_object_name(std::string_view run, std::string_view run_uid, std::string_view step,
                             int attempt) {
  const std::uint64_t hash = stable_hash(join({run_uid, step, std::to_string(attempt), "step"}));
  std::string name = std::string(run) + "-" + std::string(step);
  std::replace(name.begin(), name.end(), '.', '-');  // the number of a combination
  // 46 = 57 less '-' and 10 digits.
  return shorten(name, 46) + "-" + hex(hash, 10);
}

std::string pod_name(std::string_view job, std::string_view job_uid) {
  return shorten(job, kLabelLimit - 6) + "-" + hex(stable_hash(job_uid), 5);
}

std::string slot_pod_name(std::string_view job, std::string_view job_uid, int slot, int attempt) {
  // 35 = 63 less three '-', 5 digits of the hash and twice 10 of the numbers.
  std::string name = shorten(job, 35) + "-" + std::to_string(slot);
  name += "-" + hex(stable_hash(job_uid), 5);
  if (attempt > 0) name += "-" + std::to_string(attempt);
  return name;
}

std::string container_name(std::string_view step) { return "build-step-" + std::string(step); }

std::string deployment_name(std::string_view pipeline, std::string_view service) {
  return shorten(std::string(pipeline) + "-deploy-" + std::string(service), kLabelLimit);
}

std::string revision_name(std::string_view pipeline, std::string_view uid,
                          std::string_view content) {
  return shorten(pipeline, 200) + "-" + hex(stable_hash(join({uid, content})), 10);
}

}  // namespace millrace::logic
