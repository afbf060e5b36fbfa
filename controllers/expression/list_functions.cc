#include <algorithm>
#include <vector>

#include "controllers/expression/digest.h"
#include "controllers/expression/functions.h"
#include "controllers/expression/operators.h"

namespace millrace::expression {

using codec::Value;

namespace {

Result<Item> do_length(Call& call) {
  const Value& value = call.at(0);
  std::size_t count = 0;
  if (value.is_string()) {
    MR_TRY(call.meter.read(value.as_string().size()));
    count = count_characters(value.as_string());
  } else if (value.is_array()) {
    count = value.items().size();
  } else if (value.is_object()) {
    count = value.members().size();
  } else {
    return call.wrong("it needs text, a list or an object");
  }
  return Item(Value(static_cast<std::int64_t>(count)));
}

Result<Item> pick(Call& call, bool first) {
  if (!call.at(0).is_array()) return call.wrong("it needs a list");
  const Value::Array& items = call.at(0).items();
  if (items.empty()) {
    // As a missing path, so that `default` helps.
    return fail(Code::NotFound, std::string(call.name) + ": `" + call.subject +
                                    "` is an empty list; add `| default(...)`");
  }
  const Value& item = first ? items.front() : items.back();
  if (call.arguments[0].is_borrowed()) return Item(&item);
  return call.give(item);
}

Result<Item> do_first(Call& call) { return pick(call, true); }
Result<Item> do_last(Call& call) { return pick(call, false); }

Result<std::vector<const Value::Member*>> sorted_members(Call& call) {
  const Value::Object& members = call.at(0).members();
  std::size_t rounds = 1;
  while ((std::size_t{1} << rounds) < members.size()) ++rounds;
  MR_TRY(call.meter.work(1 + members.size() * rounds));
  std::vector<const Value::Member*> out;
  out.reserve(members.size());
  for (const Value::Member& member : members) out.push_back(&member);
  std::ranges::sort(out, {}, [](const Value::Member* m) { return std::string_view(m->first); });
  return out;
}

Result<Item> do_keys(Call& call) {
  if (!call.at(0).is_object()) return call.wrong("it needs an object");
  MR_TRY(call.meter.produce(call.at(0)));
  MR_ASSIGN(const auto members, sorted_members(call));
  Value::Array out;
  for (const Value::Member* member : members) out.emplace_back(member->first);
  return Item(Value(std::move(out)));
}

Result<Item> do_values(Call& call) {
  if (!call.at(0).is_object()) return call.wrong("it needs an object");
  MR_TRY(call.meter.produce(call.at(0)));
  MR_ASSIGN(const auto members, sorted_members(call));
  Value::Array out;
  for (const Value::Member* member : members) out.push_back(member->second);
  return Item(Value(std::move(out)));
}

Result<Item> do_contains(Call& call) {
  auto found = contains(call.at(0), call.at(1), call.meter);
  if (!found.ok()) return fail(std::move(found).with("contains").error());
  return Item(Value(*found));
}

Result<Item> do_sort(Call& call) {
  if (!call.at(0).is_array()) return call.wrong("it needs a list");
  MR_TRY(call.meter.produce(call.at(0)));
  std::vector<const Value*> order;
  for (const Value& item : call.at(0).items()) order.push_back(&item);
  const auto sorted = sort_values(order, call.meter);
  if (!sorted.ok()) return fail(Result<>(sorted).with("sort").error());
  Value::Array out;
  for (const Value* item : order) out.push_back(*item);
  return Item(Value(std::move(out)));
}

Result<Item> do_unique(Call& call) {
  if (!call.at(0).is_array()) return call.wrong("it needs a list");
  MR_TRY(call.meter.produce(call.at(0)));
  Value::Array out;
  for (const Value& item : call.at(0).items()) {
    bool known = false;
    for (std::size_t i = 0; !known && i < out.size(); ++i) {
      MR_ASSIGN(known, equal(out[i], item, call.meter));
    }
    if (!known) out.push_back(item);
  }
  return Item(Value(std::move(out)));
}

Result<Item> do_reverse(Call& call) {
  if (!call.at(0).is_array()) return call.wrong("it needs a list");
  MR_TRY(call.meter.produce(call.at(0)));
  const Value::Array& items = call.at(0).items();
  return Item(Value(Value::Array(items.rbegin(), items.rend())));
}

/// The highest (or lowest) of a list, or of several arguments.
Result<Item> extreme(Call& call, bool highest) {
  std::vector<const Value*> all;
  if (call.arguments.size() == 1) {
    if (!call.at(0).is_array()) return call.wrong("it needs a list, or several values");
    for (const Value& item : call.at(0).items()) all.push_back(&item);
  } else {
    for (const Item& item : call.arguments) all.push_back(&item.get());
  }
  if (all.empty()) {
    return fail(Code::NotFound, std::string(call.name) + ": `" + call.subject +
                                    "` is an empty list; add `| default(...)`");
  }
  const auto sorted = sort_values(all, call.meter);
  if (!sorted.ok()) return fail(Result<>(sorted).with(call.name).error());
  return call.give(highest ? *all.back() : *all.front());
}

Result<Item> do_max(Call& call) { return extreme(call, true); }
Result<Item> do_min(Call& call) { return extreme(call, false); }

Result<Item> do_sum(Call& call) {
  if (!call.at(0).is_array()) return call.wrong("it needs a list");
  Value sum(0);
  for (const Value& item : call.at(0).items()) {
    MR_TRY(call.meter.work(1));
    if (!item.is_number()) return call.refuse("has an item that is no number");
    auto next = calculate(Op::Add, sum, item, call.meter);
    if (!next.ok()) return fail(std::move(next).with("sum").error());
    sum = *std::move(next);
  }
  return Item(std::move(sum));
}

Result<Item> do_append(Call& call) {
  if (!call.at(0).is_array()) return call.wrong("it needs a list");
  for (const Item& item : call.arguments) MR_TRY(call.meter.produce(item.get()));
  Value::Array out = call.at(0).items();
  for (std::size_t i = 1; i < call.arguments.size(); ++i) out.push_back(call.at(i));
  return call.give(std::move(out));
}

Result<Item> do_merge(Call& call) {
  for (std::size_t i = 0; i < call.arguments.size(); ++i) {
    if (!call.at(i).is_object()) return call.wrong_argument(i, "it needs objects");
    MR_TRY(call.meter.produce(call.at(i)));
  }
  Value out = call.at(0);
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    for (const auto& [key, value] : call.at(i).members()) {
      MR_TRY(call.meter.work(1 + out.members().size() / 4));
      out[key] = value;
    }
  }
  return call.give(std::move(out));
}

/// `slice(from, to)`: items or characters from (included) to (not included), as in Python.
Result<Item> do_slice(Call& call) {
  const Value& value = call.at(0);
  if (!value.is_array() && !value.is_string()) return call.wrong("it needs a list or text");
  for (std::size_t i = 1; i < call.arguments.size(); ++i) {
    if (!call.at(i).is_int()) return call.wrong_argument(i, "it is an integer");
  }
  MR_TRY(call.meter.produce(value));
  const std::size_t size =
      value.is_array() ? value.items().size() : count_characters(value.as_string());
  const auto place = [&](std::int64_t at) {
    const auto count = static_cast<std::int64_t>(size);
    if (at < 0) at = at < -count ? 0 : at + count;
    return static_cast<std::size_t>(std::min(at, count));
  };
  const std::size_t from = place(call.at(1).as_int());
  const std::size_t to = call.arguments.size() > 2 ? place(call.at(2).as_int()) : size;
  if (value.is_array()) {
    Value::Array out;
    for (std::size_t i = from; i < to; ++i) out.push_back(value.items()[i]);
    return Item(Value(std::move(out)));
  }
  if (from >= to) return Item(Value(""));
  const std::string& text = value.as_string();
  const std::size_t begin = byte_of_character(text, from);
  return Item(Value(text.substr(begin, byte_of_character(text, to) - begin)));
}

constexpr Function kTable[] = {
    {"length", "x | length", 1, 1, do_length},
    {"first", "list | first", 1, 1, do_first},
    {"last", "list | last", 1, 1, do_last},
    {"keys", "object | keys", 1, 1, do_keys},
    {"values", "object | values", 1, 1, do_values},
    {"contains", "x | contains(y)", 2, 2, do_contains},
    {"sort", "list | sort", 1, 1, do_sort},
    {"unique", "list | unique", 1, 1, do_unique},
    {"reverse", "list | reverse", 1, 1, do_reverse},
    {"max", "list | max", 1, Function::kMany, do_max},
    {"min", "list | min", 1, Function::kMany, do_min},
    {"sum", "list | sum", 1, 1, do_sum},
    {"append", "list | append(item)", 2, Function::kMany, do_append},
    {"merge", "object | merge(other)", 2, Function::kMany, do_merge},
    {"slice", "x | slice(from, to)", 2, 3, do_slice},
};

}  // namespace

std::span<const Function> list_functions() { return kTable; }

}  // namespace millrace::expression
