#include <gtest/gtest.h>

#include "local/patch/patch.h"
#include "tests/unit/patch/documents.h"

namespace millrace::patch {
namespace {

TEST(MergePatch, FollowsTheRules) {
  const struct {
    const char* name;
    const char* target;
    const char* patch;
    const char* want;
  } cases[] = {
      {"replaces a member", R"({"a":"b"})", R"({"a":"c"})", R"({"a":"c"})"},
      {"adds a member", R"({"a":"b"})", R"({"b":"c"})", R"({"a":"b","b":"c"})"},
      {"null removes", R"({"a":"b","b":1})", R"({"a":null})", R"({"b":1})"},
      {"removing what is absent is nothing", R"({"b":1})", R"({"a":null})", R"({"b":1})"},
      {"a list is replaced", R"({"a":[1,2]})", R"({"a":[3]})", R"({"a":[3]})"},
      {"a list becomes text", R"({"a":["b"]})", R"({"a":"c"})", R"({"a":"c"})"},
      {"objects merge", R"({"a":{"b":1,"c":2}})", R"({"a":{"b":3,"c":null}})", R"({"a":{"b":3}})"},
      {"null in a new object is dropped", R"({})", R"({"a":{"b":null,"c":{"d":null}}})",
       R"({"a":{"c":{}}})"},
      {"null members in a new list are dropped, null items stay", R"({})",
       R"({"a":[null,{"b":null,"c":1}]})", R"({"a":[null,{"c":1}]})"},
      {"a list over an object stays as it is", R"({"a":{"x":1}})", R"({"a":[{"b":null}]})",
       R"({"a":[{"b":null}]})"},
      {"an object over text", R"({"a":"x"})", R"({"a":{"b":1,"c":null}})", R"({"a":{"b":1}})"},
      {"a patch that is no object replaces all", R"({"a":1})", R"([1])", R"([1])"},
      {"empty patch changes nothing", R"({"a":[{"b":null}]})", R"({})", R"({"a":[{"b":null}]})"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(merge(json(c.target), json(c.patch)), json(c.want)) << c.name;
  }
}

TEST(MergePatch, NamesWhatIsNotAPatch) {
  EXPECT_TRUE(check_merge(json("{}")).ok());
  EXPECT_EQ(check_merge(json("null")).error().message, "Invalid JSON Patch");
  EXPECT_EQ(check_merge(json("[1]")).error().message,
            "error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}");
}

TEST(MergePatch, MadeFromADifferenceGivesTheOtherDocument) {
  Documents documents(7);
  for (int i = 0; i < 500; ++i) {
    const codec::Value from = documents.object_without_nulls();
    const codec::Value to = documents.object_without_nulls();
    EXPECT_EQ(merge(from, merge_difference(from, to)), to)
        << from.dump() << " to " << to.dump() << ", round " << i;
  }
}

TEST(MergePatch, AppliedTwiceIsAppliedOnce) {
  Documents documents(8);
  for (int i = 0; i < 500; ++i) {
    const codec::Value patch =
        merge_difference(documents.object_without_nulls(), documents.object_without_nulls());
    const codec::Value once = merge(documents.object_without_nulls(), patch);
    EXPECT_EQ(merge(once, patch), once) << patch.dump();
  }
}

}  // namespace
}  // namespace millrace::patch
