#include "kubeclient/runtime/controller.h"

#include <gtest/gtest.h>

#include <functional>

#include "kubeclient/base/guarded.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/runtime/work_queue.h"
#include "tests/support/fake_api.h"
#include "tests/support/manual_clock.h"

namespace millrace::runtime {
namespace {

using namespace std::chrono_literals;
using Next = Disposition::Next;
using support::error_of;

TEST(Dispose, FollowsTheAdvice) {
  Error throttled = error_of(Code::Throttled);
  throttled.delay = 7s;
  const struct {
    const char* name;
    Result<Outcome> result;
    Disposition want;
  } cases[] = {
      {"done", Outcome(Done{}), {Next::Forget, 0ns, "done"}},
      {"again later", Outcome(RequeueAfter{3s}), {Next::Later, 3s, "requeued"}},
      {"refused", fail(Code::Invalid, "x"), {Next::Later, 10min, "refused"}},
      {"cancelled", fail(Code::Cancelled, "x"), {Next::Forget, 0ns, "cancelled"}},
      {"conflict", fail(Code::Conflict, "x"), {Next::Backoff, 0ns, "reread"}},
      {"gone", fail(Code::NotFound, "x"), {Next::Backoff, 0ns, "reread"}},
      {"told to wait", fail(throttled), {Next::Wait, 7s, "throttled"}},
      {"throttled without a delay", fail(Code::Throttled, "x"), {Next::Backoff, 0ns, "throttled"}},
      {"server away", fail(Code::Unavailable, "x"), {Next::Backoff, 0ns, "error"}},
      {"timeout", fail(Code::Timeout, "x"), {Next::Backoff, 0ns, "error"}},
      {"bug", fail(Code::Bug, "x"), {Next::Backoff, 0ns, "bug"}},
  };
  for (const auto& c : cases) EXPECT_EQ(dispose(c.result), c.want) << c.name;
}

class Lines final : public LogSink {
 public:
  void write(const std::string& line) override { *text_.lock() += line + "\n"; }
  std::string text() const { return *text_.lock(); }

 private:
  Guarded<std::string> text_;
};

class Scripted final : public Reconciler {
 public:
  Result<Outcome> reconcile(const ObjectKey& key, const ReconcileContext& context) override {
    *seen.lock() += key.name;
    return action(key, context);
  }
  std::function<Result<Outcome>(const ObjectKey&, const ReconcileContext&)> action =
      [](const ObjectKey&, const ReconcileContext&) -> Result<Outcome> { return Outcome(Done{}); };
  Guarded<std::string> seen;
};

class ControllerTest : public testing::Test {
 protected:
  void work_all() {
    while (controller.work_once()) {
    }
  }
  std::uint64_t reconciles(const std::string& result) {
    return metrics
        .counter("millrace_reconciles_total", "", {{"controller", "runs"}, {"result", result}})
        .value();
  }
  support::ManualClock clock;
  support::SteppingPause pause{clock};
  MetricsRegistry metrics;
  Lines lines;
  Logger log{lines, LogLevel::Debug};
  Env env{clock, pause, metrics, log};
  WorkQueue queue{{.name = "runs", .backoff = {10ms, 5min, 2, 0}}, clock, metrics};
  Scripted reconciler;
  Controller controller{{"runs", 3}, queue, reconciler, env};
};

TEST_F(ControllerTest, ACrashOfOneKeyHarmsNoOther) {
  reconciler.action = [](const ObjectKey& key, const ReconcileContext&) -> Result<Outcome> {
    MR_CHECK(key.name != "a");
    if (key.name == "b") throw std::runtime_error("foreign");
    return Outcome(Done{});
  };
  for (const char* name : {"a", "b", "c"}) queue.add({"ns", name});
  work_all();
  EXPECT_EQ(*reconciler.seen.lock(), "abc");
  EXPECT_EQ(reconciles("bug"), 2u);
  EXPECT_EQ(reconciles("done"), 1u);
  clock.advance(10ms);
  work_all();
  EXPECT_EQ(*reconciler.seen.lock(), "abcab") << "tried again";
  EXPECT_NE(lines.text().find("broken assumption"), std::string::npos);
  EXPECT_NE(lines.text().find("\"object\":\"ns/a\",\"reconcile_id\":\"1\""), std::string::npos)
      << lines.text();
}

TEST_F(ControllerTest, OutcomesSteerTheQueue) {
  int calls = 0;
  reconciler.action = [&](const ObjectKey&, const ReconcileContext&) -> Result<Outcome> {
    switch (++calls) {
      case 1:
        return fail(Code::Unavailable, "away");
      case 2:
        return Outcome(RequeueAfter{1h});
      case 3:
        return fail(Code::Invalid, "no");
      default:
        return Outcome(Done{});
    }
  };
  queue.add({"ns", "a"});
  work_all();
  EXPECT_EQ(calls, 1);
  clock.advance(10ms);
  work_all();
  EXPECT_EQ(calls, 2);
  clock.advance(59min);
  work_all();
  EXPECT_EQ(calls, 2);
  clock.advance(1min);
  work_all();
  EXPECT_EQ(calls, 3);
  clock.advance(9min);
  work_all();
  EXPECT_EQ(calls, 3) << "what is refused is not tried again soon";
  clock.advance(1min);
  work_all();
  EXPECT_EQ(calls, 4) << "but not forgotten either";
}

TEST_F(ControllerTest, AnErrorIsLoggedOnceAndEverydayOnesQuietly) {
  reconciler.action = [](const ObjectKey& key, const ReconcileContext&) -> Result<Outcome> {
    return fail(key.name == "a" ? Code::Unavailable : Code::Conflict, "because");
  };
  queue.add({"ns", "a"});
  queue.add({"ns", "b"});
  work_all();
  const std::string text = lines.text();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_NE(text.find("\"level\":\"warn\""), std::string::npos);
  EXPECT_NE(text.find("\"level\":\"debug\""), std::string::npos);
}

TEST_F(ControllerTest, StopDrainsReadyKeys) {
  for (int i = 0; i < 100; ++i) queue.add({"ns", std::string(1, char('A' + i % 26))});
  controller.start();
  controller.stop(clock.steady() + 1h);
  EXPECT_EQ(reconciler.seen.lock()->size(), 26u);
}

TEST_F(ControllerTest, StopAsksWhatStillRunsToEnd) {
  Guarded<bool> inside;
  std::condition_variable entered;
  reconciler.action = [&](const ObjectKey&, const ReconcileContext& context) -> Result<Outcome> {
    {
      auto flag = inside.lock();
      *flag = true;
      entered.notify_all();
    }
    support::ManualClock unused;
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait(lock, context.stop, [] { return false; });
    return fail(Code::Cancelled, "stopped");
  };
  queue.add({"ns", "a"});
  controller.start();
  {
    auto flag = inside.lock();
    entered.wait(flag.lock(), [&] { return *flag; });
  }
  controller.stop(clock.steady());
  EXPECT_EQ(reconciles("cancelled"), 1u);
}

}  // namespace
}  // namespace millrace::runtime
