#include "local/apiserver/reviews.h"

#include <utility>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/request_body.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::string_view kAccess = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
constexpr std::string_view kRules = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
constexpr std::string_view kSelf = "/apis/authentication.k8s.io/v1/selfsubjectreviews";

Response created(const Value& object) {
  Response response;
  response.status = 201;
  response.body = object.dump() + '\n';
  return response;
}

Answer<Response> access_review(const Value& body) {
  const Value* spec = body.find("spec");
  const bool resource = spec != nullptr && spec->find("resourceAttributes") != nullptr;
  const bool other = spec != nullptr && spec->find("nonResourceAttributes") != nullptr;
  if (resource == other) {
    return invalid("authorization.k8s.io", "", "",
                   {{"spec.resourceAttributes", "FieldValueInvalid",
                     "Invalid value: null: exactly one of nonResourceAttributes or "
                     "resourceAttributes must be specified"}});
  }
  return created(Value::object({{"kind", "SelfSubjectAccessReview"},
                                {"apiVersion", "authorization.k8s.io/v1"},
                                {"metadata", Value::object()},
                                {"spec", *spec},
                                {"status", Value::object({{"allowed", true}})}}));
}

Value list_of(std::initializer_list<std::string_view> words) {
  Value out = Value::array();
  for (const std::string_view word : words) out.push_back(word);
  return out;
}

/// Whoever has the token may do everything.
Answer<Response> rules_review(const Value& body) {
  const Value* spec = body.find("spec");
  const Value* ns = spec == nullptr ? nullptr : spec->find("namespace");
  if (ns == nullptr || ns->as_string().empty()) return bad_request("no namespace on request");
  const Value everything = list_of({"*"});
  const Value objects =
      Value::object({{"verbs", everything}, {"apiGroups", everything}, {"resources", everything}});
  const Value paths = Value::object({{"verbs", everything}, {"nonResourceURLs", everything}});
  // Nothing but the answer is shown of the question.
  return created(
      Value::object({{"kind", "SelfSubjectRulesReview"},
                     {"apiVersion", "authorization.k8s.io/v1"},
                     {"metadata", Value::object()},
                     {"spec", Value::object()},
                     {"status", Value::object({{"resourceRules", Value::array({objects})},
                                               {"nonResourceRules", Value::array({paths})},
                                               {"incomplete", false}})}}));
}

}  // namespace

bool is_review(std::string_view path) { return path == kAccess || path == kRules || path == kSelf; }

Answer<Response> serve_review(const Context& context, const Request& request) {
  if (request.method != "POST") return method_not_allowed();
  const JsonBody body = parse_body(request);
  if (!body.error.empty()) {
    return bad_request("couldn't get version/kind; json parse error: " + body.error);
  }
  if (request.path == kAccess) return access_review(body.value);
  if (request.path == kRules) return rules_review(body.value);
  const Value user =
      Value::object({{"username", "admin"},
                     {"groups", Value::array({"system:masters", "system:authenticated"})}});
  return created(Value::object(
      {{"kind", "SelfSubjectReview"},
       {"apiVersion", "authentication.k8s.io/v1"},
       {"metadata", Value::object({{"creationTimestamp", format_time(context.clock.now())}})},
       {"status", Value::object({{"userInfo", user}})}}));
}

}  // namespace millrace::apiserver
