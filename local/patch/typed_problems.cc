#include <algorithm>
#include <set>
#include <utility>

#include "local/patch/go_text.h"
#include "local/patch/typed.h"

namespace millrace::patch {

using codec::Value;
using schema::Shape;

namespace {

class Check {
 public:
  std::vector<std::string> problems;

  void run(const Value& value, const TypeAt& at, const std::string& path) {
    if (at.type == nullptr || value.is_null()) return;
    switch (at.type->shape) {
      case Shape::Any:
        return;
      case Shape::Object:
      case Shape::Map:
        if (!value.is_object()) return note(path, "expected map, got &{" + go_plain(value) + "}");
        return members(value, at, path);
      case Shape::List:
        if (!value.is_array()) return note(path, "expected list, got &{" + go_plain(value) + "}");
        return items(value, at, path);
      default:
        return scalar(value, *at.type, path);
    }
  }

 private:
  void note(const std::string& path, const std::string& what) {
    problems.push_back(path.empty() ? what : path + ": " + what);
  }

  void scalar(const Value& value, const schema::Type& type, const std::string& path) {
    // Times and quantities are of any scalar type in the API server's schema.
    const bool loose = type.shape == Shape::IntOrString || type.format == "quantity" ||
                       type.format == "date-time" || type.format == "micro-time";
    if (loose) {
      if (value.is_object() || value.is_array()) {
        note(path, "expected any scalar, got &{" + go_plain(value) + "}");
      }
    } else if (type.shape == Shape::String) {
      if (!value.is_string()) {
        note(path,
             "expected string, got &value.valueUnstructured{Value:" + go_literal(value) + "}");
      }
    } else if (type.shape == Shape::Boolean) {
      if (!value.is_bool()) note(path, "expected boolean, got &{" + go_plain(value) + "}");
    } else if (!value.is_number()) {
      note(path, "expected numeric (int or float), got " + go_type(value));
    }
  }

  void members(const Value& value, const TypeAt& at, const std::string& path) {
    for (const auto& [name, member] : value.members()) {
      const bool header = path.empty() && (name == "apiVersion" || name == "kind");
      const bool known =
          header || at.type->shape == Shape::Map || at.type->keep_unknown || declares(at, name);
      if (!known) return note(path + "." + name, "field not declared in schema");
      if (!header) run(member, member_of(at, name), path + "." + name);
    }
  }

  void items(const Value& value, const TypeAt& at, const std::string& path) {
    const Form form = form_of(at, value);
    std::set<std::string> seen;
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      const Value& item = value.items()[i];
      std::string below = "[" + std::to_string(i) + "]";
      if (form != Form::Leaf) {
        std::string problem;
        const auto element = item_element(at, item, form, &problem);
        if (!element) return note(path, "element " + std::to_string(i) + ": " + problem);
        below = element_text(*element);
        if (!seen.insert(*element).second) note(path, "duplicate entries for key " + below);
      }
      run(item, item_of(at), path + below);
    }
  }
};

}  // namespace

std::string typed_problems(const Value& body, const schema::Type& type) {
  Check check;
  check.run(body, {&type, nullptr}, "");
  if (check.problems.empty()) return {};
  if (check.problems.size() == 1) return check.problems[0];
  std::string text = "errors:";
  for (const std::string& problem : check.problems) text += "\n  " + problem;
  return text;
}

}  // namespace millrace::patch
