/// Tokens of an action. Inside this folder only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "kubeclient/base/result.h"

namespace millrace::expression {

struct Token {
  enum class Kind { End, Name, Integer, Number, Text, Sign };

  Kind kind = Kind::End;
  std::size_t begin = 0;  ///< in the template's text [bytes]
  std::size_t end = 0;
  bool after_blank = false;
  std::string text;  ///< of a Name, Text (without quotes) or Sign ("&&", "(", ...)
  std::int64_t integer = 0;
  double number = 0;

  bool is(std::string_view sign) const { return kind == Kind::Sign && text == sign; }
  bool is_name(std::string_view name) const { return kind == Kind::Name && text == name; }
};

/// Error at a place of `text`: "column 14: message", in later lines "line 2, column 3: message".
tl::unexpected<Error> fail_at(std::string_view text, std::size_t offset,
                              const std::string& message);

/// Reads tokens one at a time. `text` outlives the lexer.
class Lexer {
 public:
  Lexer(std::string_view text, std::size_t position) : text_(text), position_(position) {}

  /// Errors: Invalid: unterminated text, bad escape, number out of range, a byte that begins
  /// nothing.
  Result<Token> next();
  std::string_view text() const { return text_; }

 private:
  Result<Token> quoted(Token token);
  Result<Token> number(Token token);
  bool escape(std::string& out);

  std::string_view text_;
  std::size_t position_;
  bool after_dot_ = false;  ///< then `1.2` is two indexes, not a number
};

bool is_blank(char c);
bool is_digit(char c);

}  // namespace millrace::expression
