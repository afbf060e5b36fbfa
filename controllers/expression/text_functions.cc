#include <algorithm>

#include "controllers/expression/digest.h"
#include "controllers/expression/functions.h"
#include "controllers/expression/matcher.h"
#include "controllers/expression/operators.h"

namespace millrace::expression {

using codec::Value;

namespace {

constexpr std::string_view kBlanks = " \t\r\n";

/// Cost of looking for `piece` all over `text`.
Result<> search_cost(Call& call, const std::string& text, const std::string& piece) {
  return call.meter.work(1 + (text.size() / 16 + 1) * (piece.size() / 64 + 1));
}

Result<Item> do_trim(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  const std::string& text = call.at(0).as_string();
  const std::size_t first = text.find_first_not_of(kBlanks);
  if (first == std::string::npos) return Item(Value(""));
  return call.give(text.substr(first, text.find_last_not_of(kBlanks) - first + 1));
}

Result<Item> change_case(Call& call, char first, char last, int shift) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  MR_TRY(call.meter.produce(call.at(0).as_string().size()));
  std::string out = call.at(0).as_string();
  for (char& c : out) {
    if (c >= first && c <= last) c = static_cast<char>(c + shift);
  }
  return Item(Value(std::move(out)));
}

Result<Item> do_upper(Call& call) { return change_case(call, 'a', 'z', 'A' - 'a'); }
Result<Item> do_lower(Call& call) { return change_case(call, 'A', 'Z', 'a' - 'A'); }

Result<Item> do_split(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  if (!call.at(1).is_string() || call.at(1).as_string().empty()) {
    return call.wrong_argument(1, "the separator is text that is not empty");
  }
  const std::string& text = call.at(0).as_string();
  const std::string& separator = call.at(1).as_string();
  MR_TRY(search_cost(call, text, separator));
  std::size_t count = 1;
  for (std::size_t at = text.find(separator); at != std::string::npos;
       at = text.find(separator, at + separator.size())) {
    ++count;
  }
  MR_TRY(call.meter.produce(text.size() + count * kItemBytes));
  Value::Array pieces;
  std::size_t begin = 0;
  for (std::size_t at = text.find(separator); at != std::string::npos;
       at = text.find(separator, begin)) {
    pieces.emplace_back(text.substr(begin, at - begin));
    begin = at + separator.size();
  }
  pieces.emplace_back(text.substr(begin));
  return Item(Value(std::move(pieces)));
}

Result<Item> do_join(Call& call) {
  if (!call.at(0).is_array()) return call.wrong("it needs a list");
  std::string separator;
  if (call.arguments.size() > 1) {
    if (!call.at(1).is_string()) return call.wrong_argument(1, "the separator is text");
    separator = call.at(1).as_string();
  }
  std::string out;
  bool first = true;
  for (const Value& item : call.at(0).items()) {
    // Each piece is counted before it is added, so the text cannot run away.
    MR_TRY(call.meter.produce(separator.size()));
    if (!std::exchange(first, false)) out += separator;
    if (item.is_null()) return call.refuse("has an item that is null, which has no text");
    MR_ASSIGN(const std::string piece, text_of(item, call.subject, call.meter));
    out += piece;
  }
  return call.give(std::move(out));
}

Result<Item> do_replace(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  for (std::size_t i = 1; i <= 2; ++i) {
    if (!call.at(i).is_string()) return call.wrong_argument(i, "it is text");
  }
  const std::string& text = call.at(0).as_string();
  const std::string& from = call.at(1).as_string();
  const std::string& to = call.at(2).as_string();
  if (from.empty()) return call.wrong_argument(1, "it is not empty");
  MR_TRY(search_cost(call, text, from));
  std::size_t count = 0;
  for (std::size_t at = text.find(from); at != std::string::npos;
       at = text.find(from, at + from.size())) {
    ++count;
  }
  MR_TRY(call.meter.produce(text.size() - count * from.size() + count * to.size()));
  std::string out;
  std::size_t begin = 0;
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, begin)) {
    out.append(text, begin, at - begin);
    out += to;
    begin = at + from.size();
  }
  out.append(text, begin);
  return Item(Value(std::move(out)));
}

Result<Item> do_starts_with(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  if (!call.at(1).is_string()) return call.wrong_argument(1, "it is text");
  MR_TRY(call.meter.read(call.at(1).as_string().size()));
  return Item(Value(call.at(0).as_string().starts_with(call.at(1).as_string())));
}

Result<Item> do_ends_with(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  if (!call.at(1).is_string()) return call.wrong_argument(1, "it is text");
  MR_TRY(call.meter.read(call.at(1).as_string().size()));
  return Item(Value(call.at(0).as_string().ends_with(call.at(1).as_string())));
}

Result<Item> do_matches(Call& call) {
  if (!call.at(0).is_string()) return call.wrong("it needs text");
  if (!call.at(1).is_string()) return call.wrong_argument(1, "the pattern is text");
  MR_TRY(call.meter.read(call.at(1).as_string().size()));
  const auto matcher = Matcher::parse(call.at(1).as_string());
  if (!matcher.ok()) return fail(Code::Invalid, "matches: " + matcher.error().message);
  // Each byte may meet each state; a state costs some nanoseconds.
  MR_TRY(call.meter.work(1 + (call.at(0).as_string().size() + 1) * matcher->cost() / 8));
  return Item(Value(matcher->found_in(call.at(0).as_string())));
}

constexpr Function kTable[] = {
    {"trim", "text | trim", 1, 1, do_trim},
    {"upper", "text | upper", 1, 1, do_upper},
    {"lower", "text | lower", 1, 1, do_lower},
    {"split", "text | split(separator)", 2, 2, do_split},
    {"join", "list | join(separator)", 1, 2, do_join},
    {"replace", "text | replace(old, new)", 3, 3, do_replace},
    {"startsWith", "text | startsWith(start)", 2, 2, do_starts_with},
    {"endsWith", "text | endsWith(end)", 2, 2, do_ends_with},
    {"matches", "text | matches(pattern)", 2, 2, do_matches},
};

}  // namespace

std::span<const Function> text_functions() { return kTable; }

}  // namespace millrace::expression
