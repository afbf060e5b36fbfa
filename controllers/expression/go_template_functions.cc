#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "controllers/expression/go_template_eval.h"
#include "controllers/expression/go_template_print.h"

namespace millrace::expression::gotmpl {
namespace {

using codec::Value;

/// A call under way: who calls, for messages.
struct Call {
  Machine& machine;
  Function function;
  std::size_t offset;

  Item fail(std::string_view what) const {
    return machine.fail(offset, std::string(signature(function).name) + ": " + std::string(what));
  }
  Item make(Value value) const { return machine.make(std::move(value), offset); }
  bool spend(std::size_t steps) const { return machine.spend(steps, offset); }
};

/// A whole number that is written as one or is one, such as 2.0.
std::optional<std::int64_t> whole(Item item) {
  if (item == nullptr || !item->is_number()) return std::nullopt;
  if (item->is_int()) return item->as_int();
  const double d = item->as_double();
  if (d != std::floor(d) || std::fabs(d) > 9.0e18) return std::nullopt;
  return static_cast<std::int64_t>(d);
}

std::size_t length(const Value& value) {
  if (value.is_array()) return value.items().size();
  if (value.is_object()) return value.members().size();
  return value.as_string().size();
}

/// One step of `index`. What is missing stays missing; a place beyond a list's end is an error, as
/// in Go.
Item index_once(const Call& call, Item from, Item key) {
  if (from == nullptr || key == nullptr) return nullptr;
  if (from->is_object()) {
    if (!key->is_string()) {
      return call.fail("the key of an object is text, and this is " + std::string(kind_of(key)));
    }
    const std::size_t steps = 1 + from->members().size() / 16 + key->as_string().size() / 64;
    if (!call.spend(steps)) return nullptr;
    const Item found = from->find(key->as_string());
    return found == nullptr || found->is_null() ? nullptr : found;
  }
  if (!from->is_array() && !from->is_string()) {
    return call.fail("there is nothing inside " + std::string(kind_of(from)));
  }
  const auto place = whole(key);
  if (!place) {
    return call.fail("the place in " + std::string(kind_of(from)) +
                     " is a whole number, and this is " + std::string(kind_of(key)));
  }
  if (*place < 0 || static_cast<std::uint64_t>(*place) >= length(*from)) {
    return call.fail("beyond the end; there are " + std::to_string(length(*from)));
  }
  const auto i = static_cast<std::size_t>(*place);
  if (from->is_string()) {
    return call.make(Value(int{static_cast<unsigned char>(from->as_string()[i])}));
  }
  const Value& found = from->items()[i];
  return found.is_null() ? nullptr : &found;
}

Item index(const Call& call, std::span<const Item> args) {
  Item item = args[0];
  for (const Item key : args.subspan(1)) {
    item = index_once(call, item, key);
    if (call.machine.failed()) return nullptr;
  }
  return item;
}

Item len(const Call& call, Item item) {
  if (item != nullptr && (item->is_number() || item->is_bool())) {
    return call.fail(std::string(kind_of(item)) + " has no length");
  }
  return call.make(item == nullptr ? Value(0) : Value(static_cast<std::int64_t>(length(*item))));
}

Item slice(const Call& call, std::span<const Item> args) {
  const Item from = args[0];
  if (from == nullptr) return nullptr;
  if (!from->is_array() && !from->is_string()) {
    return call.fail(std::string(kind_of(from)) + " has no parts in a row");
  }
  const auto size = static_cast<std::int64_t>(length(*from));
  std::int64_t bounds[] = {0, size};
  for (std::size_t i = 1; i < args.size(); ++i) {
    const auto bound = whole(args[i]);
    if (!bound) return call.fail("the bounds are whole numbers");
    if (*bound < 0 || *bound > size) {
      return call.fail("beyond the end; there are " + std::to_string(size));
    }
    bounds[i - 1] = *bound;
  }
  if (bounds[0] > bounds[1]) return call.fail("the first bound is behind the second");
  if (from->is_string()) {
    const auto count = static_cast<std::size_t>(bounds[1] - bounds[0]);
    return call.make(
        std::string_view(from->as_string()).substr(static_cast<std::size_t>(bounds[0]), count));
  }
  const auto begin = from->items().begin();
  Value::Array items(begin + bounds[0], begin + bounds[1]);
  Value out(std::move(items));
  if (!call.machine.charge(weight(out), call.offset)) return nullptr;
  return call.make(std::move(out));
}

/// Less than zero, zero or more, as memcmp; both are numbers or both are text.
int order(const Value& a, const Value& b) {
  if (a.is_string()) return a.as_string().compare(b.as_string());
  if (a.is_int() && b.is_int()) {
    return a.as_int() < b.as_int() ? -1 : (a.as_int() > b.as_int() ? 1 : 0);
  }
  const auto wide = [](const Value& v) {
    return v.is_int() ? static_cast<long double>(v.as_int())
                      : static_cast<long double>(v.as_double());
  };
  return wide(a) < wide(b) ? -1 : (wide(a) > wide(b) ? 1 : 0);
}

bool comparable(Item a, Item b) {
  return (a->is_number() && b->is_number()) || (a->is_string() && b->is_string());
}

/// Comparing long texts again and again takes steps like all other work.
bool charge_comparison(const Call& call, Item a, Item b) {
  return call.spend(std::min(a->as_string().size(), b->as_string().size()) / 64);
}

/// Whether `a` is one of `others`; nothing is equal to nothing alone.
std::optional<bool> equal(const Call& call, Item a, std::span<const Item> others) {
  bool found = false;
  for (const Item b : others) {
    if (a == nullptr || b == nullptr) {
      found = found || a == b;
    } else if (comparable(a, b)) {
      if (!charge_comparison(call, a, b)) return std::nullopt;
      found = found || order(*a, *b) == 0;
    } else if (a->is_bool() && b->is_bool()) {
      found = found || a->as_bool() == b->as_bool();
    } else {
      call.fail("cannot compare " + std::string(kind_of(a)) + " with " + std::string(kind_of(b)));
      return std::nullopt;
    }
    if (found) break;  // as Go: what follows is not looked at
  }
  return found;
}

Item less(const Call& call, Item a, Item b) {
  if (a == nullptr || b == nullptr) {
    return call.fail(
        "one of the two is missing; ask first: {{ if .a }}, or give a value: (or .a 0)");
  }
  if (!comparable(a, b)) {
    return call.fail("cannot order " + std::string(kind_of(a)) + " and " + std::string(kind_of(b)));
  }
  if (!charge_comparison(call, a, b)) return nullptr;
  const int sign = order(*a, *b);
  switch (call.function) {
    case Function::Lt:
      return call.make(sign < 0);
    case Function::Le:
      return call.make(sign <= 0);
    case Function::Gt:
      return call.make(sign > 0);
    default:
      return call.make(sign >= 0);
  }
}

/// Text without the white space around it.
std::string_view trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string::npos) return {};
  return std::string_view(text).substr(begin, text.find_last_not_of(" \t\r\n") - begin + 1);
}

