#include "operator/cli/params.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <regex>

#include "controllers/logic/params.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/describe.h"
#include "operator/cli/command_tree.h"
#include "operator/cli/text.h"

namespace millrace::cli {
namespace {

using codec::Value;
using crds::Param;
using crds::ParamType;

std::string type_name(ParamType type) { return std::string(codec::enum_name(type)); }

std::string example_of(ParamType type) {
  switch (type) {
    case ParamType::string:
      return "text";
    case ParamType::integer:
      return "a whole number such as 3";
    case ParamType::number:
      return "a number such as 0.5";
    case ParamType::boolean:
      return "true or false";
    case ParamType::list:
      return "a JSON list such as '[\"a\", \"b\"]'";
    case ParamType::object:
      return "a JSON object such as '{\"a\": 1}'";
  }
  return "";
}

template <class Number>
bool parse_number(const std::string& text, Number& number) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && stop == end;
}

/// `text` as a value of `type`, or why not.
Result<Value> typed(ParamType type, const std::string& text) {
  Value value;
  std::string detail;
  if (type == ParamType::string) return Value(text);
  if (type == ParamType::integer) {
    std::int64_t number = 0;
    if (parse_number(text, number)) value = Value(number);
  } else if (type == ParamType::number) {
    double number = 0;
    std::int64_t whole = 0;
    if (parse_number(text, whole)) {
      value = Value(whole);
    } else if (parse_number(text, number) && std::isfinite(number)) {
      value = Value(number);
    }
  } else if (type == ParamType::boolean) {
    if (text == "true" || text == "false") value = Value(text == "true");
  } else {
    auto parsed = Value::parse(text);
    if (parsed.ok() && logic::has_type(type, *parsed)) value = *std::move(parsed);
    if (!parsed.ok()) detail = " (" + parsed.error().message + ")";
  }
  if (!value.is_null()) return value;
  return fail(Code::Invalid, "\"" + one_line(text, 80) + "\" is not of type " + type_name(type) +
                                 detail + "; give " + example_of(type));
}

/// Nothing, or what is wrong with a value of the right type.
std::string check_value(const Param& param, const Value& value) {
  const auto& choices = param.choices;
  if (!choices.empty() && std::find(choices.begin(), choices.end(), value) == choices.end()) {
    std::vector<std::string> texts;
    for (const Value& choice : choices) {
      texts.push_back(choice.is_string() ? choice.as_string() : choice.dump());
    }
    return "must be one of: " + joined(texts);
  }
  if (param.pattern.empty() || !value.is_string()) return "";
  try {
    if (std::regex_match(value.as_string(), std::regex(param.pattern))) return "";
    return "\"" + one_line(value.as_string(), 80) + "\" does not match the pattern " +
           param.pattern;
  } catch (const std::regex_error&) {
    return "";  // its dialect is the server's; it has the last word
  }
}

const Param* find(const std::vector<Param>& known, std::string_view name) {
  for (const Param& param : known) {
    if (param.name == name) return &param;
  }
  return nullptr;
}

class Reading {
 public:
  explicit Reading(const std::vector<Param>& known) : known_(known) {}

  void take(const std::string& name, const Value& value) {
    const Param* param = look_up(name);
    if (param == nullptr) return;
    if (!logic::has_type(param->type, value)) {
      const bool quote = param->type == ParamType::string && !value.is_array() &&
                         !value.is_object() && !value.is_null();
      complain(name, "is of type " + std::string(value.kind_name()) + ", not " +
                         type_name(param->type) + "; " +
                         (quote ? "put it in quotes" : "give " + example_of(param->type)));
      return;
    }
    put(*param, value);
  }

  void take_text(const std::string& given) {
    const std::size_t equals = given.find('=');
    if (equals == std::string::npos || equals == 0) {
      out_.problems.push_back("-p \"" + given + "\": expected NAME=VALUE");
      return;
    }
    const Param* param = look_up(given.substr(0, equals));
    if (param == nullptr) return;
    auto value = typed(param->type, given.substr(equals + 1));
    if (!value.ok()) {
      complain(param->name, value.error().message);
      return;
    }
    put(*param, *std::move(value));
  }

  ParamValues finish() {
    bool listed = unknown_;
    for (const Param& param : known_) {
      if (!param.default_value.is_null() || out_.values.find(param.name) != nullptr) continue;
      const bool tried = std::find(seen_.begin(), seen_.end(), param.name) != seen_.end();
      if (tried) continue;
      complain(param.name, "is required; give it with -p " + param.name + "=VALUE (" +
                               type_name(param.type) + ")");
      listed = true;
    }
    if (listed) out_.problems.push_back("params of this pipeline: " + known_params(known_));
    return std::move(out_);
  }

 private:
  const Param* look_up(const std::string& name) {
    seen_.push_back(name);
    const Param* param = find(known_, name);
    if (param != nullptr) return param;
    std::vector<std::string> names;
    for (const Param& p : known_) names.push_back(p.name);
    const std::string meant = suggest(name, names);
    complain(name, "the pipeline has no such param" +
                       (meant.empty() ? std::string() : "; did you mean " + meant + "?"));
    unknown_ = true;
    return nullptr;
  }
  void put(const Param& param, Value value) {
    const std::string wrong = check_value(param, value);
    if (!wrong.empty()) {
      complain(param.name, wrong);
    } else {
      out_.values[param.name] = std::move(value);
    }
  }
  void complain(const std::string& name, const std::string& message) {
    out_.problems.push_back("param " + name + ": " + message);
  }

  const std::vector<Param>& known_;
  ParamValues out_;
  std::vector<std::string> seen_;
  bool unknown_ = false;
};

}  // namespace

std::string known_params(const std::vector<Param>& known) {
  std::vector<std::string> texts;
  for (const Param& param : known) {
    texts.push_back(param.name + " (" + type_name(param.type) +
                    (param.default_value.is_null()
                         ? ", required)"
                         : ", default " + one_line(param.default_value.dump(), 60) + ")"));
  }
  return joined(texts, "none");
}

ParamValues read_params(const std::vector<Param>& known, const std::vector<std::string>& given,
                        const Value& base) {
  Reading reading(known);
  for (const auto& [name, value] : base.members()) reading.take(name, value);
  for (const std::string& text : given) reading.take_text(text);
  return reading.finish();
}

}  // namespace millrace::cli
