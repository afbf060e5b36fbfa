#include <algorithm>
#include <array>
#include <chrono>

#include "controllers/expression/matcher.h"
#include "controllers/logic/graph_check_parts.h"
#include "controllers/logic/names.h"
#include "controllers/logic/params.h"
#include "kubeclient/base/duration.h"

namespace millrace::logic {

using codec::Value;

namespace {

constexpr std::size_t kMaxContainerName = 63;
constexpr int kMaxResponse = 1 << 20;

bool is_templated(std::string_view text) { return text.find("{{") != std::string_view::npos; }

/// A name as paths can be written with: letters, digits, '_' and '-', not beginning with the latter
/// two kinds.
bool is_identifier(std::string_view name) {
  const auto letter = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
  };
  if (name.empty() || name.size() > 63 || !letter(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return letter(c) || (c >= '0' && c <= '9') || c == '-'; });
}

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

void check_range(Complaints& complaints, const std::string& path, int value, int low, int high) {
  if (value >= low && value <= high) return;
  complaints.push_back(
      {path, "must be between " + std::to_string(low) + " and " + std::to_string(high)});
}

void check_length(Complaints& complaints, const std::string& path,
                  const std::optional<Duration>& value) {
  if (value && *value < Duration::zero()) complaints.push_back({path, "must not be negative"});
}

/// What is wrong with a URL that holds no templates, or with the beginning of one that does.
std::string url_problem(const std::string& url) {
  if (url.empty()) return "required";
  const std::size_t fixed = std::min(url.find("{{"), url.size());
  const std::size_t colon = url.find("://");
  const bool whole = fixed == url.size();
  if (colon == std::string::npos || colon > fixed) {
    return whole || fixed > 0 ? "must begin with http:// or https://" : "";
  }
  const std::string scheme = lower(url.substr(0, colon));
  if (scheme != "http" && scheme != "https") return "must begin with http:// or https://";
  const std::string fixed_part = url.substr(0, fixed);
  if (fixed_part.find_first_of(" \t\r\n") != std::string::npos) {
    return "must not hold white space; write %20";
  }
  if (!whole) return {};
  const std::size_t from = colon + 3;
  std::string host = url.substr(from, url.find_first_of("/?#", from) - from);
  host.erase(0, host.rfind('@') == std::string::npos ? 0 : host.rfind('@') + 1);
  std::string port;
  const std::size_t end = host.find_last_of("]:");
  if (end != std::string::npos && host[end] == ':') {
    port = host.substr(end + 1);
    host.erase(end);
  }
  if (host.empty()) return "has no host";
  const bool digits =
      std::all_of(port.begin(), port.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!digits || port.size() > 5 || (!port.empty() && std::stoi(port) > 65535)) {
    return "has a port that is no number up to 65535";
  }
  return {};
}

std::string method_problem(const std::string& method) {
  const bool letters = std::all_of(method.begin(), method.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  });
  if (!letters || method.size() > 16) return "must be the name of a method, such as GET or POST";
  if (lower(method) == "connect") return "CONNECT is for proxies, not for steps";
  return {};
}

void check_http(Complaints& complaints, const std::string& path, const crds::HttpAction& http) {
  const auto complain = [&](const std::string& at, std::string message) {
    if (!message.empty()) complaints.push_back({at, std::move(message)});
  };
  complain(path + ".method", method_problem(http.method));
  complain(path + ".url", url_problem(http.url));
  for (std::size_t i = 0; i < http.headers.size(); ++i) {
    const crds::HttpHeader& header = http.headers[i];
    const std::string at = indexed(path + ".headers", i);
    const std::string name = lower(header.name);
    const bool token = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
             std::string_view("!#$%&'*+.^_`|~-").find(c) != std::string_view::npos;
    });
    if (!token) complain(at + ".name", name.empty() ? "required" : "is not the name of a header");
    for (const char* ours : {"content-length", "transfer-encoding", "connection"}) {
      if (name == ours) complain(at + ".name", "is set by the operator itself");
    }
    if (!header.value.empty() && header.value_from) {
      complain(at, "give value or valueFrom, not both");
    }
    if (header.value_from && (header.value_from->secret_key_ref.name.empty() ||
                              header.value_from->secret_key_ref.key.empty())) {
      complain(at + ".valueFrom.secretKeyRef", "needs a name and a key");
    }
    if (header.value.find_first_of("\r\n") != std::string::npos) {
      complain(at + ".value", "a header must not hold a line end");
    }
  }
  if (http.max_response_bytes) {
    check_range(complaints, path + ".maxResponseBytes", *http.max_response_bytes, 0, kMaxResponse);
  }
  if (http.ca && (http.ca->name.empty() || http.ca->key.empty())) {
    complain(path + ".caFrom", "needs a name and a key");
  }
}

