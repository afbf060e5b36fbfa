#include "local/apiserver/pod_logs.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "kubeclient/base/json_quote.h"
#include "kubeclient/base/time_format.h"
#include "local/apiserver/negotiation.h"
#include "local/apiserver/reads.h"
#include "local/apiserver/request_options.h"
#include "local/apiserver/wire.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::string_view kDefaultContainer = "kubectl.kubernetes.io/default-container";

std::vector<std::string> container_names(const Value& pod, std::string_view list) {
  std::vector<std::string> names;
  if (const Value* containers = pod.at_path({"spec", list})) {
    for (const Value& container : containers->items()) {
      const Value* name = container.find("name");
      names.push_back(name == nullptr ? "" : name->as_string());
    }
  }
  return names;
}

std::string joined(const std::vector<std::string>& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : " ") + name;
  return "[" + out + "]";
}

/// The container asked for, or the only one.
Answer<std::string> resolve_container(const Value& pod, const Target& target,
                                      std::string_view asked) {
  const auto containers = container_names(pod, "containers");
  const auto init = container_names(pod, "initContainers");
  if (asked.empty()) {
    const Value* annotation = pod.at_path({"metadata", "annotations", kDefaultContainer});
    if (containers.size() == 1) return containers.front();
    if (annotation != nullptr && std::find(containers.begin(), containers.end(),
                                           annotation->as_string()) != containers.end()) {
      return annotation->as_string();
    }
    std::string message = "a container name must be specified for pod " + target.name +
                          ", choose one of: " + joined(containers);
    if (!init.empty()) message += " or one of the init containers: " + joined(init);
    return bad_request(std::move(message));
  }
  for (const auto* list : {&containers, &init}) {
    if (std::find(list->begin(), list->end(), asked) != list->end()) return std::string(asked);
  }
  return bad_request("container " + std::string(asked) + " is not valid for pod " + target.name);
}

Refused wrong_option(const Target& target, std::string field, std::string reason,
                     std::string message) {
  return invalid("", "PodLogOptions", target.name,
                 {{std::move(field), std::move(reason), std::move(message)}});
}

/// A number of at least `least`, if given.
Answer<std::optional<std::int64_t>> bounded(const Request& request, const Target& target,
                                            std::string_view name, std::int64_t least) {
  auto number = query_number(request, name);
  if (!number || !*number || **number >= least) return number;
  return wrong_option(target, std::string(name), "FieldValueInvalid",
                      "Invalid value: " + std::to_string(**number) + ": must be greater than " +
                          (least == 0 ? "or equal to 0" : "0"));
}

Answer<LogRequest> log_request(const Context& context, const Request& request,
                               const Target& target) {
  LogRequest log;
  log.follow = query_flag(request, "follow");
  log.previous = query_flag(request, "previous");
  log.timestamps = query_flag(request, "timestamps");
  auto tail = bounded(request, target, "tailLines", 0);
  if (!tail) return Refused(std::move(tail).error());
  auto limit = bounded(request, target, "limitBytes", 1);
  if (!limit) return Refused(std::move(limit).error());
  auto seconds = bounded(request, target, "sinceSeconds", 1);
  if (!seconds) return Refused(std::move(seconds).error());
  log.tail_lines = *tail;
  log.limit_bytes = *limit;
  if (*seconds) {
    // A century is as good as all there is, and does not overflow.
    const std::int64_t back = std::min<std::int64_t>(**seconds, 3'000'000'000);
    log.since = context.clock.now() - std::chrono::seconds(back);
  }
  const std::string_view since = request.get("sinceTime");
  if (since.empty()) return log;
  if (*seconds) {
    return wrong_option(target, "[]", "FieldValueForbidden",
                        "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified");
  }
  const auto time = parse_time(since);
  if (!time.ok()) {
    return bad_request("parsing time " + json_quote(since) + ": " + time.error().message);
  }
  log.since = *time;
  return log;
}

}  // namespace

Answer<Response> serve_logs(Context& context, const Request& request, const Target& target) {
  auto record = find_record(context, target);
  if (!record) return Refused(std::move(record).error());
  auto log = log_request(context, request, target);
  if (!log) return Refused(std::move(log).error());
  const Value pod = parse_stored((*record)->json);
  auto container = resolve_container(pod, target, request.get("container"));
  if (!container) return Refused(std::move(container).error());
  log->pod = {target.ns, target.name};
  log->pod_uid = (*record)->uid;
  log->container = *std::move(container);
  const std::string where =
      "container " + json_quote(log->container) + " in pod " + json_quote(target.name) + " is ";
  const Value* node = pod.at_path({"spec", "nodeName"});
  Response response;
  response.content_type = "text/plain";
  // A pod that is not scheduled has no log; the real server answers with nothing, too.
  if (node == nullptr || node->as_string().empty()) return response;
  if (context.logs == nullptr) return bad_request(where + "not available: there are no logs");
  auto stream = context.logs->open(*log);
  if (stream.ok()) {
    response.stream = *std::move(stream);
    return response;
  }
  if (stream.error().code != Code::NotFound) {
    return refuse(500, "InternalError", "Internal error occurred: " + stream.error().message);
  }
  if (log->previous) {
    return bad_request("previous terminated container " + json_quote(log->container) + " in pod " +
                       json_quote(target.name) + " not found");
  }
  return bad_request(where + "waiting to start: ContainerCreating");
}

}  // namespace millrace::apiserver
