#include "local/apiserver/table.h"

#include <algorithm>
#include <functional>
#include <map>
#include <string>
#include <utility>

#include "kubeclient/base/time_format.h"
#include "local/apiserver/age_text.h"
#include "local/apiserver/json_path.h"
#include "local/apiserver/pod_row.h"
#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using Cells = std::map<std::string_view, Value, std::less<>>;  ///< by the column's name

constexpr std::string_view kNone = "<none>";

std::string or_none(std::string text) { return text.empty() ? std::string(kNone) : text; }

const Value::Array& items_at(const Value& object, std::initializer_list<std::string_view> path) {
  static const Value::Array none;
  const Value* list = object.at_path(path);
  return list == nullptr ? none : list->items();
}

std::int64_t size_at(const Value& object, std::string_view member) {
  const Value* value = object.find(member);
  if (value == nullptr) return 0;
  return static_cast<std::int64_t>(value->is_array() ? value->items().size()
                                                     : value->members().size());
}

std::string age(const Value& object, Time now) {
  return age_of(object.at_path({"metadata", "creationTimestamp"}), now);
}

std::string joined(const Value::Array& items, std::string_view member) {
  std::string out;
  for (const Value& item : items) {
    if (!out.empty()) out += ',';
    out += member.empty() ? item.as_string() : text_at(item, {member});
  }
  return out;
}

/// "a=b,c=d" in order of keys.
std::string pairs_text(const Value* pairs) {
  std::vector<std::string> parts;
  if (pairs != nullptr) {
    for (const auto& [key, value] : pairs->members())
      parts.push_back(key + "=" + value.as_string());
  }
  std::sort(parts.begin(), parts.end());
  std::string out;
  for (const std::string& part : parts) out += (out.empty() ? "" : ",") + part;
  return out;
}

/// One requirement of a selector: "a in (b,c)", "a", "!a".
std::string requirement_text(const Value& one) {
  const std::string op = text_at(one, {"operator"});
  const std::string key = text_at(one, {"key"});
  if (op == "Exists") return key;
  if (op == "DoesNotExist") return "!" + key;
  return key + (op == "In" ? " in (" : " notin (") + joined(items_at(one, {"values"}), "") + ")";
}

std::string selector_text(const Value& object) {
  const Value* selector = object.at_path({"spec", "selector"});
  if (selector == nullptr) return std::string(kNone);
  std::string out = pairs_text(selector->find("matchLabels"));
  for (const Value& one : items_at(*selector, {"matchExpressions"})) {
    out += (out.empty() ? "" : ",") + requirement_text(one);
  }
  return or_none(out);
}

void add_template(Cells& cells, const Value& object) {
  const auto& containers = items_at(object, {"spec", "template", "spec", "containers"});
  cells["Containers"] = joined(containers, "name");
  cells["Images"] = joined(containers, "image");
  cells["Selector"] = selector_text(object);
}

bool is_true(const Value& object, std::string_view type) {
  const auto& conditions = items_at(object, {"status", "conditions"});
  return std::any_of(conditions.begin(), conditions.end(), [type](const Value& one) {
    return text_at(one, {"type"}) == type && text_at(one, {"status"}) == "True";
  });
}

std::string gates_text(const Value& pod) {
  const auto& gates = items_at(pod, {"spec", "readinessGates"});
  if (gates.empty()) return std::string(kNone);
  const auto open = std::count_if(gates.begin(), gates.end(), [&pod](const Value& gate) {
    return is_true(pod, text_at(gate, {"conditionType"}));
  });
  return std::to_string(open) + "/" + std::to_string(gates.size());
}

void pod_cells(Cells& cells, const Value& pod, Time now) {
  PodSummary summary = summarize_pod(pod, now);
  cells["Ready"] = std::move(summary.ready);
  cells["Status"] = std::move(summary.status);
  cells["Restarts"] = std::move(summary.restarts);
  const auto& addresses = items_at(pod, {"status", "podIPs"});
  cells["IP"] = or_none(addresses.empty() ? "" : text_at(addresses.front(), {"ip"}));
  cells["Node"] = or_none(text_at(pod, {"spec", "nodeName"}));
  cells["Nominated Node"] = or_none(text_at(pod, {"status", "nominatedNodeName"}));
  cells["Readiness Gates"] = gates_text(pod);
}

std::string job_status(const Value& job) {
  if (is_true(job, "Complete")) return "Complete";
  if (is_true(job, "Failed")) return "Failed";
  if (!text_at(job, {"metadata", "deletionTimestamp"}).empty()) return "Terminating";
  for (const char* type : {"Suspended", "FailureTarget", "SuccessCriteriaMet"}) {
    if (is_true(job, type)) return type;
  }
  return "Running";
}

