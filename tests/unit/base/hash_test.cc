#include "kubeclient/base/hash.h"

#include <gtest/gtest.h>

#include <set>

namespace millrace {
namespace {

TEST(StableHash, SpreadsItsLowDigits) {
  std::set<std::string> seen;
  for (int i = 0; i < 2000; ++i) seen.insert(hex(stable_hash("run-" + std::to_string(i)), 8));
  EXPECT_EQ(seen.size(), 2000U);
  EXPECT_NE(stable_hash(""), stable_hash(std::string_view("\0", 1)));
}

TEST(StableHash, NeverChanges) {
  // Names of objects in clusters come from these: a change would create children twice.
  EXPECT_EQ(hex(stable_hash(""), 16), "f52a15e9a9b5e89b");
  EXPECT_EQ(hex(stable_hash("nightly"), 16), "16a198aae5f9f26f");
}

TEST(Hex, LowestDigitsPadded) {
  EXPECT_EQ(hex(0, 1), "0");
  EXPECT_EQ(hex(0xABC, 6), "000abc");
  EXPECT_EQ(hex(0x123456789, 4), "6789");
  EXPECT_EQ(hex(~0ULL, 16), "ffffffffffffffff");
}

}  // namespace
}  // namespace millrace
