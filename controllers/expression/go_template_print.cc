#include "controllers/expression/go_template_print.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>
#include <vector>

namespace millrace::expression::gotmpl {
namespace {

using codec::Value;
using Spelling = GoTemplate::Spelling;

/// Longest text of a double: 309 digits before the point, and as many behind it as asked for.
constexpr std::size_t kWidest = 1000;

void append_double(std::string& out, double number, std::chars_format format) {
  std::array<char, 400> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, format).ptr;
  out.append(text.data(), end);
}

/// As many digits as are needed. JSON: without exponent where that is readable; Go: beyond six
/// digits before the point with one.
void append_number(std::string& out, double number, Spelling spelling) {
  if (!std::isfinite(number)) {
    out += "null";
    return;
  }
  if (number == 0) {
    out += std::signbit(number) ? "-0" : "0";
    return;
  }
  const double size = std::fabs(number);
  // 999999.5 has six digits before the point and stays as it is; so the digits decide, not
  // rounding.
  const bool plain =
      spelling == Spelling::Go ? size >= 1e-4 && size < 1e6 : size >= 1e-6 && size < 1e21;
  append_double(out, number, plain ? std::chars_format::fixed : std::chars_format::scientific);
}

/// Whether Go writes the number, which is a float there, without exponent.
bool is_short(std::int64_t number) { return number > -1'000'000 && number < 1'000'000; }

void append_go(std::string& out, const Value& value) {
  if (value.is_null()) {
    out += "<nil>";
  } else if (value.is_array()) {
    out += '[';
    for (const Value& item : value.items()) {
      if (&item != &value.items().front()) out += ' ';
      append_go(out, item);
    }
    out += ']';
  } else if (value.is_object()) {
    std::vector<const Value::Member*> sorted;
    for (const auto& member : value.members()) sorted.push_back(&member);
    std::sort(sorted.begin(), sorted.end(),
              [](const auto* a, const auto* b) { return a->first < b->first; });
    out += "map[";
    for (const Value::Member* member : sorted) {
      if (member != sorted.front()) out += ' ';
      out += member->first + ":";
      append_go(out, member->second);
    }
    out += ']';
  } else {
    append_value(out, &value, Spelling::Go);
  }
}

/// Bytes of the character at the beginning of `text`; 0 when they are not UTF-8.
std::size_t character(std::string_view text, std::uint32_t& rune) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  rune = first;
  if (first < 0x80) return 1;
  const std::size_t size = first >= 0xF0 ? 4 : (first >= 0xE0 ? 3 : 2);
  if (first < 0xC2 || first > 0xF4 || text.size() < size) return 0;
  rune = first & (0xFFU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return 0;
    rune = rune << 6 | (byte(i) & 0x3FU);
  }
  const std::uint32_t least = size == 2 ? 0x80 : (size == 3 ? 0x800 : 0x10000);
  const bool good = rune >= least && rune <= 0x10FFFF && (rune < 0xD800 || rune > 0xDFFF);
  return good ? size : 0;
}

void append_hex(std::string& out, std::uint32_t number, int digits, bool upper) {
  const char* letters = upper ? "0123456789ABCDEF" : "0123456789abcdef";
  for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4) out += letters[number >> shift & 0xF];
}

