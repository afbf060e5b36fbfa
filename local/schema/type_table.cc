#include "local/schema/type_table.h"

#include <algorithm>
#include <charconv>
#include <utility>

#include "kubeclient/base/result.h"

namespace millrace::schema {
namespace {

using codec::Value;

/// Cut the part before `mark` off `text`; all of it when there is no mark.
std::string_view cut(std::string_view& text, std::string_view mark) {
  const std::size_t at = text.find(mark);
  const std::string_view head = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + mark.size());
  return head;
}

std::vector<std::string> split(std::string_view text, std::string_view mark) {
  std::vector<std::string> parts;
  while (!text.empty()) parts.emplace_back(cut(text, mark));
  return parts;
}

bool strip_suffix(std::string_view& text, char suffix) {
  if (text.empty() || text.back() != suffix) return false;
  text.remove_suffix(1);
  return true;
}

std::uint32_t read_number(std::string_view text) {
  std::uint32_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  MR_CHECK(error == std::errc() && end == text.data() + text.size() && number > 0);
  return number;
}

std::string open_api_name(std::string_view package, std::string_view name) {
  const std::string_view place =
      package == "meta.v1" ? "io.k8s.apimachinery.pkg.apis." : "io.k8s.api.";
  return std::string(place) + std::string(package) + "." + std::string(name);
}

struct Scalar {
  std::string_view token;
  Shape shape;
  std::string_view format;
  std::string_view go_name;
};
constexpr Scalar kScalars[] = {
    {"bool", Shape::Boolean, "", "bool"},
    {"int32", Shape::Integer, "int32", "int32"},
    {"int64", Shape::Integer, "int64", "int64"},
    {"number", Shape::Number, "double", "float64"},
    {"string", Shape::String, "", "string"},
    {"bytes", Shape::String, "byte", "[]uint8"},
    {"time", Shape::String, "date-time", "v1.Time"},
    {"microtime", Shape::String, "micro-time", "v1.MicroTime"},
    {"quantity", Shape::String, "quantity", "resource.Quantity"},
    {"intorstring", Shape::IntOrString, "", "intstr.IntOrString"},
    {"raw", Shape::Any, "", "map[string]interface {}"},
};

class TableReader {
 public:
  explicit TableReader(TypeLibrary& library) : library_(library) {}

  /// First pass: the types themselves, so that any may refer to any.
  void declare(std::string_view table) {
    std::string package;
    while (!table.empty()) {
      std::string_view line = cut(table, "\n");
      if (line.empty() || line.front() == ' ') continue;
      if (line.substr(0, 2) == "@ ") {
        package = line.substr(2);
        continue;
      }
      std::string_view head = cut(line, " -- ");
      Type& type = library_.types.emplace_back();
      type.doc = line;
      const std::string_view name = cut(head, " ");
      type.atomic = head == "atomic";
      type.shape = Shape::Object;
      type.name = open_api_name(package, name);
      type.go_name = "v1." + std::string(name);
      library_.by_name.emplace(package + "." + std::string(name), &type);
      declared_.push_back(&type);
    }
  }

  /// Second pass: the fields. `next` counts the types over all tables.
  void fill(std::string_view table, std::size_t& next) {
    Type* type = nullptr;
    while (!table.empty()) {
      const std::string_view line = cut(table, "\n");
      if (line.empty()) continue;
      if (line.substr(0, 2) == "@ ") {
        package_ = line.substr(2);
      } else if (line.front() == ' ') {
        MR_CHECK(type != nullptr);
        type->fields.push_back(read_field(line.substr(1)));
      } else {
        type = declared_[next++];
      }
    }
  }

 private:
  Field read_field(std::string_view line) {
    Field field;
    std::string_view head = cut(line, " -- ");
    field.doc = line;
    std::string_view name = cut(head, " ");
    field.required = strip_suffix(name, '!');
    field.name = name;
    std::string_view token = cut(head, " ");
    const bool as_given = strip_suffix(token, '?');
    field.type = type_of(token);
    field.atomic = field.type->atomic;
    const Shape shape = field.type->shape;
    const bool object = shape == Shape::Object || shape == Shape::IntOrString ||
                        field.type->format == "date-time" || field.type->format == "micro-time" ||
                        field.type->format == "quantity";
    field.written = as_given                   ? Written::IfPresent
                    : field.required || object ? Written::Always
                                               : Written::IfNotZero;
    while (!head.empty()) read_flag(field, cut(head, " "));
    return field;
  }

