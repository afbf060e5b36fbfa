#include "controllers/logic/action.h"

#include <algorithm>
#include "kubeclient/api/job.h"

namespace millrace::logic {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// 1 s, doubled with each failure, at most 30 s; the server's own wish counts if longer.
Duration pause_after(const CreateFailure& failure) {
  const int doublings = std::clamp(failure.count - 1, 0, 5);
  Duration pause = std::min<Duration>(seconds(1) * (1 << doublings), seconds(30));
  if (failure.error.delay) pause = std::max<Duration>(pause, *failure.error.delay);
  return pause;
}

}  // namespace

bool makes_job(const Action& action) {
  return action.verb == Action::Verb::Create && action.resource == api::Job::kResource;
}

CreateVerdict judge(const CreateFailure& failure) {
  const Error& error = failure.error;
  const auto waits = [&](const char* reason) {
    return CreateVerdict{false, reason, pause_after(failure)};
  };
  switch (error.code) {
    case Code::Invalid:
    case Code::Malformed:
      return {true, "CreateFailed", {}};
    case Code::AlreadyExists:
      return {true, "NameConflict", {}};
    case Code::Throttled:
      return waits(contains(error.message, "exceeded quota") ? "QuotaExceeded" : "Throttled");
    case Code::Denied:
      // Refusals that somebody can lift without touching the pipeline are waited for. The texts
      // are those of Kubernetes: RBAC authorizer, admission plugins ServiceAccount and
      // NamespaceLifecycle.
      if (contains(error.message, "cannot create resource")) return waits("Forbidden");
      if (contains(error.message, "service account") || contains(error.message, "serviceaccount")) {
        return waits("ServiceAccountNotFound");
      }
      if (contains(error.message, "is being terminated")) return waits("NamespaceTerminating");
      if (error.http_status == 401) return waits("Unauthorized");
      return {true, "CreateFailed", {}};
    case Code::NotFound:
      return waits("NamespaceNotFound");
    case Code::Conflict:
    case Code::Expired:
    case Code::Timeout:
    case Code::Unavailable:
    case Code::Cancelled:
    case Code::Bug:
      break;
  }
  return waits("ApiUnavailable");
}

}  // namespace millrace::logic
