#include "tests/support/random_graph.h"

namespace millrace::support {
namespace {

enum class Kind { Container, Call, Wait, Approval, Child, Manifest };

class Drawer {
 public:
  Drawer(const GraphChoices& choices, const Dice& dice) : choices_(choices), dice_(dice) {}

  DrawnGraph draw() {
    staged_ = choices_.stages && one_in(3);
    reads_ = choices_.data && !one_in(3);
    const std::size_t count = 1 + dice_(8);
    std::string spec = "{\"steps\":[" + list("s", count) + "]";
    if (staged_) spec += R"(,"stages":["one","two"])";
    if (one_in(2)) spec += ",\"onError\":[" + list("e", 1 + dice_(2)) + "]";
    if (one_in(2)) spec += ",\"finally\":[" + list("f", 1 + dice_(2)) + "]";
    if (one_in(4)) spec += ",\"parallelism\":" + std::to_string(1 + dice_(3));
    if (choices_.limits && one_in(5)) spec += R"(,"finallyTimeout":"90s")";
    out_.spec = spec + "}";
    return std::move(out_);
  }

 private:
  struct Known {
    std::string name;
    Kind kind;
  };

  bool one_in(unsigned n) { return dice_(n) == 0; }

  Kind draw_kind() {
    std::vector<Kind> kinds = {Kind::Container, Kind::Container, Kind::Call, Kind::Call,
                               Kind::Wait};
    if (choices_.people && one_in(2)) kinds.push_back(Kind::Approval);
    if (!choices_.children.empty()) kinds.push_back(Kind::Child);
    if (choices_.manifests && one_in(2)) kinds.push_back(Kind::Manifest);
    return kinds[dice_(static_cast<unsigned>(kinds.size()))];
  }

  std::string list(const std::string& prefix, std::size_t count) {
    std::string text;
    std::vector<Known> group;
    for (std::size_t i = 0; i < count; ++i) {
      const Known step{prefix + std::to_string(i), draw_kind()};
      text += (i == 0 ? "" : ",") + one(step, prefix, group, 2 * i >= count);
      group.push_back(step);
    }
    known_.insert(known_.end(), group.begin(), group.end());
    return text;
  }

  std::string one(const Known& step, const std::string& prefix, const std::vector<Known>& group,
                  bool late) {
    std::vector<Known> readable;
    if (prefix != "s") readable = known_;
    std::string needs;
    for (const Known& other : group) {
      if (!one_in(3)) continue;
      needs += (needs.empty() ? "\"" : ",\"") + other.name + "\"";
      readable.push_back(other);
    }
    std::string text = R"({"name":")" + step.name + "\"" + action(step, readable);
    if (!needs.empty()) text += ",\"dependsOn\":[" + needs + "]";
    if (staged_ && prefix == "s") text += late ? R"(,"stage":"two")" : R"(,"stage":"one")";
    if (one_in(5)) text += condition(readable);
    out_.tolerated[step.name] = one_in(5);
    if (out_.tolerated[step.name]) text += R"(,"continueOnError":true)";
    if (one_in(3)) text += retry();
    const bool repeats =
        step.kind == Kind::Container || step.kind == Kind::Call || step.kind == Kind::Wait;
    if (choices_.matrices && repeats && one_in(6)) text += matrix();
    const bool timed =
        step.kind == Kind::Container || step.kind == Kind::Call || step.kind == Kind::Child;
    if (choices_.limits && timed && one_in(4)) {
      const char* limits[] = {"5s", "40s", "3m"};
      text += R"(,"timeout":")" + std::string(limits[dice_(3)]) + "\"";
    }
    return text + "}";
  }