Item to_bool(const Call& call, Item item) {
  if (item != nullptr && item->is_bool()) return item;
  if (item != nullptr && item->is_string()) {
    const std::string_view text = trimmed(item->as_string());
    if (text == "true" || text == "false") return call.make(text == "true");
  }
  return call.fail("true, false or one of them as text is needed, and this is " +
                   std::string(kind_of(item)) +
                   (item == nullptr ? "; write (or .a false) | toBool" : ""));
}

Item to_int(const Call& call, Item item) {
  if (const auto number = whole(item)) return call.make(*number);
  if (item != nullptr && item->is_string()) {
    std::string_view text = trimmed(item->as_string());
    if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (code == std::errc() && end == text.data() + text.size()) return call.make(number);
  }
  return call.fail("a whole number, or one as text, is needed, and this is " +
                   std::string(kind_of(item)) +
                   (item == nullptr ? "; write (or .a 0) | toInt" : ""));
}

Item text_of(const Call& call, std::span<const Item> args) {
  std::string text = print_values(call.machine, args, Spaces::NotAtText);
  // What escaping can make of it, before it is made.
  if (!call.machine.charge(text.size(), call.offset)) return nullptr;
  std::string out;
  if (call.function == Function::Html) append_html(out, text);
  if (call.function == Function::Js) append_js(out, text);
  if (call.function == Function::Urlquery) append_query(out, text);
  return call.make(std::move(out));
}

}  // namespace

std::size_t weight(const Value& value) {
  std::size_t sum = 8 + value.as_string().size();
  for (const Value& item : value.items()) sum += weight(item);
  for (const auto& [key, member] : value.members()) sum += key.size() + weight(member);
  return sum;
}

Item call(Machine& machine, Function function, std::span<const Item> args, std::size_t offset) {
  const Call call{machine, function, offset};
  switch (function) {
    case Function::Index:
      return index(call, args);
    case Function::Len:
      return len(call, args[0]);
    case Function::Slice:
      return slice(call, args);
    case Function::Eq:
    case Function::Ne: {
      const auto same = equal(call, args[0], args.subspan(1));
      return same ? call.make(*same == (function == Function::Eq)) : nullptr;
    }
    case Function::Lt:
    case Function::Le:
    case Function::Gt:
    case Function::Ge:
      return less(call, args[0], args[1]);
    case Function::Not:
      return call.make(!truth(args[0]));
    case Function::Print:
      return call.make(print_values(machine, args, Spaces::NotAtText));
    case Function::Println:
      return call.make(print_values(machine, args, Spaces::All) + '\n');
    case Function::Printf: {
      std::string text = print_formatted(machine, args, offset);
      return machine.failed() ? nullptr : call.make(std::move(text));
    }
    case Function::Html:
    case Function::Js:
    case Function::Urlquery:
      return text_of(call, args);
    case Function::ToBool:
      return to_bool(call, args[0]);
    case Function::ToInt:
      return to_int(call, args[0]);
    case Function::ToJson:
      return call.make(args[0] == nullptr ? std::string("null") : args[0]->dump());
    case Function::And:
    case Function::Or:
      break;  // the evaluator's own
  }
  MR_CHECK(false);
  return nullptr;
}

}  // namespace millrace::expression::gotmpl
