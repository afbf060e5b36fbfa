#include "local/schema/openapi.h"

#include <map>
#include <set>
#include <string>
#include <utility>

#include "kubeclient/base/hash.h"
#include "kubeclient/base/result.h"
#include "local/schema/kinds.h"

namespace millrace::schema {
namespace {

using codec::Value;
using Documents = std::map<std::string, Document, std::less<>>;

constexpr std::string_view kTitle = "Millrace";
constexpr std::string_view kScalarTypes[] = {"boolean", "integer", "number", "string"};

Value kind_names(const api::ApiResource& resource) {
  return Value::object(
      {{"group", resource.group}, {"version", resource.version}, {"kind", resource.kind}});
}

Value reference(const std::string& name) {
  return Value::object({{"$ref", "#/components/schemas/" + name}});
}

/// Makes the schemas of one group and version.
class Components {
 public:
  Value take() { return std::move(schemas_); }

  void add_kind(const Kind& kind) {
    const std::string name = name_of(kind);
    Value schema = kind.custom ? custom(kind) : object(*kind.type);
    schema["x-kubernetes-group-version-kind"] = Value::array({kind_names(kind.resource)});
    schemas_[name] = std::move(schema);
    done_.insert(name);
  }

  static std::string name_of(const Kind& kind) {
    if (!kind.custom) return kind.type->name;
    std::string_view group = kind.resource.group;
    std::string name;
    while (!group.empty()) {  // "millrace.dev" → "dev.millrace."
      const std::size_t dot = group.find('.');
      name = std::string(group.substr(0, dot)) + "." + name;
      group = dot == std::string_view::npos ? "" : group.substr(dot + 1);
    }
    return name + std::string(kind.resource.version) + "." + std::string(kind.resource.kind);
  }

 private:
  void need(const Type& type) {
    if (!done_.insert(type.name).second) return;
    schemas_[type.name] = object(type);
  }

  Value custom(const Kind& kind) {
    Value schema = *kind.type->custom;
    const Type& metadata = metadata_type();
    need(metadata);
    schema["properties"]["metadata"] =
        Value::object({{"description", "Name, labels and the like."},
                       {"allOf", Value::array({reference(metadata.name)})}});
    return schema;
  }

  Value object(const Type& type) {
    Value schema = Value::object({{"description", type.doc}, {"type", "object"}});
    Value required = Value::array();
    Value properties = Value::object();
    for (const Field& field : type.fields) {
      if (field.required) required.push_back(field.name);
      properties[field.name] = property(field);
    }
    if (!required.empty()) schema["required"] = std::move(required);
    schema["properties"] = std::move(properties);
    if (type.atomic) schema["x-kubernetes-map-type"] = "atomic";
    return schema;
  }

  Value property(const Field& field) {
    Value schema = Value::object({{"description", field.doc}});
    const Value shape = schema_of(*field.type);
    if (shape.find("$ref") != nullptr) {
      schema["allOf"] = Value::array({shape});
    } else {
      for (const auto& [key, value] : shape.members()) schema[key] = value;
    }
    if (!field.default_value.is_null()) schema["default"] = field.default_value;
    if (!field.enums.empty()) {
      for (const std::string& name : field.enums) schema["enum"].push_back(name);
    }
    if (field.type->shape == Shape::List) add_list_keys(schema, field);
    if (field.type->shape == Shape::Map && field.atomic) schema["x-kubernetes-map-type"] = "atomic";
    if (!field.patch_key.empty()) schema["x-kubernetes-patch-merge-key"] = field.patch_key;
    std::string strategy = field.patch_merge ? "merge" : "";
    if (field.retain_keys) strategy += strategy.empty() ? "retainKeys" : ",retainKeys";
    if (!strategy.empty()) schema["x-kubernetes-patch-strategy"] = strategy;
    return schema;
  }