std::string job_completions(const Value& job) {
  const std::string succeeded = std::to_string(number_at(job, {"status", "succeeded"}));
  const Value* wanted = job.at_path({"spec", "completions"});
  if (wanted != nullptr && wanted->is_int()) {
    return succeeded + "/" + std::to_string(wanted->as_int());
  }
  const std::int64_t parallelism = number_at(job, {"spec", "parallelism"});
  return succeeded + "/1" + (parallelism > 1 ? " of " + std::to_string(parallelism) : "");
}

void job_cells(Cells& cells, const Value& job, Time now) {
  cells["Status"] = job_status(job);
  cells["Completions"] = job_completions(job);
  const auto start = parse_time(text_at(job, {"status", "startTime"}));
  const auto end = parse_time(text_at(job, {"status", "completionTime"}));
  cells["Duration"] = start.ok() ? human_duration((end.ok() ? *end : now) - *start) : "";
  add_template(cells, job);
}

void deployment_cells(Cells& cells, const Value& deployment, Time) {
  cells["Ready"] = std::to_string(number_at(deployment, {"status", "readyReplicas"})) + "/" +
                   std::to_string(number_at(deployment, {"spec", "replicas"}));
  cells["Up-to-date"] = number_at(deployment, {"status", "updatedReplicas"});
  cells["Available"] = number_at(deployment, {"status", "availableReplicas"});
  add_template(cells, deployment);
}

std::string external_address(const Value& service) {
  const std::string type = text_at(service, {"spec", "type"});
  if (type == "ExternalName") return text_at(service, {"spec", "externalName"});
  const std::string own = joined(items_at(service, {"spec", "externalIPs"}), "");
  if (type != "LoadBalancer") return or_none(own);
  std::string out;
  for (const Value& one : items_at(service, {"status", "loadBalancer", "ingress"})) {
    const std::string ip = text_at(one, {"ip"});
    out += (out.empty() ? "" : ",") + (ip.empty() ? text_at(one, {"hostname"}) : ip);
  }
  if (!own.empty()) out += (out.empty() ? "" : ",") + own;
  return out.empty() ? "<pending>" : out;
}

std::string ports_text(const Value& service) {
  std::string out;
  for (const Value& port : items_at(service, {"spec", "ports"})) {
    if (!out.empty()) out += ',';
    out += std::to_string(number_at(port, {"port"}));
    const std::int64_t node_port = number_at(port, {"nodePort"});
    if (node_port > 0) out += ":" + std::to_string(node_port);
    out += "/" + text_at(port, {"protocol"});
  }
  return or_none(out);
}

void service_cells(Cells& cells, const Value& service, Time) {
  const auto& addresses = items_at(service, {"spec", "clusterIPs"});
  cells["Type"] = text_at(service, {"spec", "type"});
  cells["Cluster-IP"] = or_none(addresses.empty() ? "" : addresses.front().as_string());
  cells["External-IP"] = external_address(service);
  cells["Port(s)"] = ports_text(service);
  cells["Selector"] = or_none(pairs_text(service.at_path({"spec", "selector"})));
}

/// Members of Events have another name in each of the two groups.
const Value* member(const Value& event, std::string_view core, std::string_view group) {
  const Value* value = event.find(core);
  return value != nullptr ? value : event.find(group);
}

std::string text_of(const Value* value) { return value == nullptr ? "" : value->as_string(); }

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

std::string event_source(const Value& event) {
  const Value* source = member(event, "source", "deprecatedSource");
  std::string component = source == nullptr ? "" : text_at(*source, {"component"});
  std::string host = source == nullptr ? "" : text_at(*source, {"host"});
  if (component.empty()) {
    component = text_of(member(event, "reportingComponent", "reportingController"));
  }
  if (host.empty()) host = text_at(event, {"reportingInstance"});
  return host.empty() ? component : component + ", " + host;
}

std::string trimmed(std::string text) {
  const auto space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && space(text.back())) text.pop_back();
  const auto first = std::find_if_not(text.begin(), text.end(), space);
  text.erase(text.begin(), first);
  return text;
}

