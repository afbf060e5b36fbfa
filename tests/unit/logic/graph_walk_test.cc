// Random graphs with random outcomes, deaths of the process and lost status writes: nothing begins
// too early or twice, and every run ends as its steps did.

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tests/support/random_graph.h"
#include "tests/unit/logic/graph_world.h"

namespace millrace::logic {
namespace {

using namespace std::chrono_literals;
using crds::StepPhase;

using Drawn = support::DrawnGraph;

Drawn draw(std::mt19937& random) {
  return support::draw_graph({}, [&](unsigned n) { return static_cast<unsigned>(random() % n); });
}

/// What really happened, whatever the status says.
struct Truth {
  std::map<std::string, int> attempts;  ///< begun
  std::map<std::string, bool> alive;
  std::map<std::string, bool> good;
};

void check_begin(const GraphWorld& w, Truth& truth, const std::string& entry) {
  const std::size_t space = entry.find(' ');
  const std::string kind = entry.substr(0, space);
  if (kind == "stop") truth.alive[entry.substr(space + 1)] = false;
  if (kind != "job" && kind != "call") return;
  const std::size_t slash = entry.rfind('/');
  const std::string step = entry.substr(space + 1, slash - space - 1);
  const int attempt = std::stoi(entry.substr(slash + 1));
  int& last = truth.attempts[step];
  const bool again = kind == "call" && attempt == last;  // the same call after a death
  EXPECT_TRUE(attempt == last + 1 || again) << entry;
  EXPECT_TRUE(again || !truth.alive[step]) << entry << ": the attempt before has not ended";
  last = attempt;
  truth.alive[step] = true;
  const Plan& plan = **w.revision.plan;
  for (const Node& node : plan.nodes) {
    if (node.name == step) {
      for (const std::string& before : node.after) {
        EXPECT_FALSE(truth.alive[before]) << entry << " while " << before << " runs";
      }
      if (node.group != Group::Finally) continue;
      for (const Node& other : plan.nodes) {
        const bool earlier = other.group != Group::Finally;
        // A call of a cancelled run is forgotten, not awaited.
        const bool call = std::holds_alternative<HttpStep>(other.action);
        if (call && w.run.spec.cancel) continue;
        EXPECT_FALSE(earlier && truth.alive[other.name]) << entry << " while " << other.name;
      }
    }
  }
}

/// What runs may end now.
void disturb(GraphWorld& w, Truth& truth, std::mt19937& random) {
  for (const std::string& step : w.pods_alive()) {
    if (random() % 3 != 0) continue;
    const bool good = random() % 4 != 0;
    w.end_pod(step, good ? 0 : 1);
    truth.alive[step] = false;
    truth.good[step] = good;
  }
  for (const auto& [key, call] : w.calls) {
    if (call.result || random() % 3 != 0) continue;
    const std::string step = key.substr(0, key.rfind('/'));
    const bool good = random() % 4 != 0;
    if (good) {
      w.answer(key, 200);
    } else if (random() % 2 == 0) {
      w.answer(key, 500);
    } else {
      w.no_answer(key, Code::Unavailable);
    }
    truth.alive[step] = false;
    truth.good[step] = good;
  }
}

void check_end(GraphWorld& w, const Drawn& drawn, const Truth& truth, bool cancelled) {
  bool bad = false;
  for (const auto& state : w.run.status.step_states) {
    EXPECT_TRUE(state.state == StepPhase::Succeeded || state.state == StepPhase::Failed ||
                state.state == StepPhase::Skipped)
        << state.name;
    bad = bad || (state.state == StepPhase::Failed && !drawn.tolerated.at(state.name));
    const auto begun = truth.attempts.find(state.name);
    if (begun == truth.attempts.end() || begun->second == 0) continue;
    if (cancelled) continue;
    EXPECT_NE(state.state, StepPhase::Skipped) << state.name << " had begun";
    const auto good = truth.good.find(state.name);
    if (good == truth.good.end()) continue;
    EXPECT_EQ(state.state == StepPhase::Succeeded, good->second) << state.name;
  }
  if (cancelled) {
    EXPECT_NE(w.reason(), "Running");
  } else {
    EXPECT_EQ(w.reason(), bad ? "StepFailed" : "Succeeded");
  }
  EXPECT_TRUE(w.pods_alive().empty());
  const RunPlan rest = w.plan();
  EXPECT_TRUE(rest.actions.empty() && !rest.status && rest.calls.empty() && !rest.recheck);
}

void walk(unsigned seed, bool trouble) {
  std::mt19937 random(seed);
  const Drawn drawn = draw(random);
  SCOPED_TRACE("seed " + std::to_string(seed) + " " + drawn.spec);
  GraphWorld w(drawn.spec, R"(,"maxRetryCount":)" + std::to_string(random() % 3));
  Truth truth;
  w.begun = [&](const std::string& entry) { check_begin(w, truth, entry); };
  if (trouble) w.lose_status = [&] { return random() % 4 == 0; };
  for (int i = 0; i < 400 && !w.ended(); ++i) {
    if (trouble && random() % 6 == 0) w.restart();
    if (trouble && random() % 80 == 0) w.run.spec.cancel = true;
    for (auto n = random() % 4; n > 0; --n) w.step();
    disturb(w, truth, random);
    if (random() % 3 == 0) w.advance(std::chrono::milliseconds(random() % 9000));
    if (::testing::Test::HasFailure()) return;
  }
  w.lose_status = nullptr;
  ASSERT_TRUE(w.ended()) << w.states() << " " << w.reason() << " " << w.message();
  check_end(w, drawn, truth, w.run.spec.cancel);
}

TEST(GraphWalk, RunsEndAsTheirStepsDid) {
  for (unsigned seed = 1; seed <= 700 && !HasFailure(); ++seed) walk(seed, false);
}

TEST(GraphWalk, RunsEndThoughTheProcessDiesAndWritesAreLost) {
  for (unsigned seed = 1; seed <= 1500 && !HasFailure(); ++seed) walk(seed, true);
}

}  // namespace
}  // namespace millrace::logic