void check_manifest(Complaints& complaints, const std::string& path, const Value& object) {
  if (!object.is_object()) {
    complaints.push_back({path, "must be an object with apiVersion, kind and metadata.name"});
    return;
  }
  for (const char* field : {"apiVersion", "kind"}) {
    if (text_of(object, field).empty()) complaints.push_back({path + "." + field, "required"});
  }
  const Value* name = object.at_path({"metadata", "name"});
  if (name == nullptr || name->as_string().empty()) {
    complaints.push_back({path + ".metadata.name", "required; the object is applied by its name"});
  }
}

void check_retry(Complaints& complaints, const std::string& path, const crds::Retry& retry) {
  check_range(complaints, path + ".limit", retry.limit, 0, 100);
  if (!retry.backoff) return;
  const std::string at = path + ".backoff";
  check_length(complaints, at + ".initial", retry.backoff->initial);
  check_length(complaints, at + ".max", retry.backoff->max);
  const double factor = retry.backoff->factor.value_or(2);
  if (!(factor >= 1 && factor <= 10)) {
    complaints.push_back({at + ".factor", "must be between 1 and 10"});
  }
}

/// Names of the actions that are given.
std::vector<std::string_view> actions_of(const crds::Step& step) {
  std::vector<std::string_view> given;
  if (!step.container.is_null()) given.push_back("container");
  if (!step.containers.empty()) given.push_back("containers");
  if (step.http) given.push_back("http");
  if (step.manifest) given.push_back("manifest");
  if (step.approval) given.push_back("approval");
  if (step.pipeline) given.push_back("pipeline");
  if (step.wait) given.push_back("wait");
  return given;
}

void check_containers(Complaints& complaints, const std::string& path, const crds::Step& step,
                      const std::set<std::string>& volumes) {
  ContainerRules rules{volumes, "spec.podTemplate.volumes", true};
  std::set<std::string> names;
  for (std::size_t i = 0; i < step.containers.size(); ++i) {
    const std::string at = indexed(path + ".containers", i);
    check_container(complaints, at, step.containers[i], rules);
    const std::string& name = text_of(step.containers[i], "name");
    if (!name.empty() && !names.insert(name).second) {
      complaints.push_back({at + ".name", "another container is named " + name + " already"});
    }
  }
  if (step.container.is_null()) return;
  rules.named = false;
  check_container(complaints, path + ".container", step.container, rules);
}

void check_small_actions(Complaints& complaints, const std::string& path, const crds::Step& step) {
  if (step.approval) {
    check_length(complaints, path + ".approval.expires", step.approval->expires);
    if (step.timeout && *step.timeout > Duration::zero()) {
      complaints.push_back({path + ".timeout", "an approval ends by approval.expires; write that"});
    }
    for (std::size_t i = 0; i < step.approval->approvers.size(); ++i) {
      const std::string& who = step.approval->approvers[i];
      if (!who.empty() && who != "group:") continue;
      complaints.push_back({indexed(path + ".approval.approvers", i), "names nobody"});
    }
  }
  if (step.pipeline) {
    const std::string& name = step.pipeline->name;
    const std::string at = path + ".pipeline";
    if (is_templated(name)) {
      complaints.push_back({at + ".name", "is not a template"});
    } else if (name.empty()) {
      complaints.push_back({at + ".name", "required"});
    }
    check_range(complaints, at + ".maxRetryCount", step.pipeline->max_retry_count, 0, 100);
  }
  if (step.wait && !is_templated(step.wait->duration)) {
    const auto length = parse_duration(step.wait->duration);
    if (!length.ok()) {
      complaints.push_back({path + ".wait.duration", length.error().message});
    } else if (*length < Duration::zero()) {
      complaints.push_back({path + ".wait.duration", "must not be negative"});
    }
  }
}

}  // namespace

