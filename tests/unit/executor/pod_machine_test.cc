#include "local/executor/pod_machine.h"

#include <gtest/gtest.h>

#include "local/executor/pod_status.h"

namespace millrace::executor {
namespace {

using codec::Value;
using namespace std::chrono_literals;
using Verb = PodAction::Verb;
using Phase = ContainerState::Phase;

ContainerEnd ended(int code, Time at) {
  ContainerEnd end;
  end.exit_code = code;
  end.finished_at = at;
  return end;
}

/// A pod with containers of the roles that the letters name: i(nit), s(idecar), m(ain).
class Machine {
 public:
  Machine(const std::string& roles, RestartPolicy policy) {
    for (std::size_t i = 0; i < roles.size(); ++i) {
      ContainerSpec container;
      container.name = "c" + std::to_string(i);
      container.role = roles[i] == 'i' ? Role::Init : roles[i] == 's' ? Role::Sidecar : Role::Main;
      spec.containers.push_back(container);
    }
    spec.restart_policy = policy;
    spec.grace = 30s;
    state = new_pod(spec, now);
  }

  /// Advance, and write down the actions: "S0" starts, "T0" terminates, "K0" kills.
  std::string go(Duration pass = {}) {
    steady += pass;
    now += std::chrono::duration_cast<std::chrono::microseconds>(pass);
    const PodStep step = advance(spec, state, now, steady);
    next = step.next;
    std::string out;
    for (const PodAction& action : step.actions) {
      out += action.verb == Verb::Start ? "S" : action.verb == Verb::Terminate ? "T" : "K";
      out += std::to_string(action.container);
      if (action.verb == Verb::Start) {
        note_started(state, action.container, "id", now, steady, false, false);
      }
    }
    return out;
  }
  std::string end(std::size_t i, int code) {
    note_ended(state, i, ended(code, now), steady);
    return go();
  }
  std::string phase() const { return phase_of(spec, state); }

