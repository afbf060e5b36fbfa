#include "local/apiserver/json_body.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <unordered_set>
#include <utility>

#include "kubeclient/base/hash.h"
#include "kubeclient/base/json_quote.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

constexpr std::size_t kMostDepth = 128;
/// Sum over all objects of (members)^2 that we are ready to bear: one object of 14,000 members.
/// Deviation: the real server has no such limit; ours keeps objects as ordered lists.
constexpr std::uint64_t kMostLookups = 200'000'000;
constexpr std::size_t kSmallObject = 16;  ///< members up to which a plain search is fastest

void append_utf8(std::string& out, std::uint32_t code) {
  const auto put = [&out](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (code < 0x80) {
    put(code);
  } else if (code < 0x800) {
    put(0xC0 | (code >> 6));
    put(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    put(0xE0 | (code >> 12));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  } else {
    put(0xF0 | (code >> 18));
    put(0x80 | ((code >> 12) & 0x3F));
    put(0x80 | ((code >> 6) & 0x3F));
    put(0x80 | (code & 0x3F));
  }
}

/// `c` as Go's errors show it.
std::string shown(char c) {
  if (c == '\'') return "'\\''";
  if (c == '"') return "'\"'";
  if (static_cast<unsigned char>(c) >= 0x80) {
    std::string text = "'";
    append_utf8(text, static_cast<unsigned char>(c));
    return text + "'";
  }
  if (c == '\n') return "'\\n'";
  if (c == '\t') return "'\\t'";
  if (c == '\r') return "'\\r'";
  if (static_cast<unsigned char>(c) < 0x20) {
    return "'\\x" + hex(static_cast<unsigned char>(c), 2) + "'";
  }
  return std::string("'") + c + "'";
}

class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  JsonBody read() {
    JsonBody body;
    space();
    if (value(body.value)) {
      space();
      if (at_ < text_.size()) fail_at("after top-level value");
    }
    body.error = std::move(error_);
    body.repeated = std::move(repeated_);
    return body;
  }

 private:
  bool fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
    return false;
  }
  /// The byte here is wrong, or missing.
  bool fail_at(const char* where) {
    if (at_ >= text_.size()) return fail("unexpected end of JSON input");
    return fail("invalid character " + shown(text_[at_]) + " " + where);
  }
  void space() {
    while (at_ < text_.size() &&
           (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t' || text_[at_] == '\r')) {
      ++at_;
    }
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }

  bool value(Value& out) {
    switch (peek()) {
      case '{':
        return object(out);
      case '[':
        return array(out);
      case '"': {
        std::string text;
        if (!string(text)) return false;
        out = Value(std::move(text));
        return true;
      }
      case 't':
        out = Value(true);
        return literal("true");
      case 'f':
        out = Value(false);
        return literal("false");
      case 'n':
        out = Value();
        return literal("null");
      default:
        return number(out);
    }
  }

  bool literal(std::string_view word) {
    for (std::size_t i = 0; i < word.size(); ++i, ++at_) {
      if (peek() == word[i]) continue;
      const std::string where =
          "in literal " + std::string(word) + " (expecting '" + word[i] + "')";
      return fail_at(where.c_str());
    }
    return true;
  }

  bool digits(const char* where) {
    const std::size_t start = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ > start || fail_at(where);
  }

  bool number(Value& out) {
    const std::size_t start = at_;
    bool whole = true;
    if (peek() == '-') {
      ++at_;
      if (peek() < '0' || peek() > '9') return fail_at("in numeric literal");
    }
    if (peek() == '0') {
      ++at_;
    } else if (!digits("looking for beginning of value")) {
      return false;
    }
    if (peek() == '.') {
      whole = false;
      ++at_;
      if (!digits("after decimal point in numeric literal")) return false;
    }
    if (peek() == 'e' || peek() == 'E') {
      whole = false;
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!digits("in exponent of numeric literal")) return false;
    }
    const char* first = text_.data() + start;
    const char* last = text_.data() + at_;
    if (whole) {
      std::int64_t n = 0;
      if (std::from_chars(first, last, n).ec == std::errc()) {
        out = Value(n);
        return true;
      }
    }
    double d = 0;
    if (std::from_chars(first, last, d).ec != std::errc() || !std::isfinite(d)) {
      return fail("json: cannot unmarshal number " + std::string(first, last) +
                  " into Go value of type float64");
    }
    out = Value(d);
    return true;
  }

  int hex_digit() {
    const char c = peek();
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (c >= 'A' && c <= 'F') digit = c - 'A' + 10;
    if (digit >= 0) ++at_;
    return digit;
  }

  bool code_unit(std::uint32_t& unit) {
    unit = 0;
    for (int i = 0; i < 4; ++i) {
      const int digit = hex_digit();
      if (digit < 0) return fail_at("in \\u hexadecimal character escape");
      unit = unit * 16 + static_cast<std::uint32_t>(digit);
    }
    return true;
  }

  bool unicode_escape(std::string& out) {
    std::uint32_t unit = 0;
    if (!code_unit(unit)) return false;
    if (unit >= 0xD800 && unit < 0xDC00 && text_.substr(at_, 2) == "\\u") {
      const std::size_t second = at_;
      at_ += 2;
      std::uint32_t low = 0;
      if (!code_unit(low)) return false;
      if (low >= 0xDC00 && low < 0xE000) {
        unit = 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
      } else {
        at_ = second;  // not a pair: the second one stands for itself
      }
    }
    append_utf8(out, unit >= 0xD800 && unit < 0xE000 ? 0xFFFD : unit);
    return true;
  }

  bool escape(std::string& out) {
    const char c = peek();
    switch (c) {
      case '"':
      case '\\':
      case '/':
        out += c;
        break;
      case 'b':
        out += '\b';
        break;
      case 'f':
        out += '\f';
        break;
      case 'n':
        out += '\n';
        break;
      case 'r':
        out += '\r';
        break;
      case 't':
        out += '\t';
        break;
      case 'u':
        ++at_;
        return unicode_escape(out);
      default:
        return fail_at("in string escape code");
    }
    ++at_;
    return true;
  }

  bool string(std::string& out) {
    ++at_;  // the quote
    bool ascii = true;
    for (;;) {
      const std::size_t start = at_;
      while (at_ < text_.size() && text_[at_] != '"' && text_[at_] != '\\' &&
             static_cast<unsigned char>(text_[at_]) >= 0x20) {
        ascii = ascii && static_cast<unsigned char>(text_[at_]) < 0x80;
        ++at_;
      }
      out.append(text_, start, at_ - start);
      if (peek() == '"' && at_ < text_.size()) {
        ++at_;
        if (!ascii) repair_utf8(out);  // as Go reads it; names and answers must be UTF-8
        return true;
      }
      if (peek() != '\\') return fail_at("in string literal");
      ++at_;
      if (!escape(out)) return false;
    }
  }

  bool enter() {
    if (++depth_ > kMostDepth) {
      return fail("invalid character " + shown(text_[at_]) + " exceeded max depth");
    }
    ++at_;
    space();
    return true;
  }

  bool array(Value& out) {
    if (!enter()) return false;
    Value::Array items;
    if (peek() == ']') {
      ++at_;
    } else {
      const std::size_t mark = path_.size();
      for (;;) {
        path_ += '[' + std::to_string(items.size()) + ']';
        if (!value(items.emplace_back())) return false;
        path_.resize(mark);
        space();
        if (peek() == ']') break;
        if (peek() != ',') return fail_at("after array element");
        ++at_;
        space();
      }
      ++at_;
    }
    --depth_;
    out = Value(std::move(items));
    return true;
  }

  /// The members of one object; the last of equal names wins, at the place of the first.
  class Members {
   public:
    Value& place(std::string key, bool& repeated) {
      const std::size_t i = find(key);
      repeated = i < list_.size();
      if (repeated) return list_[i].second = Value();
      if (list_.size() == kSmallObject) {
        for (const auto& member : list_) names_.insert(member.first);
      }
      if (list_.size() >= kSmallObject) names_.insert(key);
      return list_.emplace_back(std::move(key), Value()).second;
    }
    std::size_t size() const { return list_.size(); }
    Value::Object take() { return std::move(list_); }

   private:
    std::size_t find(const std::string& key) const {
      if (list_.size() > kSmallObject && !names_.contains(key)) return list_.size();
      for (std::size_t i = 0; i < list_.size(); ++i) {
        if (list_[i].first == key) return i;
      }
      return list_.size();
    }
    Value::Object list_;
    std::unordered_set<std::string> names_;  ///< filled once the list is long
  };

  bool member(Members& members) {
    if (peek() != '"') return fail_at("looking for beginning of object key string");
    std::string key;
    if (!string(key)) return false;
    space();
    if (peek() != ':') return fail_at("after object key");
    ++at_;
    space();
    const std::size_t mark = path_.size();
    if (!path_.empty()) path_ += '.';
    path_ += key;
    bool repeated = false;
    Value& place = members.place(std::move(key), repeated);
    if (repeated && repeated_.size() < 100) repeated_.push_back(path_);
    if (!value(place)) return false;
    path_.resize(mark);
    lookups_ += 2 * members.size();
    if (repeated) lookups_ += members.size();
    if (lookups_ > kMostLookups) return fail("json: too many fields in one object");
    return true;
  }

  bool object(Value& out) {
    if (!enter()) return false;
    Members members;
    if (peek() == '}') {
      ++at_;
    } else {
      for (;;) {
        if (!member(members)) return false;
        space();
        if (peek() == '}') break;
        if (peek() != ',') return fail_at("after object key:value pair");
        ++at_;
        space();
      }
      ++at_;
    }
    --depth_;
    out = Value(members.take());
    return true;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::uint64_t lookups_ = 0;
  std::string path_;
  std::vector<std::string> repeated_;
  std::string error_;
};

}  // namespace

JsonBody read_json(std::string_view text) { return Reader(text).read(); }

}  // namespace millrace::apiserver
