#include "kubeclient/runtime/controller.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>

#include "kubeclient/base/guarded.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::runtime {
namespace {

using Next = Disposition::Next;

constexpr Duration kLongestWait = std::chrono::hours(24);
/// What was refused for good is looked at again all the same: the refusal may hang on something
/// that raises no event here (a webhook, a policy), and its due time must not be lost with it.
constexpr Duration kRefusedRetry = std::chrono::minutes(10);

}  // namespace

/// Counts the threads at work, so that stop can wait for them up to a deadline.
struct Controller::Running {
  Guarded<int> threads;
  std::condition_variable changed;
  std::atomic<std::uint64_t> next_id{1};
};

Disposition dispose(const Result<Outcome>& result) {
  if (result.ok()) {
    if (const auto* again = std::get_if<RequeueAfter>(&*result)) {
      return {Next::Later, again->delay, "requeued"};
    }
    return {Next::Forget, {}, "done"};
  }
  const Error& error = result.error();
  switch (advice_for(error.code)) {
    case Advice::Never:
      if (error.code == Code::Cancelled) return {Next::Forget, {}, "cancelled"};
      return {Next::Later, kRefusedRetry, "refused"};
    case Advice::Reread:
      // The first steps of the backoff are short: time for the cache to catch up.
      return {Next::Backoff, {}, "reread"};
    case Advice::WaitAsTold:
      if (error.delay && error.delay->count() > 0) return {Next::Wait, *error.delay, "throttled"};
      return {Next::Backoff, {}, "throttled"};
    case Advice::Backoff:
      break;
  }
  return {Next::Backoff, {}, error.code == Code::Bug ? "bug" : "error"};
}

Controller::Controller(ControllerOptions options, WorkQueue& queue, Reconciler& reconciler,
                       const Env& env)
    : options_(std::move(options)),
      queue_(queue),
      reconciler_(reconciler),
      env_(env),
      seconds_(env.metrics.histogram("millrace_reconcile_seconds", "Time of one reconcile.",
                                     {{"controller", options_.name}})),
      running_(std::make_unique<Running>()) {}

Controller::~Controller() { stop(env_.clock.steady()); }

void Controller::start() {
  for (int i = 0; i < options_.workers; ++i) {
    ++*running_->threads.lock();
    threads_.emplace_back([this, i] {
      name_this_thread("mr-rec-" + std::to_string(i));
      work(stop_.get_token());
      auto threads = running_->threads.lock();
      --*threads;
      running_->changed.notify_all();
    });
  }
}

void Controller::stop(SteadyTime deadline) {
  queue_.shutdown(deadline);
  {
    auto threads = running_->threads.lock();
    const Duration left = std::clamp<Duration>(deadline - env_.clock.steady(), {}, kLongestWait);
    running_->changed.wait_for(threads.lock(), left, [&] { return *threads == 0; });
  }
  stop_.request_stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Controller::work(const std::stop_token& stop) {
  while (const auto key = queue_.get(stop)) handle(*key, stop);
}

bool Controller::work_once() {
  const auto key = queue_.try_get();
  if (key) handle(*key, stop_.get_token());
  return key.has_value();
}

void Controller::handle(const ObjectKey& key, const std::stop_token& stop) {
  const SteadyTime start = env_.clock.steady();
  std::string id = std::to_string(running_->next_id.fetch_add(1, std::memory_order_relaxed));
  const Logger log = env_.log.with(kv("controller", options_.name))
                         .with(kv("object", key))
                         .with(kv("reconcile_id", id));
  const ReconcileContext context{stop, log, std::move(id)};
  const Result<Outcome> result = call(key, context);
  const Disposition next = dispose(result);
  seconds_.observe(std::chrono::duration<double>(env_.clock.steady() - start).count());
  env_.metrics
      .counter("millrace_reconciles_total", "Reconciles by how they ended.",
               {{"controller", options_.name}, {"result", std::string(next.result)}})
      .add();
  if (!result.ok()) log_failure(result.error(), context, next.result);
  switch (next.next) {
    case Next::Forget:
      queue_.forget(key);
      break;
    case Next::Later:
      queue_.forget(key);
      queue_.add_after(key, next.delay);
      break;
    case Next::Wait:
      queue_.add_after(key, next.delay);
      break;
    case Next::Backoff:
      queue_.add_failed(key);
      break;
  }
  queue_.done(key);
}

/// A thread root for exceptions: a bug in one reconcile must not stop the others.
Result<Outcome> Controller::call(const ObjectKey& key, const ReconcileContext& context) {
  try {
    return reconciler_.reconcile(key, context);
  } catch (const std::exception& e) {
    return fail(Code::Bug, e.what());
  }
}

void Controller::log_failure(const Error& error, const ReconcileContext& context,
                             std::string_view result) {
  const Logger& log = context.log;
  const std::initializer_list<LogPair> pairs = {kv("code", to_string(error.code)),
                                                kv("error", error), kv("result", result)};
  switch (advice_for(error.code)) {
    case Advice::Never:
      if (error.code == Code::Cancelled) return log.debug("reconcile cancelled", pairs);
      return log.error("reconcile refused, tried again when the object changes, or in 10 min",
                       pairs);
    case Advice::Reread:  // everyday: the cache was behind
      return log.debug("reconcile met newer state", pairs);
    case Advice::WaitAsTold:
      return log.warn("reconcile throttled", pairs);
    case Advice::Backoff:
      break;
  }
  if (error.code == Code::Bug) return log.error("reconcile crashed", pairs);
  log.warn("reconcile failed", pairs);
}

}  // namespace millrace::runtime
