// What metadata may hold. Source: Kubernetes, apimachinery/pkg/api/validation/objectmeta.go and
// apimachinery/pkg/util/validation.
#include <algorithm>
#include <set>

#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {
namespace {

using codec::Value;
using schema::Path;

constexpr std::size_t kAnnotationLimit = 256 * 1024;

constexpr std::string_view kSubdomain =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kLabel =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used "
    "for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kLabel1035 =
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
    "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', "
    "regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
constexpr std::string_view kQualifiedPart =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for "
    "validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kLabelValue =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or "
    "'12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return is_lower(c) || (c >= 'A' && c <= 'Z'); }
bool is_lower_or_digit(char c) { return is_lower(c) || is_digit(c); }
bool is_letter_or_digit(char c) { return is_letter(c) || is_digit(c); }

/// Not empty, of these characters, with `edge` ones at both ends.
template <class Edge, class Inner>
bool shaped(std::string_view text, Edge edge, Inner inner) {
  return !text.empty() && edge(text.front()) && edge(text.back()) &&
         std::all_of(text.begin(), text.end(), inner);
}

bool label_shaped(std::string_view text) {
  return shaped(text, is_lower_or_digit, [](char c) { return is_lower_or_digit(c) || c == '-'; });
}

bool subdomain_shaped(std::string_view text) {
  for (;;) {
    const std::size_t dot = text.find('.');
    if (!label_shaped(text.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    text.remove_prefix(dot + 1);
  }
}

bool qualified_shaped(std::string_view text) {
  return shaped(text, is_letter_or_digit,
                [](char c) { return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.'; });
}

std::string at_most(std::size_t limit) {
  return "must be no more than " + std::to_string(limit) + " characters";
}

using Complaints = std::vector<std::string>;

Complaints subdomain_complaints(std::string_view text) {
  Complaints out;
  if (text.size() > 253) out.push_back(at_most(253));
  if (!subdomain_shaped(text)) out.emplace_back(kSubdomain);
  return out;
}

Complaints label_complaints(std::string_view text) {
  Complaints out;
  if (text.size() > 63) out.push_back(at_most(63));
  if (label_shaped(text)) return out;
  out.emplace_back(subdomain_shaped(text) ? "must not contain dots" : kLabel);
  return out;
}

Complaints label_1035_complaints(std::string_view text) {
  Complaints out;
  if (text.size() > 63) out.push_back(at_most(63));
  if (!label_shaped(text) || !is_lower(text.front())) out.emplace_back(kLabel1035);
  return out;
}

/// Whatever can stand in a URL. Source: Kubernetes, apimachinery/pkg/api/validation/path.
Complaints segment_complaints(std::string_view text) {
  if (text == ".") return {"may not be '.'"};
  if (text == "..") return {"may not be '..'"};
  Complaints out;
  for (const char c : {'/', '%'}) {
    if (text.find(c) != std::string_view::npos)
      out.push_back("may not contain '" + std::string(1, c) + "'");
  }
  return out;
}

Complaints name_complaints(std::string_view name, const schema::Kind& kind) {
  const std::string_view plural = kind.resource.plural;
  if (kind.resource.group.empty()) {
    if (plural == "namespaces") return label_complaints(name);
    if (plural == "services") return label_1035_complaints(name);
    if (plural == "events") return segment_complaints(name);
  }
  return subdomain_complaints(name);
}

/// generateName as it is looked at: its dash at the end is no fault.
std::string masked(std::string_view base) {
  if (base.size() > 1 && base.back() == '-') {
    return std::string(base.substr(0, base.size() - 2)) + "a";
  }
  return std::string(base);
}

void check_name(schema::Problems& out, const Value& object, const schema::Kind& kind) {
  const std::string base = text_at(object, {"metadata", "generateName"});
  const std::string name = text_at(object, {"metadata", "name"});
  const Path metadata("metadata");
  if (!base.empty()) {
    for (const std::string& text : name_complaints(masked(base), kind)) {
      out.invalid(metadata / "generateName", base, text);
    }
  }
  if (name.empty()) {
    out.required(metadata / "name", "name or generateName is required");
    return;
  }
  for (const std::string& text : name_complaints(name, kind)) {
    out.invalid(metadata / "name", name, text);
  }
}

void check_labels(schema::Problems& out, const Value& metadata) {
  const Value* labels = metadata.find("labels");
  if (labels == nullptr) return;
  const Path path = Path("metadata") / "labels";
  for (const auto& [key, value] : labels->members()) {
    for (const std::string& text : qualified_name_complaints(key)) out.invalid(path, key, text);
    const std::string& content = value.as_string();
    if (content.size() > 63) out.invalid(path, content, at_most(63));
    if (!content.empty() && !qualified_shaped(content)) out.invalid(path, content, kLabelValue);
  }
}

void check_annotations(schema::Problems& out, const Value& metadata) {
  const Value* annotations = metadata.find("annotations");
  if (annotations == nullptr) return;
  const Path path = Path("metadata") / "annotations";
  std::size_t bytes = 0;
  for (const auto& [key, value] : annotations->members()) {
    std::string lower = key;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    for (const std::string& text : qualified_name_complaints(lower)) out.invalid(path, key, text);
    bytes += key.size() + value.as_string().size();
  }
  if (bytes > kAnnotationLimit) out.too_long(path, kAnnotationLimit);
}

/// A reference as the API server shows it: its members in the type's order.
Value shown(const Value& reference) {
  Value out = Value::object();
  for (const char* member : {"apiVersion", "kind", "name", "uid"}) {
    out[member] = text_at(reference, {member});
  }
  for (const char* member : {"controller", "blockOwnerDeletion"}) {
    if (const Value* value = reference.find(member)) out[member] = *value;
  }
  return out;
}

/// "v1" and "batch/v1", not "", "batch/" and "a/b/c".
bool has_version(std::string_view api_version) {
  const std::size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) return !api_version.empty();
  return slash + 1 < api_version.size() &&
         api_version.find('/', slash + 1) == std::string_view::npos;
}

void check_owner(schema::Problems& out, const Value& reference) {
  const Path path = Path("metadata") / "ownerReferences";
  const std::string version = text_at(reference, {"apiVersion"});
  const std::string kind = text_at(reference, {"kind"});
  if (!has_version(version)) out.invalid(path / "apiVersion", version, "version must not be empty");
  for (const char* member : {"kind", "name", "uid"}) {
    if (text_at(reference, {member}).empty()) out.invalid(path / member, "", "must not be empty");
  }
  const bool event = kind == "Event" && (version == "v1" || version == "events.k8s.io/v1");
  if (event) {
    const std::string group = version == "v1" ? "" : "events.k8s.io";
    out.invalid(path, shown(reference),
                group + "/v1, Kind=Event is disallowed from being an owner");
  }
}

void check_owners(schema::Problems& out, const Value& metadata) {
  const Value* references = metadata.find("ownerReferences");
  if (references == nullptr) return;
  std::string controller;
  for (const Value& reference : references->items()) {
    check_owner(out, reference);
    const Value* flag = reference.find("controller");
    if (flag == nullptr || !flag->as_bool()) continue;
    const std::string name = text_at(reference, {"kind"}) + "/" + text_at(reference, {"name"});
    if (!controller.empty()) {
      Value all = Value::array();
      for (const Value& one : references->items()) all.push_back(shown(one));
      out.invalid(
          Path("metadata") / "ownerReferences", all,
          "Only one reference can have Controller set to true. Found \"true\" in references "
          "for " +
              controller + " and " + name);
    }
    controller = name;
  }
}

void check_finalizers(schema::Problems& out, const Value& metadata, const schema::Kind& kind) {
  static const std::set<std::string_view> standard = {"orphan", "foregroundDeletion", "kubernetes"};
  const Value* finalizers = metadata.find("finalizers");
  if (finalizers == nullptr) return;
  const Path path = Path("metadata") / "finalizers";
  std::vector<std::size_t> unqualified;
  for (std::size_t i = 0; i < finalizers->items().size(); ++i) {
    const std::string& name = finalizers->items()[i].as_string();
    for (const std::string& text : qualified_name_complaints(name)) out.invalid(path, name, text);
    const bool plain = name.find('/') == std::string::npos;
    if (plain && !standard.contains(name)) unqualified.push_back(i);
  }
  const auto has = [&](std::string_view name) {
    const auto& names = finalizers->items();
    return std::find(names.begin(), names.end(), Value(name)) != names.end();
  };
  if (has("orphan") && has("foregroundDeletion")) {
    out.invalid(path, *finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
  }
  if (kind.custom) return;  // these only get a warning for it
  for (const std::size_t i : unqualified) {
    out.invalid(path[i], finalizers->items()[i],
                "name is neither a standard finalizer name nor is it fully qualified");
  }
}

void check_parts(schema::Problems& out, const Value& metadata, const schema::Kind& kind) {
  check_labels(out, metadata);
  check_annotations(out, metadata);
  check_owners(out, metadata);
  check_finalizers(out, metadata, kind);
}

void check_new_finalizers(schema::Problems& out, const Value& metadata, const Value& before) {
  if (before.find("deletionTimestamp") == nullptr) return;
  const Value none = Value::array();
  const Value* now = metadata.find("finalizers");
  const Value* old = before.find("finalizers");
  const Value::Array& known = (old == nullptr ? none : *old).items();
  std::string added;
  for (const Value& name : (now == nullptr ? none : *now).items()) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    added += (added.empty() ? "" : ", ") + name.dump();
  }
  if (added.empty()) return;
  out.forbidden(Path("metadata") / "finalizers",
                "no new finalizers can be added if the object is being deleted, found new "
                "finalizers []string{" +
                    added + "}");
}

void check_update_once(schema::Problems& out, const Value& object, const Value& old,
                       const schema::Kind& kind) {
  const Value& metadata = *object.find("metadata");
  const Value& before = *old.find("metadata");
  check_parts(out, metadata, kind);
  check_new_finalizers(out, metadata, before);
  for (const char* member :
       {"name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"}) {
    check_immutable(out, object, old, {"metadata", member});
  }
}

}  // namespace

std::vector<std::string> dns_label_complaints(std::string_view text) {
  return label_complaints(text);
}

std::vector<std::string> qualified_name_complaints(std::string_view text) {
  Complaints out;
  const std::size_t slash = text.find('/');
  std::string_view name = text;
  if (slash != std::string_view::npos) {
    if (text.find('/', slash + 1) != std::string_view::npos) {
      return {"a qualified name " + std::string(kQualifiedPart) +
              " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    const std::string_view prefix = text.substr(0, slash);
    name = text.substr(slash + 1);
    if (prefix.empty()) {
      out.emplace_back("prefix part must be non-empty");
    } else {
      for (const std::string& part : subdomain_complaints(prefix)) {
        out.push_back("prefix part " + part);
      }
    }
  }
  if (name.empty()) out.emplace_back("name part must be non-empty");
  if (name.size() > 63) out.push_back("name part " + at_most(63));
  if (!qualified_shaped(name)) out.push_back("name part " + std::string(kQualifiedPart));
  return out;
}

void check_metadata(schema::Problems& out, const Value& object, const schema::Kind& kind) {
  check_name(out, object, kind);
  check_parts(out, *object.find("metadata"), kind);
}

void check_metadata_update(schema::Problems& out, const Value& object, const Value& old,
                           const schema::Kind& kind) {
  // There, the generic part and the kind's own each look at metadata.
  check_update_once(out, object, old, kind);
  if (kind.resource.group.empty() && kind.resource.plural == "events") return;
  check_update_once(out, object, old, kind);
}

}  // namespace millrace::apiserver
