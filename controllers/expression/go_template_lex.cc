#include "controllers/expression/go_template_lex.h"

#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include "controllers/expression/go_template_ast.h"

namespace millrace::expression::gotmpl {
namespace {

using codec::Value;

bool is_digit(char c) { return c >= '0' && c <= '9'; }
/// Letters beyond ASCII are taken as they are; which of them are letters does not matter here.
bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || c == '_' ||
         static_cast<unsigned char>(c) >= 0x80;
}

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return 99;
}

void append_utf8(std::string& out, std::uint32_t rune) {
  const auto put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (rune < 0x80) {
    put(rune);
  } else if (rune < 0x800) {
    put(0xC0 | rune >> 6);
    put(0x80 | (rune & 0x3F));
  } else if (rune < 0x10000) {
    put(0xE0 | rune >> 12);
    put(0x80 | (rune >> 6 & 0x3F));
    put(0x80 | (rune & 0x3F));
  } else {
    put(0xF0 | rune >> 18);
    put(0x80 | (rune >> 12 & 0x3F));
    put(0x80 | (rune >> 6 & 0x3F));
    put(0x80 | (rune & 0x3F));
  }
}

/// What to write instead of a character that has no place in an action.
std::string_view cure(char c) {
  switch (c) {
    case '\'':
      return "text stands in back-ticks: `text`";
    case '=':
      return "compare with eq: {{ if eq .a .b }}";
    case '<':
    case '>':
      return "compare with lt, le, gt, ge: {{ if lt .a .b }}";
    case '!':
      return "write not or ne";
    case '&':
      return "write and: {{ if and .a .b }}";
    case '[':
    case ']':
      return "write index: {{ index .list 0 }}";
    case '-':
      return "a name with - is reached with index: (index .Response `my-stage` `my-job`).Body";
    case '+':
    case '*':
    case '/':
    case '%':
      return "there is no arithmetic";
    case '{':
    case '}':
      return "an action ends with }}";
    case '\\':
      return "text stands in back-ticks or double quotes";
    default:
      return "it has no meaning in {{ }}";
  }
}

class Lexer {
 public:
  Lexer(std::string_view text, std::size_t at) : text_(text), start_(at), at_(at) {}

  Result<void> run(std::size_t room, std::vector<Token>& out, bool& trim_right);
  std::size_t at() const { return at_; }

