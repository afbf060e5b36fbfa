#include "operator/cli/completion.h"

#include <functional>

namespace millrace::cli {
namespace {

using Visit = std::function<void(const Command&, const std::string& path)>;

/// Visit `command` and all below it, with the path "millrace schedule preview".
void walk(const Command& command, const std::string& path, const Visit& visit) {
  visit(command, path);
  for (const Command& sub : command.commands) walk(sub, path + " " + sub.name, visit);
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const std::string& word : words) out += (out.empty() ? "" : " ") + word;
  return out;
}

/// `text` in single quotes for a POSIX shell and zsh.
std::string shell_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

/// `text` in single quotes for fish.
std::string fish_quoted(std::string_view text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

/// The first sentence of a flag's help.
std::string brief(const std::string& help) {
  const std::size_t end = help.find_first_of(".;:(");
  std::string text = help.substr(0, end);
  while (!text.empty() && text.back() == ' ') text.pop_back();
  return text;
}

std::vector<std::string> command_names(const Command& command) {
  std::vector<std::string> names;
  for (const Command& sub : command.commands) names.push_back(sub.name);
  return names;
}

/// What may stand at the place of an argument: "file", or words.
struct Words {
  bool file = false;
  std::string words;
};

Words words_of(const Argument& argument) {
  return {argument.is_file(), joined(argument.choices())};
}

Words argument_words(const Command& command) {
  if (!command.commands.empty()) return {false, joined(command_names(command))};
  return command.arguments.empty() ? Words{} : words_of(command.arguments.front());
}

/// The two case tables that bash and zsh share: what follows a flag, and what a command takes.
/// `words` and `file` are the shell's statements for offering words or files.
struct CaseTables {
  std::string paths;   ///< patterns of all known paths, for finding the command of a line
  std::string values;  ///< "path|flag" -> offer its values
  std::string flags;   ///< path -> offer its flags
  std::string bare;    ///< path -> offer its commands or arguments
};

using Offer = std::function<std::string(const Words&)>;

CaseTables case_tables(const Command& root, const Offer& offer) {
  CaseTables tables;
  walk(root, root.name, [&](const Command& command, const std::string& path) {
    if (!tables.paths.empty()) tables.paths += "|";
    tables.paths += shell_quoted(path);
    std::vector<std::string> names;
    for (const Argument& flag : command.flags) {
      names.insert(names.end(), flag.names.begin(), flag.names.end());
      if (flag.value.empty()) continue;
      std::string patterns;
      for (const std::string& name : flag.names) {
        patterns += (patterns.empty() ? "" : "|") + shell_quoted(path + " " + name);
      }
      tables.values += "    " + patterns + ") " + offer(words_of(flag)) + "return ;;\n";
    }
    tables.flags += "      " + shell_quoted(path) + ") " + offer({false, joined(names)}) + ";;\n";
    const Words bare = argument_words(command);
    if (bare.file || !bare.words.empty()) {
      tables.bare += "      " + shell_quoted(path) + ") " + offer(bare) + ";;\n";
    }
  });
  return tables;
}

std::string bash_script(const Command& root) {
  const CaseTables tables = case_tables(root, [](const Words& words) -> std::string {
    if (words.file) return "compopt -o filenames; COMPREPLY=($(compgen -f -- \"$cur\")); ";
    if (words.words.empty()) return "";
    return "COMPREPLY=($(compgen -W " + shell_quoted(words.words) + " -- \"$cur\")); ";
  });
  const std::string function = "_" + root.name;
  return "# bash completion of " + root.name + "; load it with\n#   source <(" + root.name +
         " completion bash)\n" + function + "() {\n" +
         "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} path=" +
         root.name + " i\n" +
         "  # bash splits --flag=value at the equals sign\n"
         "  if [[ $cur == = ]]; then\n    cur=\n"
         "  elif [[ $prev == = ]]; then\n    prev=${COMP_WORDS[COMP_CWORD-2]}\n  fi\n"
         "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
         "    case \"$path ${COMP_WORDS[i]}\" in\n      " +
         tables.paths +
         ") path=\"$path ${COMP_WORDS[i]}\" ;;\n    esac\n  done\n"
         "  COMPREPLY=()\n  case \"$path $prev\" in\n" +
         tables.values + "  esac\n  if [[ $cur == -* ]]; then\n    case $path in\n" + tables.flags +
         "    esac\n  else\n    case $path in\n" + tables.bare + "    esac\n  fi\n}\ncomplete -F " +
         function + " " + root.name + "\n";
}

std::string zsh_script(const Command& root) {
  const CaseTables tables = case_tables(root, [](const Words& words) -> std::string {
    if (words.file) return "_files; ";
    if (words.words.empty()) return "";
    return "compadd -- " + words.words + "; ";
  });
  const std::string function = "_" + root.name;
  return "#compdef " + root.name + "\n# zsh completion of " + root.name + "; load it with\n#   " +
         "source <(" + root.name +
         " completion zsh)\n# after compinit, or put it into a folder of " + "$fpath as " +
         function + "\n" + function + "() {\n" +
         "  local cur=$words[CURRENT] prev=$words[CURRENT-1] path_so_far=" + root.name + " i\n" +
         "  if [[ $cur == --*=* ]]; then\n    prev=${cur%%=*}\n    compset -P '*='\n  fi\n" +
         "  for ((i = 2; i < CURRENT; i++)); do\n"
         "    case \"$path_so_far $words[i]\" in\n      " +
         tables.paths +
         ") path_so_far=\"$path_so_far $words[i]\" ;;\n    esac\n  done\n"
         "  case \"$path_so_far $prev\" in\n" +
         tables.values + "  esac\n  if [[ $cur == -* ]]; then\n    case $path_so_far in\n" +
         tables.flags + "    esac\n  else\n    case $path_so_far in\n" + tables.bare +
         "    esac\n  fi\n}\n"
         "if [[ $zsh_eval_context[-1] == loadautofunc ]]; then\n  " +
         function + " \"$@\"\nelse\n  compdef " + function + " " + root.name + "\nfi\n";
}

/// Fish asks a function for the command of the line, then offers what belongs to it.
std::string fish_script(const Command& root) {
  std::string paths;
  std::string lines;
  const std::string function = "__" + root.name + "_path";
  walk(root, root.name, [&](const Command& command, const std::string& path) {
    paths += " " + fish_quoted(path);
    const std::string start = "complete -c " + root.name + " -n " +
                              fish_quoted("test (" + function + ") = '" + path + "'");
    for (const Command& sub : command.commands) {
      lines += start + " -f -a " + fish_quoted(sub.name) + " -d " + fish_quoted(sub.summary) + "\n";
    }
    for (const Argument& argument : command.arguments) {
      if (argument.is_file()) {
        lines += start + " -F\n";
      } else {
        lines += start + " -f -a " + fish_quoted(joined(argument.choices())) + "\n";
      }
    }
    for (const Argument& flag : command.flags) {
      lines += start;
      for (const std::string& name : flag.names) {
        lines += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      if (flag.is_file()) {
        lines += " -r -F";
      } else if (!flag.value.empty()) {
        lines += " -x";
        if (!flag.choices().empty()) lines += " -a " + fish_quoted(joined(flag.choices()));
      }
      lines += " -d " + fish_quoted(brief(flag.help)) + "\n";
    }
  });
  return "# fish completion of " + root.name + "; load it with\n#   " + root.name +
         " completion fish | source\n" + "function " + function +
         " --description 'the command of the line so far'\n  set -l path " + root.name +
         "\n  for word in (commandline -opc)[2..-1]\n    if contains -- \"$path $word\"" + paths +
         "\n      set path \"$path $word\"\n    end\n  end\n  echo $path\nend\ncomplete -c " +
         root.name + " -f\n" + lines;
}

}  // namespace

std::string completion_script(const Command& root, Shell shell) {
  switch (shell) {
    case Shell::Bash:
      return bash_script(root);
    case Shell::Zsh:
      return zsh_script(root);
    case Shell::Fish:
      return fish_script(root);
  }
  return "";
}

}  // namespace millrace::cli
