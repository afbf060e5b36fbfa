#include "crds/validate.h"

#include <algorithm>
#include <map>
#include <set>

#include "crds/custom_resource.h"
#include "crds/rules.h"
#include "kubeclient/codec/schema_check.h"
#include "kubeclient/codec/yaml.h"

namespace millrace::crds {
namespace {

using codec::FieldError;
using codec::Value;

constexpr std::string_view kSeedApiVersion = "controller.ljchen.net/v1";

std::string own_api_version() { return std::string(kGroup) + "/" + std::string(kVersion); }

/// metadata as the API server knows it.
Value metadata_schema() {
  const Value text = Value::object({{"type", "string"}});
  const Value texts = Value::object({{"type", "object"}, {"additionalProperties", text}});
  const Value open =
      Value::object({{"type", "object"}, {"x-kubernetes-preserve-unknown-fields", true}});
  Value properties = Value::object();
  for (const char* name : {"name", "generateName", "namespace", "uid", "resourceVersion",
                           "selfLink", "creationTimestamp", "deletionTimestamp"}) {
    properties[name] = text;
  }
  properties["labels"] = texts;
  properties["annotations"] = texts;
  properties["generation"] = Value::object({{"type", "integer"}});
  properties["deletionGracePeriodSeconds"] = Value::object({{"type", "integer"}});
  properties["finalizers"] = Value::object({{"type", "array"}, {"items", text}});
  properties["ownerReferences"] = Value::object({{"type", "array"}, {"items", open}});
  properties["managedFields"] = properties["ownerReferences"];
  return Value::object({{"type", "object"}, {"properties", std::move(properties)}});
}

bool is_subdomain(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  std::size_t start = 0;
  while (start <= name.size()) {
    const std::size_t dot = std::min(name.find('.', start), name.size());
    if (!codec::is_dns_label(Value(name.substr(start, dot - start)))) return false;
    start = dot + 1;
  }
  return true;
}

/// A label value: at most 63 characters of letters, digits, '-', '_' and '.'.
bool is_label_value(std::string_view text) {
  const auto alphanumeric = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  };
  if (text.empty()) return true;
  return text.size() <= 63 && alphanumeric(text.front()) && alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(),
                     [&](char c) { return alphanumeric(c) || c == '-' || c == '_' || c == '.'; });
}

void check_metadata(const Value& object, std::vector<FieldError>& errors) {
  static const Value schema = metadata_schema();
  const Value* metadata = object.find("metadata");
  if (metadata == nullptr || metadata->is_null()) {
    errors.push_back({"metadata.name", "required"});
    return;
  }
  const std::size_t before = errors.size();
  for (FieldError& error : codec::check_schema(schema, *metadata, {})) {
    error.path = error.path.empty() ? "metadata" : "metadata." + error.path;
    errors.push_back(std::move(error));
  }
  if (errors.size() != before) return;
  const Value* name = metadata->find("name");
  const Value* generate = metadata->find("generateName");
  if (name == nullptr && generate == nullptr) errors.push_back({"metadata.name", "required"});
  constexpr std::string_view kCure =
      ": use lower-case letters, digits, '-' and '.', with a letter or digit at both ends";
  if (name != nullptr && !is_subdomain(name->as_string())) {
    errors.push_back({"metadata.name", name->dump() + " cannot be a name" + std::string(kCure)});
  }
  // The server adds random letters, so the end may be a dash or a dot.
  if (name == nullptr && generate != nullptr && !is_subdomain(generate->as_string() + "x")) {
    errors.push_back(
        {"metadata.generateName", generate->dump() + " cannot begin a name" + std::string(kCure)});
  }
  const Value* labels = metadata->find("labels");
  if (labels == nullptr) return;
  for (const auto& [key, value] : labels->members()) {
    if (is_label_value(value.as_string())) continue;
    errors.push_back({"metadata.labels." + key,
                      value.dump() + " cannot be a label: at most 63 letters, digits, '-', '_' and "
                                     "'.', with a letter or digit at both ends"});
  }
}

