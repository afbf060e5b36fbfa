#include <algorithm>
#include <cmath>
#include <vector>

#include "controllers/expression/functions.h"
#include "controllers/expression/go_template_print.h"
#include "controllers/expression/operators.h"

namespace millrace::expression {

using codec::Value;

namespace {

/// Go's `%v` of a value inside another; at the top null is empty.
Result<> append_old(const Value& value, bool top, Meter& meter, std::string& out) {
  MR_TRY(meter.work(1));
  if (value.is_null()) {
    if (!top) out += "<nil>";
  } else if (value.is_string()) {
    MR_TRY(meter.read(value.as_string().size()));
    out += value.as_string();
  } else if (value.is_array()) {
    out += '[';
    bool first = true;
    for (const Value& item : value.items()) {
      if (!std::exchange(first, false)) out += ' ';
      MR_TRY(append_old(item, false, meter, out));
    }
    out += ']';
  } else if (value.is_object()) {
    MR_TRY(meter.work(value.members().size() * 8));
    std::vector<const Value::Member*> order;
    for (const Value::Member& member : value.members()) order.push_back(&member);
    std::ranges::sort(order, {}, [](const Value::Member* m) { return std::string_view(m->first); });
    out += "map[";
    bool first = true;
    for (const Value::Member* member : order) {
      if (!std::exchange(first, false)) out += ' ';
      out += member->first + ":";
      MR_TRY(append_old(member->second, false, meter, out));
    }
    out += ']';
  } else {
    out += value.dump();
  }
  return {};
}

/// Missing and null are the empty text in the old spelling.
const Value& or_empty(const Value& value) {
  static const Value empty("");
  return value.is_null() ? empty : value;
}

Result<Item> old_eq(Call& call) {
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    MR_ASSIGN(const bool same, equal(or_empty(call.at(0)), or_empty(call.at(i)), call.meter));
    if (same) return Item(Value(true));
  }
  return Item(Value(false));
}

Result<Item> old_ne(Call& call) {
  MR_ASSIGN(const bool same, equal(or_empty(call.at(0)), or_empty(call.at(1)), call.meter));
  return Item(Value(!same));
}

Result<Item> old_order(Call& call, Op op) {
  auto result = compare(op, or_empty(call.at(0)), or_empty(call.at(1)), call.meter);
  if (result.ok()) return Item(Value(*result));
  return fail(Code::Invalid, std::string(call.name) + ": cannot compare " +
                                 std::string(kind_of(or_empty(call.at(0)))) + " with " +
                                 std::string(kind_of(or_empty(call.at(1)))));
}

Result<Item> old_lt(Call& call) { return old_order(call, Op::Less); }
Result<Item> old_le(Call& call) { return old_order(call, Op::LessEqual); }
Result<Item> old_gt(Call& call) { return old_order(call, Op::Greater); }
Result<Item> old_ge(Call& call) { return old_order(call, Op::GreaterEqual); }

Result<Item> old_not(Call& call) { return Item(Value(!old_truth(call.at(0)))); }

Result<Item> old_len(Call& call) {
  const Value& value = call.at(0);
  std::size_t count = value.as_string().size();  // of bytes, as in Go
  if (value.is_array()) count = value.items().size();
  if (value.is_object()) count = value.members().size();
  if (value.is_bool() || value.is_number()) return call.wrong("it needs text, a list or an object");
  return Item(Value(static_cast<std::int64_t>(count)));
}

Result<Item> old_print(Call& call) {
  std::string out;
  const bool line = call.name == "println";
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    // Go's Sprint puts blanks between two values that are both no text.
    const bool blank = line || (i > 0 && !call.at(i).is_string() && !call.at(i - 1).is_string());
    if (i > 0 && blank) out += ' ';
    MR_ASSIGN(const std::string piece, old_text_of(call.at(i), call.meter));
    out += piece;
  }
  if (line) out += '\n';
  return call.give(std::move(out));
}

