#include "controllers/logic/params.h"

#include <algorithm>
#include <charconv>

#include "controllers/expression/matcher.h"

namespace millrace::logic {

using codec::Value;
using crds::ParamType;

namespace {

/// Text as a value of `type`; null where it cannot be read.
Value read_text(ParamType type, const std::string& text) {
  const char* const end = text.data() + text.size();
  switch (type) {
    case ParamType::string:
      return text;
    case ParamType::integer: {
      std::int64_t number = 0;
      const auto [stop, error] = std::from_chars(text.data(), end, number);
      return error == std::errc() && stop == end && !text.empty() ? Value(number) : Value();
    }
    case ParamType::number: {
      auto parsed = Value::parse(text);
      return parsed.ok() && parsed->is_number() ? *std::move(parsed) : Value();
    }
    case ParamType::boolean:
      if (text == "true" || text == "false") return Value(text == "true");
      return {};
    case ParamType::list:
    case ParamType::object: {
      auto parsed = Value::parse(text);
      return parsed.ok() ? *std::move(parsed) : Value();
    }
  }
  return {};
}

std::string article(ParamType type) {
  const std::string name(codec::enum_name(type));
  return (name == "integer" || name == "object" ? "an " : "a ") + name;
}

template <class Names>
std::string list_of(const Names& names) {
  std::string out;
  for (const std::string& name : names) out += (out.empty() ? "" : ", ") + name;
  return out;
}

}  // namespace

bool has_type(ParamType type, const Value& value) {
  switch (type) {
    case ParamType::string:
      return value.is_string();
    case ParamType::integer:
      return value.is_int();
    case ParamType::number:
      return value.is_number();
    case ParamType::boolean:
      return value.is_bool();
    case ParamType::list:
      return value.is_array();
    case ParamType::object:
      return value.is_object();
  }
  return false;
}

Result<Value> param_value(const crds::Param& param, const Value& value) {
  Value out = value;
  if (!has_type(param.type, out) && value.is_string())
    out = read_text(param.type, value.as_string());
  if (!has_type(param.type, out)) {
    return fail(Code::Invalid,
                "must be " + article(param.type) + ", not " +
                    (value.is_string() ? "this text"
                                       : "a value of type " + std::string(value.kind_name())));
  }
  if (!param.choices.empty() &&
      std::find(param.choices.begin(), param.choices.end(), out) == param.choices.end()) {
    std::string known;
    for (const Value& choice : param.choices) {
      known +=
          (known.empty() ? "" : ", ") + (choice.is_string() ? choice.as_string() : choice.dump());
    }
    return fail(Code::Invalid, "must be one of " + known);
  }
  if (!param.pattern.empty() && out.is_string()) {
    MR_ASSIGN(const auto matcher,
              expression::Matcher::parse("^(?:" + param.pattern + ")$").with("pattern"));
    if (!matcher.found_in(out.as_string())) {
      return fail(Code::Invalid, "must match the pattern " + param.pattern);
    }
  }
  return out;
}

std::string default_problem(const crds::Param& param, const Value& value) {
  if (!has_type(param.type, value)) {
    return "must be " + article(param.type) + ", not " + std::string(value.kind_name());
  }
  const auto checked = param_value(param, value);
  return checked.ok() ? std::string() : checked.error().message;
}

Result<ParamValues> resolve_params(const std::vector<crds::Param>& params,
                                   const ParamValues& given) {
  ParamValues out;
  std::vector<std::string> known;
  std::vector<std::string> missing;
  for (const crds::Param& param : params) {
    known.push_back(param.name);
    const auto own = given.find(param.name);
    const Value& value = own != given.end() ? own->second : param.default_value;
    if (value.is_null()) {
      missing.push_back(param.name);
      continue;
    }
    MR_ASSIGN(out[param.name], param_value(param, value).with("spec.params." + param.name));
  }
  for (const auto& [name, value] : given) {
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    return fail(Code::Invalid,
                "spec.params." + name + ": the pipeline has no such param; " +
                    (known.empty() ? std::string("it has none") : "it has " + list_of(known)));
  }
  if (!missing.empty()) {
    return fail(Code::Invalid, "spec.params: give a value for " + list_of(missing));
  }
  std::size_t bytes = 0;
  for (const auto& [name, value] : out) bytes += name.size() + value.dump().size();
  if (bytes > kParamsBudget) {
    return fail(Code::Invalid, "spec.params: the values have " + std::to_string(bytes) +
                                   " bytes together, and may have " +
                                   std::to_string(kParamsBudget));
  }
  return out;
}

}  // namespace millrace::logic
