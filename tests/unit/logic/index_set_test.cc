#include "controllers/logic/index_set.h"

#include <gtest/gtest.h>

#include <random>
#include <set>

namespace millrace::logic {
namespace {

TEST(IndexSet, ReadsAndWritesTheNotationOfAJobsStatus) {
  const struct {
    const char* text;
    const char* want;
  } cases[] = {
      {"", ""},
      {"0", "0"},
      {"1,3-5,7", "1,3-5,7"},
      {"0-1", "0,1"},
      {"4,2,3", "2-4"},
      {"0-3,2-8", "0-8"},
      {"x,5,-1,9-7,", "5"},
      {"2147483646,2147483647", "2147483646,2147483647"},
  };
  for (const auto& c : cases) EXPECT_EQ(IndexSet::parse(c.text).str(), c.want) << c.text;
}

TEST(IndexSet, DoesWhatASetOfNumbersDoes) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    IndexSet set;
    IndexSet other;
    std::set<int> model;
    std::set<int> other_model;
    for (int i = 0; i < 80; ++i) {
      const int index = static_cast<int>(random() % 40);
      EXPECT_EQ(set.insert(index), model.insert(index).second) << seed;
      if (i % 2 == 0) {
        EXPECT_EQ(other.insert(index), other_model.insert(index).second) << seed;
      }
      if (i % 30 == 29) {
        set.erase_from(index);
        model.erase(model.lower_bound(index), model.end());
      }
      ASSERT_EQ(set.members(), std::vector<int>(model.begin(), model.end())) << seed;
      EXPECT_EQ(set.size(), static_cast<std::int64_t>(model.size())) << seed;
      const int from = static_cast<int>(random() % 40);
      int absent = from;
      while (model.contains(absent)) ++absent;
      EXPECT_EQ(set.next_absent(from), absent) << seed;
      std::int64_t both = 0;
      for (const int member : model) both += other_model.contains(member) ? 1 : 0;
      EXPECT_EQ(set.common(other), both) << seed;
      EXPECT_EQ(IndexSet::parse(set.str()), set) << seed;
    }
  }
}

}  // namespace
}  // namespace millrace::logic
