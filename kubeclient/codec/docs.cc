#include "kubeclient/codec/docs.h"

namespace millrace::codec {
namespace {

using Kind = TypeInfo::Kind;

std::string code(std::string_view text) { return "`" + std::string(text) + "`"; }

/// A cell of a table cannot hold a bare bar.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '|') out += '\\';
    out += c;
  }
  return out;
}

std::string type_text(const TypeInfo& type, const FieldOptions& options) {
  switch (type.kind) {
    case Kind::Bool:
      return "boolean";
    case Kind::Int32:
    case Kind::Int64:
      return options.unit.empty() ? "integer" : "integer [" + std::string(options.unit) + "]";
    case Kind::Double:
      return options.unit.empty() ? "number" : "number [" + std::string(options.unit) + "]";
    case Kind::String:
      return "string";
    case Kind::Time:
    case Kind::MicroTime:
      return "time (RFC 3339)";
    case Kind::Duration:
      return "duration (`90s`, `1h30m`)";
    case Kind::Enum: {
      std::string text;
      for (const std::string_view name : type.names) {
        text += (text.empty() ? "" : ", ") + code(name);
      }
      return "one of " + text;
    }
    case Kind::Any:
      if (options.int_or_string) return "integer or string";
      if (options.kube_type == "any") return "any value";
      return options.kube_type.empty() ? "object" : std::string(options.kube_type);
    case Kind::Object:
      return "object";
    case Kind::List:
      return "list of " + type_text(type.item.front(), options);
    case Kind::Map:
      return "map of " + type_text(type.item.front(), options);
  }
  return {};
}

std::string number(double limit) {
  std::string text;
  append_json_double(text, limit);
  return text;
}

std::string limits_text(const TypeInfo& type, const FieldOptions& options) {
  std::string text;
  const auto add = [&](const std::string& part) { text += (text.empty() ? "" : "; ") + part; };
  const auto range = [&](const auto& min, const auto& max, const std::string& what) {
    if (min && max) {
      add(*min == *max ? *min + what : *min + " to " + *max + what);
    } else if (min) {
      add("at least " + *min + what);
    } else if (max) {
      add("at most " + *max + what);
    }
  };
  using Text = std::optional<std::string>;
  const auto real = [](const std::optional<double>& n) { return n ? Text(number(*n)) : Text(); };
  const auto whole = [](const std::optional<int>& n) {
    return n ? Text(std::to_string(*n)) : Text();
  };
  range(real(options.min), real(options.max), "");
  range(whole(options.min_length), whole(options.max_length), " characters");
  range(whole(options.min_items), whole(options.max_items), " entries");
  if (!options.list_map_key.empty()) add("unique by " + code(options.list_map_key));
  if (!options.pattern.empty()) add("matches " + code(options.pattern));
  if (!options.rule_message.empty()) add(std::string(options.rule_message));
  if (type.kind == Kind::Duration && options.rule_message.empty()) add("not negative");
  return text;
}

/// The object at the end of lists and maps, or null when there is none; `path` grows on the way.
const TypeInfo* inner_object(const TypeInfo& type, std::string& path) {
  const TypeInfo* inner = &type;
  while (inner->kind == Kind::List || inner->kind == Kind::Map) {
    path += inner->kind == Kind::List ? "[]" : ".<key>";
    inner = &inner->item.front();
  }
  return inner->kind == Kind::Object ? inner : nullptr;
}

void write(const TypeInfo& type, const std::string& path, int level, std::string& out) {
  out += std::string(static_cast<std::size_t>(level), '#') + " " + path + "\n\n";
  out += "| Field | Type | Default | Limits | Meaning |\n|---|---|---|---|---|\n";
  for (const FieldInfo& field : type.fields) {
    const FieldOptions& options = field.options;
    out += "| " + code(field.name) + (options.required ? " (required)" : "") + " | " +
           cell(type_text(field.type, options)) + " | " +
           (options.default_json.empty() ? "" : cell(code(options.default_json))) + " | " +
           cell(limits_text(field.type, options)) + " | " + cell(options.doc) + " |\n";
  }
  out += '\n';
  if (!type.rules.empty()) {
    out += "Rules:\n\n";
    for (const RuleInfo& rule : type.rules) out += "- " + std::string(rule.message) + "\n";
    out += '\n';
  }
  for (const FieldInfo& field : type.fields) {
    std::string deeper =
        path.empty() ? std::string(field.name) : path + "." + std::string(field.name);
    if (const TypeInfo* inner = inner_object(field.type, deeper)) write(*inner, deeper, level, out);
  }
}

}  // namespace

std::string reference_markdown(const TypeInfo& type, std::string_view path, int level) {
  std::string out;
  write(type, std::string(path), level, out);
  out.pop_back();  // sections are set apart by an empty line; the last one needs none
  return out;
}

}  // namespace millrace::codec