void event_cells(Cells& cells, const Value& event, Time now) {
  const auto since = [now](const Value* time, const std::string& otherwise) {
    return text_of(time).empty() ? otherwise : age_of(time, now);
  };
  const std::string first = since(member(event, "firstTimestamp", "deprecatedFirstTimestamp"),
                                  age_of(event.find("eventTime"), now));
  std::string last = since(member(event, "lastTimestamp", "deprecatedLastTimestamp"), first);
  const Value* count = member(event, "count", "deprecatedCount");
  std::int64_t times = count == nullptr ? 0 : count->as_int();
  if (const Value* series = event.find("series"); series != nullptr && !series->is_null()) {
    last = age_of(series->find("lastObservedTime"), now);
    times = number_at(*series, {"count"});
  } else if (times == 0) {
    times = 1;
  }
  const Value* object = member(event, "involvedObject", "regarding");
  const std::string name = object == nullptr ? "" : text_at(*object, {"name"});
  const std::string kind = object == nullptr ? "" : lower(text_at(*object, {"kind"}));
  cells["Last Seen"] = last;
  cells["Type"] = text_at(event, {"type"});
  cells["Reason"] = text_at(event, {"reason"});
  cells["Object"] = name.empty() ? kind : kind + "/" + name;
  cells["Subobject"] = object == nullptr ? "" : text_at(*object, {"fieldPath"});
  cells["Source"] = event_source(event);
  cells["Message"] = trimmed(text_of(member(event, "message", "note")));
  cells["First Seen"] = first;
  cells["Count"] = times;
}

std::string node_address(const Value& node, std::string_view type) {
  for (const Value& address : items_at(node, {"status", "addresses"})) {
    if (text_at(address, {"type"}) == type) return text_at(address, {"address"});
  }
  return std::string(kNone);
}

std::string node_status(const Value& node) {
  std::string status = "Unknown";
  for (const Value& one : items_at(node, {"status", "conditions"})) {
    if (text_at(one, {"type"}) != "Ready") continue;
    status = text_at(one, {"status"}) == "True" ? "Ready" : "NotReady";
  }
  const Value* closed = node.at_path({"spec", "unschedulable"});
  return closed != nullptr && closed->as_bool() ? status + ",SchedulingDisabled" : status;
}

std::string node_roles(const Value& node) {
  constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
  std::vector<std::string> roles;
  if (const Value* labels = node.at_path({"metadata", "labels"})) {
    for (const auto& [key, value] : labels->members()) {
      if (key.starts_with(kPrefix) && key.size() > kPrefix.size()) {
        roles.push_back(key.substr(kPrefix.size()));
      } else if (key == "kubernetes.io/role" && !value.as_string().empty()) {
        roles.push_back(value.as_string());
      }
    }
  }
  std::sort(roles.begin(), roles.end());
  std::string out;
  for (const std::string& role : roles) out += (out.empty() ? "" : ",") + role;
  return or_none(out);
}

void node_cells(Cells& cells, const Value& node, Time) {
  const auto info = [&node](std::string_view name) {
    const std::string text = text_at(node, {"status", "nodeInfo", name});
    return text.empty() ? std::string("<unknown>") : text;
  };
  cells["Status"] = node_status(node);
  cells["Roles"] = node_roles(node);
  cells["Version"] = text_at(node, {"status", "nodeInfo", "kubeletVersion"});
  cells["Internal-IP"] = node_address(node, "InternalIP");
  cells["External-IP"] = node_address(node, "ExternalIP");
  cells["OS-Image"] = info("osImage");
  cells["Kernel-Version"] = info("kernelVersion");
  cells["Container-Runtime"] = info("containerRuntimeVersion");
}

void revision_cells(Cells& cells, const Value& revision, Time) {
  cells["Controller"] = kNone;
  for (const Value& owner : items_at(revision, {"metadata", "ownerReferences"})) {
    const Value* flag = owner.find("controller");
    if (flag == nullptr || !flag->as_bool()) continue;
    const std::string version = text_at(owner, {"apiVersion"});
    const std::size_t slash = version.find('/');
    std::string kind = lower(text_at(owner, {"kind"}));
    if (slash != std::string::npos) kind += "." + version.substr(0, slash);
    cells["Controller"] = kind + "/" + text_at(owner, {"name"});
  }
  cells["Revision"] = number_at(revision, {"revision"});
}

void small_cells(Cells& cells, const Value& object, const schema::Kind& kind) {
  const std::string_view plural = kind.resource.plural;
  if (plural == "configmaps") {
    cells["Data"] = size_at(object, "data") + size_at(object, "binaryData");
  } else if (plural == "secrets") {
    cells["Type"] = text_at(object, {"type"});
    cells["Data"] = size_at(object, "data");
  } else if (plural == "namespaces") {
    cells["Status"] = text_at(object, {"status", "phase"});
  } else if (plural == "serviceaccounts") {
    cells["Secrets"] = size_at(object, "secrets");
  } else if (plural == "leases") {
    cells["Holder"] = text_at(object, {"spec", "holderIdentity"});
  }
}

