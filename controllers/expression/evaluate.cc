#include "controllers/expression/evaluate.h"

#include <algorithm>

#include "controllers/expression/evaluator.h"
#include "controllers/expression/lexer.h"
#include "controllers/expression/operators.h"

namespace millrace::expression {

using codec::Value;

namespace {

bool is_plain(std::string_view text) { return text.find("{{") == std::string_view::npos; }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

bool is_blank_text(const Part& part) {
  return part.kind == Part::Kind::Text && trimmed(part.text).empty();
}

/// The path of a member, for messages: `data.key`, `data["odd key"]`.
std::string member_path(const std::string& path, std::string_view key) {
  const bool plain = !key.empty() && std::ranges::all_of(key, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' || c == '-';
  });
  if (!plain) {
    std::string out = path + "[";
    codec::append_json_string(out, key);
    return out + "]";
  }
  return path.empty() ? std::string(key) : path + "." + std::string(key);
}

std::string item_path(const std::string& path, std::size_t i) {
  return path + "[" + std::to_string(i) + "]";
}

tl::unexpected<Error> at_path(Error error, const std::string& path) {
  if (!path.empty()) error.message = path + ": " + error.message;
  return fail(std::move(error));
}

class Renderer {
 public:
  Renderer(const Scope& scope, Keys keys, const Limits& limits)
      : scope_(scope), keys_(keys), meter_(limits) {}

  Result<Value> render(const Value& value, const std::string& path, int depth) {
    if (depth > kMaxValueDepth) {
      return fail(Code::Invalid,
                  path + ": nested more than " + std::to_string(kMaxValueDepth) + " deep");
    }
    if (value.is_string()) return leaf(value.as_string(), path);
    if (value.is_array()) {
      Value::Array items;
      items.reserve(value.items().size());
      for (std::size_t i = 0; i < value.items().size(); ++i) {
        MR_ASSIGN(Value item, render(value.items()[i], item_path(path, i), depth + 1));
        items.push_back(std::move(item));
      }
      return Value(std::move(items));
    }
    return value.is_object() ? object(value, path, depth) : Result<Value>(value);
  }

 private:
  Result<Value> leaf(const std::string& text, const std::string& path) {
    if (is_plain(text)) return Value(text);
    const auto parsed = Template::parse(text);
    if (!parsed.ok()) return at_path(parsed.error(), path);
    auto value = Evaluator(parsed->program(), scope_, meter_).whole();
    if (!value.ok()) return at_path(value.error(), path);
    return value;
  }

  Result<Value> object(const Value& value, const std::string& path, int depth) {
    Value::Object members;
    members.reserve(value.members().size());
    for (const auto& [key, member] : value.members()) {
      const std::string member_at = member_path(path, key);
      std::string name = key;
      if (keys_ == Keys::Render && !is_plain(key)) {
        MR_ASSIGN(name, rendered_key(key, path));
      }
      MR_ASSIGN(Value item, render(member, member_at, depth + 1));
      members.emplace_back(std::move(name), std::move(item));
    }
    if (keys_ == Keys::Render) MR_TRY(check_keys(members, path));
    return Value(std::move(members));
  }

  Result<std::string> rendered_key(const std::string& key, const std::string& path) {
    MR_ASSIGN(const Value value, leaf(key, path));
    if (value.is_string()) return value.as_string();
    auto text = text_of(value, "a key", meter_);
    if (!text.ok()) return at_path(text.error(), path);
    return text;
  }

  static Result<> check_keys(const Value::Object& members, const std::string& path) {
    std::vector<std::string_view> names;
    names.reserve(members.size());
    for (const auto& [key, member] : members) names.emplace_back(key);
    std::ranges::sort(names);
    if (std::ranges::adjacent_find(names) == names.end()) return {};
    Error error;
    error.code = Code::Invalid;
    error.message = "two keys are the same once they are rendered";
    return at_path(std::move(error), path);
  }

  const Scope& scope_;
  Keys keys_;
  Meter meter_;
};

void collect(const Value& value, Keys keys, const std::string& path, int depth,
             std::vector<FieldTemplate>& out) {
  if (depth > kMaxValueDepth) {
    out.push_back({path, fail(Code::Invalid,
                              "nested more than " + std::to_string(kMaxValueDepth) + " deep")});
    return;
  }
  const auto add = [&](const std::string& text, const std::string& at) {
    if (!is_plain(text)) out.push_back({at, Template::parse(text)});
  };
  if (value.is_string()) {
    add(value.as_string(), path);
  } else if (value.is_array()) {
    for (std::size_t i = 0; i < value.items().size(); ++i) {
      collect(value.items()[i], keys, item_path(path, i), depth + 1, out);
    }
  } else {
    for (const auto& [key, member] : value.members()) {
      if (keys == Keys::Render) add(key, path);
      collect(member, keys, member_path(path, key), depth + 1, out);
    }
  }
}

}  // namespace

Result<Value> evaluate(const Template& what, const Scope& scope, const Limits& limits) {
  Meter meter(limits);
  return Evaluator(what.program(), scope, meter).whole();
}

Result<bool> evaluate_condition(const Template& what, const Scope& scope, const Limits& limits) {
  const std::vector<Part>& parts = what.program().parts;
  if (what.is_literal()) {
    const std::string_view text = trimmed(what.text());
    if (text == "true" || text == "false") return text == "true";
    return fail(Code::Invalid,
                "a condition is true or false; this is plain text. Put it into {{ }}, such as {{ "
                "params.x == 'y' }}");
  }
  const Part* only = nullptr;
  std::size_t others = 0;
  for (const Part& part : parts) {
    if (is_blank_text(part)) continue;
    if (part.kind == Part::Kind::Action && only == nullptr) {
      only = &part;
    } else {
      ++others;
    }
  }
  Meter meter(limits);
  Evaluator evaluator(what.program(), scope, meter);
  if (only == nullptr || others > 0) {
    // `{{ if }}` of the old spelling makes text.
    MR_ASSIGN(const Value value, evaluator.whole());
    const std::string_view text = trimmed(value.as_string());
    if (text == "true" || text == "false") return text == "true";
    return fail(Code::Invalid,
                "a condition is true or false; this is text made of parts. Write one {{ }} around "
                "the whole condition");
  }
  MR_ASSIGN(const Value value, evaluator.action(*only));
  if (value.is_bool()) return value.as_bool();
  if (only->use == Part::Use::OldText) {  // always text
    const std::string_view text = trimmed(value.as_string());
    if (text == "true" || text == "false") return text == "true";
  }
  std::string message = "a condition is true or false; this one is " + std::string(kind_of(value));
  if (value.is_string()) message += "; compare it, such as `!= ''`, or convert it with `| bool`";
  if (value.is_number()) message += "; compare it, such as `!= 0`";
  if (value.is_null()) message += "; compare it, such as `!= null`, or add `| default(false)`";
  if (value.is_array() || value.is_object()) {
    message += "; compare its length, such as `| length > 0`";
  }
  return fail(Code::Invalid, message);
}

Result<Value> render(const Value& document, const Scope& scope, Keys keys, const Limits& limits) {
  return Renderer(scope, keys, limits).render(document, "", 0);
}

std::vector<FieldTemplate> templates_of(const Value& document, Keys keys) {
  std::vector<FieldTemplate> out;
  collect(document, keys, "", 0, out);
  return out;
}

}  // namespace millrace::expression
