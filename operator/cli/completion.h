/// Scripts that teach a shell to complete our commands and flags.
#pragma once

#include <string>

#include "operator/cli/command_tree.h"

namespace millrace::cli {

enum class Shell { Bash, Zsh, Fish };

/// The script for `shell`, to be sourced. `root` is the program itself.
std::string completion_script(const Command& root, Shell shell);

}  // namespace millrace::cli
