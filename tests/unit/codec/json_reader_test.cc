#include "kubeclient/codec/json_reader.h"

#include <gtest/gtest.h>

#include "kubeclient/api/job.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::codec {
namespace {

enum class Colour { Red, Green };

struct Leaf {
  std::string name;
  int count = 0;
  bool operator==(const Leaf&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name,
            {.required = true, .min_length = 1, .max_length = 8, .pattern = "^[a-z]+$"});
    v.field("count", self.count, {.min = 0, .max = 5});
  }
};

}  // namespace

template <>
struct EnumNames<Colour> {
  static constexpr EnumName<Colour> names[] = {{Colour::Red, "Red"}, {Colour::Green, "Green"}};
};

namespace {

struct Tree {
  std::vector<Leaf> leaves;
  std::map<std::string, Leaf> by_name;
  std::optional<Leaf> first;
  Colour colour = Colour::Red;
  bool flag = false;
  std::int64_t big = 0;
  double ratio = 0;
  Duration wait{};
  std::optional<Time> at;
  Value any;
  bool operator==(const Tree&) const = default;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("leaves", self.leaves, {.max_items = 3});
    v.field("byName", self.by_name);
    v.field("first", self.first);
    v.field("colour", self.colour);
    v.field("flag", self.flag);
    v.field("big", self.big);
    v.field("ratio", self.ratio);
    v.field("wait", self.wait);
    v.field("at", self.at);
    v.field("any", self.any);
  }
};

TEST(JsonReader, ReadsWhatIsDescribedAndSkipsTheRest) {
  const char* text =
      R"({"x":{"y":[1,{"z":null}]},"leaves":[{"name":"a","count":2,"more":[{}]},{"name":"b"}],
    "byName":{"k":{"name":"v"},"n":null},"first":{"name":"q"},"colour":"Green","flag":true,"big":9007199254740993,
    "ratio":1.5,"wait":"1m30s","at":"2026-01-02T03:04:05Z","any":{"a":[1,2.5,"s",null,true],"e":"é\n"},"null":null})";
  auto tree = decode<Tree>(text);
  ASSERT_TRUE(tree.ok()) << tree.error().message;
  EXPECT_EQ(tree->leaves, (std::vector<Leaf>{{"a", 2}, {"b", 0}}));
  EXPECT_EQ(tree->by_name.at("k").name, "v");
  EXPECT_EQ(tree->by_name.at("n"), Leaf{});
  EXPECT_EQ(tree->first->name, "q");
  EXPECT_EQ(tree->colour, Colour::Green);
  EXPECT_TRUE(tree->flag);
  EXPECT_EQ(tree->big, 9007199254740993);
  EXPECT_EQ(tree->ratio, 1.5);
  EXPECT_EQ(tree->wait, std::chrono::seconds(90));
  EXPECT_EQ(tree->any.dump(), "{\"a\":[1,2.5,\"s\",null,true],\"e\":\"é\\n\"}");
  // What was written reads back equal.
  EXPECT_EQ(*decode<Tree>(encode(*tree)), *tree);
}

TEST(JsonReader, LenientModeNamesTheFieldOfTheFirstError) {
  const struct {
    const char* name;
    const char* text;
    const char* want;
  } cases[] = {
      {"wrong type", R"({"leaves":[{"name":"a"},{"name":7}]})", "leaves[1].name: must be a string"},
      {"not an object", R"([1])", "must be an object"},
      {"list expected", R"({"leaves":{}})", "leaves: must be a list"},
      {"enum", R"({"colour":"Blue"})", "colour: \"Blue\" is not one of Red or Green"},
      {"fraction", R"({"big":1.5})", "big: must be a whole number"},
      {"32 bits", R"({"first":{"count":3000000000}})", "first.count: must fit into 32 bits"},
      {"duration", R"({"wait":"5"})",
       "wait: \"5\" is not a duration such as 1h15m30s: a unit is missing (ns, us, ms, s, m or h)"},
      {"map value", R"({"byName":{"k":[]}})", "byName.k: must be an object"},
  };
  for (const auto& c : cases) {
    auto tree = decode<Tree>(c.text);
    ASSERT_FALSE(tree.ok()) << c.name;
    EXPECT_EQ(tree.error().code, Code::Malformed) << c.name;
    EXPECT_EQ(tree.error().message, c.want) << c.name;
  }
}

