#include "controllers/expression/functions.h"

#include <algorithm>
#include <array>
#include <vector>

#include "controllers/expression/operators.h"

namespace millrace::expression {

using codec::Value;

namespace {

struct Hint {
  std::string_view wrong;  ///< in lower case
  std::string_view right;
};
/// Names from other template languages.
constexpr Hint kHints[] = {
    {"toint", "int"},
    {"tobool", "bool"},
    {"tofloat", "float"},
    {"tostring", "string"},
    {"str", "string"},
    {"number", "float"},
    {"len", "length"},
    {"size", "length"},
    {"count", "length"},
    {"lowercase", "lower"},
    {"uppercase", "upper"},
    {"tolower", "lower"},
    {"toupper", "upper"},
    {"b64enc", "base64"},
    {"b64dec", "base64decode"},
    {"base64encode", "base64"},
    {"json", "toJson"},
    {"tojson", "toJson"},
    {"jsonmarshal", "toJson"},
    {"parsejson", "fromJson"},
    {"jsonunmarshal", "fromJson"},
    {"hasprefix", "startsWith"},
    {"hassuffix", "endsWith"},
    {"strip", "trim"},
    {"concat", "join"},
    {"regex", "matches"},
    {"match", "matches"},
    {"uniq", "unique"},
    {"has", "contains"},
    {"includes", "contains"},
    {"sha256sum", "sha256"},
    {"substring", "slice"},
    {"substr", "slice"},
    {"or", "default"},
    {"ifnull", "default"},
    {"typeof", "type"},
};

std::string in_lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

constexpr Function kSpecial[] = {
    {"default", "x | default(other)", 2, 2, nullptr, Function::Kind::Default},
    {"coalesce", "coalesce(x, y, ...)", 1, Function::kMany, nullptr, Function::Kind::Coalesce},
    {"exists", "x | exists", 1, 1, nullptr, Function::Kind::Exists},
};

std::vector<Function> sorted_table() {
  std::vector<Function> all(std::begin(kSpecial), std::end(kSpecial));
  for (const auto part : {text_functions(), list_functions(), conversion_functions()}) {
    all.insert(all.end(), part.begin(), part.end());
  }
  std::ranges::sort(all, {}, &Function::name);
  return all;
}

}  // namespace

tl::unexpected<Error> Call::wrong(std::string_view wanted) const {
  return fail(Code::Invalid, std::string(name) + ": `" + subject + "` is " +
                                 std::string(kind_of(at(0))) + "; " + std::string(wanted));
}

tl::unexpected<Error> Call::wrong_argument(std::size_t i, std::string_view wanted) const {
  return fail(Code::Invalid, std::string(name) + ": argument " + std::to_string(i) + " is " +
                                 std::string(kind_of(at(i))) + "; " + std::string(wanted));
}

tl::unexpected<Error> Call::refuse(const std::string& message) const {
  return fail(Code::Invalid, std::string(name) + ": `" + subject + "` " + message);
}

Result<Item> Call::give(Value value) const {
  MR_TRY(meter.produce(value));
  return Item(std::move(value));
}

std::span<const Function> functions() {
  static const std::vector<Function> table = sorted_table();
  return table;
}

const Function* find_function(std::string_view name) {
  const auto all = functions();
  const auto found = std::ranges::lower_bound(all, name, {}, &Function::name);
  return found != all.end() && found->name == name ? &*found : nullptr;
}

std::string unknown_function(std::string_view name) {
  const std::string message = "unknown function " + std::string(name);
  const std::string lower = in_lower_case(name);
  for (const auto& [wrong, right] : kHints) {
    if (wrong == lower) return message + "; did you mean " + std::string(right) + "?";
  }
  for (const Function& function : functions()) {
    if (in_lower_case(function.name) == lower) {
      return message + "; did you mean " + std::string(function.name) + "?";
    }
  }
  return message;
}

Result<std::string> text_of(const Value& value, std::string_view subject, Meter& meter) {
  if (value.is_null()) {
    return fail(Code::Invalid,
                "`" + std::string(subject) + "` is null, which has no text; add `| default('')`");
  }
  if (value.is_string()) {
    MR_TRY(meter.produce(value.as_string().size()));
    return value.as_string();
  }
  // Escapes make text up to six times longer.
  MR_ASSIGN(const std::size_t bytes, meter.measure(value));
  MR_TRY(meter.work(bytes / 8));
  std::string out = value.dump();
  MR_TRY(meter.produce(out.size()));
  return out;
}

}  // namespace millrace::expression