/// As Go's strconv.Quote, but that all characters beyond ASCII count as printable.
void append_quoted(std::string& out, std::string_view text) {
  constexpr std::string_view kPlain = "\a\b\f\n\r\t\v\"\\";
  constexpr std::string_view kNames = "abfnrtv\"\\";
  out += '"';
  while (!text.empty()) {
    std::uint32_t rune = 0;
    const std::size_t size = character(text, rune);
    const std::size_t special = kPlain.find(text[0]);
    if (special != std::string_view::npos) {
      (out += '\\') += kNames[special];
    } else if (size == 0 || rune < 0x20 || rune == 0x7F) {
      out += "\\x";
      append_hex(out, static_cast<unsigned char>(text[0]), 2, false);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(std::max<std::size_t>(size, 1));
  }
  out += '"';
}

/// `%-05.2f`, taken apart.
struct Verb {
  bool left = false;
  bool plus = false;
  bool zero = false;
  bool space = false;
  std::size_t width = 0;
  std::optional<std::size_t> precision;
  char letter = '\0';
};

class Formatter {
 public:
  Formatter(Machine& machine, std::span<const Item> args, std::size_t offset)
      : machine_(machine), args_(args), offset_(offset) {}

  std::string run();

 private:
  void fail(std::string_view what) { machine_.fail(offset_, "printf: " + std::string(what)); }
  bool parse(std::string_view& format, Verb& verb);
  bool number(std::string_view& format, std::size_t& out);
  std::string value(const Verb& verb, Item item);
  std::string whole(const Verb& verb, Item item);
  std::string real(const Verb& verb, Item item);
  std::string cut(const Verb& verb, Item item);
  void pad(const Verb& verb, std::string body, bool numeric);

  Machine& machine_;
  std::span<const Item> args_;
  std::size_t offset_;
  std::string out_;
};

std::string Formatter::run() {
  if (args_[0] == nullptr || !args_[0]->is_string()) {
    fail("the first argument is the format, a text");
    return {};
  }
  std::string_view format = args_[0]->as_string();
  std::size_t next = 1;
  while (!format.empty() && !machine_.failed() && machine_.fits(out_.size())) {
    const std::size_t plain = std::min(format.find('%'), format.size());
    out_ += format.substr(0, plain);
    format.remove_prefix(plain);
    if (format.empty()) break;
    Verb verb;
    if (!machine_.spend(1, offset_) || !parse(format, verb)) break;
    if (verb.letter == '%') {
      out_ += '%';
      continue;
    }
    if (next >= args_.size()) {
      fail("the format has more verbs than there are values");
      break;
    }
    const Item item = args_[next++];
    pad(verb, value(verb, item), item != nullptr && item->is_number());
  }
  if (next < args_.size() && !machine_.failed() && format.empty()) {
    fail("there are more values than the format has verbs");
  }
  return std::move(out_);
}

bool Formatter::number(std::string_view& format, std::size_t& out) {
  out = 0;
  while (!format.empty() && format[0] >= '0' && format[0] <= '9' && out <= kWidest) {
    out = out * 10 + static_cast<std::size_t>(format[0] - '0');
    format.remove_prefix(1);
  }
  if (out > kWidest) fail("a width or precision above " + std::to_string(kWidest));
  return out <= kWidest;
}

/// Take the verb at the beginning of `format`, which is a percent sign.
bool Formatter::parse(std::string_view& format, Verb& verb) {
  format.remove_prefix(1);
  for (; !format.empty(); format.remove_prefix(1)) {
    if (format[0] == '-') {
      verb.left = true;
    } else if (format[0] == '+') {
      verb.plus = true;
    } else if (format[0] == '0') {
      verb.zero = true;
    } else if (format[0] == ' ') {
      verb.space = true;
    } else {
      break;
    }
  }
  if (!number(format, verb.width)) return false;
  if (!format.empty() && format[0] == '.') {
    format.remove_prefix(1);
    if (!number(format, verb.precision.emplace())) return false;
  }
  constexpr std::string_view kVerbs = "%vsdqtfFeEgGxXob";
  if (format.empty() || kVerbs.find(format[0]) == std::string_view::npos) {
    fail("unknown verb; there are %v %s %d %q %t %f %e %g %x %o %b and %%");
    return false;
  }
  verb.letter = format[0];
  format.remove_prefix(1);
  return true;
}

std::string Formatter::value(const Verb& verb, Item item) {
  const auto needs = [&](std::string_view what) {
    fail(std::string("%") + verb.letter + " needs " + std::string(what) + ", and this is " +
         std::string(kind_of(item)) + "; %v takes everything");
    return std::string();
  };
  if (item == nullptr) return verb.letter == 'q' ? "\"\"" : "";
  const bool whole_number =
      item->is_number() && (item->is_int() || item->as_double() == 0 || item->as_int() != 0);
  switch (verb.letter) {
    case 'v':
    case 's':
      return cut(verb, item);
    case 'q': {
      if (!item->is_string()) return needs("text");
      std::string out;
      append_quoted(out, item->as_string());
      return out;
    }
    case 't':
      if (!item->is_bool()) return needs("true or false");
      return item->as_bool() ? "true" : "false";
    case 'x':
    case 'X':
      if (item->is_string()) {
        std::string out;
        for (const char c : item->as_string()) {
          append_hex(out, static_cast<unsigned char>(c), 2, verb.letter == 'X');
        }
        return out;
      }
      [[fallthrough]];
    case 'd':
    case 'o':
    case 'b':
      if (!whole_number) return needs("a whole number");
      return whole(verb, item);
    default:
      if (!item->is_number()) return needs("a number");
      return real(verb, item);
  }
}

/// `%v` and `%s`: a precision shortens text, counted in characters.
std::string Formatter::cut(const Verb& verb, Item item) {
  if (item->is_number() && verb.precision) {
    Verb general = verb;
    general.letter = 'g';
    return real(general, item);
  }
  std::string out;
  append_value(out, item, machine_.spelling());
  if (verb.plus && item->is_number() && out[0] != '-') out.insert(0, 1, '+');
  if (!verb.precision) return out;
  std::string_view rest = out;
  for (std::size_t n = 0; n < *verb.precision && !rest.empty(); ++n) {
    std::uint32_t rune = 0;
    rest.remove_prefix(std::max<std::size_t>(character(rest, rune), 1));
  }
  out.resize(out.size() - rest.size());
  return out;
}

std::string Formatter::whole(const Verb& verb, Item item) {
  int base = 10;
  if (verb.letter == 'x' || verb.letter == 'X') base = 16;
  if (verb.letter == 'o') base = 8;
  if (verb.letter == 'b') base = 2;
  const std::int64_t number = item->as_int();
  std::array<char, 72> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, base).ptr;
  std::string out(text.data(), end);
  if (verb.letter == 'X') {
    for (char& c : out) c = c >= 'a' ? static_cast<char>(c - 'a' + 'A') : c;
  }
  if (number >= 0 && (verb.plus || verb.space)) out.insert(0, 1, verb.plus ? '+' : ' ');
  return out;
}

