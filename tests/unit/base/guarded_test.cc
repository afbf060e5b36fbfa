#include "kubeclient/base/guarded.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "kubeclient/base/object_key.h"

namespace millrace {
namespace {

TEST(Guarded, OneThreadAtATime) {
  Guarded<std::pair<int, int>> value(0, 0);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 5000; ++k) {
          auto handle = value.lock();
          ++handle->first;
          EXPECT_EQ(handle->first, handle->second + 1);
          ++handle->second;
        }
      });
    }
  }
  EXPECT_EQ(value.lock()->second, 20'000);
}

TEST(Guarded, WaitsOnACondition) {
  Guarded<std::string> value;
  std::condition_variable changed;
  std::jthread writer([&] {
    *value.lock() = "ready";
    changed.notify_one();
  });
  auto handle = value.lock();
  changed.wait(handle.lock(), [&] { return !handle->empty(); });
  EXPECT_EQ(*handle, "ready");
}

TEST(ObjectKey, Text) {
  EXPECT_EQ((ObjectKey{"ns", "name"}).str(), "ns/name");
  EXPECT_EQ((ObjectKey{"", "node"}).str(), "node");
  EXPECT_NE(std::hash<ObjectKey>{}({"a", "b"}), std::hash<ObjectKey>{}({"b", "a"}));
  EXPECT_LT((ObjectKey{"a", "z"}), (ObjectKey{"b", "a"}));
}

}  // namespace
}  // namespace millrace