Value::Array built_in_cells(const Value& object, const schema::Kind& kind, Time now) {
  static const std::map<std::string_view, void (*)(Cells&, const Value&, Time)> table = {
      {"pods", pod_cells},         {"jobs", job_cells},
      {"services", service_cells}, {"deployments", deployment_cells},
      {"events", event_cells},     {"controllerrevisions", revision_cells},
      {"nodes", node_cells},
  };
  Cells cells;
  cells["Name"] = text_at(object, {"metadata", "name"});
  cells["Age"] = age(object, now);
  if (const auto it = table.find(kind.resource.plural); it != table.end()) {
    it->second(cells, object, now);
  } else {
    small_cells(cells, object, kind);
  }
  Value::Array row;
  for (const schema::Column& column : kind.columns) {
    const auto it = cells.find(column.name);
    row.push_back(it == cells.end() ? Value() : std::move(it->second));
  }
  return row;
}

/// Source: Kubernetes, apiextensions-apiserver/pkg/registry/customresource/tableconvertor.
Value custom_cell(const Value* value, const schema::Column& column, Time now) {
  if (value == nullptr || value->is_null()) return {};
  if (column.type == "date") {
    if (!value->is_string()) return "<invalid>";
    return parse_time(value->as_string()).ok() ? age_of(value, now) : "<invalid>";
  }
  if (column.type == "string") return value->is_string() ? *value : Value(value->dump());
  if (column.type == "boolean") return value->is_bool() ? *value : Value();
  if (column.type == "integer" || column.type == "number") {
    return value->is_number() ? *value : Value();
  }
  return *value;
}

Value::Array custom_cells(const Value& object, const schema::Kind& kind, Time now) {
  Value::Array row;
  for (const schema::Column& column : kind.columns) {
    if (column.path.empty()) {
      row.emplace_back(text_at(object, {"metadata", "name"}));
    } else {
      row.push_back(custom_cell(at_json_path(object, column.path), column, now));
    }
  }
  return row;
}

/// Pods that are done say so beside the cells too.
Value row_conditions(const Value& pod) {
  const std::string phase = text_at(pod, {"status", "phase"});
  const bool failed = phase == "Failed";
  if (!failed && phase != "Succeeded") return {};
  return Value::array({Value::object(
      {{"type", "Completed"},
       {"status", "True"},
       {"reason", failed ? "Failed" : "Succeeded"},
       {"message", failed ? "The pod failed." : "The pod has completed successfully."}})});
}

Value row_object(const Value& object, IncludeObject include) {
  switch (include) {
    case IncludeObject::None:
      return {};
    case IncludeObject::Object:
      return object;
    case IncludeObject::Metadata:
      break;
  }
  Value out = Value::object({{"kind", "PartialObjectMetadata"}, {"apiVersion", "meta.k8s.io/v1"}});
  if (const Value* metadata = object.find("metadata")) out["metadata"] = *metadata;
  return out;
}

}  // namespace

std::optional<IncludeObject> parse_include_object(std::string_view text) {
  if (text.empty() || text == "Metadata") return IncludeObject::Metadata;
  if (text == "Object") return IncludeObject::Object;
  if (text == "None") return IncludeObject::None;
  return std::nullopt;
}

Value table_row(const Value& object, const schema::Kind& kind, IncludeObject include, Time now) {
  Value row = Value::object();
  row["cells"] = kind.custom ? custom_cells(object, kind, now) : built_in_cells(object, kind, now);
  if (kind.resource.group.empty() && kind.resource.plural == "pods") {
    if (Value conditions = row_conditions(object); !conditions.is_null()) {
      row["conditions"] = std::move(conditions);
    }
  }
  row["object"] = row_object(object, include);
  return row;
}

Value make_table(const schema::Kind& kind, Value list_metadata, std::vector<Value> rows,
                 WithColumns columns) {
  Value table = Value::object({{"kind", "Table"}, {"apiVersion", "meta.k8s.io/v1"}});
  table["metadata"] = std::move(list_metadata);
  Value definitions;
  if (columns == WithColumns::Yes) {
    definitions = Value::array();
    for (const schema::Column& column : kind.columns) {
      const std::string doc =
          kind.custom && column.doc.empty()
              ? "Custom resource definition column (in JSONPath format): " + column.path
              : column.doc;
      definitions.push_back(Value::object({{"name", column.name},
                                           {"type", column.type},
                                           {"format", column.format},
                                           {"description", doc},
                                           {"priority", column.priority}}));
    }
  }
  table["columnDefinitions"] = std::move(definitions);
  table["rows"] = Value(std::move(rows));
  return table;
}

}  // namespace millrace::apiserver
