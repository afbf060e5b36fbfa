#include <gtest/gtest.h>

#include <string>

#include "local/patch/patch.h"
#include "tests/unit/patch/documents.h"

namespace millrace::patch {
namespace {

using codec::Value;

TEST(JsonPatch, RunsEachOperation) {
  const struct {
    const char* name;
    const char* target;
    const char* patch;
    const char* want;
  } cases[] = {
      {"add a member", R"({"a":1})", R"([{"op":"add","path":"/b","value":2}])", R"({"a":1,"b":2})"},
      {"add over a member", R"({"a":1})", R"([{"op":"add","path":"/a","value":[]}])",
       R"({"a":[]})"},
      {"add without value is null", R"({})", R"([{"op":"add","path":"/a"}])", R"({"a":null})"},
      {"insert into a list", R"({"a":[1,3]})", R"([{"op":"add","path":"/a/1","value":2}])",
       R"({"a":[1,2,3]})"},
      {"index one past the end appends", R"({"a":[1]})",
       R"([{"op":"add","path":"/a/1","value":2}])", R"({"a":[1,2]})"},
      {"dash appends", R"({"a":[1]})", R"([{"op":"add","path":"/a/-","value":2}])",
       R"({"a":[1,2]})"},
      {"a negative index counts from behind the end", R"({"a":[1,2]})",
       R"([{"op":"add","path":"/a/-1","value":3}])", R"({"a":[1,2,3]})"},
      {"remove a member", R"({"a":1,"b":2})", R"([{"op":"remove","path":"/a"}])", R"({"b":2})"},
      {"remove an item", R"({"a":[1,2,3]})", R"([{"op":"remove","path":"/a/1"}])",
       R"({"a":[1,3]})"},
      {"remove the last item", R"({"a":[1,2]})", R"([{"op":"remove","path":"/a/-1"}])",
       R"({"a":[1]})"},
      {"replace", R"({"a":[1,2]})", R"([{"op":"replace","path":"/a/0","value":{"x":1}}])",
       R"({"a":[{"x":1},2]})"},
      {"replace what is absent adds it", R"({})", R"([{"op":"replace","path":"/a","value":1}])",
       R"({"a":1})"},
      {"replace all", R"({"a":1})", R"([{"op":"replace","path":"","value":{"b":2}}])",
       R"({"b":2})"},
      {"replace all with a text has no effect", R"({"a":1})",
       R"([{"op":"replace","path":"","value":"x"}])", R"({"a":1})"},
      {"move", R"({"a":{"b":1},"c":{}})", R"([{"op":"move","from":"/a/b","path":"/c/d"}])",
       R"({"a":{},"c":{"d":1}})"},
      {"move within a list", R"({"a":[1,2,3]})", R"([{"op":"move","from":"/a/0","path":"/a/2"}])",
       R"({"a":[2,3,1]})"},
      {"copy", R"({"a":{"b":[1]}})", R"([{"op":"copy","from":"/a/b","path":"/c"}])",
       R"({"a":{"b":[1]},"c":[1]})"},
      {"copy into itself", R"({"a":{"b":1}})", R"([{"op":"copy","from":"/a","path":"/a/c"}])",
       R"({"a":{"b":1,"c":{"b":1}}})"},
      {"copy what is absent gives null", R"({})", R"([{"op":"copy","from":"/x","path":"/a"}])",
       R"({"a":null})"},
      {"test passes on equal objects", R"({"a":{"x":1,"y":[1,{}]}})",
       R"([{"op":"test","path":"/a","value":{"y":[1,{}],"x":1}}])", R"({"a":{"x":1,"y":[1,{}]}})"},
      {"test of null passes on an absent member", R"({})",
       R"([{"op":"test","path":"/a","value":null}])", R"({})"},
      {"test of all", R"({"a":1})", R"([{"op":"test","path":"","value":{"a":1}}])", R"({"a":1})"},
      {"escaped names", R"({"a/b":{"m~n":1}})",
       R"([{"op":"replace","path":"/a~1b/m~0n","value":2}])", R"({"a/b":{"m~n":2}})"},
      {"an escaped tilde before a one", R"({"~1":1})",
       R"([{"op":"replace","path":"/~01","value":2}])", R"({"~1":2})"},
      {"the empty name", R"({"":{"":1}})", R"([{"op":"remove","path":"//"}])", R"({"":{}})"},
      {"digits name members of objects", R"({"a":{"0":1}})", R"([{"op":"remove","path":"/a/0"}])",
       R"({"a":{}})"},
      {"one operation after the other", R"({})",
       R"([{"op":"add","path":"/a","value":{}},{"op":"add","path":"/a/b","value":1}])",
       R"({"a":{"b":1}})"},
      {"no operations", R"({"a":1})", R"([])", R"({"a":1})"},
      {"a null patch", R"({"a":1})", R"(null)", R"({"a":1})"},
  };
  for (const auto& c : cases) {
    const auto patched = json_patch(json(c.target), json(c.patch));
    ASSERT_TRUE(patched.ok()) << c.name << ": " << patched.error().message;
    EXPECT_EQ(*patched, json(c.want)) << c.name << ": " << patched->dump();
  }
}

TEST(JsonPatch, RefusesWhatDoesNotApply) {
  const struct {
    const char* name;
    const char* patch;  // onto {"a":[1,2],"s":"text","n":null}
  } cases[] = {
      {"parent is absent", R"([{"op":"add","path":"/x/y","value":1}])"},
      {"parent is a text", R"([{"op":"add","path":"/s/y","value":1}])"},
      {"parent is null", R"([{"op":"add","path":"/n/y","value":1}])"},
      {"index beyond the end", R"([{"op":"add","path":"/a/3","value":1}])"},
      {"index far below zero", R"([{"op":"add","path":"/a/-4","value":1}])"},
      {"index that is no number", R"([{"op":"add","path":"/a/x","value":1}])"},
      {"index beyond 64 bits", R"([{"op":"add","path":"/a/99999999999999999999","value":1}])"},
      {"remove what is absent", R"([{"op":"remove","path":"/x"}])"},
      {"remove behind the end", R"([{"op":"remove","path":"/a/2"}])"},
      {"remove a dash", R"([{"op":"remove","path":"/a/-"}])"},
      {"replace behind the end", R"([{"op":"replace","path":"/a/2","value":1}])"},
      {"add at the root", R"([{"op":"add","path":"","value":{}}])"},
      {"no slash in the path", R"([{"op":"add","path":"x","value":1}])"},
      {"move what is absent", R"([{"op":"move","from":"/x","path":"/y"}])"},
      {"move into what it took away", R"([{"op":"move","from":"/a","path":"/a/0"}])"},
      {"copy from behind the end", R"([{"op":"copy","from":"/a/2","path":"/y"}])"},
      {"copy without from", R"([{"op":"copy","path":"/y"}])"},
      {"test differs", R"([{"op":"test","path":"/a","value":[2,1]}])"},
      {"test of an absent member", R"([{"op":"test","path":"/x","value":1}])"},
      {"unknown operation", R"([{"op":"turn","path":"/a"}])"},
      {"no operation", R"([{"path":"/a"}])"},
      {"no path", R"([{"op":"remove"}])"},
      {"a null operation", R"([null])"},
      {"the second fails", R"([{"op":"remove","path":"/a"},{"op":"remove","path":"/a"}])"},
  };
  for (const auto& c : cases) {
    const auto patched = json_patch(json(R"({"a":[1,2],"s":"text","n":null})"), json(c.patch));
    ASSERT_FALSE(patched.ok()) << c.name;
    EXPECT_EQ(patched.error().code, Code::Invalid) << c.name;
    EXPECT_EQ(patched.error().message,
              "the server rejected our request due to an error in our request");
  }
}

TEST(JsonPatch, NamesWhatIsNotAPatch) {
  const struct {
    const char* patch;
    const char* want;
  } cases[] = {
      {R"({"op":"add"})",
       "error decoding patch: json: cannot unmarshal object into Go value of type "
       "[]handlers.jsonPatchOp"},
      {R"(["x"])",
       "error decoding patch: json: cannot unmarshal string into Go value of type "
       "handlers.jsonPatchOp"},
      {R"([{"op":1,"path":"/a"}])",
       "error decoding patch: json: cannot unmarshal number into Go struct field jsonPatchOp.op of "
       "type string"},
  };
  for (const auto& c : cases) {
    const auto patched = json_patch(json("{}"), json(c.patch));
    ASSERT_FALSE(patched.ok()) << c.patch;
    EXPECT_EQ(patched.error().code, Code::Malformed) << c.patch;
    EXPECT_EQ(patched.error().message, c.want);
  }
}

TEST(JsonPatch, RefusesTooManyOperations) {
  Value patch = Value::array();
  for (int i = 0; i < 10001; ++i) patch.push_back(json(R"({"op":"add","path":"/a","value":1})"));
  const auto patched = json_patch(json("{}"), patch);
  ASSERT_FALSE(patched.ok());
  EXPECT_EQ(patched.error().http_status, 413);
  EXPECT_EQ(patched.error().message,
            "The allowed maximum operations in a JSON patch is 10000, got 10001");
  patch.items().pop_back();
  EXPECT_TRUE(json_patch(json("{}"), patch).ok());
}

TEST(JsonPatch, RefusesToGrowWithoutBounds) {
  Value twice = Value::array();
  for (int i = 0; i < 40; ++i) {
    twice.push_back(json(R"({"op":"copy","from":"/a","path":"/a/-"})"));
  }
  EXPECT_FALSE(json_patch(json(R"({"a":["0123456789"]})"), twice).ok());

  Value deeper = Value::array();
  std::string path = "/a";
  for (int i = 0; i < 200; ++i) {
    deeper.push_back(Value::object({{"op", "add"}, {"path", path}, {"value", Value::object()}}));
    path += "/a";
  }
  EXPECT_FALSE(json_patch(json("{}"), deeper).ok());
  deeper.items().resize(127);
  const auto patched = json_patch(json("{}"), deeper);
  ASSERT_TRUE(patched.ok());
  EXPECT_TRUE(Value::parse(patched->dump()).ok());
}

TEST(JsonPatch, MadeFromADifferenceGivesTheOtherDocument) {
  Documents documents(11);
  for (int i = 0; i < 500; ++i) {
    Value from = Value::object({{"d", documents.any()}});
    const Value to = Value::object({{"d", documents.changed(*from.find("d"))}});
    const Value patch = json_difference(from, to);
    const auto patched = json_patch(from, patch);
    ASSERT_TRUE(patched.ok()) << from.dump() << " " << patch.dump() << ", round " << i;
    EXPECT_EQ(*patched, to) << from.dump() << " " << patch.dump() << ", round " << i;
  }
}

TEST(JsonPatch, SurvivesAnyPatch) {
  Documents documents(12);
  const std::string_view seeds[] = {
      R"([{"op":"add","path":"/a/0/b","value":{"x":[1,2,{"y":null}]}},{"op":"remove","path":"/b"}])",
      R"([{"op":"move","from":"/a/0","path":"/a/-"},{"op":"copy","from":"/a","path":"/c~1d"}])",
      R"([{"op":"test","path":"/b","value":[]},{"op":"replace","path":"","value":{}}])"};
  int applied = 0;
  for (int i = 0; i < 3000; ++i) {
    const auto patch = Value::parse(documents.mutated(seeds[documents.below(3)]));
    if (!patch.ok()) continue;
    const auto patched = json_patch(json(R"({"a":[{"b":1}],"b":[]})"), *patch);
    if (patched.ok()) {
      ++applied;
      EXPECT_TRUE(Value::parse(patched->dump()).ok());
    }
  }
  EXPECT_GT(applied, 20);  // else the mutations only make rubbish
}

}  // namespace
}  // namespace millrace::patch
