#include "local/storage/history.h"

#include <gtest/gtest.h>

namespace millrace::storage {
namespace {

RecordRef record(std::uint64_t version, std::size_t bytes) {
  auto made = std::make_shared<Record>();
  made->version = version;
  made->json.assign(bytes, 'x');
  return made;
}

Event event(std::uint64_t version, std::size_t bytes = 10, RecordRef before = nullptr) {
  return {EventType::Modified, version, record(version, bytes), std::move(before)};
}

TEST(History, KeepsTheLatestEventsOfEachResource) {
  History history(2, 1 << 20, 1);
  EXPECT_EQ(history.floor(0), 1U);
  for (std::uint64_t v = 2; v <= 5; ++v) history.add(0, event(v));
  history.add(1, event(6));
  ASSERT_EQ(history.events(0).size(), 2U);
  EXPECT_EQ(history.events(0).front().version, 4U);
  EXPECT_EQ(history.floor(0), 3U);
  EXPECT_EQ(history.floor(1), 1U);
  EXPECT_EQ(history.events(1).size(), 1U);
  EXPECT_EQ(history.events(7).size(), 0U);
}

TEST(History, TheOldestOfAllGoesWhenBytesRunOut) {
  History history(1000, 9000, 1);
  history.add(0, event(2, 3000));
  history.add(1, event(3, 3000));
  history.add(0, event(4, 3000));
  EXPECT_EQ(history.floor(0), 2U);
  EXPECT_EQ(history.floor(1), 1U);
  history.add(0, event(5, 3000));
  EXPECT_EQ(history.floor(1), 3U);
  EXPECT_EQ(history.events(0).size(), 2U);
  EXPECT_LE(history.bytes(), 9000U);
}

TEST(History, AnEventThatIsTooLargeLeavesNoneBehind) {
  History history(1000, 1000, 1);
  history.add(0, event(2));
  history.add(0, event(3, 5000));
  EXPECT_EQ(history.events(0).size(), 0U);
  EXPECT_EQ(history.floor(0), 3U);
  EXPECT_EQ(history.bytes(), 0U);
}

TEST(History, TheStateBeforeCountsOnlyWhenNoEventHoldsIt) {
  History history(1000, 1 << 20, 5);
  history.add(0, event(6, 100, record(3, 4000)));
  const std::size_t with_before = history.bytes();
  EXPECT_GT(with_before, 4000U);
  history.add(0, event(7, 100, history.events(0).back().now));
  EXPECT_LT(history.bytes(), with_before + 1000);
}

TEST(History, ClearForgetsAllUpToNow) {
  History history(1000, 1 << 20, 1);
  history.add(0, event(2));
  history.clear(2);
  EXPECT_EQ(history.floor(0), 2U);
  EXPECT_EQ(history.floor(9), 2U);
  EXPECT_EQ(history.events(0).size(), 0U);
  EXPECT_EQ(history.bytes(), 0U);
  history.add(0, event(3));
  EXPECT_EQ(history.floor(0), 2U);
}

}  // namespace
}  // namespace millrace::storage