 private:
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool follows(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  tl::unexpected<Error> no_end() const {
    return fault(start_ - 2, "this {{ has no }} behind it; literal braces are written {{ `{{` }}");
  }
  tl::unexpected<Error> stray(std::size_t offset) const;

  Result<void> token(Token& out);
  Result<void> word(Token& out, Token::Kind kind, std::size_t skip);
  Result<void> number(Token& out);
  Result<void> quoted(Token& out);
  Result<void> escape(std::string& out);
  Result<void> raw(Token& out);

  std::string_view text_;
  std::size_t start_;
  std::size_t at_;
};

tl::unexpected<Error> Lexer::stray(std::size_t offset) const {
  const char c = text_[offset];
  std::string what = "unexpected character";
  // Half of a character beyond ASCII would spoil the message.
  if (c > 0x20 && c < 0x7F) what += std::string(" '") + c + "'";
  return fault(offset, what + "; " + std::string(cure(c)));
}

Result<void> Lexer::run(std::size_t room, std::vector<Token>& out, bool& trim_right) {
  out.clear();
  trim_right = false;
  while (true) {
    const std::size_t before = at_;
    while (at_ < text_.size() && is_space(text_[at_])) ++at_;
    Token token_;
    token_.offset = at_;
    token_.space_before = at_ > before;
    if (at_ >= text_.size()) return no_end();
    trim_right = token_.space_before && follows("-}}");
    if (trim_right || follows("}}")) {
      at_ += trim_right ? 3 : 2;
      out.push_back(std::move(token_));
      return {};
    }
    if (out.size() >= room) {
      return fault(at_, "the template has more than " + std::to_string(kMaxParts) + " parts");
    }
    MR_TRY(token(token_));
    out.push_back(std::move(token_));
  }
}

Result<void> Lexer::token(Token& out) {
  const char c = peek();
  const auto single = [&](Token::Kind kind, std::size_t length = 1) -> Result<void> {
    out.kind = kind;
    at_ += length;
    return {};
  };
  switch (c) {
    case '(':
      return single(Token::Kind::Open);
    case ')':
      return single(Token::Kind::Close);
    case '|':
      if (peek(1) == '|') return fault(at_, "unexpected ||; write or: {{ if or .a .b }}");
      return single(Token::Kind::Pipe);
    case ',':
      return single(Token::Kind::Comma);
    case ':':
      if (peek(1) == '=') return single(Token::Kind::Declare, 2);
      return fault(at_, "unexpected ':'; a variable is made with {{ $name := value }}");
    case '=':
      if (peek(1) == '=') return stray(at_);
      return single(Token::Kind::Assign);
    case '"':
      return quoted(out);
    case '`':
      return raw(out);
    case '.':
      if (is_digit(peek(1))) return number(out);
      if (is_word(peek(1))) return word(out, Token::Kind::Field, 1);
      return single(Token::Kind::Dot);
    case '$':
      return word(out, Token::Kind::Variable, 0);
    default:
      break;
  }
  if (is_digit(c) || ((c == '-' || c == '+') && (is_digit(peek(1)) || peek(1) == '.'))) {
    return number(out);
  }
  if (is_word(c)) return word(out, Token::Kind::Name, 0);
  return stray(at_);
}

/// A run of letters, with `skip` bytes before it that are no part of its text.
Result<void> Lexer::word(Token& out, Token::Kind kind, std::size_t skip) {
  out.kind = kind;
  const std::size_t begin = at_ + skip;
  at_ = begin + (text_[begin] == '$' ? 1 : 0);
  while (is_word(peek())) ++at_;
  out.text = text_.substr(begin, at_ - begin);
  const char next = peek();
  const bool ends = at_ >= text_.size() || is_space(next) || follows("}}") ||
                    std::string_view(".,|:()=").find(next) != std::string_view::npos;
  if (!ends) return stray(at_);
  return {};
}

Result<void> Lexer::number(Token& out) {
  out.kind = Token::Kind::Literal;
  const std::size_t begin = at_;
  const bool negative = peek() == '-';
  if (negative || peek() == '+') ++at_;
  std::string digits;
  int base = 10;
  const char mark = peek(1);
  if (peek() == '0' && (mark == 'x' || mark == 'X')) base = 16;
  if (peek() == '0' && (mark == 'b' || mark == 'B')) base = 2;
  if (peek() == '0' && (mark == 'o' || mark == 'O')) base = 8;
  if (base != 10) at_ += 2;
  bool whole = true;
  for (; at_ < text_.size(); ++at_) {
    const char c = text_[at_];
    if (c == '_') continue;
    if (base == 10 && (c == '.' || c == 'e' || c == 'E')) {
      whole = false;
      digits += c;
      if (c != '.' && (peek(1) == '-' || peek(1) == '+')) digits += text_[++at_];
    } else if (is_word(c)) {
      digits += c;
    } else {
      break;
    }
  }
  const char* first = digits.data();
  const char* last = first + digits.size();
  bool ok = !digits.empty();
  if (whole) {
    // As Go reads them: a zero in front makes it octal.
    if (base == 10 && digits.size() > 1 && digits[0] == '0') base = 8;
    std::uint64_t n = 0;
    const auto [end, code] = std::from_chars(first, last, n, base);
    const std::uint64_t most = std::uint64_t{1} << 63;
    ok = ok && end == last && code == std::errc() && n <= (negative ? most : most - 1);
    if (ok) out.value = static_cast<std::int64_t>(negative ? 0 - n : n);
  } else {
    double d = 0;
    const auto [end, code] = std::from_chars(first, last, d);
    ok = ok && end == last && code == std::errc();
    out.value = negative ? -d : d;
  }
  if (!ok) return fault(begin, "not a number; text stands in back-ticks: `text`");
  const char next = peek();
  if (at_ < text_.size() && !is_space(next) && next != ')' && next != '|' && next != ',' &&
      !follows("}}")) {
    return stray(at_);
  }
  return {};
}

Result<void> Lexer::raw(Token& out) {
  const std::size_t end = text_.find('`', at_ + 1);
  if (end == std::string_view::npos) return fault(at_, "this ` has no second one behind it");
  std::string content;
  for (const char c : text_.substr(at_ + 1, end - at_ - 1)) {
    if (c != '\r') content += c;
  }
  out.kind = Token::Kind::Literal;
  out.value = std::move(content);
  at_ = end + 1;
  return {};
}

Result<void> Lexer::quoted(Token& out) {
  const std::size_t begin = at_++;
  std::string content;
  while (true) {
    const char c = peek();
    if (at_ >= text_.size() || c == '\n') {
      return fault(begin, "this \" has no second one in its line; text of many lines stands in `");
    }
    ++at_;
    if (c == '"') break;
    if (c != '\\') {
      content += c;
      continue;
    }
    MR_TRY(escape(content));
  }
  out.kind = Token::Kind::Literal;
  out.value = std::move(content);
  return {};
}

/// What stands behind a backslash.
Result<void> Lexer::escape(std::string& out) {
  const std::size_t begin = at_ - 1;
  const char c = peek();
  constexpr std::string_view kNames = "abfnrtv\\\"";
  constexpr std::string_view kMeanings = "\a\b\f\n\r\t\v\\\"";
  if (const std::size_t i = kNames.find(c); at_ < text_.size() && i != std::string_view::npos) {
    out += kMeanings[i];
    ++at_;
    return {};
  }
  const bool octal = c >= '0' && c <= '7';
  std::size_t count = octal ? 3 : 0;
  if (c == 'x') count = 2;
  if (c == 'u') count = 4;
  if (c == 'U') count = 8;
  if (!octal) ++at_;
  std::uint32_t rune = 0;
  const int base = octal ? 8 : 16;
  bool ok = count > 0;
  for (std::size_t i = 0; i < count && ok; ++i) {
    const int digit = at_ < text_.size() ? hex_digit(text_[at_++]) : 99;
    ok = digit < base;
    rune = rune * static_cast<std::uint32_t>(base) + static_cast<std::uint32_t>(digit);
  }
  const bool byte = octal || c == 'x';
  ok = ok && rune <= (byte ? 0xFFU : 0x10FFFFU) && (byte || rune < 0xD800 || rune > 0xDFFF);
  if (!ok) return fault(begin, "this \\ begins no known escape; in back-ticks \\ is itself");
  if (byte) {
    out += static_cast<char>(rune);
  } else {
    append_utf8(out, rune);
  }
  return {};
}

}  // namespace

Result<void> lex_action(std::string_view text, std::size_t& at, std::size_t room,
                        std::vector<Token>& out, bool& trim_right) {
  Lexer lexer(text, at);
  MR_TRY(lexer.run(room, out, trim_right));
  at = lexer.at();
  return {};
}

}  // namespace millrace::expression::gotmpl
