/// Words of an action of a conveyor-belt template. Internal to the files named go_template_*.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"

namespace millrace::expression::gotmpl {

struct Token {
  enum class Kind : std::uint8_t {
    Name,      ///< `index`, `if`, `true`; text is the name
    Field,     ///< `.name`; text without the dot
    Dot,       ///< `.` alone
    Variable,  ///< `$x`; text with the dollar
    Literal,   ///< text or number; in `value`
    Open,
    Close,
    Pipe,
    Comma,
    Declare,  ///< `:=`
    Assign,   ///< `=`
    End,      ///< of the action
  } kind = Kind::End;
  bool space_before = false;
  std::string_view text;
  codec::Value value;
  std::size_t offset = 0;
};

/// The words of the action whose inside begins at `text[at]`; `at` is moved behind its `}}`. The
/// last token is End. `trim_right` tells of ` -}}`. Errors: Invalid: a character or literal that
/// cannot be, no `}}`, more than `room` words.
Result<void> lex_action(std::string_view text, std::size_t& at, std::size_t room,
                        std::vector<Token>& out, bool& trim_right);

/// White space as the language sees it.
inline bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; }

}  // namespace millrace::expression::gotmpl
