#include "operator/cli/completion.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "tests/unit/cli/command_line.h"

namespace millrace::cli {
namespace {

/// Run a command of the shell; standard output and error together, and the exit status.
std::pair<int, std::string> shell(const std::string& command) {
  FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  if (pipe == nullptr) return {-1, "popen failed"};
  std::string out;
  std::array<char, 4096> buffer{};
  for (std::size_t n = 0; (n = std::fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    out.append(buffer.data(), n);
  }
  return {::pclose(pipe), out};
}

bool has_shell(const std::string& name) { return shell("command -v " + name).first == 0; }

/// The completion script of `name`, in a file that goes with this object.
class ScriptFile {
 public:
  explicit ScriptFile(const std::string& name)
      : path_(testing::TempDir() + "/completion_" + std::to_string(::getpid()) + "." + name) {
    const Outcome outcome = run_line({"completion", name});
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    std::ofstream(path_) << outcome.out;
  }
  ~ScriptFile() { ::unlink(path_.c_str()); }
  ScriptFile(const ScriptFile&) = delete;
  ScriptFile& operator=(const ScriptFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// What bash offers for a line of `words`, the last of them under the cursor; sorted, in one line.
std::string bash_offers(const ScriptFile& script, const std::vector<std::string>& words) {
  std::string line = "source " + script.path() + "; compopt() { :; }; COMP_WORDS=(";
  for (const std::string& word : words) line += "'" + word + "' ";
  line += "); COMP_CWORD=" + std::to_string(words.size() - 1) +
          "; _millrace; printf '%s\\n' \"${COMPREPLY[@]}\" | sort | tr '\\n' ' '";
  const auto [status, out] = shell("bash --norc -c \"" + [&] {
    std::string quoted;
    for (const char c : line) {
      if (c == '"' || c == '$' || c == '\\' || c == '`') quoted += '\\';
      quoted += c;
    }
    return quoted;
  }() + "\"");
  EXPECT_EQ(status, 0) << out;
  return out;
}

TEST(Completion, BashAcceptsTheScript) {
  if (!has_shell("bash")) GTEST_SKIP() << "no bash on this machine";
  const ScriptFile script("bash");
  const auto [status, out] = shell("bash -n " + script.path());
  EXPECT_EQ(status, 0) << out;
}

TEST(Completion, BashCompletes) {
  if (!has_shell("bash")) GTEST_SKIP() << "no bash on this machine";
  const ScriptFile script("bash");
  const struct {
    const char* name;
    std::vector<std::string> words;
    std::string want;
  } cases[] = {
      {"begun command", {"millrace", "oper"}, "operator "},
      {"command below another", {"millrace", "schedule", ""}, "preview "},
      {"begun flag", {"millrace", "operator", "--log"}, "--log-level "},
      {"flag after other flags",
       {"millrace", "operator", "--workers", "3", "--lease"},
       "--lease-duration --lease-namespace "},
      {"choices of a flag",
       {"millrace", "operator", "--log-level", ""},
       "debug error info off warn "},
      {"choices after an equals sign",
       {"millrace", "operator", "--log-level", "=", "de"},
       "debug "},
      {"right after an equals sign", {"millrace", "version", "--output", "="}, "json text "},
      {"choices of a short flag", {"millrace", "version", "-o", "j"}, "json "},
      {"choices of an argument", {"millrace", "completion", ""}, "bash fish zsh "},
      {"flags of an inner command", {"millrace", "schedule", "preview", "--t"}, "--time-zone "},
      {"a value is no command",
       {"millrace", "operator", "--context", "schedule", "--lo"},
       "--log-level "},
      {"files", {"millrace", "operator", "--config", "config/mill"}, "config/millrace.yaml "},
  };
  for (const auto& c : cases) EXPECT_EQ(bash_offers(script, c.words), c.want) << c.name;
  const std::string all = bash_offers(script, {"millrace", ""});
  for (const char* command : {"operator ", "schedule ", "version ", "completion "}) {
    EXPECT_NE(all.find(command), std::string::npos) << all;
  }
}

TEST(Completion, ZshAcceptsTheScript) {
  if (!has_shell("zsh")) GTEST_SKIP() << "no zsh on this machine";
  const ScriptFile script("zsh");
  const auto [status, out] = shell("zsh -n " + script.path());
  EXPECT_EQ(status, 0) << out;
}

TEST(Completion, FishAcceptsTheScript) {
  if (!has_shell("fish")) GTEST_SKIP() << "no fish on this machine";
  const ScriptFile script("fish");
  const auto [status, out] = shell("fish --no-execute " + script.path());
  EXPECT_EQ(status, 0) << out;
}

TEST(Completion, EveryShellGetsEveryCommandAndFlag) {
  const Command root{
      .name = "p",
      .summary = "P",
      .flags = {{.names = {"--colour"}, .value = "red|blue", .help = "It's \"the\" one."}},
      .commands = {{.name = "paint",
                    .summary = "Paint it",
                    .flags = {{.names = {"--brush", "-b"}, .value = "FILE", .help = "B"}}}}};
  for (const Shell shell : {Shell::Bash, Shell::Zsh, Shell::Fish}) {
    const std::string script = completion_script(root, shell);
    for (const char* word : {"paint", "colour", "brush", "red blue"}) {
      EXPECT_NE(script.find(word), std::string::npos) << static_cast<int>(shell) << word;
    }
  }
}

}  // namespace
}  // namespace millrace::cli