  static void read_flag(Field& field, std::string_view flag) {
    const std::string_view value =
        flag.find('=') == std::string_view::npos ? "" : flag.substr(flag.find('=') + 1);
    const std::string_view name = flag.substr(0, flag.find('='));
    if (name == "merge" || name == "key") {
      field.patch_merge = name == "merge";
      field.patch_key = value;
    } else if (name == "retain") {
      field.retain_keys = true;
    } else if (name == "map") {
      field.list_kind = ListKind::Map;
      field.list_keys = split(value, ",");
    } else if (name == "set") {
      field.list_kind = ListKind::Set;
    } else if (name == "atomic") {
      field.atomic = true;
    } else if (name == "enum") {
      field.enums = split(value, "|");
    } else if (name == "always") {
      field.written = Written::Always;
    } else if (name == "omit") {
      field.written = Written::IfNotZero;
    } else {
      MR_CHECK(name.empty());
      auto parsed = Value::parse(value);
      MR_CHECK(parsed.ok());
      field.default_value = *std::move(parsed);
    }
  }

  const Type* type_of(std::string_view token) {
    const std::string key = package_ + " " + std::string(token);
    if (const auto known = made_.find(key); known != made_.end()) return known->second;
    const Type* type = make(token);
    made_.emplace(key, type);
    return type;
  }

  const Type* make(std::string_view token) {
    if (token.front() == '[' || token.front() == '{') return make_container(token);
    std::string_view rest = token;
    const std::string_view name = cut(rest, ":");
    for (const Scalar& scalar : kScalars) {
      if (scalar.token != name) continue;
      Type& type = library_.types.emplace_back();
      type.shape = scalar.shape;
      type.format = scalar.format;
      type.go_name = rest.empty() ? std::string(scalar.go_name) : go_name(rest);
      return &type;
    }
    for (const std::string_view package :
         {std::string_view(package_), std::string_view("core.v1"), std::string_view("meta.v1")}) {
      const auto found = library_.by_name.find(std::string(package) + "." + std::string(name));
      if (found != library_.by_name.end()) return found->second;
    }
    MR_CHECK(false && "a table names a type that no table has");
    return nullptr;
  }

  const Type* make_container(std::string_view token) {
    const bool list = token.front() == '[';
    const std::size_t end = token.rfind(list ? ']' : '}');
    const Type* element = type_of(token.substr(1, end - 1));
    const std::string_view rest = token.substr(end + 1);
    Type& type = library_.types.emplace_back();
    type.shape = list ? Shape::List : Shape::Map;
    type.element = element;
    type.go_name =
        rest.empty() ? (list ? "[]" : "map[string]") + element->go_name : go_name(rest.substr(1));
    return &type;
  }

  static std::string go_name(std::string_view name) {
    return (name.find('.') == std::string_view::npos ? "v1." : "") + std::string(name);
  }

  TypeLibrary& library_;
  std::vector<Type*> declared_;
  std::string package_;
  std::map<std::string, const Type*> made_;
};

/// Types of structural schemas.
class CustomReader {
 public:
  explicit CustomReader(Types& types) : types_(types) {}

  Type& read(const Value& schema) {
    Type& type = types_.emplace_back();
    type.custom = &schema;
    type.doc = text(schema, "description");
    type.format = text(schema, "format");
    const std::string& name = text(schema, "type");
    if (name == "boolean") type.shape = Shape::Boolean;
    if (name == "integer") type.shape = Shape::Integer;
    if (name == "number") type.shape = Shape::Number;
    if (name == "string") type.shape = Shape::String;
    if (name.empty()) {
      const bool either = schema.find("x-kubernetes-int-or-string") != nullptr;
      type.shape = either ? Shape::IntOrString : Shape::Any;
    }
    if (name == "array") {
      type.shape = Shape::List;
      type.element = &read(*schema.find("items"));
    }
    if (name == "object") read_object(type, schema);
    return type;
  }

 private:
  static const std::string& text(const Value& schema, std::string_view key) {
    static const std::string empty;
    const Value* member = schema.find(key);
    return member == nullptr ? empty : member->as_string();
  }

