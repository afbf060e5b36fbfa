#include "local/schema/fit.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "local/schema/quantity.h"
#include "local/schema/scalars.h"

namespace millrace::schema {
namespace {

using codec::Value;

/// As Go names the kind of a JSON value.
std::string json_kind(const Value& value) {
  if (value.is_bool()) return "bool";
  if (value.is_number()) return "number";
  return std::string(value.kind_name());
}

/// Where the walk is: as people write paths, and as Go's decoder does.
struct Place {
  std::string path;       ///< "spec.containers[0].ports"
  std::string go_struct;  ///< "Container"
  std::string go_path;    ///< "spec.containers.ports"
};

/// The name without its package.
std::string last_name(const std::string& go_name) { return go_name.substr(go_name.rfind('.') + 1); }

std::string join(const std::string& path, const std::string& name) {
  return path.empty() ? name : path + "." + name;
}

/// Fits values to built-in types.
class Fitter {
 public:
  std::vector<std::string> unknown;
  std::string error;  ///< the first one; the server names no more

  void fit(Value& value, const Type& type, const Place& place) {
    switch (type.shape) {
      case Shape::Object:
        return fit_object(value, type, place);
      case Shape::Map:
        return fit_map(value, type, place);
      case Shape::List:
        return fit_list(value, type, place);
      case Shape::Boolean:
        if (!value.is_bool()) wrong(value, type.go_name, place);
        return;
      case Shape::Number:
        if (!value.is_number()) wrong(value, type.go_name, place);
        return;
      case Shape::Integer:
        return fit_integer(value, type.format, type.go_name, place);
      case Shape::IntOrString:
        if (!value.is_string()) fit_integer(value, "int32", "int32", place);
        return;
      case Shape::String:
        return fit_string(value, type, place);
      case Shape::Any:
        return;
    }
  }

 private:
  void say(std::string message) {
    if (error.empty()) error = std::move(message);
  }

  void wrong(const Value& value, const std::string& go_name, const Place& place,
             const std::string& literal = "") {
    const std::string target = place.go_struct.empty()
                                   ? "Go value"
                                   : "Go struct field " + place.go_struct + "." + place.go_path;
    say("json: cannot unmarshal " + json_kind(value) + literal + " into " + target + " of type " +
        go_name);
  }

  void fit_integer(Value& value, const std::string& format, const std::string& go_name,
                   const Place& place) {
    if (!value.is_number()) return wrong(value, go_name, place);
    const bool small =
        format != "int32" || (value.as_int() >= std::numeric_limits<std::int32_t>::min() &&
                              value.as_int() <= std::numeric_limits<std::int32_t>::max());
    if (!value.is_int() || !small) wrong(value, go_name, place, " " + value.dump());
  }

  void fit_string(Value& value, const Type& type, const Place& place) {
    if (type.format == "quantity") return fit_quantity(value, false);
    if (!value.is_string()) {
      const bool time = type.format == "date-time" || type.format == "micro-time";
      return wrong(value, time ? "string" : type.go_name, place);
    }
    if (type.format == "date-time") return replace(value, canonical_time(value.as_string(), false));
    if (type.format == "micro-time") return replace(value, canonical_time(value.as_string(), true));
    if (type.format == "byte") replace(value, canonical_base64(value.as_string()));
  }

  void fit_quantity(Value& value, bool whole_milli) {
    std::string text = value.is_string() ? value.as_string() : value.dump();
    const auto visible = [](char c) { return c != ' ' && c != '\t' && c != '\n' && c != '\r'; };
    text.erase(text.begin(), std::find_if(text.begin(), text.end(), visible));
    text.erase(std::find_if(text.rbegin(), text.rend(), visible).base(), text.end());
    replace(value, canonical_quantity(text, whole_milli));
  }

  void replace(Value& value, const Result<std::string>& text) {
    if (text.ok()) {
      value = Value(*text);
    } else {
      say(text.error().message);
    }
  }

  void fit_object(Value& value, const Type& type, const Place& place) {
    if (!value.is_object()) return wrong(value, type.go_name, place);
    auto& members = value.members();
    for (auto& [name, member] : members) {
      const Field* field = type.find(name);
      if (field == nullptr) {
        unknown.push_back("unknown field \"" + join(place.path, name) + "\"");
        member = Value();
      } else if (!member.is_null()) {
        fit(member, *field->type,
            {join(place.path, name), last_name(type.go_name), join(place.go_path, name)});
      }
    }
    std::erase_if(members, [](const Value::Member& member) { return member.second.is_null(); });
  }

  void fit_map(Value& value, const Type& type, const Place& place) {
    if (!value.is_object()) return wrong(value, type.go_name, place);
    const bool resources = last_name(type.go_name) == "ResourceList";
    for (auto& [key, member] : value.members()) {
      Place below = place;
      below.path = join(place.path, key);
      if (member.is_null()) {
        member = zero_value(*type.element);
      } else if (resources) {
        fit_quantity(member, true);
      } else {
        fit(member, *type.element, below);
      }
    }
  }

  void fit_list(Value& value, const Type& type, const Place& place) {
    if (!value.is_array()) return wrong(value, type.go_name, place);
    std::size_t index = 0;
    for (Value& item : value.items()) {
      Place below = place;
      below.path += "[" + std::to_string(index++) + "]";
      if (item.is_null()) {
        item = zero_value(*type.element);
      } else {
        fit(item, *type.element, below);
      }
    }
  }
};

/// Prunes what a structural schema does not name.
class Pruner {
 public:
  std::vector<std::string> unknown;

  void prune(Value& value, const Type& type, const std::string& path) {
    if (type.shape == Shape::Object && value.is_object()) prune_object(value, type, path);
    if (type.shape == Shape::Map && value.is_object()) {
      std::erase_if(value.members(), [](const auto& member) { return member.second.is_null(); });
      for (auto& [key, member] : value.members()) prune(member, *type.element, join(path, key));
    }
    if (type.shape == Shape::List && value.is_array()) {
      std::size_t index = 0;
      for (Value& item : value.items()) {
        prune(item, *type.element, path + "[" + std::to_string(index++) + "]");
      }
    }
  }

 private:
  void prune_object(Value& value, const Type& type, const std::string& path) {
    std::erase_if(value.members(), [&](Value::Member& member) {
      const Field* field = type.find(member.first);
      if (path.empty() && member.first == "metadata") return false;
      if (field == nullptr) {
        if (type.keep_unknown) return false;
        unknown.push_back(join(path, member.first));
        return true;
      }
      if (member.second.is_null()) return true;  // a default takes its place later
      prune(member.second, *field->type, join(path, member.first));
      return false;
    });
  }
};

}  // namespace

Result<Fitted> fit(Value& object, const Kind& kind) {
  Fitter fitter;
  if (!kind.custom) {
    fitter.fit(object, *kind.type, {});
  } else if (Value* metadata = object.find("metadata")) {
    if (metadata->is_null()) {
      object.erase("metadata");
    } else {
      fitter.fit(*metadata, metadata_type(), {"metadata", "", ""});
    }
  }
  if (!fitter.error.empty()) return fail(Code::Malformed, fitter.error);
  Fitted fitted{std::move(fitter.unknown)};
  if (kind.custom) {
    Pruner pruner;
    pruner.prune(object, *kind.type, "");
    std::sort(pruner.unknown.begin(), pruner.unknown.end());
    for (const std::string& path : pruner.unknown) {
      fitted.unknown.push_back("unknown field \"" + path + "\"");
    }
  }
  return fitted;
}

}  // namespace millrace::schema
