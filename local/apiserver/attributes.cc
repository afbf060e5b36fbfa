#include "local/apiserver/attributes.h"

#include <algorithm>
#include <map>
#include <string>

namespace millrace::apiserver {
namespace {

using codec::Value;
using Fields = std::vector<std::string_view>;

const Value* at_dotted(const Value& object, std::string_view path) {
  const Value* value = &object;
  while (value != nullptr) {
    const std::size_t dot = path.find('.');
    value = value->find(path.substr(0, dot));
    if (dot == std::string_view::npos) break;
    path.remove_prefix(dot + 1);
  }
  return value;
}

std::string text_of(const Value* value) {
  if (value == nullptr || value->is_null()) return "";
  if (value->is_string()) return value->as_string();
  if (value->is_bool() || value->is_number()) return value->dump();
  return "";
}

std::string field_of(const Value& object, const schema::Kind& kind, std::string_view name) {
  const auto text = [&object](std::string_view path) { return text_of(at_dotted(object, path)); };
  const std::string_view plural = kind.resource.plural;
  if (plural == "events" && name == "source") {
    std::string source = text("source.component");
    return source.empty() ? text("reportingComponent") : source;
  }
  if (plural == "jobs") {
    std::string succeeded = text("status.succeeded");
    return succeeded.empty() ? "0" : succeeded;
  }
  std::string value = text(name);
  if (value.empty() && name == "spec.hostNetwork") return "false";
  return value;
}

}  // namespace

const std::vector<std::string_view>& selectable_fields(const schema::Kind& kind) {
  static const Fields none;
  if (kind.custom) return none;
  static const std::map<std::string_view, Fields> table = {
      {"pods",
       {"spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName",
        "spec.hostNetwork", "status.phase", "status.podIP", "status.podIPs",
        "status.nominatedNodeName"}},
      {"jobs.batch", {"status.successful"}},
      {"events",
       {"involvedObject.kind", "involvedObject.namespace", "involvedObject.name",
        "involvedObject.uid", "involvedObject.apiVersion", "involvedObject.resourceVersion",
        "involvedObject.fieldPath", "reason", "reportingComponent", "source", "type"}},
      {"secrets", {"type"}},
      {"namespaces", {"status.phase"}},
      {"nodes", {"spec.unschedulable"}},
      {"services", {"spec.clusterIP", "spec.type"}},
  };
  const auto found = table.find(kind.storage_name());
  return found == table.end() ? none : found->second;
}

storage::Attributes attributes_of(const codec::Value& object, const schema::Kind& kind) {
  storage::Attributes attributes;
  const Value* metadata = object.find("metadata");
  const Value* labels = metadata == nullptr ? nullptr : metadata->find("labels");
  if (labels != nullptr) {
    for (const auto& [key, value] : labels->members()) {
      attributes.labels.emplace_back(key, value.as_string());
    }
    std::sort(attributes.labels.begin(), attributes.labels.end());
  }
  if (metadata != nullptr) {
    attributes.fields.emplace_back("metadata.name", text_of(metadata->find("name")));
    attributes.fields.emplace_back("metadata.namespace", text_of(metadata->find("namespace")));
  }
  for (const std::string_view name : selectable_fields(kind)) {
    attributes.fields.emplace_back(name, field_of(object, kind, name));
  }
  std::sort(attributes.fields.begin(), attributes.fields.end());
  return attributes;
}

}  // namespace millrace::apiserver