/// What the API server does not refuse, but nobody wants.
std::vector<FieldError> warnings_of(const Pipeline& pipeline) {
  std::vector<FieldError> warnings;
  const auto& strategy = pipeline.spec.strategy;
  if (strategy && pipeline.spec.stream_job && !strategy->cron_expression.empty()) {
    warnings.push_back({"spec.strategy.cronExpression",
                        "has no effect on a streamJob: create a PipelineRun to start it"});
  }
  if (strategy && strategy->catch_up_limit && strategy->catch_up != CatchUp::All &&
      *strategy->catch_up_limit != 10) {
    warnings.push_back({"spec.strategy.catchUpLimit", "has an effect with catchUp: All only"});
  }
  return warnings;
}

/// Checks one file and collects what is found.
class Inspector {
 public:
  Inspector(std::string_view file, const DeeperChecks& deeper) : file_(file), deeper_(deeper) {}

  void document(const codec::YamlDocument& document) {
    document_ = &document;
    object(document.value, "");
  }

  /// The report, in the order of the file.
  Report take() {
    std::stable_sort(report_.findings.begin(), report_.findings.end(),
                     [](const Finding& a, const Finding& b) {
                       return std::pair(a.line, a.column) < std::pair(b.line, b.column);
                     });
    return std::move(report_);
  }

 private:
  /// `prefix` is the path of the object in its document, empty or with a dot at its end.
  void object(const Value& value, const std::string& prefix) {
    prefix_ = prefix;
    if (!value.is_object()) return error({"", "must be a map with apiVersion, kind and spec"});
    if (!has_text(value, "apiVersion") || !has_text(value, "kind")) return;
    const std::string& api_version = value.find("apiVersion")->as_string();
    const std::string& kind_name = value.find("kind")->as_string();
    const std::string group = api_version.substr(0, api_version.find('/'));
    const Value* list = value.find("items");
    if (list != nullptr && list->is_array() && kind_name.ends_with("List")) {
      std::size_t index = 0;
      for (const Value& item : list->items()) {
        object(item, prefix + "items[" + std::to_string(index++) + "].");
      }
      return;
    }
    const KindInfo* kind = find_kind(kind_name);
    if (group == kGroup && api_version == own_api_version()) {
      return kind == nullptr ? unknown_kind(kind_name) : own_object(value, *kind);
    }
    if (kind != nullptr && api_version == kSeedApiVersion) {
      return error(
          {"apiVersion", "\"" + api_version + "\" is the pipeline-operator's: change this " +
                             "line to apiVersion: " + own_api_version() + ", the rest can stay"});
    }
    if (group == kGroup) {
      return error(
          {"apiVersion", "\"" + api_version + "\" is not served; write " + own_api_version()});
    }
    if (kind != nullptr &&
        (api_version == kVersion || !codec::nearest_name(group, {kGroup}).empty())) {
      return error({"apiVersion", "\"" + api_version + "\" has no " + kind_name + "; write " +
                                      own_api_version()});
    }
    add(Severity::Note, {"", "not checked: a " + kind_name + " of " + api_version});
  }

  void own_object(const Value& value, const KindInfo& kind) {
    std::vector<FieldError> errors = check_object(value);
    for (FieldError& complaint : errors) error(std::move(complaint));
    repeated_name(value, kind);
    if (!errors.empty()) return;
    if (kind.resource.kind == Pipeline::kResource.kind) {
      keep<Pipeline>(value, report_.pipelines, deeper_.pipeline);
    } else {
      keep<PipelineRun>(value, report_.runs, deeper_.run);
    }
  }

  void add(Severity severity, FieldError complaint) {
    complaint.path = prefix_ + complaint.path;
    if (complaint.path.ends_with('.')) complaint.path.pop_back();
    const codec::YamlPosition at = document_->position_of(complaint.path);
    report_.findings.push_back({file_, at.line, at.column, std::move(complaint.path), severity,
                                std::move(complaint.message)});
  }
  void error(FieldError complaint) { add(Severity::Error, std::move(complaint)); }

  bool has_text(const Value& object, std::string_view key) {
    const Value* member = object.find(key);
    if (member != nullptr && member->is_string() && !member->as_string().empty()) return true;
    error({std::string(key), "required; for a pipeline write apiVersion: " + own_api_version() +
                                 " and kind: Pipeline"});
    return false;
  }

  void unknown_kind(const std::string& kind_name) {
    std::vector<std::string_view> names;
    std::string known;
    for (const KindInfo& kind : kinds()) {
      names.push_back(kind.resource.kind);
      known += (known.empty() ? "" : ", ") + std::string(kind.resource.kind);
    }
    const std::string_view near = codec::nearest_name(kind_name, names);
    error({"kind",
           "\"" + kind_name + "\" is not a kind of " + own_api_version() +
               (near.empty() ? "; it has " + known : "; did you mean " + std::string(near) + "?")});
  }

