#include <gtest/gtest.h>

#include "tests/sim/simulation.h"

namespace millrace::sim {
namespace {

std::string replay(std::uint64_t seed) {
  return "replay it with: sim --seed " + std::to_string(seed);
}

std::string text_of(const SimResult& result) {
  std::string out;
  for (const std::string& problem : result.problems) out += problem + "\n";
  const std::size_t shown = std::min<std::size_t>(result.trace.size(), 60);
  for (std::size_t i = result.trace.size() - shown; i < result.trace.size(); ++i) {
    out += result.trace[i] + "\n";
  }
  return out;
}

void run_seeds(std::uint64_t from, std::uint64_t count) {
  for (std::uint64_t seed = from; seed < from + count; ++seed) {
    const SimResult result = simulate({.seed = seed});
    ASSERT_TRUE(result.problems.empty()) << replay(seed) << "\n" << text_of(result);
  }
}

int failures(Mutation mutation, std::uint64_t count) {
  int failed = 0;
  for (std::uint64_t seed = 1; seed <= count; ++seed) {
    if (!simulate({.seed = seed, .mutation = mutation}).problems.empty()) ++failed;
  }
  return failed;
}

constexpr std::uint64_t kSeeds = 20;  ///< of one test; the program runs thousands, see README

TEST(Sim, PromisesHoldA) { run_seeds(1, kSeeds); }
TEST(Sim, PromisesHoldB) { run_seeds(1 + kSeeds, kSeeds); }

TEST(Sim, ASeedIsOneHistory) {
  for (const std::uint64_t seed : {3u, 17u, 42u}) {
    const SimResult first = simulate({.seed = seed});
    const SimResult second = simulate({.seed = seed});
    EXPECT_EQ(first.hash, second.hash) << replay(seed);
    EXPECT_GT(first.steps, 50u);
  }
  EXPECT_NE(simulate({.seed = 3}).hash, simulate({.seed = 4}).hash);
}

TEST(Sim, AnOperatorWhoseRecordsAreNotWrittenIsFound) {
  EXPECT_GT(failures(Mutation::SkipRecords, 4), 0);
}

}  // namespace
}  // namespace millrace::sim
