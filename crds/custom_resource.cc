#include "crds/custom_resource.h"

#include <cctype>
#include <iterator>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/codec/docs.h"
#include "kubeclient/codec/schema.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::crds {
namespace {

using codec::Value;

template <class T>
KindInfo make_kind(std::string_view doc, std::string_view page) {
  KindInfo kind;
  kind.resource = T::kResource;
  kind.short_name = T::kShortName;
  kind.columns.assign(std::begin(T::kPrintColumns), std::end(T::kPrintColumns));
  kind.type = codec::type_info<T>();
  // The server checks metadata by itself and allows no schema of it.
  std::erase_if(kind.type.fields, [](const auto& field) { return field.name == "metadata"; });
  kind.doc = doc;
  kind.page = page;
  kind.schema = Value::object({{"description", doc}});
  Value schema = codec::schema_of(kind.type);
  for (auto& [key, value] : schema.members()) {
    kind.schema[key] = std::move(value);
  }
  Value properties = Value::object({{"apiVersion", Value::object({{"type", "string"}})},
                                    {"kind", Value::object({{"type", "string"}})},
                                    {"metadata", Value::object({{"type", "object"}})}});
  for (auto& [name, property] : kind.schema["properties"].members()) {
    properties[name] = std::move(property);
  }
  kind.schema["properties"] = std::move(properties);
  return kind;
}

std::string lower(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return out;
}

Value columns(const KindInfo& kind) {
  Value list = Value::array();
  for (const PrintColumn& column : kind.columns) {
    Value entry = Value::object({{"name", column.name}, {"type", column.type}});
    entry["jsonPath"] = column.json_path;
    if (!column.doc.empty()) entry["description"] = column.doc;
    if (column.priority > 0) entry["priority"] = column.priority;
    list.push_back(std::move(entry));
  }
  return list;
}

}  // namespace

const std::vector<KindInfo>& kinds() {
  static const std::vector<KindInfo> all = [] {
    std::vector<KindInfo> list;
    list.push_back(make_kind<Pipeline>("What is to run, and when.", "pipeline.md"));
    list.push_back(make_kind<PipelineRun>("One run of a Pipeline.", "pipelinerun.md"));
    return list;
  }();
  return all;
}

const KindInfo* find_kind(std::string_view kind) {
  for (const KindInfo& candidate : kinds()) {
    if (candidate.resource.kind == kind) return &candidate;
  }
  return nullptr;
}

Value custom_resource(const KindInfo& kind) {
  const api::ApiResource& resource = kind.resource;
  Value names = Value::object({{"kind", resource.kind},
                               {"listKind", std::string(resource.kind) + "List"},
                               {"plural", resource.plural},
                               {"singular", lower(resource.kind)}});
  names["shortNames"] = Value::array({kind.short_name});
  names["categories"] = Value::array({"all"});
  Value version = Value::object({{"name", resource.version}, {"served", true}, {"storage", true}});
  version["subresources"] = Value::object({{"status", Value::object()}});
  version["additionalPrinterColumns"] = columns(kind);
  version["schema"] = Value::object({{"openAPIV3Schema", kind.schema}});
  Value spec = Value::object({{"group", resource.group}, {"scope", "Namespaced"}});
  spec["names"] = std::move(names);
  spec["versions"] = Value::array({std::move(version)});
  const std::string name = std::string(resource.plural) + "." + std::string(resource.group);
  return Value::object({{"apiVersion", "apiextensions.k8s.io/v1"},
                        {"kind", "CustomResourceDefinition"},
                        {"metadata", Value::object({{"name", name}})},
                        {"spec", std::move(spec)}});
}

std::string crd_yaml(const KindInfo& kind) {
  return "# Generated from crds/ by scripts/generate; do not edit.\n" +
         codec::to_yaml(custom_resource(kind));
}

std::string crd_yaml() {
  std::string text;
  for (const KindInfo& kind : kinds()) {
    if (!text.empty()) text += "---\n";
    text += crd_yaml(kind);
  }
  return text;
}

std::string reference_page(const KindInfo& kind) {
  const api::ApiResource& resource = kind.resource;
  std::string text = "<!-- Generated from crds/ by scripts/generate; do not edit. -->\n# ";
  text += std::string(resource.kind) + "\n\n" + std::string(kind.doc) + "\n\n";
  text += "`apiVersion: " + resource.api_version() + "`, `kind: " + std::string(resource.kind) +
          "`; for kubectl `" + std::string(resource.plural) + "`, short `" +
          std::string(kind.short_name) + "`.\n\n## Columns of `kubectl get`\n\n" +
          "| Column | Meaning | From |\n|---|---|---|\n";
  for (const PrintColumn& column : kind.columns) {
    std::string name(column.name);
    for (char& c : name) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
    text += "| " + name + (column.priority > 0 ? " (with `-o wide`)" : "") + " | " +
            std::string(column.doc) + " | `" + std::string(column.json_path) + "` |\n";
  }
  for (const codec::RuleInfo& rule : kind.type.rules) {
    text += "\nRule: " + std::string(rule.message) + ".\n";
  }
  for (const codec::FieldInfo& field : kind.type.fields) {
    text += "\n" + codec::reference_markdown(field.type, field.name);
  }
  return text;
}

std::vector<GeneratedFile> generated_files() {
  std::vector<GeneratedFile> files;
  for (const KindInfo& kind : kinds()) {
    files.push_back(
        {"manifests/crds/" + std::string(kind.resource.plural) + ".yaml", crd_yaml(kind)});
    files.push_back({"docs/reference/" + std::string(kind.page), reference_page(kind)});
  }
  return files;
}

}  // namespace millrace::crds
