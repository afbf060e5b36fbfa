#include "controllers/expression/lexer.h"

#include <algorithm>
#include <charconv>
#include <cmath>

namespace millrace::expression {
namespace {

bool starts_name(char c) {
  // Bytes above 0x7f are letters of other scripts.
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

bool in_name(char c) { return starts_name(c) || is_digit(c) || c == '-'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::string& out, unsigned code) {
  const auto byte = [&](unsigned b) { out += static_cast<char>(b); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xc0 | (code >> 6));
    byte(0x80 | (code & 0x3f));
  } else {
    byte(0xe0 | (code >> 12));
    byte(0x80 | ((code >> 6) & 0x3f));
    byte(0x80 | (code & 0x3f));
  }
}

constexpr std::string_view kPairs[] = {"==", "!=", "<=", ">=", "&&", "||", ":="};
constexpr std::string_view kSigns = ".,:?()[]{}|!<>+-*/%=$&;";

}  // namespace

bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

tl::unexpected<Error> fail_at(std::string_view text, std::size_t offset,
                              const std::string& message) {
  const std::string_view before = text.substr(0, std::min(offset, text.size()));
  const auto line = 1 + std::count(before.begin(), before.end(), '\n');
  const std::size_t column = before.size() - (before.rfind('\n') + 1) + 1;
  std::string place = "column " + std::to_string(column) + ": ";
  if (line > 1) place = "line " + std::to_string(line) + ", " + place;
  return fail(Code::Invalid, place + message);
}

Result<Token> Lexer::next() {
  Token token;
  while (position_ < text_.size() && is_blank(text_[position_])) {
    ++position_;
    token.after_blank = true;
  }
  token.begin = token.end = position_;
  const bool after_dot = std::exchange(after_dot_, false);
  if (position_ == text_.size()) return token;
  const char c = text_[position_];
  if (starts_name(c)) {
    const std::size_t begin = position_;
    while (position_ < text_.size() && in_name(text_[position_])) ++position_;
    while (text_[position_ - 1] == '-') --position_;  // as in `{{ x-}}`
    token.kind = Token::Kind::Name;
    token.text = text_.substr(begin, position_ - begin);
    token.end = position_;
    return token;
  }
  if (is_digit(c)) {
    after_dot_ = after_dot;
    return number(std::move(token));
  }
  if (c == '\'' || c == '"' || c == '`') return quoted(std::move(token));
  token.kind = Token::Kind::Sign;
  for (const std::string_view pair : kPairs) {
    if (text_.substr(position_, 2) == pair) token.text = pair;
  }
  if (token.text.empty()) {
    if (kSigns.find(c) == std::string_view::npos) {
      return fail_at(text_, position_, "this character has no meaning here");
    }
    token.text = c;
  }
  position_ += token.text.size();
  token.end = position_;
  after_dot_ = token.text == ".";
  return token;
}

Result<Token> Lexer::number(Token token) {
  const bool index = std::exchange(after_dot_, false);
  std::size_t end = position_;
  bool integer = true;
  const auto digits = [&] {
    while (end < text_.size() && is_digit(text_[end])) ++end;
  };
  const auto digit_at = [&](std::size_t at) { return at < text_.size() && is_digit(text_[at]); };
  digits();
  if (!index) {
    if (end < text_.size() && text_[end] == '.' && digit_at(end + 1)) {
      integer = false;
      ++end;
      digits();
    }
    if (end < text_.size() && (text_[end] == 'e' || text_[end] == 'E')) {
      std::size_t exponent = end + 1;
      if (exponent < text_.size() && (text_[exponent] == '-' || text_[exponent] == '+')) ++exponent;
      if (digit_at(exponent)) {
        integer = false;
        end = exponent;
        digits();
      }
    }
    if (end < text_.size() && starts_name(text_[end])) {
      return fail_at(text_, position_, "a name cannot begin with a digit; put it in quotes");
    }
  }
  const char* const first = text_.data() + position_;
  const char* const last = text_.data() + end;
  bool good = false;
  if (integer) {
    token.kind = Token::Kind::Integer;
    good = std::from_chars(first, last, token.integer).ec == std::errc();
  } else {
    token.kind = Token::Kind::Number;
    good =
        std::from_chars(first, last, token.number).ec == std::errc() && std::isfinite(token.number);
  }
  if (!good) return fail_at(text_, position_, "the number is out of range");
  position_ = token.end = end;
  return token;
}

Result<Token> Lexer::quoted(Token token) {
  const char quote = text_[position_++];
  token.kind = Token::Kind::Text;
  while (position_ < text_.size()) {
    const char c = text_[position_++];
    if (c == quote) {
      token.end = position_;
      return token;
    }
    if (c != '\\' || quote == '`') {
      token.text += c;
    } else if (!escape(token.text)) {
      return fail_at(text_, position_ - 1,
                     R"(unknown escape; known are \\ \' \" \n \r \t \uXXXX, and `text` has none)");
    }
  }
  return fail_at(text_, token.begin, "the quote is not closed");
}

bool Lexer::escape(std::string& out) {
  if (position_ == text_.size()) return false;
  const char c = text_[position_++];
  switch (c) {
    case 'n':
      out += '\n';
      return true;
    case 'r':
      out += '\r';
      return true;
    case 't':
      out += '\t';
      return true;
    case '\\':
    case '\'':
    case '"':
    case '`':
    case '/':
      out += c;
      return true;
    case 'u':
      break;
    default:
      return false;
  }
  unsigned code = 0;
  for (int i = 0; i < 4; ++i, ++position_) {
    const int digit = position_ < text_.size() ? hex_digit(text_[position_]) : -1;
    if (digit < 0) return false;
    code = code * 16 + static_cast<unsigned>(digit);
  }
  if (code >= 0xd800 && code < 0xe000) return false;  // half of a pair
  append_utf8(out, code);
  return true;
}

}  // namespace millrace::expression