TEST(JsonReader, BrokenTextIsAnErrorNeverACrash) {
  std::string deep(5000, '[');
  std::string nested = "{\"any\":";
  for (int i = 0; i < 300; ++i) nested += "{\"a\":";
  const std::string cases[] = {"",
                               "{",
                               "}",
                               "{\"a\"",
                               "{\"leaves\":[",
                               "{}{}",
                               "{} x",
                               "nul",
                               "\xff\xfe",
                               "{\"any\":\"\xff\"}",
                               "[[[[",
                               "{\"a\":1,}",
                               "{\"a\" 1}",
                               deep,
                               nested,
                               "{\"any\":[1,2",
                               "\"s",
                               "{\"big\":99999999999999999999}",
                               "{\"flag\":tru}"};
  for (const std::string& text : cases) {
    EXPECT_FALSE(decode<Tree>(text).ok()) << text.substr(0, 40);
  }
}

TEST(JsonReader, StrictModeReportsEverythingItFinds) {
  JsonReader reader(JsonReader::Mode::Strict);
  Tree tree;
  const auto errors = reader.read(
      R"({"leaves":[{"name":"UPPER","count":9},{"count":-1},{"name":""},{"name":"waytoolong"}],"nope":1,"flag":true,"flag":true})",
      tree);
  std::vector<std::string> got;
  for (const auto& e : errors) got.push_back(to_string(e));
  EXPECT_EQ(
      got,
      (std::vector<std::string>{
          "leaves[0].name: \"UPPER\" does not match ^[a-z]+$", "leaves[0].count: must be at most 5",
          "leaves[1].count: must be at least 0", "leaves[1].name: required",
          "leaves[2].name: must not be empty", "leaves[2].name: \"\" does not match ^[a-z]+$",
          "leaves[3].name: must have at most 8 characters", "leaves: must have at most 3 entries",
          "nope: unknown field", "flag: given twice"}));
}

TEST(JsonReader, ReadsAPodAsTheApiServerWritesIt) {
  auto pod = decode<api::Pod>(
      R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"n","uid":"u","resourceVersion":"12",
      "creationTimestamp":"2026-11-21T03:00:00Z","managedFields":[{"manager":"m","fieldsV1":{"f:metadata":{}}}],
      "ownerReferences":[{"apiVersion":"batch/v1","kind":"Job","name":"j","uid":"ju","controller":true}]},
      "spec":{"containers":[{"name":"c","image":"i"}],"nodeName":"node"},
      "status":{"phase":"Running","initContainerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0}},"ready":true}],
      "containerStatuses":[{"name":"c","state":{"running":{"startedAt":"2026-11-21T03:00:01Z"}}}]}})");
  ASSERT_TRUE(pod.ok()) << pod.error().message;
  EXPECT_EQ(api::key_of(pod->metadata), (ObjectKey{"n", "p"}));
  EXPECT_EQ(pod->metadata.controller_ref()->uid, "ju");
  EXPECT_EQ(pod->spec.node_name, "node");
  EXPECT_EQ(pod->status.init_container_statuses[0].state.terminated->exit_code, 0);
  EXPECT_TRUE(pod->status.container_statuses[0].state.running.has_value());
}

TEST(JsonWriter, LeavesOutWhatIsEmpty) {
  api::Job job;
  job.metadata.name = "j";
  job.spec.completions = 0;
  EXPECT_EQ(encode(job), R"({"metadata":{"name":"j"},"spec":{"completions":0}})");
}

}  // namespace
}  // namespace millrace::codec