  /// Two documents of one file with the same name: the later one would overwrite the earlier.
  void repeated_name(const Value& object, const KindInfo& kind) {
    const Value* name = object.at_path({"metadata", "name"});
    if (name == nullptr) return;
    const Value* ns = object.at_path({"metadata", "namespace"});
    const std::string key = std::string(kind.resource.kind) + " " +
                            (ns == nullptr ? "" : ns->as_string() + "/") + name->as_string();
    const auto [first, is_new] = seen_.emplace(key, document_->line_of(prefix_ + "metadata.name"));
    if (is_new) return;
    add(Severity::Warning,
        {"metadata.name", "the " + key + " stands in line " + std::to_string(first->second) +
                              " already; the later one overwrites it"});
  }

  template <class T>
  void keep(const Value& object, std::vector<T>& list,
            const std::function<std::vector<FieldError>(const T&)>& deeper) {
    auto decoded = codec::decode<T>(object.dump());
    if (!decoded.ok()) return error({"", decoded.error().message});
    if constexpr (std::is_same_v<T, Pipeline>) {
      for (FieldError& complaint : warnings_of(*decoded)) add(Severity::Warning, complaint);
    }
    std::vector<FieldError> errors;
    if (deeper) errors = deeper(*decoded);
    for (FieldError& complaint : errors) error(complaint);
    if (errors.empty()) list.push_back(*std::move(decoded));
  }

  std::string file_;
  const DeeperChecks& deeper_;
  const codec::YamlDocument* document_ = nullptr;
  std::string prefix_;
  std::map<std::string, int> seen_;
  Report report_;
};

}  // namespace

std::string_view to_string(Severity severity) {
  switch (severity) {
    case Severity::Error:
      return "error";
    case Severity::Warning:
      return "warning";
    case Severity::Note:
      return "note";
  }
  return "";
}

std::string to_string(const Finding& finding) {
  std::string text = finding.file;
  if (finding.line > 0) {
    text += ":" + std::to_string(finding.line) + ":" + std::to_string(finding.column);
  }
  text += ": " + std::string(to_string(finding.severity)) + ": ";
  if (!finding.path.empty()) text += finding.path + ": ";
  return text + finding.message;
}

bool Report::ok() const {
  return std::none_of(findings.begin(), findings.end(),
                      [](const Finding& f) { return f.severity == Severity::Error; });
}

std::vector<FieldError> check_object(const Value& object, const Value* old_object) {
  const Value* kind_name = object.find("kind");
  const KindInfo* kind = kind_name == nullptr ? nullptr : find_kind(kind_name->as_string());
  MR_CHECK(kind != nullptr);
  std::vector<FieldError> errors;
  check_metadata(object, errors);
  codec::SchemaCheckOptions options;
  options.rules = &rule_table();
  options.old_value = old_object;
  for (FieldError& error : codec::check_schema(kind->schema, object, options)) {
    if (error.path == "metadata") continue;  // said already, and better
    errors.push_back(std::move(error));
  }
  return errors;
}

Report check_manifest(std::string_view text, std::string_view file, const DeeperChecks& deeper) {
  codec::YamlPosition failed_at;
  auto documents = codec::parse_yaml_documents(text, file, &failed_at);
  if (!documents.ok()) {
    Report report;
    Finding finding;
    finding.file = file;
    finding.line = failed_at.line;
    finding.column = failed_at.column;
    finding.message = documents.error().message;
    report.findings.push_back(std::move(finding));
    return report;
  }
  Inspector inspector(file, deeper);
  for (const codec::YamlDocument& document : *documents) inspector.document(document);
  Report report = inspector.take();
  if (documents->empty()) {
    Finding finding;
    finding.file = file;
    finding.message = "holds no object; write apiVersion, kind, metadata and spec";
    report.findings.push_back(std::move(finding));
  }
  return report;
}

std::vector<Finding> validate_manifest(std::string_view text, std::string_view file,
                                       const DeeperChecks& deeper) {
  return check_manifest(text, file, deeper).findings;
}

}  // namespace millrace::crds