std::string Formatter::real(const Verb& verb, Item item) {
  const double number = item->as_double();
  const bool upper = verb.letter == 'E' || verb.letter == 'G';
  std::string out;
  if ((verb.letter == 'g' || verb.letter == 'G') && !verb.precision) {
    append_number(out, number, Spelling::Go);
  } else {
    auto format = std::chars_format::general;
    if (verb.letter == 'f' || verb.letter == 'F') format = std::chars_format::fixed;
    if (verb.letter == 'e' || verb.letter == 'E') format = std::chars_format::scientific;
    std::array<char, 400 + kWidest> text{};
    const int digits = static_cast<int>(verb.precision.value_or(6));
    const auto end =
        std::to_chars(text.data(), text.data() + text.size(), number, format, digits).ptr;
    out.assign(text.data(), end);
  }
  if (upper) std::replace(out.begin(), out.end(), 'e', 'E');
  if (out[0] != '-' && (verb.plus || verb.space)) out.insert(0, 1, verb.plus ? '+' : ' ');
  return out;
}

void Formatter::pad(const Verb& verb, std::string body, bool numeric) {
  std::size_t length = 0;
  for (const char c : body) length += (static_cast<unsigned char>(c) & 0xC0) != 0x80 ? 1 : 0;
  const std::size_t missing = verb.width > length ? verb.width - length : 0;
  if (verb.left) {
    (out_ += body).append(missing, ' ');
  } else if (verb.zero && numeric) {
    const bool sign = !body.empty() && (body[0] == '-' || body[0] == '+' || body[0] == ' ');
    out_ += body.substr(0, sign ? 1 : 0);
    out_.append(missing, '0') += body.substr(sign ? 1 : 0);
  } else {
    out_.append(missing, ' ') += body;
  }
}

}  // namespace

void append_value(std::string& out, Item item, Spelling spelling) {
  if (item == nullptr || item->is_null()) return;
  if (item->is_string()) {
    out += item->as_string();
  } else if (item->is_bool()) {
    out += item->as_bool() ? "true" : "false";
  } else if (item->is_int() && (spelling == Spelling::Json || is_short(item->as_int()))) {
    out += std::to_string(item->as_int());
  } else if (item->is_number()) {
    append_number(out, item->as_double(), spelling);
  } else if (spelling == Spelling::Json) {
    out += item->dump();
  } else {
    append_go(out, *item);
  }
}

std::string print_values(const Machine& machine, std::span<const Item> args, Spaces spaces) {
  std::string out;
  const auto text = [](Item item) { return item == nullptr || item->is_string(); };
  for (std::size_t i = 0; i < args.size() && machine.fits(out.size()); ++i) {
    if (i > 0 && (spaces == Spaces::All || (!text(args[i - 1]) && !text(args[i])))) out += ' ';
    append_value(out, args[i], machine.spelling());
  }
  return out;
}

std::string print_formatted(Machine& machine, std::span<const Item> args, std::size_t offset) {
  return Formatter(machine, args, offset).run();
}

void append_html(std::string& out, std::string_view text) {
  for (const char c : text) {
    switch (c) {
      case '\0':
        out += "\xEF\xBF\xBD";
        break;
      case '"':
        out += "&#34;";
        break;
      case '\'':
        out += "&#39;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
}

void append_js(std::string& out, std::string_view text) {
  while (!text.empty()) {
    std::uint32_t rune = 0;
    const std::size_t size = std::max<std::size_t>(character(text, rune), 1);
    const char c = text[0];
    if (c == '\\' || c == '\'' || c == '"') {
      (out += '\\') += c;
    } else if (rune < 0x20 || c == '<' || c == '>' || c == '&' || c == '=') {
      out += "\\u";
      append_hex(out, rune, 4, true);
    } else if (size > 1 && (rune < 0xA0 || rune == 0x2028 || rune == 0x2029 || rune == 0xFEFF)) {
      out += "\\u";
      append_hex(out, rune, 4, true);
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
}

void append_query(std::string& out, std::string_view text) {
  constexpr std::string_view kPlain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.~";
  for (const char c : text) {
    if (c == ' ') {
      out += '+';
    } else if (kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += '%';
      append_hex(out, static_cast<unsigned char>(c), 2, true);
    }
  }
}

}  // namespace millrace::expression::gotmpl
