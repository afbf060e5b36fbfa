#include "tests/fuzz/mutator.h"

#include <iterator>
#include <utility>

namespace millrace::fuzz {
namespace {

using codec::Value;

constexpr const char* kTexts[] = {"",
                                  "a",
                                  "..",
                                  "../../etc/passwd",
                                  "\xff\xfe",
                                  "\0x",
                                  "é漢😀",
                                  "null",
                                  "-1",
                                  "1e999",
                                  "$(A)",
                                  "{{ x }}",
                                  "%2e%2e",
                                  "a/b",
                                  "*",
                                  "10Gi",
                                  "spec",
                                  "$patch",
                                  "delete",
                                  "default",
                                  "metadata",
                                  "k:{\"a\":1}",
                                  "true",
                                  "0",
                                  "f:x",
                                  "retry",
                                  "A B",
                                  "-",
                                  "\r\n\r\n",
                                  "x=y,z in (a",
                                  "9999999999999999999"};

constexpr std::string_view kPieces[] = {"{",  "}",   "[",  "]",     "\"", ":",        ",",
                                        "\\", "\\u", "\n", "null",  "-",  "1e309",    "%",
                                        "&",  "=",   "/",  "..",    ";",  "\xc3\x28", "\x01",
                                        "(",  "!",   "--", "---\n", "*a", "&a ",      "<<: "};

}  // namespace

void Mutator::damage(std::string& text) {
  const std::size_t at = below(text.size() + 1);
  switch (below(6)) {
    case 0:
      if (!text.empty()) text[at % text.size()] = static_cast<char>(below(256));
      break;
    case 1:
      text.insert(at, 1, static_cast<char>(below(256)));
      break;
    case 2:
      text.erase(at, 1 + below(8));
      break;
    case 3:
      text.insert(at, text.substr(below(text.size() + 1), 1 + below(40)));
      break;
    case 4:
      text.insert(at, kPieces[below(std::size(kPieces))]);
      break;
    default:
      text.resize(at);
  }
}

Value Mutator::value(int depth) {
  switch (below(depth > 0 ? 9 : 7)) {
    case 0:
      return Value(nullptr);
    case 1:
      return Value(chance(2));
    case 2: {
      constexpr std::int64_t numbers[] = {0,         1,         -1,        443,      65536,
                                          INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN};
      return Value(numbers[below(std::size(numbers))]);
    }
    case 3:
      return Value(chance(2) ? 0.5 : -1e300);
    case 4:
      return Value(std::string(1 + below(300), 'x'));
    case 5:
    case 6:
      return Value(kTexts[below(std::size(kTexts))]);
    case 7: {
      Value list = Value::array();
      for (std::size_t n = below(4); n > 0; --n) list.push_back(value(depth - 1));
      return list;
    }
    default: {
      Value object = Value::object();
      for (std::size_t n = below(4); n > 0; --n) {
        object[kTexts[below(std::size(kTexts))]] = value(depth - 1);
      }
      return object;
    }
  }
}

Value& Mutator::pick(Value& from) {
  Value* at = &from;
  while (!chance(4)) {
    if (at->is_object() && !at->empty()) {
      at = &at->members()[below(at->members().size())].second;
    } else if (at->is_array() && !at->empty()) {
      at = &at->items()[below(at->items().size())];
    } else {
      break;
    }
  }
  return *at;
}

void Mutator::change(Value& document) {
  Value& at = pick(document);
  switch (below(5)) {
    case 0:
      at = value();
      break;
    case 1:
      if (at.is_object() && !at.empty()) {
        at.members().erase(at.members().begin() +
                           static_cast<std::ptrdiff_t>(below(at.members().size())));
      } else {
        at = value(0);
      }
      break;
    case 2:
      if (at.is_object()) {
        at[kTexts[below(std::size(kTexts))]] = value();
      } else {
        Value list = Value::array();
        list.push_back(std::move(at));
        at = std::move(list);
      }
      break;
    case 3:
      if (at.is_array() && !at.empty()) {
        Value item = at.items()[below(at.items().size())];
        at.push_back(std::move(item));
      } else {
        Value object = Value::object();
        object["x"] = std::move(at);
        at = std::move(object);
      }
      break;
    default:
      if (at.is_object() && !at.empty()) {
        at.members()[below(at.members().size())].first = kTexts[below(std::size(kTexts))];
      } else if (at.is_string()) {
        std::string text = at.as_string();
        damage(text);
        at = Value(std::move(text));
      } else {
        at = value();
      }
  }
}

}  // namespace millrace::fuzz
