#include "kubeclient/codec/schema.h"

#include <gtest/gtest.h>

#include "kubeclient/codec/schema_check.h"

namespace millrace::codec {
namespace {

enum class Mode { Slow, Fast };

}  // namespace

template <>
struct EnumNames<Mode> {
  static constexpr EnumName<Mode> names[] = {{Mode::Slow, "Slow"}, {Mode::Fast, "Fast"}};
};

namespace {

struct Gate {
  std::string name;
  std::optional<int> width;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name, {.required = true, .min_length = 1, .max_length = 8});
    v.field("width", self.width, {.min = 1, .max = 9, .default_json = "3"});
  }
};

/// One field of each kind.
struct Sluice {
  bool open = false;
  int count = 0;
  std::int64_t total = 0;
  double ratio = 0;
  std::string note;
  Time since{};
  Duration pause{};
  Mode mode = Mode::Slow;
  std::vector<Gate> gates;
  std::map<std::string, std::string> labels;
  Value extra;
  Value port;
  std::vector<Value> containers;
  std::vector<Value> volumes;
  Value pod;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule("!self.open || self.count > 0", "an open sluice needs a count");
    v.field("open", self.open, {.doc = "Whether water flows."});
    v.field("count", self.count, {.min = 0, .max = 5});
    v.field("total", self.total);
    v.field("ratio", self.ratio, {.min = 0.5});
    v.field("note", self.note, {.max_length = 5, .pattern = "^[a-zé]*$"});
    v.field("since", self.since);
    v.field("pause", self.pause);
    v.field("mode", self.mode, {.default_json = "\"Slow\""});
    v.field("gates", self.gates,
            {.required = true, .min_items = 1, .max_items = 3, .list_map_key = "name"});
    v.field("labels", self.labels, {.max_items = 2});
    v.field("extra", self.extra, {.preserve_unknown = true});
    v.field("port", self.port, {.int_or_string = true});
    v.field("containers", self.containers,
            {.list_map_key = "name", .kube_type = "core/v1 Container"});
    v.field("volumes", self.volumes, {.list_map_key = "name", .kube_type = "core/v1 Volume"});
    v.field("pod", self.pod, {.kube_type = "core/v1 PodSpec"});
  }
};

TEST(Schema, OfEachType) {
  const Value schema = schema_of<Sluice>();
  const struct {
    const char* field;
    const char* want;
  } cases[] = {
      {"open", R"({"description":"Whether water flows.","type":"boolean"})"},
      {"count", R"({"type":"integer","format":"int32","minimum":0,"maximum":5})"},
      {"total", R"({"type":"integer","format":"int64"})"},
      {"ratio", R"({"type":"number","format":"double","minimum":0.5})"},
      {"note", R"({"type":"string","maxLength":5,"pattern":"^[a-zé]*$"})"},
      {"since", R"({"type":"string","format":"date-time"})"},
      {"mode", R"({"type":"string","enum":["Slow","Fast"],"default":"Slow"})"},
      {"gates",
       R"({"type":"array","items":{"type":"object","required":["name"],"properties":{"name":{"type":"string","minLength":1,"maxLength":8},"width":{"type":"integer","format":"int32","minimum":1,"maximum":9,"default":3}}},"x-kubernetes-list-type":"map","x-kubernetes-list-map-keys":["name"],"minItems":1,"maxItems":3})"},
      {"labels", R"({"type":"object","additionalProperties":{"type":"string"},"maxProperties":2})"},
      {"extra", R"({"type":"object","x-kubernetes-preserve-unknown-fields":true})"},
      {"port", R"({"x-kubernetes-int-or-string":true})"},
  };
  for (const auto& c : cases) {
    const Value* field = schema.at_path({"properties", c.field});
    ASSERT_NE(field, nullptr) << c.field;
    EXPECT_EQ(field->dump(), c.want) << c.field;
  }
  EXPECT_EQ(schema.find("required")->dump(), R"(["gates"])");
  EXPECT_EQ(
      schema.find("x-kubernetes-validations")->dump(),
      R"([{"rule":"!self.open || self.count > 0","message":"an open sluice needs a count"}])");
  const Value* pause = schema.at_path({"properties", "pause", "x-kubernetes-validations"});
  ASSERT_NE(pause, nullptr);
  EXPECT_EQ(pause->items().front().find("rule")->as_string(), duration_rule());
}

/// The complaints about `json`, one a line.
std::string check(const char* json, const char* old_json = nullptr) {
  static const Value schema = schema_of<Sluice>();
  static const RuleTable rules = {
      {"!self.open || self.count > 0",
       [](const Value& self, const Value*) {
         const Value* open = self.find("open");
         const Value* count = self.find("count");
         return open == nullptr || !open->as_bool() || (count != nullptr && count->as_int() > 0);
       }},
      {duration_rule(), [](const Value& self, const Value*) { return is_duration(self); }},
      {std::string(kDnsLabelRule),
       [](const Value& self, const Value*) { return is_dns_label(self); }}};
  SchemaCheckOptions options;
  options.rules = &rules;
  const Value old_value = old_json == nullptr ? Value() : *Value::parse(old_json);
  if (old_json != nullptr) options.old_value = &old_value;
  std::string out;
  for (const FieldError& error : check_schema(schema, *Value::parse(json), options)) {
    out += to_string(error) + "\n";
  }
  return out;
}

