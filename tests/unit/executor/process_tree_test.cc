#include "local/executor/process_tree.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace millrace::executor {
namespace {

std::string stat_line(const std::string& name) {
  return "42 (" + name + ") S 7 42 42 0 -1 1 2 3 4 5 6 7 8 9 20 0 1 0 98765 0 0";
}

TEST(ParseStat, ReadsWhatItNeedsWhateverTheNameIs) {
  for (const char* name : {"sh", "a b", "x) R 1 1", "((", ""}) {
    const auto info = parse_stat(stat_line(name));
    ASSERT_TRUE(info) << name;
    EXPECT_EQ(info->pid, 42) << name;
    EXPECT_EQ(info->parent, 7) << name;
    EXPECT_EQ(info->state, 'S') << name;
    EXPECT_EQ(info->start, 98765U) << name;
  }
}

TEST(ParseStat, RefusesWhatIsCutShort) {
  for (const char* text : {"", "42", "42 (sh", "42 (sh)", "42 (sh) S 7", "x (sh) S 7"}) {
    EXPECT_FALSE(parse_stat(text)) << text;
  }
}

TEST(ParseStat, FindsThisProcess) {
  const auto self = read_process(::getpid());
  ASSERT_TRUE(self);
  EXPECT_EQ(self->parent, ::getppid());
  EXPECT_GT(self->start, 0U);
}

TEST(Descendants, AreAllBelowTheRootButForExceptedBranches) {
  const std::vector<ProcessInfo> all = {{6, 5, 'S', 0}, {2, 1, 'S', 0}, {3, 2, 'S', 0},
                                        {4, 2, 'S', 0}, {5, 4, 'S', 0}, {9, 1, 'S', 0}};
  const auto pids = [&](pid_t root, const std::set<pid_t>& except) {
    std::set<pid_t> out;
    for (const ProcessInfo& info : descendants(all, root, except)) out.insert(info.pid);
    return out;
  };
  EXPECT_EQ(pids(2, {}), (std::set<pid_t>{3, 4, 5, 6}));
  EXPECT_EQ(pids(2, {4}), (std::set<pid_t>{3}));
  EXPECT_EQ(pids(6, {}), (std::set<pid_t>{}));
}

TEST(SignalProcess, SparesAnotherProcessOfTheSameNumber) {
  ProcessInfo info = *read_process(::getpid());
  EXPECT_TRUE(signal_process(info, 0));
  ++info.start;
  EXPECT_FALSE(signal_process(info, 0));
}

}  // namespace
}  // namespace millrace::executor
