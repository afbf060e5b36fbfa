#include "kubeclient/codec/docs.h"

#include <gtest/gtest.h>

namespace millrace::codec {
namespace {

struct Gate {
  std::string name;
  Value pod;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("name", self.name,
            {.doc = "Which gate: a|b.", .required = true, .min_length = 1, .max_length = 8});
    v.field("pod", self.pod, {.kube_type = "core/v1 PodSpec"});
  }
};

struct Sluice {
  std::vector<Gate> gates;
  std::optional<int> wait;
  std::optional<Duration> pause;
  std::map<std::string, Gate> more;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.rule("true", "always true");
    v.field("gates", self.gates, {.doc = "The gates.", .max_items = 3, .list_map_key = "name"});
    v.field("wait", self.wait, {.min = 0, .unit = "s", .default_json = "10"});
    v.field("pause", self.pause);
    v.field("more", self.more);
  }
};

TEST(ReferenceMarkdown, HasATableForEachObject) {
  const std::string gate =
      "| Field | Type | Default | Limits | Meaning |\n|---|---|---|---|---|\n"
      "| `name` (required) | string |  | 1 to 8 characters | Which gate: a\\|b. |\n"
      "| `pod` | core/v1 PodSpec |  |  |  |\n";
  EXPECT_EQ(reference_markdown(type_info<Sluice>(), "spec"),
            "## spec\n\n"
            "| Field | Type | Default | Limits | Meaning |\n|---|---|---|---|---|\n"
            "| `gates` | list of object |  | at most 3 entries; unique by `name` | The gates. |\n"
            "| `wait` | integer [s] | `10` | at least 0 |  |\n"
            "| `pause` | duration (`90s`, `1h30m`) |  | not negative |  |\n"
            "| `more` | map of object |  |  |  |\n"
            "\nRules:\n\n- always true\n"
            "\n## spec.gates[]\n\n" +
                gate + "\n## spec.more.<key>\n\n" + gate);
}

}  // namespace
}  // namespace millrace::codec