TEST(CheckSchema, NamesTheFieldAndTheCure) {
  const struct {
    const char* name;
    const char* json;
    const char* want;
  } cases[] = {
      {"the least", R"({"gates":[{"name":"a"}]})", ""},
      {"everything",
       R"({"open":true,"count":5,"total":9007199254740993,"ratio":0.5,"note":"aéé","since":"2026-01-02T03:04:05Z",
           "pause":"1m30s","mode":"Fast","gates":[{"name":"a","width":1},{"name":"b"}],"labels":{"a":"b"},
           "extra":{"any":[1]},"port":"http","containers":[{"name":"a","image":"b","args":[1]}],
           "volumes":[{"name":"v","x":1}],"pod":{"containers":[{"name":"a","image":"b"}],"more":1}})",
       ""},
      {"required", R"({})", "gates: required\n"},
      {"below the root", R"({"gates":[{}]})", "gates[0].name: required\n"},
      {"kinds",
       R"({"gates":"a","open":1,"count":"1","ratio":true,"note":2,"labels":[],"port":1.5})",
       "gates: must be a list, not the string \"a\"\n"
       "open: must be true or false, not 1\n"
       "count: must be a whole number, not the string \"1\"\n"
       "ratio: must be a number, not true\n"
       "note: must be a string, not 2; write it in quotes\n"
       "labels: must be a map of fields, not a list\n"
       "port: must be a whole number or a string\n"},
      {"null is absent", R"({"gates":[{"name":"a","width":null}],"note":null,"labels":{"a":null}})",
       ""},
      {"null where a value is required", R"({"gates":null})", "gates: required\n"},
      {"null in a list", R"({"gates":[null]})",
       "gates[0]: must be a map of fields, not empty; give a value or leave it out\n"},
      {"numbers", R"({"gates":[{"name":"a"}],"count":6,"ratio":0.25,"total":1.5})",
       "count: must be at most 5\nratio: must be at least 0.5\n"
       "total: must be a whole number, not 1.5\n"},
      {"characters are counted, not bytes", R"({"gates":[{"name":"a"}],"note":"ééééé"})", ""},
      {"texts", R"({"gates":[{"name":""},{"name":"123456789"}],"note":"A","since":"now"})",
       "gates[0].name: must not be empty\n"
       "gates[1].name: must have at most 8 characters, not 9\n"
       "note: \"A\" does not match ^[a-zé]*$\n"
       "since: must be a time such as 2026-01-02T03:04:05Z\n"},
      {"choices", R"({"gates":[{"name":"a"}],"mode":"fast"})",
       "mode: \"fast\" is not one of Slow or Fast\n"},
      {"too few", R"({"gates":[]})", "gates: must have at least 1 entry\n"},
      {"too many", R"({"gates":[{"name":"a"}],"labels":{"a":"","b":"","c":""}})",
       "labels: must have at most 2 entries, not 3\n"},
      {"twice", R"({"gates":[{"name":"a"},{"name":"b"},{"name":"a"}]})",
       "gates[2].name: \"a\" is already used by [0]; names must be unique\n"},
      {"unknown", R"({"gates":[{"name":"a","with":1}],"zzz":1,"cuont":1})",
       "gates[0].with: unknown field; did you mean width?\nzzz: unknown field\n"
       "cuont: unknown field; did you mean count?\n"},
      {"durations", R"({"gates":[{"name":"a"}],"pause":"-1s"})",
       "pause: must be a duration such as 90s, 10m or 1h30m\n"},
      {"a rule", R"({"gates":[{"name":"a"}],"open":true})", "an open sluice needs a count\n"},
      {"a rule is not asked where the shape is wrong", R"({"gates":[],"open":true})",
       "gates: must have at least 1 entry\n"},
      {"a container", R"({"gates":[{"name":"a"}],"containers":[{"name":"A_b"}]})",
       "containers[0].name: must be a DNS label: lower-case letters, digits and '-', with a letter "
       "or digit at both ends\ncontainers[0].image: required\n"},
      {"a pod", R"({"gates":[{"name":"a"}],"pod":{"containers":[]}})",
       "pod.containers: must have at least 1 entry\n"},
      {"not a map", "[]", "must be a map of fields, not a list\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(check(c.json), c.want) << c.name;
}

TEST(NearestName, HelpsOnlyWhenItIsNear) {
  const std::vector<std::string_view> names = {"processors", "outputs", "input", "kafka", "as2"};
  const struct {
    const char* text;
    const char* want;
  } cases[] = {{"proccessors", "processors"},
               {"Outputs", "outputs"},
               {"kafak", "kafka"},
               {"inputs", "input"},
               {"volumes", ""},
               {"a", ""},
               {"", ""},
               {"as", "as2"}};
  for (const auto& c : cases) EXPECT_EQ(nearest_name(c.text, names), c.want) << c.text;
}

}  // namespace
}  // namespace millrace::codec
