#include "operator/cli/command_tree.h"

#include <gtest/gtest.h>

namespace millrace::cli {
namespace {

TEST(Suggest, FindsTheNearestName) {
  const std::vector<std::string> names{"operator", "crds", "validate", "schedule", "version"};
  const struct {
    const char* wrong;
    const char* want;
  } cases[] = {
      {"opertor", "operator"},
      {"oeprator", "operator"},
      {"crd", "crds"},
      {"crsd", "crds"},
      {"valdiate", "validate"},
      {"verison", "version"},
      {"sched", "schedule"},
      {"v", ""},
      {"start", ""},
      {"", ""},
      {"zzzzzzzz", ""},
  };
  for (const auto& c : cases) EXPECT_EQ(suggest(c.wrong, names), c.want) << c.wrong;
  EXPECT_EQ(suggest("operator", {}), "");
}

TEST(HelpText, LaysOutACommand) {
  Command command{
      .name = "do", .summary = "Do it", .description = "At once.", .examples = "  p do x\n"};
  command.arguments = {{.value = "FILE", .help = "What.", .repeatable = true}};
  command.flags = {
      {.names = {"--how", "-w"}, .value = "a|b", .help = "Which way.", .default_text = "a"},
      {.names = {"--a-flag-with-a-name-that-is-long"}, .value = "VALUE", .help = "Long."}};
  EXPECT_EQ(help_text(command, "p do"),
            "Do it\n\nUsage:\n  p do FILE... [FLAGS]\n\nAt once.\n\nArguments:\n  FILE  What.\n\n"
            "Flags:\n"
            "  --how, -w a|b                     Which way. (default a)\n"
            "  --a-flag-with-a-name-that-is-long VALUE\n"
            "                                    Long.\n\nExamples:\n  p do x\n");
}

TEST(Argument, ListsItsChoices) {
  EXPECT_EQ((Argument{.value = "a|b"}.choices()), (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE((Argument{.value = "FILE"}.choices().empty()));
}

}  // namespace
}  // namespace millrace::cli
