/// Pieces of what the commands print: colours, lengths of time, aligned columns. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "crds/pipeline_run.h"
#include "kubeclient/base/clock.h"

namespace millrace::cli {

/// Fancy: symbols and colours, for a terminal. Plain: for pipes and files.
enum class Look { Plain, Fancy };

enum class Tint { None, Red, Green, Yellow, Dim, Bold };
/// `text` in a colour; unchanged when plain or empty.
std::string tinted(Look look, Tint tint, std::string_view text);

/// A length of time for people, at most two units: "41ms", "12s", "3m04s", "2h05m", "4d03h".
std::string span(Duration length);
/// From `from` to `to`, as span; "<1s" where they are equal, since times of objects are whole
/// seconds.
std::string span(Time from, Time to);

/// `text` on one line, without control characters; the rest after `limit` bytes becomes "...".
std::string one_line(std::string_view text, std::size_t limit = 300);
/// `text` without control characters other than newlines and tabs.
std::string printable(std::string_view text);

/// "a, b, c"; `none` when empty.
std::string joined(const std::vector<std::string>& words, std::string_view none = "");

/// As joined, but only the first few of many: "a, b, c and 7 more".
std::string joined_few(const std::vector<std::string>& words);

/// The symbol of a step's state and its colour. Fancy only; "" when plain.
std::string symbol(Look look, const crds::StepState& step);
Tint tint_of(crds::StepPhase state);

/// A cell of a table.
struct Cell {
  std::string text;
  Tint tint = Tint::None;
};

/// Rows in aligned columns, three blanks between them as kubectl does.
class Table {
 public:
  explicit Table(std::vector<std::string> header) : header_(std::move(header)) {}
  void add(std::vector<Cell> row) { rows_.push_back(std::move(row)); }
  bool empty() const { return rows_.empty(); }
  /// Columns without a word in any row are left out, the first one never. `indent`: blanks before
  /// each line.
  std::string text(Look look, std::size_t indent = 0) const;

 private:
  std::vector<std::string> header_;
  std::vector<std::vector<Cell>> rows_;
};

}  // namespace millrace::cli
