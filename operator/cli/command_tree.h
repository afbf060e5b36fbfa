/// The commands and flags as plain data: what help, completion and suggestions are made from. It is
/// read off the parser, so none of them can be out of date.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace millrace::cli {

/// A flag, or an argument without one.
struct Argument {
  std::vector<std::string> names{};  ///< "--output", "-o"; empty for an argument without a flag
  std::string value{};               ///< "FILE", or the choices as "a|b|c"; empty: takes no value
  std::string help{};
  std::string default_text{};  ///< empty: none worth showing
  bool repeatable = false;

  /// The choices in `value`, if it lists any.
  std::vector<std::string> choices() const;
  bool is_file() const { return value == "FILE" || value == "FILE|-"; }
};

/// A command with its subcommands, in the order they are shown.
struct Command {
  std::string name{};
  std::string summary{};      ///< one line
  std::string description{};  ///< paragraphs below the summary; may be empty
  std::string examples{};     ///< lines "  millrace ..."; may be empty
  std::vector<Argument> flags{};
  std::vector<Argument> arguments{};
  std::vector<Command> commands{};
};

/// What `--help` prints. `path` is the command with those above it: "millrace schedule preview".
std::string help_text(const Command& command, std::string_view path);

/// The name of `names` that `wrong` was most likely meant to be, or "" when none is near.
std::string suggest(std::string_view wrong, const std::vector<std::string>& names);

}  // namespace millrace::cli