  std::string condition(const std::vector<Known>& readable) {
    if (reads_ && !readable.empty() && one_in(2)) {
      const Known& other = readable[dice_(static_cast<unsigned>(readable.size()))];
      return R"(,"when":"steps.)" + other.name + ".status == 'Succeeded'\"";
    }
    return one_in(2) ? R"(,"when":"false")" : R"(,"when":"run.attempt > 0")";
  }

  std::string retry() {
    std::string text = R"(,"retry":{"limit":)" + std::to_string(1 + dice_(2));
    if (choices_.limits && one_in(2)) text += R"(,"backoff":{"initial":"100ms"})";
    if (choices_.limits && one_in(3)) text += R"(,"on":["Infrastructure","TimedOut"])";
    return text + "}";
  }

  std::string matrix() {
    std::string text = R"(,"matrix":{"params":{"x":["1","2")";
    if (one_in(2)) text += R"(,"3")";
    text += "]";
    if (one_in(3)) text += R"(,"y":["a","b"])";
    text += "}";
    if (one_in(3)) text += R"(,"maxParallel":)" + std::to_string(1 + dice_(2));
    if (one_in(3)) text += R"(,"failFast":false)";
    return text + "}";
  }

  /// `"V_s0":"{{ ... }}"`, one for each step that is read.
  std::vector<std::pair<std::string, std::string>> inputs(const std::vector<Known>& readable) {
    std::vector<std::pair<std::string, std::string>> out;
    if (!reads_) return out;
    for (const Known& other : readable) {
      const bool has_output = other.kind == Kind::Container || other.kind == Kind::Call;
      if (has_output) {
        out.emplace_back("V_" + other.name,
                         "{{ steps." + other.name + ".outputs.v | default('none') | toJson }}");
      } else {
        out.emplace_back("S_" + other.name, "{{ steps." + other.name + ".status }}");
      }
    }
    return out;
  }

  std::string container(const std::vector<Known>& readable) {
    std::string text = R"("image":"i")";
    std::string env;
    for (const auto& [name, value] : inputs(readable)) {
      env += (env.empty() ? "" : ",") + (R"({"name":")" + name) + R"(","value":")" + value + "\"}";
    }
    if (!env.empty()) text += ",\"env\":[" + env + "]";
    return text;
  }

  std::string action(const Known& step, const std::vector<Known>& readable) {
    switch (step.kind) {
      case Kind::Container:
        if (choices_.data && one_in(5)) {
          return R"(,"containers":[{"name":"a","image":"i"},{"name":"b",)" + container(readable) +
                 "}]";
        }
        return ",\"container\":{" + container(readable) + "}";
      case Kind::Call: {
        std::string body = R"("step":")" + step.name + "\"";
        for (const auto& [name, value] : inputs(readable)) {
          body += ",\"" + name + "\":\"" + value + "\"";
        }
        std::string text = R"(,"http":{"url":"http://service/")";
        if (choices_.data) text += ",\"body\":{" + body + "}";
        text += "}";
        if (choices_.data) text += R"(,"outputs":{"v":"response.body.v"})";
        return text;
      }
      case Kind::Wait:
        return R"(,"wait":{"duration":")" + std::to_string(dice_(5)) + "s\"}";
      case Kind::Approval: {
        const char* rest[] = {"", R"(,"expires":"1m")", R"(,"approvers":["alice"])"};
        return R"(,"approval":{"message":"go on?")" + std::string(rest[dice_(3)]) + "}";
      }
      case Kind::Child:
        return R"(,"pipeline":{"name":")" +
               choices_.children[dice_(static_cast<unsigned>(choices_.children.size()))] + "\"" +
               (one_in(3) ? R"(,"maxRetryCount":1})" : "}");
      case Kind::Manifest:
        return R"(,"manifest":{"object":{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":)"
               R"("{{ run.name }}-)" +
               step.name + R"("},"data":{"k":"v"}})" +
               (one_in(2) ? R"(,"success":"object.data.k == 'v'"})" : "}");
    }
    return {};
  }

  const GraphChoices& choices_;
  const Dice& dice_;
  DrawnGraph out_;
  std::vector<Known> known_;  ///< of earlier groups
  bool staged_ = false;
  bool reads_ = false;  ///< steps read what others gave
};

}  // namespace

DrawnGraph draw_graph(const GraphChoices& choices, const Dice& dice) {
  return Drawer(choices, dice).draw();
}

std::string draw_belt(const Dice& dice) {
  std::string jobs;
  std::string stages;
  for (unsigned stage = 0, last = dice(3); stage <= last; ++stage) {
    const std::string name = "st" + std::to_string(stage);
    stages += (stage == 0 ? "\"" : ",\"") + name + "\"";
    for (unsigned job = 0, count = 1 + dice(3); job < count; ++job) {
      jobs += (jobs.empty() ? "" : ",") + (R"({"name":"j)" + std::to_string(job)) +
              R"(","stage":")" + name +
              R"(","action":{"http":{"method":"POST","url":"http://service/","data":{"s":"x"}}}})";
    }
  }
  return "{\"stages\":[" + stages + "],\"jobs\":[" + jobs + "]" +
         (dice(2) == 0 ? R"(,"error":{"name":"oops","action":{"http":{"url":"http://service/"}}}})"
                       : "}");
}

}  // namespace millrace::support
