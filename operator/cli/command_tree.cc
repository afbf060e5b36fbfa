#include "operator/cli/command_tree.h"

#include <algorithm>
#include <numeric>

namespace millrace::cli {
namespace {

constexpr std::size_t kHelpWidth = 100;  ///< of the terminal [columns]

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  for (;;) {
    const std::size_t end = text.find(separator);
    parts.emplace_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// `text` in lines of `width` columns; lines after the first begin with `indent` blanks.
std::string wrapped(std::string_view text, std::size_t width, std::size_t indent) {
  std::string out;
  std::size_t column = 0;
  for (const std::string& word : split(text, ' ')) {
    if (column > 0 && column + 1 + word.size() > width) {
      out += "\n" + std::string(indent, ' ');
      column = 0;
    }
    if (column > 0) out += ' ';
    out += word;
    column += word.size() + (column > 0 ? 1 : 0);
  }
  return out;
}

struct Row {
  std::string left;
  std::string right;
};

void append_rows(std::string& out, std::string_view title, const std::vector<Row>& rows) {
  if (rows.empty()) return;
  std::size_t left = 0;
  for (const Row& row : rows) left = std::max(left, row.left.size());
  left = std::min<std::size_t>(left, 32) + 4;
  out += "\n" + std::string(title) + ":\n";
  for (const Row& row : rows) {
    std::string line = "  " + row.left;
    line += line.size() + 2 > left ? "\n" + std::string(left, ' ')
                                   : std::string(left - line.size(), ' ');
    out += line + wrapped(row.right, kHelpWidth - left, left) + "\n";
  }
}

std::string flag_left(const Argument& flag) {
  std::string left;
  for (const std::string& name : flag.names) left += (left.empty() ? "" : ", ") + name;
  return flag.value.empty() ? left : left + " " + flag.value;
}

std::string flag_right(const Argument& flag) {
  std::string right = flag.help;
  if (!flag.default_text.empty()) right += " (default " + flag.default_text + ")";
  return right;
}

/// Edits (insert, delete, change, swap of neighbours) that turn `a` into `b`.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<std::size_t>> d(a.size() + 1, std::vector<std::size_t>(b.size() + 1));
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  std::iota(d[0].begin(), d[0].end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t change = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, change});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
      }
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::vector<std::string> Argument::choices() const {
  if (is_file() || value.find('|') == std::string::npos) return {};
  return split(value, '|');
}

std::string help_text(const Command& command, std::string_view path) {
  std::string out = command.summary + "\n\nUsage:\n  " + std::string(path);
  if (!command.commands.empty()) out += " COMMAND";
  for (const Argument& argument : command.arguments) {
    out += " " + argument.value + (argument.repeatable ? "..." : "");
  }
  if (!command.flags.empty()) out += " [FLAGS]";
  out += "\n";
  if (!command.description.empty()) {
    for (const std::string& paragraph : split(command.description, '\n')) {
      out += "\n" + wrapped(paragraph, kHelpWidth, 0) + "\n";
    }
  }
  std::vector<Row> rows;
  for (const Command& sub : command.commands) rows.push_back({sub.name, sub.summary});
  append_rows(out, "Commands", rows);
  rows.clear();
  for (const Argument& argument : command.arguments)
    rows.push_back({argument.value, argument.help});
  append_rows(out, "Arguments", rows);
  rows.clear();
  for (const Argument& flag : command.flags) rows.push_back({flag_left(flag), flag_right(flag)});
  append_rows(out, "Flags", rows);
  if (!command.examples.empty()) out += "\nExamples:\n" + command.examples;
  return out;
}

std::string suggest(std::string_view wrong, const std::vector<std::string>& names) {
  std::string best;
  // A third of the letters may be wrong; more than that is another word.
  std::size_t least = std::max<std::size_t>(wrong.size(), 3) / 3 + 1;
  for (const std::string& name : names) {
    const std::size_t edits = distance(wrong, name);
    if (edits < least) {
      least = edits;
      best = name;
    }
  }
  if (!best.empty()) return best;
  const auto completed = std::find_if(names.begin(), names.end(), [&](const std::string& name) {
    return wrong.size() >= 3 && name.compare(0, wrong.size(), wrong) == 0;
  });
  return completed == names.end() ? "" : *completed;
}

}  // namespace millrace::cli