  PodSpec spec;
  PodState state;
  Time now{1'000'000s};
  SteadyTime steady{};
  std::optional<SteadyTime> next;
};

TEST(PodMachine, RunsInitContainersInOrderThenAllOthersAtOnce) {
  Machine m("iimm", RestartPolicy::Never);
  EXPECT_EQ(m.go(), "S0");
  EXPECT_EQ(m.go(), "");
  EXPECT_EQ(m.phase(), "Pending");
  EXPECT_EQ(m.end(0, 0), "S1");
  EXPECT_EQ(m.end(1, 0), "S2S3");
  EXPECT_EQ(m.phase(), "Running");
  m.end(2, 0);
  EXPECT_FALSE(m.state.finished);
  m.end(3, 0);
  EXPECT_TRUE(m.state.finished);
  EXPECT_EQ(m.phase(), "Succeeded");
}

TEST(PodMachine, FailsWhenAnInitContainerFailsForGood) {
  Machine m("im", RestartPolicy::Never);
  m.go();
  EXPECT_EQ(m.end(0, 1), "");
  EXPECT_TRUE(m.state.finished);
  EXPECT_EQ(m.phase(), "Failed");
}

TEST(PodMachine, RestartsByPolicy) {
  const struct {
    const char* name;
    RestartPolicy policy;
    int code;
    const char* want;
    const char* phase;
  } cases[] = {{"never, good", RestartPolicy::Never, 0, "", "Succeeded"},
               {"never, bad", RestartPolicy::Never, 1, "", "Failed"},
               {"on failure, good", RestartPolicy::OnFailure, 0, "", "Succeeded"},
               {"on failure, bad", RestartPolicy::OnFailure, 1, "S0", "Running"},
               {"always, good", RestartPolicy::Always, 0, "S0", "Running"},
               {"always, bad", RestartPolicy::Always, 1, "S0", "Running"}};
  for (const auto& c : cases) {
    Machine m("m", c.policy);
    m.go();
    EXPECT_EQ(m.end(0, c.code), c.want) << c.name;
    EXPECT_EQ(m.phase(), c.phase) << c.name;
  }
}

TEST(PodMachine, BacksOffLongerAndLongerUpToFiveMinutes) {
  Machine m("m", RestartPolicy::Always);
  m.go();
  EXPECT_EQ(m.end(0, 1), "S0");  // the first restart is at once
  for (const Duration want : {10s, 20s, 40s, 80s, 160s, 300s, 300s}) {
    EXPECT_EQ(m.end(0, 1), "");
    EXPECT_EQ(m.state.containers[0].wait_reason, "CrashLoopBackOff");
    ASSERT_TRUE(m.next);
    EXPECT_EQ(*m.next - m.steady, want);
    EXPECT_EQ(m.go(want - 1ms), "");
    EXPECT_EQ(m.go(1ms), "S0");
  }
  m.go(10min);  // long enough to begin anew
  EXPECT_EQ(m.end(0, 1), "S0");
}

TEST(PodMachine, StopsWithTermThenKill) {
  Machine m("mm", RestartPolicy::Always);
  m.go();
  order_stop(m.state, {}, m.steady + 30s);
  EXPECT_EQ(m.go(), "T0T1");
  EXPECT_EQ(m.go(1s), "");
  EXPECT_EQ(m.end(0, 143), "");
  EXPECT_EQ(m.go(29s), "K1");
  EXPECT_EQ(m.end(1, 137), "");
  EXPECT_TRUE(m.state.finished);
  EXPECT_EQ(m.phase(), "Failed");
}

TEST(PodMachine, AShorterSecondOrderWins) {
  Machine m("m", RestartPolicy::Always);
  m.go();
  order_stop(m.state, {}, m.steady + 30s);
  m.go();
  order_stop(m.state, {}, m.steady + 1s);
  EXPECT_EQ(m.go(1s), "K0");
}

TEST(PodMachine, SidecarsServeTheOthersToTheirEnd) {
  Machine m("sm", RestartPolicy::Never);
  EXPECT_EQ(m.go(), "S0");
  EXPECT_EQ(m.go(), "S1") << "once the sidecar runs";
  EXPECT_EQ(m.end(1, 0), "T0");
  EXPECT_FALSE(m.state.finished);
  m.end(0, 143);
  EXPECT_TRUE(m.state.finished);
  EXPECT_EQ(m.phase(), "Succeeded") << "how a sidecar ends does not count";
}

TEST(PodMachine, EndsAtTheDeadline) {
  Machine m("m", RestartPolicy::Always);
  m.spec.active_deadline = 60s;
  m.go();
  ASSERT_TRUE(m.next);
  EXPECT_EQ(*m.next - m.steady, 60s);
  EXPECT_EQ(m.go(60s), "T0");
  m.end(0, 0);
  EXPECT_EQ(m.phase(), "Failed");
  EXPECT_EQ(m.state.stop->reason, "DeadlineExceeded");
}

TEST(PodMachine, AnInterruptionRestartsWhateverThePolicy) {
  Machine m("m", RestartPolicy::Never);
  m.go();
  note_interrupted(m.state, 0, ended(137, m.now), m.steady);
  EXPECT_EQ(m.go(), "S0");
  EXPECT_EQ(m.state.containers[0].restarts, 1);
}

TEST(PodMachine, AnImageThatIsMissingWaitsLikeAKubelet) {
  Machine m("m", RestartPolicy::Never);
  m.go();
  note_no_image(m.state, 0, "no such image", m.steady);
  EXPECT_EQ(m.state.containers[0].wait_reason, "ErrImagePull");
  EXPECT_EQ(m.go(9s), "");
  EXPECT_EQ(m.go(1s), "S0");
  note_no_image(m.state, 0, "no such image", m.steady);
  EXPECT_EQ(m.state.containers[0].wait_reason, "ImagePullBackOff");
  EXPECT_EQ(m.go(19s), "");
  EXPECT_EQ(m.go(1s), "S0");
  EXPECT_EQ(m.state.containers[0].restarts, 0);
}

TEST(PodMachine, ResumesFromTheStatusThatItWrote) {
  Machine m("im", RestartPolicy::Never);
  m.go();
  m.end(0, 0);
  ConditionTimes times;
  const Value status = status_of(m.spec, m.state, times, m.now);
  Machine next("im", RestartPolicy::Never);
  next.state = resumed_pod(next.spec, status, next.now);
  EXPECT_EQ(next.go(), "S1");
  EXPECT_EQ(next.state.containers[1].restarts, 1);
  EXPECT_EQ(next.state.containers[1].before->reason, "ContainerStatusUnknown");
}

TEST(PodStatus, MovesTransitionTimesOnlyWithTheirStatus) {
  Machine m("m", RestartPolicy::Never);
  ConditionTimes times;
  status_of(m.spec, m.state, times, m.now);
  const Time first = times.since["PodScheduled"].second;
  m.go(5s);
  status_of(m.spec, m.state, times, m.now);
  EXPECT_EQ(times.since["PodScheduled"].second, first);
  EXPECT_EQ(times.since["Ready"].second, m.now);
}

}  // namespace
}  // namespace millrace::executor