/// One verb of printf: %s %v %d %t %f %g %q; no flags, width or precision.
Result<std::string> formatted(Call& call, char verb, std::size_t at) {
  if (at >= call.arguments.size()) {
    return fail(Code::Invalid, "printf: there are fewer arguments than verbs");
  }
  const Value& value = call.at(at);
  const bool fits = verb == 'v' || verb == 's' || (verb == 'q' && value.is_string()) ||
                    (verb == 'd' && value.is_number() && value.is_int()) ||
                    (verb == 't' && value.is_bool()) ||
                    ((verb == 'f' || verb == 'g') && value.is_number());
  if (std::string_view("vsqdtfg").find(verb) == std::string_view::npos) {
    return fail(Code::Invalid, "printf: only %s %v %d %t %f %g %q and %% are known, without width");
  }
  if (!fits) {
    return fail(Code::Invalid, std::string("printf: %") + verb + " does not fit " +
                                   std::string(kind_of(value)) + "; use %v");
  }
  if (verb == 'q') {
    MR_TRY(call.meter.produce(value.as_string().size() * 6));
    return value.dump();
  }
  return verb == 'f' ? Result<std::string>(std::to_string(value.as_double()))
                     : old_text_of(value, call.meter);
}

Result<Item> old_printf(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("the format is text");
  const std::string& format = call.at(0).as_string();
  std::string out;
  std::size_t next = 1;
  for (std::size_t i = 0; i < format.size(); ++i) {
    if (format[i] != '%') {
      out += format[i];
    } else if (i + 1 < format.size() && format[i + 1] == '%') {
      out += format[++i];
    } else {
      MR_ASSIGN(const std::string piece,
                formatted(call, i + 1 < format.size() ? format[++i] : ' ', next++));
      out += piece;
    }
  }
  if (next < call.arguments.size()) {
    return fail(Code::Invalid, "printf: there are more arguments than verbs");
  }
  return call.give(std::move(out));
}

Result<Item> old_html(Call& call) {
  MR_ASSIGN(const std::string text, old_text_of(call.at(0), call.meter));
  MR_TRY(call.meter.work(text.size() / 8));
  std::string out;
  gotmpl::append_html(out, text);
  return call.give(std::move(out));
}

Result<Item> old_urlquery(Call& call) {
  MR_ASSIGN(const std::string text, old_text_of(call.at(0), call.meter));
  MR_TRY(call.meter.work(text.size() / 8));
  std::string out;
  gotmpl::append_query(out, text);
  return call.give(std::move(out));
}

Result<Item> old_to_json(Call& call) {
  MR_TRY(call.meter.produce(call.at(0)));
  return call.give(call.at(0).dump());
}

Result<Item> old_to_int(Call& call) { return find_function("int")->apply(call); }
Result<Item> old_to_bool(Call& call) { return find_function("bool")->apply(call); }

/// The parser makes a path of it.
Result<Item> old_index(Call& call) { return std::move(call.arguments[0]); }

constexpr Function kTable[] = {
    {"and", "and X Y", 1, Function::kMany, nullptr, Function::Kind::OldAnd},
    {"or", "or X Y", 1, Function::kMany, nullptr, Function::Kind::OldOr},
    {"default", "X | default `other`", 2, 2, nullptr, Function::Kind::OldDefault},
    {"not", "not X", 1, 1, old_not},
    {"eq", "eq X Y", 2, Function::kMany, old_eq},
    {"ne", "ne X Y", 2, 2, old_ne},
    {"lt", "lt X Y", 2, 2, old_lt},
    {"le", "le X Y", 2, 2, old_le},
    {"gt", "gt X Y", 2, 2, old_gt},
    {"ge", "ge X Y", 2, 2, old_ge},
    {"index", "index X `key`", 1, Function::kMany, old_index},
    {"len", "len X", 1, 1, old_len},
    {"print", "print X Y", 1, Function::kMany, old_print},
    {"println", "println X Y", 1, Function::kMany, old_print},
    {"printf", "printf `format` X", 1, Function::kMany, old_printf},
    {"html", "html X", 1, 1, old_html},
    {"urlquery", "urlquery X", 1, 1, old_urlquery},
    {"toJson", "X | toJson", 1, 1, old_to_json},
    {"toInt", "X | toInt", 1, 1, old_to_int},
    {"toBool", "X | toBool", 1, 1, old_to_bool},
};

}  // namespace

const Function* find_old_function(std::string_view name) {
  const auto* found = std::ranges::find(kTable, name, &Function::name);
  return found == std::end(kTable) ? nullptr : found;
}

Result<std::string> old_text_of(const Value& value, Meter& meter) {
  MR_TRY(meter.produce(value));
  std::string out;
  MR_TRY(append_old(value, true, meter, out));
  return out;
}

bool old_truth(const Value& value) {
  if (value.is_bool()) return value.as_bool();
  if (value.is_number()) return value.as_double() != 0;
  if (value.is_string()) return !value.as_string().empty();
  return !value.empty();
}

}  // namespace millrace::expression