  void read_object(Type& type, const Value& schema) {
    const Value* properties = schema.find("properties");
    if (const Value* values = schema.find("additionalProperties")) {
      type.shape = Shape::Map;
      type.element = &read(*values);
      return;
    }
    type.shape = Shape::Object;
    type.keep_unknown = schema.find("x-kubernetes-preserve-unknown-fields") != nullptr;
    if (properties == nullptr) return;
    for (const auto& [name, property] : properties->members()) {
      type.fields.push_back(read_field(name, property));
    }
    const Value* required = schema.find("required");
    if (required == nullptr) return;
    for (Field& field : type.fields) {
      const auto& names = required->items();
      field.required = std::find(names.begin(), names.end(), Value(field.name)) != names.end();
    }
  }

  Field read_field(const std::string& name, const Value& property) {
    Field field;
    field.name = name;
    field.type = &read(property);
    field.doc = field.type->doc;
    if (const Value* value = property.find("default")) field.default_value = *value;
    if (const Value* names = property.find("enum")) {
      for (const Value& allowed : names->items()) field.enums.push_back(allowed.as_string());
    }
    const std::string& list = text(property, "x-kubernetes-list-type");
    if (list == "set") field.list_kind = ListKind::Set;
    if (list == "map") {
      field.list_kind = ListKind::Map;
      for (const Value& key : property.find("x-kubernetes-list-map-keys")->items()) {
        field.list_keys.push_back(key.as_string());
      }
    }
    field.atomic = text(property, "x-kubernetes-map-type") == "atomic";
    return field;
  }

  Types& types_;
};

}  // namespace

const Field* Type::find(std::string_view field) const {
  const auto found = std::find_if(fields.begin(), fields.end(),
                                  [&](const Field& candidate) { return candidate.name == field; });
  return found == fields.end() ? nullptr : &*found;
}

codec::Value zero_value(const Type& type) {
  switch (type.shape) {
    case Shape::Boolean:
      return Value(false);
    case Shape::Integer:
    case Shape::Number:
    case Shape::IntOrString:
      return Value(0);
    case Shape::String:
      if (type.format == "date-time" || type.format == "micro-time") return Value();
      return Value(type.format == "quantity" ? "0" : "");
    case Shape::Object:
      return Value::object();
    case Shape::Map:
    case Shape::List:
    case Shape::Any:
      break;
  }
  return Value();
}

const Type& TypeLibrary::get(std::string_view name) const {
  const auto found = by_name.find(name);
  MR_CHECK(found != by_name.end());
  return *found->second;
}

TypeLibrary read_tables(const std::vector<std::string_view>& tables) {
  TypeLibrary library;
  TableReader reader(library);
  for (const std::string_view table : tables) reader.declare(table);
  std::size_t next = 0;
  for (const std::string_view table : tables) reader.fill(table, next);
  return library;
}

void add_numbers(TypeLibrary& library, std::string_view table) {
  std::map<const Type*, Type*> own;
  for (Type& type : library.types) own.emplace(&type, &type);
  std::string package;
  Type* type = nullptr;
  while (!table.empty()) {
    std::string_view line = cut(table, "\n");
    if (line.substr(0, 2) == "@ ") {
      package = line.substr(2);
      continue;
    }
    while (!line.empty()) {
      std::string_view word = cut(line, " ");
      if (word.empty()) continue;
      if (strip_suffix(word, ':')) {
        type = own.at(&library.get(package + "." + std::string(word)));
        continue;
      }
      const std::string_view name = cut(word, "=");
      const auto field = std::find_if(type->fields.begin(), type->fields.end(),
                                      [&](const Field& one) { return one.name == name; });
      MR_CHECK(field != type->fields.end());
      const std::size_t dot = word.find('.');
      if (dot != std::string_view::npos) field->outer_number = read_number(cut(word, "."));
      field->number = read_number(word);
    }
  }
}

const Type& add_custom(Types& types, const codec::Value& schema, const Type& metadata) {
  CustomReader reader(types);
  Type& type = reader.read(schema);
  for (Field& field : type.fields) {
    if (field.name == "metadata") field.type = &metadata;
  }
  return type;
}

}  // namespace millrace::schema
