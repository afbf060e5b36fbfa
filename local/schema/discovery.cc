#include <map>
#include <string>
#include <utility>

#include "kubeclient/base/hash.h"
#include "local/schema/kinds.h"
#include "local/schema/openapi.h"

namespace millrace::schema {
namespace {

using codec::Value;
using Documents = std::map<std::string, Document, std::less<>>;

constexpr std::string_view kAggregated =
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

void add(Documents& documents, std::string path, std::string_view media_type, const Value& value) {
  Document document{path, std::string(media_type), value.dump(), ""};
  document.etag = "\"" + hex(stable_hash(document.body), 16) + "\"";
  documents.emplace(std::move(path), std::move(document));
}

Value texts(const std::vector<std::string>& list) {
  Value out = Value::array();
  for (const std::string& text : list) out.push_back(text);
  return out;
}

Value verbs(const Kind& kind) {
  // The order is the real server's, which is another one for custom kinds.
  Value out = kind.custom ? Value::array({"delete"}) : Value::array({"create", "delete"});
  if (kind.delete_collection) out.push_back("deletecollection");
  for (const char* verb : {"get", "list", "patch"}) out.push_back(verb);
  if (kind.custom) out.push_back("create");
  for (const char* verb : {"update", "watch"}) out.push_back(verb);
  return out;
}

/// A part of a kind with an address of its own.
struct Subresource {
  std::string_view name;
  std::string_view group;  ///< of its kind, when it is another one
  std::string_view kind;
  Value verbs;
};

std::vector<Subresource> subresources(const Kind& kind) {
  const Value writable = Value::array({"get", "patch", "update"});
  std::vector<Subresource> out;
  if (kind.log) out.push_back({"log", "", kind.resource.kind, Value::array({"get"})});
  if (kind.scale) out.push_back({"scale", "autoscaling", "Scale", writable});
  if (kind.status) out.push_back({"status", "", kind.resource.kind, writable});
  return out;
}

Value plain_resource(const Kind& kind) {
  Value out = Value::object({{"name", kind.resource.plural},
                             {"singularName", kind.singular},
                             {"namespaced", kind.resource.namespaced},
                             {"kind", kind.resource.kind},
                             {"verbs", verbs(kind)}});
  if (!kind.short_names.empty()) out["shortNames"] = texts(kind.short_names);
  if (!kind.categories.empty()) out["categories"] = texts(kind.categories);
  return out;
}

void add_plain_resources(Value& list, const Kind& kind) {
  list.push_back(plain_resource(kind));
  for (const Subresource& part : subresources(kind)) {
    Value out =
        Value::object({{"name", std::string(kind.resource.plural) + "/" + std::string(part.name)},
                       {"singularName", ""},
                       {"namespaced", kind.resource.namespaced}});
    if (!part.group.empty()) {
      out["group"] = part.group;
      out["version"] = "v1";
    }
    out["kind"] = part.kind;
    out["verbs"] = part.verbs;
    list.push_back(std::move(out));
  }
}

Value response_kind(std::string_view group, std::string_view version, std::string_view kind) {
  return Value::object({{"group", group}, {"version", version}, {"kind", kind}});
}

/// Built-in kinds leave group and version of their own kind empty, custom ones do not.
Value aggregated_resource(const Kind& kind) {
  const api::ApiResource& resource = kind.resource;
  const std::string_view group = kind.custom ? resource.group : "";
  const std::string_view version = kind.custom ? resource.version : "";
  Value out = Value::object({{"resource", resource.plural},
                             {"responseKind", response_kind(group, version, resource.kind)},
                             {"scope", resource.namespaced ? "Namespaced" : "Cluster"},
                             {"singularResource", kind.singular},
                             {"verbs", verbs(kind)}});
  if (!kind.short_names.empty()) out["shortNames"] = texts(kind.short_names);
  if (!kind.categories.empty()) out["categories"] = texts(kind.categories);
  Value parts = Value::array();
  for (const Subresource& part : subresources(kind)) {
    const bool own = part.group.empty();
    parts.push_back(Value::object(
        {{"subresource", part.name},
         {"responseKind", response_kind(own ? group : part.group, own ? version : "v1", part.kind)},
         {"verbs", part.verbs}}));
  }
  if (!parts.empty()) out["subresources"] = std::move(parts);
  return out;
}

/// The kinds of each group and version, in the order of `kinds()`.
std::vector<std::pair<api::ApiResource, std::vector<const Kind*>>> groups() {
  std::vector<std::pair<api::ApiResource, std::vector<const Kind*>>> out;
  for (const Kind& kind : kinds()) {
    if (out.empty() || out.back().first.group != kind.resource.group) {
      out.push_back({kind.resource, {}});
    }
    out.back().second.push_back(&kind);
  }
  return out;
}

Value api_group(const api::ApiResource& resource) {
  const Value version =
      Value::object({{"groupVersion", resource.api_version()}, {"version", resource.version}});
  return Value::object({{"name", resource.group},
                        {"versions", Value::array({version})},
                        {"preferredVersion", version}});
}

Value version_info() {
  return Value::object({{"major", "1"},
                        {"minor", "34"},
                        {"emulationMajor", "1"},
                        {"emulationMinor", "34"},
                        {"minCompatibilityMajor", "1"},
                        {"minCompatibilityMinor", "33"},
                        {"gitVersion", kKubernetesVersion},
                        {"gitCommit", ""},
                        {"gitTreeState", ""},
                        {"buildDate", "1970-01-01T00:00:00Z"},
                        {"goVersion", ""},
                        {"compiler", "gcc"},
                        {"platform", "linux/amd64"}});
}

Documents make_discovery() {
  Documents documents;
  add(documents, "/version", "application/json", version_info());
  add(documents, "/api", "application/json",
      Value::object({{"kind", "APIVersions"},
                     {"versions", Value::array({"v1"})},
                     {"serverAddressByClientCIDRs", Value::array()}}));
  Value group_list = Value::array();
  for (const auto& [resource, members] : groups()) {
    Value resources = Value::array();
    for (const Kind* kind : members) add_plain_resources(resources, *kind);
    const bool core = resource.group.empty();
    add(documents, (core ? "/api/" : "/apis/") + resource.api_version(), "application/json",
        // The list of the core kinds does not say its own version.
        core ? Value::object({{"kind", "APIResourceList"},
                              {"groupVersion", resource.api_version()},
                              {"resources", std::move(resources)}})
             : Value::object({{"kind", "APIResourceList"},
                              {"apiVersion", "v1"},
                              {"groupVersion", resource.api_version()},
                              {"resources", std::move(resources)}}));
    if (core) continue;
    Value group = Value::object({{"kind", "APIGroup"}, {"apiVersion", "v1"}});
    const Value described = api_group(resource);
    for (const auto& [key, value] : described.members()) group[key] = value;
    add(documents, "/apis/" + std::string(resource.group), "application/json", group);
    group_list.push_back(api_group(resource));
  }
  add(documents, "/apis", "application/json",
      Value::object(
          {{"kind", "APIGroupList"}, {"apiVersion", "v1"}, {"groups", std::move(group_list)}}));
  return documents;
}

Documents make_aggregated() {
  Value core = Value::array();
  Value others = Value::array();
  for (const auto& [resource, members] : groups()) {
    Value resources = Value::array();
    for (const Kind* kind : members) resources.push_back(aggregated_resource(*kind));
    Value version = Value::object({{"version", resource.version},
                                   {"resources", std::move(resources)},
                                   {"freshness", "Current"}});
    Value metadata = Value::object();
    if (!resource.group.empty()) metadata["name"] = resource.group;
    Value item = Value::object(
        {{"metadata", std::move(metadata)}, {"versions", Value::array({std::move(version)})}});
    (resource.group.empty() ? core : others).push_back(std::move(item));
  }
  Documents documents;
  for (auto& [path, items] : {std::pair{"/api", &core}, std::pair{"/apis", &others}}) {
    add(documents, path, kAggregated,
        Value::object({{"kind", "APIGroupDiscoveryList"},
                       {"apiVersion", "apidiscovery.k8s.io/v2"},
                       {"metadata", Value::object()},
                       {"items", std::move(*items)}}));
  }
  return documents;
}

const Document* find(const Documents& documents, std::string_view path) {
  const auto found = documents.find(path);
  return found == documents.end() ? nullptr : &found->second;
}

}  // namespace

const Document* discovery_document(std::string_view path) {
  static const Documents documents = make_discovery();
  return find(documents, path);
}

const Document* aggregated_document(std::string_view path) {
  static const Documents documents = make_aggregated();
  return find(documents, path);
}

}  // namespace millrace::schema
