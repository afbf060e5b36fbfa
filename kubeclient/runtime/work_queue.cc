#include "kubeclient/runtime/work_queue.h"

#include <algorithm>

#include "kubeclient/base/metrics.h"
#include "kubeclient/base/result.h"

namespace millrace::runtime {
namespace {

/// Longest single wait on the condition variable; far below what overflows its arithmetic.
constexpr Duration kLongestWait = std::chrono::hours(1);
/// Longest delay of a key; added to the clock it must not overflow.
constexpr Duration kLongestDelay = std::chrono::hours(24 * 365);

double seconds(Duration length) { return std::chrono::duration<double>(length).count(); }

}  // namespace

WorkQueue::WorkQueue(QueueOptions options, const Clock& clock, MetricsRegistry& metrics)
    : clock_(clock),
      depth_gauge_(metrics.gauge("millrace_queue_depth", "Keys ready for a worker.",
                                 {{"queue", options.name}})),
      adds_(metrics.counter("millrace_queue_adds_total", "Keys that became ready.",
                            {{"queue", options.name}})),
      retries_(metrics.counter("millrace_queue_retries_total", "Keys queued again after a failure.",
                               {{"queue", options.name}})),
      latency_(metrics.histogram("millrace_queue_latency_seconds",
                                 "Time from ready to being taken by a worker.",
                                 {{"queue", options.name}})),
      work_(metrics.histogram("millrace_queue_work_seconds", "Time in work.",
                              {{"queue", options.name}})),
      state_(options.backoff, options.failures_per_second, options.failure_burst, options.seed) {}

void WorkQueue::add(const ObjectKey& key) {
  const SteadyTime now = clock_.steady();
  auto state = state_.lock();
  if (state->closed) return;
  if (make_ready(*state, state->entries.try_emplace(key).first, now)) notify(*state, false);
}

void WorkQueue::add_after(const ObjectKey& key, Duration delay) {
  if (delay <= Duration::zero()) return add(key);
  const SteadyTime now = clock_.steady();
  auto state = state_.lock();
  if (state->closed) return;
  const SteadyTime due = now + std::min(delay, kLongestDelay);
  if (wait_until(*state, state->entries.try_emplace(key).first, due)) notify(*state, true);
}

Duration WorkQueue::add_failed(const ObjectKey& key) {
  const SteadyTime now = clock_.steady();
  auto state = state_.lock();
  if (state->closed) return Duration::zero();
  const auto it = state->entries.try_emplace(key).first;
  Entry& entry = it->second;
  if (entry.failures < 1'000'000) ++entry.failures;
  const Duration own = backoff_delay(state->backoff, entry.failures, state->jitter.next());
  const Duration all = state->bucket.reserve(now, state->backoff.max);
  const Duration delay = std::max(own, all);
  retries_.add();
  if (wait_until(*state, it, now + delay)) notify(*state, true);
  return delay;
}

void WorkQueue::forget(const ObjectKey& key) {
  auto state = state_.lock();
  const auto it = state->entries.find(key);
  if (it == state->entries.end()) return;
  it->second.failures = 0;
  drop_if_idle(*state, it);
}

std::optional<ObjectKey> WorkQueue::get(const std::stop_token& stop) {
  auto state = state_.lock();
  for (;;) {
    if (stop.stop_requested()) return std::nullopt;
    const SteadyTime now = clock_.steady();
    promote_due(*state, now);
    if (auto key = take(*state, now)) return key;
    if (state->closed) return std::nullopt;
    const std::uint64_t seen = state->changes;
    const auto changed = [&] { return state->changes != seen; };
    Duration wait = kLongestWait;
    if (!state->waiting.empty()) wait = std::min(wait, state->waiting.begin()->first - now);
    changed_.wait_for(state.lock(), stop, wait, changed);
  }
}

std::optional<ObjectKey> WorkQueue::try_get() {
  const SteadyTime now = clock_.steady();
  auto state = state_.lock();
  promote_due(*state, now);
  return take(*state, now);
}

void WorkQueue::done(const ObjectKey& key) {
  const SteadyTime now = clock_.steady();
  auto state = state_.lock();
  const auto it = state->entries.find(key);
  MR_CHECK(it != state->entries.end() && it->second.in_work);
  Entry& entry = it->second;
  entry.in_work = false;
  work_.observe(seconds(now - entry.since));
  if (std::exchange(entry.dirty, false) && !state->closed) {
    if (make_ready(*state, it, now)) notify(*state, false);
  } else {
    drop_if_idle(*state, it);
  }
}

void WorkQueue::shutdown(SteadyTime drain_deadline) {
  auto state = state_.lock();
  state->closed = drain_deadline;
  while (!state->waiting.empty()) {
    const auto it = state->entries.find(*state->waiting.begin()->second);
    clear_due(*state, it);
    drop_if_idle(*state, it);
  }
  notify(*state, true);
}

void WorkQueue::wake() { notify(*state_.lock(), true); }

std::optional<SteadyTime> WorkQueue::next_due() const {
  const SteadyTime now = clock_.steady();
  const auto state = state_.lock();
  if (!state->turns.empty()) return now;
  if (state->waiting.empty()) return std::nullopt;
  return state->waiting.begin()->first;
}

std::size_t WorkQueue::depth() const { return state_.lock()->depth; }

/// True when a ready key was added that a worker can take.
bool WorkQueue::make_ready(State& state, Keys::iterator it, SteadyTime now) {
  const ObjectKey& key = it->first;
  Entry& entry = it->second;
  clear_due(state, it);
  if (entry.ready) return false;
  if (entry.in_work) {
    entry.dirty = true;
    return false;
  }
  entry.ready = true;
  entry.since = now;
  const auto [lane, fresh] = state.ready.try_emplace(key.ns);
  lane->second.push_back(&key);
  if (fresh) state.turns.push_back(&lane->first);
  ++state.depth;
  depth_gauge_.set(static_cast<std::int64_t>(state.depth));
  adds_.add();
  return true;
}

/// True when the earliest due time of all has changed, so that every waiter must look again.
bool WorkQueue::wait_until(State& state, Keys::iterator it, SteadyTime due) {
  Entry& entry = it->second;
  if (entry.ready || entry.dirty) return false;  // runs sooner than any delay
  if (entry.due && *entry.due <= due) return false;
  clear_due(state, it);
  entry.due = due;
  const auto at = state.waiting.emplace(due, &it->first).first;
  return at == state.waiting.begin();
}

void WorkQueue::clear_due(State& state, Keys::iterator it) {
  if (!it->second.due) return;
  state.waiting.erase({*it->second.due, &it->first});
  it->second.due.reset();
}

void WorkQueue::drop_if_idle(State& state, Keys::iterator it) {
  const Entry& entry = it->second;
  if (!entry.ready && !entry.in_work && !entry.due && entry.failures == 0) state.entries.erase(it);
}

void WorkQueue::promote_due(State& state, SteadyTime now) {
  bool several = false;
  while (!state.waiting.empty() && state.waiting.begin()->first <= now) {
    const auto it = state.entries.find(*state.waiting.begin()->second);
    if (make_ready(state, it, now) && std::exchange(several, true)) notify(state, false);
  }
}

std::optional<ObjectKey> WorkQueue::take(State& state, SteadyTime now) {
  if (state.turns.empty() || (state.closed && now >= *state.closed)) return std::nullopt;
  const auto lane = state.ready.find(*state.turns.front());
  state.turns.pop_front();
  const ObjectKey& key = *lane->second.front();
  lane->second.pop_front();
  if (lane->second.empty()) {
    state.ready.erase(lane);
  } else {
    state.turns.push_back(&lane->first);
  }
  --state.depth;
  depth_gauge_.set(static_cast<std::int64_t>(state.depth));
  Entry& entry = state.entries.find(key)->second;
  latency_.observe(seconds(now - entry.since));
  entry.ready = false;
  entry.in_work = true;
  entry.since = now;
  return key;
}

void WorkQueue::notify(State& state, bool all) {
  ++state.changes;
  if (all) {
    changed_.notify_all();
  } else {
    changed_.notify_one();
  }
}

}  // namespace millrace::runtime