  static void add_list_keys(Value& schema, const Field& field) {
    constexpr std::string_view names[] = {"atomic", "set", "map"};
    schema["x-kubernetes-list-type"] = names[static_cast<std::size_t>(field.list_kind)];
    for (const std::string& key : field.list_keys) {
      schema["x-kubernetes-list-map-keys"].push_back(key);
    }
  }

  Value schema_of(const Type& type) {
    switch (type.shape) {
      case Shape::Object:
        need(type);
        return reference(type.name);
      case Shape::Map:
        return Value::object({{"type", "object"}, {"additionalProperties", item(*type.element)}});
      case Shape::List:
        return Value::object({{"type", "array"}, {"items", item(*type.element)}});
      case Shape::Any:
        return Value::object({{"type", "object"}});
      case Shape::IntOrString:
        return choice("io.k8s.apimachinery.pkg.util.intstr.IntOrString", "integer",
                      "A number, or a text such as a name or a percentage.");
      default:
        break;
    }
    if (type.format == "quantity") {
      return choice("io.k8s.apimachinery.pkg.api.resource.Quantity", "number",
                    "An amount such as 500m, 2 or 1.5Gi.");
    }
    Value schema = Value::object({{"type", kScalarTypes[static_cast<std::size_t>(type.shape)]}});
    const std::string format = type.format == "micro-time" ? "date-time" : type.format;
    if (!format.empty()) schema["format"] = format;
    return schema;
  }

  /// A text or something else, under a name of its own, as kubectl shows it.
  Value choice(const std::string& name, std::string_view other, std::string_view doc) {
    if (done_.insert(name).second) {
      schemas_[name] = Value::object({{"description", doc},
                                      {"oneOf", Value::array({Value::object({{"type", "string"}}),
                                                              Value::object({{"type", other}})})}});
      if (other == "integer") schemas_[name]["format"] = "int-or-string";
    }
    return reference(name);
  }

  Value item(const Type& type) {
    Value schema = schema_of(type);
    if (schema.find("$ref") == nullptr) return schema;
    return Value::object({{"allOf", Value::array({std::move(schema)})}});
  }

