/// Refusals as the API server words them: metav1.Status.
/// Wording: Kubernetes 1.34, apimachinery/pkg/api/errors, measured on a real server.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "local/schema/fit.h"
#include "local/schema/kinds.h"

namespace millrace::apiserver {

/// Why a request has no effect.
struct Refusal {
  int code = 500;
  std::string reason;  ///< "NotFound"; may be empty
  std::string message = {};
  codec::Value details = {};               ///< null: none
  std::string continue_token = {};         ///< metadata.continue, for expired lists
  std::vector<std::string> warnings = {};  ///< texts of Warning headers
};

/// A value or a refusal. `Result` does not carry the details that clients look at.
template <class T>
using Answer = tl::expected<T, Refusal>;
using Refused = tl::unexpected<Refusal>;

/// The body.
std::string status_json(const Refusal& refusal);

Refused refuse(int code, std::string reason, std::string message);
Refused bad_request(std::string message);
/// 500 without a reason: what the real server says to some mistakes of clients.
Refused plain_error(std::string message);
/// 404 with an empty `details`, of paths that are nothing.
Refused no_such_resource();
Refused not_found(const schema::Kind& kind, std::string_view name);
Refused already_exists(const schema::Kind& kind, std::string_view name);
/// 409: `Operation cannot be fulfilled on jobs.batch "x": why`.
Refused conflict(const schema::Kind& kind, std::string_view name, std::string_view why);
/// 409 for a resourceVersion that is not the latest.
Refused outdated(const schema::Kind& kind, std::string_view name);
/// 422 with `problems` (not empty) as causes. `kind_name` is the body's kind.
Refused invalid(std::string_view group, std::string_view kind_name, std::string_view name,
                const std::vector<schema::Problem>& problems);
/// 422 for options of a request: `CreateOptions.meta.k8s.io "" is invalid: ...`.
Refused invalid_options(std::string_view options_kind, std::string field, std::string reason,
                        std::string message);
Refused method_not_allowed();
/// 504: a resourceVersion that is not there yet.
Refused too_large_version(std::string_view asked, std::uint64_t current);
/// The group that `invalid` names for a kind: Events are of the core group there, in both.
std::string_view group_in_complaints(const schema::Kind& kind);
/// 415 for a body of a type that the path does not take.
Refused unsupported_body(std::string_view accepted);
Refused not_acceptable(std::string_view message);

/// An error of the storage as the refusal of a request about `name`.
Refused from_storage(const Error& error, const schema::Kind& kind, std::string_view name);

/// "job.batch" style names: "Job.batch", or "Pod" for the core group.
std::string qualified_kind(std::string_view group, std::string_view kind);

}  // namespace millrace::apiserver