void check_step(Complaints& complaints, const std::string& path, const crds::Step& step,
                const std::set<std::string>& volumes) {
  const std::vector<std::string_view> actions = actions_of(step);
  if (actions.size() != 1) {
    complaints.push_back(
        {path,
         "give exactly one action: container, containers, http, manifest, approval, pipeline or "
         "wait" +
             (actions.empty() ? std::string() : ", not " + list_names(actions))});
  }
  check_length(complaints, path + ".timeout", step.timeout);
  if (step.retry) check_retry(complaints, path + ".retry", *step.retry);
  if (step.matrix) {
    for (const auto& [name, given] : step.matrix->params) {
      if (is_identifier(name)) continue;
      complaints.push_back({path + ".matrix.params." + name,
                            "a name has letters, digits, '_' and '-', and begins with a letter"});
    }
    if (step.matrix->max_parallel) {
      check_range(complaints, path + ".matrix.maxParallel", *step.matrix->max_parallel, 1, 256);
    }
  }
  if (!step.outputs.empty() && (step.approval || step.pipeline || step.wait)) {
    complaints.push_back(
        {path + ".outputs", "only container, containers, http and manifest have outputs to name"});
  }
  check_containers(complaints, path, step, volumes);
  if (step.http) check_http(complaints, path + ".http", *step.http);
  if (step.manifest) check_manifest(complaints, path + ".manifest.object", step.manifest->object);
  check_small_actions(complaints, path, step);
}

void check_belt_job(Complaints& complaints, const std::string& path, const crds::BeltJob& job) {
  const Value& timeout = job.timeout;
  const bool zero = timeout.is_number() && timeout.as_double() == 0;
  if (timeout.is_string()) {
    const auto length = parse_duration(timeout.as_string());
    if (!length.ok()) {
      complaints.push_back({path + ".timeout", length.error().message});
    } else if (*length < Duration::zero()) {
      complaints.push_back({path + ".timeout", "must not be negative"});
    }
  } else if (!timeout.is_null() && !zero) {
    complaints.push_back({path + ".timeout", "must be a Go duration such as 30s, or 0 for none"});
  }
  const crds::BeltHttp& http = job.action.http;
  const std::string at = path + ".action.http";
  if (std::string problem = method_problem(http.method); !problem.empty()) {
    complaints.push_back({at + ".method", std::move(problem)});
  }
  std::string problem =
      is_templated(http.url) ? "is not a template: only data is" : url_problem(http.url);
  if (!problem.empty()) complaints.push_back({at + ".url", std::move(problem)});
  if (!http.data.is_null() && !http.data.is_object()) {
    complaints.push_back({at + ".data", "must be an object"});
  }
}

void check_container(Complaints& complaints, const std::string& path, const Value& container,
                     const ContainerRules& rules) {
  const auto complain = [&](const std::string& at, std::string message) {
    complaints.push_back({at, std::move(message)});
  };
  if (!container.is_object()) return complain(path, "must be a container (an object)");
  const std::string& name = text_of(container, "name");
  if (!rules.named) {
    if (container.find("name") != nullptr) {
      complain(path + ".name", "leave it out: the container is named after the step");
    }
  } else if (!is_dns_label(name)) {
    complain(path + ".name", name.empty() ? "required"
                                          : "must be a DNS label: lower-case letters, digits "
                                            "and '-', at most 63");
  } else if (container_name(name).size() > kMaxContainerName) {
    complain(path + ".name", "at most 52 bytes: its container is " + container_name("<name>"));
  }
  if (text_of(container, "image").empty()) complain(path + ".image", "required");
  for (const char* field : {"livenessProbe", "readinessProbe", "startupProbe", "lifecycle"}) {
    if (container.find(field) != nullptr) {
      complain(path + "." + field, "not possible for a step, which runs to its end");
    }
  }
  if (container.find("restartPolicy") != nullptr) {
    complain(path + ".restartPolicy",
             "not possible for a step; a failed one is tried again by "
             "maxRetryCount of the run");
  }
  const Value* mounts = container.find("volumeMounts");
  if (mounts == nullptr) return;
  for (std::size_t i = 0; i < mounts->items().size(); ++i) {
    const std::string& volume = text_of(mounts->items()[i], "name");
    if (rules.volumes.contains(volume)) continue;
    complain(indexed(path + ".volumeMounts", i) + ".name",
             "there is no volume " + volume + " in " + rules.volumes_field);
  }
}