  Value schemas_ = Value::object();
  std::set<std::string> done_;
};

Value parameter(std::string_view name, std::string_view place, std::string_view doc,
                std::string_view type = "string") {
  Value out = Value::object({{"name", name},
                             {"in", place},
                             {"description", doc},
                             {"schema", Value::object({{"type", type}})}});
  if (place == "path") out["required"] = true;
  return out;
}

/// One operation. kubectl looks for `fieldValidation` among the parameters of a patch before it
/// relies on the server to find typing mistakes.
Value operation(const Kind& kind, std::string_view action) {
  Value parameters = Value::array();
  if (action != "get" && action != "list") {
    parameters.push_back(parameter("dryRun", "query", "All: check, but store nothing."));
  }
  if (action == "post" || action == "put" || action == "patch") {
    parameters.push_back(parameter("fieldManager", "query", "Who writes."));
    parameters.push_back(parameter("fieldValidation", "query",
                                   "What unknown fields are: Strict: errors; Warn: warnings; "
                                   "Ignore: nothing."));
  }
  if (action == "patch") {
    parameters.push_back(
        parameter("force", "query", "Take fields from other managers when applying.", "boolean"));
  }
  Value out = Value::object();
  if (!parameters.empty()) out["parameters"] = std::move(parameters);
  const Value answer = Value::object(
      {{"application/json", Value::object({{"schema", reference(Components::name_of(kind))}})}});
  Value ok = Value::object({{"description", "OK"}});
  if (action != "list" && action != "delete") ok["content"] = answer;
  out["responses"] = Value::object({{"200", std::move(ok)}});
  out["x-kubernetes-action"] = action;
  out["x-kubernetes-group-version-kind"] = kind_names(kind.resource);
  return out;
}

void add_paths(Value& paths, const Kind& kind) {
  const api::ApiResource& resource = kind.resource;
  const std::string base =
      (resource.group.empty() ? "/api/" : "/apis/") + resource.api_version() + "/";
  const std::string all =
      base + (resource.namespaced ? "namespaces/{namespace}/" : "") + std::string(resource.plural);
  if (resource.namespaced) {
    paths[base + std::string(resource.plural)] = Value::object({{"get", operation(kind, "list")}});
  }
  Value in_path = Value::array();
  if (resource.namespaced) in_path.push_back(parameter("namespace", "path", "The namespace."));
  paths[all] = Value::object({{"get", operation(kind, "list")},
                              {"post", operation(kind, "post")},
                              {"parameters", in_path}});
  in_path.push_back(parameter("name", "path", "The object's name."));
  Value one = Value::object({{"get", operation(kind, "get")},
                             {"put", operation(kind, "put")},
                             {"delete", operation(kind, "delete")},
                             {"patch", operation(kind, "patch")},
                             {"parameters", in_path}});
  if (kind.status) {
    paths[all + "/{name}/status"] = Value::object({{"get", operation(kind, "get")},
                                                   {"put", operation(kind, "put")},
                                                   {"patch", operation(kind, "patch")},
                                                   {"parameters", in_path}});
  }
  paths[all + "/{name}"] = std::move(one);
}

Documents make_documents() {
  std::map<std::string, std::vector<const Kind*>> by_version;
  for (const Kind& kind : kinds()) {
    const std::string root = kind.resource.group.empty() ? "api/" : "apis/";
    by_version[root + kind.resource.api_version()].push_back(&kind);
  }
  Documents documents;
  const auto add = [&documents](std::string path, const Value& value) -> const Document& {
    Document document{path, "application/json", value.dump(), ""};
    document.etag = "\"" + hex(stable_hash(document.body), 16) + "\"";
    return documents.emplace(std::move(path), std::move(document)).first->second;
  };
  Value index = Value::object();
  for (const auto& [name, members] : by_version) {
    Components components;
    Value paths = Value::object();
    for (const Kind* kind : members) {
      components.add_kind(*kind);
      add_paths(paths, *kind);
    }
    const Value document = Value::object(
        {{"openapi", "3.0.0"},
         {"info", Value::object({{"title", kTitle}, {"version", kKubernetesVersion}})},
         {"paths", std::move(paths)},
         {"components", Value::object({{"schemas", components.take()}})}});
    const Document& added = add("/openapi/v3/" + name, document);
    const std::string hash = added.etag.substr(1, added.etag.size() - 2);
    index[name] = Value::object({{"serverRelativeURL", added.path + "?hash=" + hash}});
  }
  add("/openapi/v3", Value::object({{"paths", std::move(index)}}));
  add("/openapi/v2",
      Value::object({{"swagger", "2.0"},
                     {"info", Value::object({{"title", kTitle}, {"version", kKubernetesVersion}})},
                     {"paths", Value::object()},
                     {"definitions", Value::object()}}));
  return documents;
}

/// A field of protobuf with a length before it; the number is below 16, the length below 128.
std::string field(int number, std::string_view content) {
  MR_CHECK(content.size() < 128);
  return std::string({static_cast<char>(number << 3 | 2), static_cast<char>(content.size())}) +
         std::string(content);
}

}  // namespace

const Document& openapi_v2_message() {
  // Numbers of gnostic's openapi.v2 Document: swagger 1, info 2 (title 1, version 2), paths 8.
  static const Document document = {
      "/openapi/v2", "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
      field(1, "2.0") + field(2, field(1, kTitle) + field(2, kKubernetesVersion)) + field(8, ""),
      ""};
  return document;
}

const Document* openapi_document(std::string_view path) {
  static const Documents documents = make_documents();
  const auto found = documents.find(path);
  return found == documents.end() ? nullptr : &found->second;
}

}  // namespace millrace::schema
