/// A small regular expression matcher whose time is linear: all states at once, no backtracking.
/// Also for the patterns of params.
#pragma once

#include <cstddef>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/result.h"

namespace millrace::expression {

/// Known: literals, `.`, `[a-z]`, `[^a-z]`, `\d \w \s \D \W \S`, `\n \r \t`, `^ $` (of the whole
/// text), groups `( )` and `(?: )`, `|`, `* + ?`, `{n} {n,} {n,m}` up to 200. Characters are those
/// of UTF-8; `\w` and the like are ASCII; `.` is any character but a line end.
class Matcher {
 public:
  /// Errors: Invalid: bad syntax, or a pattern of more than 2,000 states.
  static Result<Matcher> parse(std::string_view pattern);

  /// Whether some part of `text` matches.
  bool found_in(std::string_view text) const;
  /// Steps that one character may take at most.
  std::size_t cost() const;

 private:
  struct State {
    enum class Kind { Set, Split, Begin, End, Match } kind = Kind::Match;
    std::size_t next = 0;   ///< Set, Begin, End, Split
    std::size_t other = 0;  ///< Split
    std::size_t set = 0;    ///< Set: index into sets_
  };
  struct Set {
    std::vector<std::pair<char32_t, char32_t>> ranges;  ///< inclusive
    bool negated = false;
    bool has(char32_t c) const;
  };
  class Compiler;
  class Run;

  std::vector<State> states_;
  std::vector<Set> sets_;
  std::size_t start_ = 0;
};

}  // namespace millrace::expression