std::set<std::string> check_volumes(Complaints& complaints, const std::string& path,
                                    const std::vector<Value>& volumes) {
  std::set<std::string> names = {"home", "workspace"};  // given to every step
  std::set<std::string> own;
  for (std::size_t i = 0; i < volumes.size(); ++i) {
    const std::string at = indexed(path, i) + ".name";
    const std::string& name = text_of(volumes[i], "name");
    if (!is_dns_label(name)) {
      complaints.push_back({at, name.empty() ? "required" : "must be a DNS label"});
    } else if (!own.insert(name).second) {
      complaints.push_back({at, name + " is there twice"});
    }
    names.insert(name);
  }
  return names;
}

void check_params(Complaints& complaints, const std::vector<crds::Param>& params) {
  std::set<std::string> names;
  for (std::size_t i = 0; i < params.size(); ++i) {
    const crds::Param& param = params[i];
    const std::string path = indexed("spec.params", i);
    const auto complain = [&](const std::string& at, std::string message) {
      complaints.push_back({path + at, std::move(message)});
    };
    if (!is_identifier(param.name)) {
      complain(".name", param.name.empty() ? "required"
                                           : "a name has letters, digits, '_' and '-', and begins "
                                             "with a letter");
    } else if (!names.insert(param.name).second) {
      complain(".name", "another param is named " + param.name + " already");
    }
    if (!param.pattern.empty()) {
      const auto pattern = expression::Matcher::parse("^(?:" + param.pattern + ")$");
      if (param.type != crds::ParamType::string) {
        complain(".pattern", "only the value of a string param can match a pattern");
      }
      if (!pattern.ok()) {
        complain(".pattern", pattern.error().message);
        continue;
      }
    }
    crds::Param free = param;
    free.choices.clear();
    bool choices_fit = true;
    for (std::size_t k = 0; k < param.choices.size(); ++k) {
      const std::string problem = default_problem(free, param.choices[k]);
      if (problem.empty()) continue;
      choices_fit = false;
      complain(indexed(".enum", k), problem);
    }
    if (param.default_value.is_null()) continue;
    const std::string problem = default_problem(choices_fit ? param : free, param.default_value);
    if (!problem.empty()) complain(".default", problem);
  }
}

std::string indexed(const std::string& path, std::size_t index) {
  return path + "[" + std::to_string(index) + "]";
}

const std::string& text_of(const Value& object, std::string_view key) {
  static const std::string none;
  const Value* value = object.find(key);
  return value == nullptr ? none : value->as_string();
}

bool is_dns_label(std::string_view name) {
  if (name.empty() || name.size() > 63 || name.front() == '-' || name.back() == '-') return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

std::string list_names(const std::vector<std::string_view>& names) {
  constexpr std::size_t kShown = 10;
  const std::size_t shown = std::min(kShown, names.size());
  std::string out;
  for (std::size_t i = 0; i < shown; ++i) {
    const bool last = i + 1 == shown && names.size() <= kShown;
    out += (i == 0 ? "" : last ? " and " : ", ") + std::string(names[i]);
  }
  if (names.size() > kShown) out += " and " + std::to_string(names.size() - kShown) + " more";
  return out;
}

}  // namespace millrace::logic
