#include "kubeclient/client/typed.h"

#include <gtest/gtest.h>

#include "kubeclient/api/lease.h"

namespace millrace::client {
namespace {

TEST(DecodeList, TakesAWholeList) {
  const auto list = decode_list<api::Lease>(
      R"({"kind":"LeaseList","metadata":{"resourceVersion":"7","continue":"next"},
          "items":[{"metadata":{"name":"a"}},{"metadata":{"name":"b"}}]})");
  ASSERT_TRUE(list.ok()) << list.error().message;
  EXPECT_EQ(list->resource_version, "7");
  EXPECT_EQ(list->continue_token, "next");
  ASSERT_EQ(list->items.size(), 2U);
  EXPECT_EQ(list->items[1].metadata.name, "b");
}

TEST(DecodeList, GoesAroundABrokenItem) {
  const auto list = decode_list<api::Lease>(
      R"({"metadata":{"resourceVersion":"7"},"items":[
          {"metadata":{"name":"a"}},
          {"metadata":{"name":"b","namespace":"n"},"spec":{"leaseTransitions":"many"}},
          {"metadata":{"name":"c"}}]})");
  ASSERT_TRUE(list.ok()) << list.error().message;
  ASSERT_EQ(list->items.size(), 2U);
  EXPECT_EQ(list->items[1].metadata.name, "c");
  ASSERT_EQ(list->broken.size(), 1U);
  EXPECT_EQ(list->broken[0].key, (ObjectKey{"n", "b"}));
  EXPECT_NE(list->broken[0].message.find("leaseTransitions"), std::string::npos);
}

TEST(DecodeList, RefusesWhatIsNoList) {
  const struct {
    const char* name;
    std::string text;
  } cases[] = {
      {"empty", ""},
      {"truncated", R"({"metadata":{},"items":[{"meta)"},
      {"not an object", "[1]"},
      {"items is a map", R"({"items":{}})"},
      {"nested without end", std::string(100'000, '[')},
      {"not UTF-8", "{\"items\":[\"\xff\"]}"},
      {"two documents", "{} {}"},
  };
  for (const auto& c : cases) {
    const auto list = decode_list<api::Lease>(c.text);
    ASSERT_FALSE(list.ok()) << c.name;
    EXPECT_EQ(list.error().code, Code::Malformed) << c.name;
  }
  EXPECT_TRUE(decode_list<api::Lease>(R"({"items":null})")->items.empty());
}

}  // namespace
}  // namespace millrace::client
