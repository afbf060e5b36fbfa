#include "kubeclient/runtime/event_recorder.h"

#include <algorithm>
#include <utility>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/runtime/object_body.h"

namespace millrace::runtime {
namespace {

/// Keeps waits far from what overflows the arithmetic of condition variables.
constexpr Duration kLongestWait = std::chrono::hours(1);
/// Longest pause before one write.
constexpr Duration kLongestPace = std::chrono::seconds(1);

struct SeriesPatch {
  api::Event::Series series;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("series", self.series, {.required = true});
  }
};

bool may_pass(Code code) {
  return code == Code::Unavailable || code == Code::Timeout || code == Code::Throttled;
}

}  // namespace

EventRecorder::EventRecorder(client::Writer& writer, EventRecorderOptions options, const Env& env)
    : writer_(writer),
      options_(std::move(options)),
      env_(env),
      written_(counter("written")),
      joined_(counter("joined")),
      limited_(counter("limited")),
      dropped_(counter("dropped")),
      failed_(counter("failed")),
      series_(options_.series),
      jitter_(options_.seed),
      pace_(options_.per_second, options_.burst) {}

EventRecorder::~EventRecorder() { stop(env_.clock.steady()); }

Counter& EventRecorder::counter(const char* result) {
  return env_.metrics.counter("millrace_events_total", "Events by what became of them.",
                              {{"result", result}});
}

void EventRecorder::start() {
  thread_ = std::thread([this] {
    name_this_thread("mr-events");
    run(stop_.get_token());
  });
}

void EventRecorder::stop(SteadyTime deadline) {
  if (!thread_.joinable()) return;
  state_.lock()->hurry = true;
  static_cast<void>(flush(deadline));
  {
    auto state = state_.lock();
    state->closed = true;
    changed_.notify_all();
  }
  stop_.request_stop();
  thread_.join();
}

void EventRecorder::record(EventRequest request) {
  auto state = state_.lock();
  if (state->closed || state->queue.size() >= options_.queue) {
    dropped_.add();
    return;
  }
  state->queue.push_back(std::move(request));
  changed_.notify_all();
}

bool EventRecorder::flush(SteadyTime deadline) {
  auto state = state_.lock();
  const Duration left = std::clamp<Duration>(deadline - env_.clock.steady(), {}, kLongestWait);
  return changed_.wait_for(state.lock(), left,
                           [&] { return state->queue.empty() && !state->busy; });
}

bool EventRecorder::work_once() {
  std::optional<EventRequest> request;
  {
    auto state = state_.lock();
    if (!state->queue.empty()) {
      request = std::move(state->queue.front());
      state->queue.pop_front();
    }
  }
  if (request) {
    handle(*request, stop_.get_token());
    return true;
  }
  const auto late = series_.due(env_.clock.steady());
  for (const EventWrite& next : late) write(next, stop_.get_token());
  return !late.empty();
}

std::optional<SteadyTime> EventRecorder::next_due() const {
  if (!state_.lock()->queue.empty()) return env_.clock.steady();
  return series_.next_due();
}

void EventRecorder::wake() {
  auto state = state_.lock();
  ++state->wakes;
  changed_.notify_all();
}

void EventRecorder::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    std::deque<EventRequest> batch;
    {
      auto state = state_.lock();
      state->busy = false;
      changed_.notify_all();
      const SteadyTime now = env_.clock.steady();
      const auto due = series_.next_due();
      const std::uint64_t seen = state->wakes;
      const Duration wait = due ? std::clamp<Duration>(*due - now, {}, kLongestWait) : kLongestWait;
      changed_.wait_for(state.lock(), stop, wait,
                        [&] { return !state->queue.empty() || state->wakes != seen; });
      batch.swap(state->queue);
      state->busy = true;
    }
    for (const EventRequest& request : batch) handle(request, stop);
    for (const EventWrite& late : series_.due(env_.clock.steady())) write(late, stop);
  }
  auto state = state_.lock();
  state->busy = false;
  changed_.notify_all();
}

void EventRecorder::handle(const EventRequest& request, const std::stop_token& stop) {
  if (stop.stop_requested()) return dropped_.add();
  const auto answer = series_.take(request, env_.clock.steady(), env_.clock.now());
  switch (answer.verdict) {
    case EventSeries::Verdict::Write:
      return write(*answer.write, stop);
    case EventSeries::Verdict::Joined:
      return joined_.add();
    case EventSeries::Verdict::Limited:
      return limited_.add();
  }
}

void EventRecorder::keep_pace(const std::stop_token& stop) {
  const Duration wait = pace_.reserve(env_.clock.steady(), kLongestPace);
  if (wait <= Duration::zero() || state_.lock()->hurry) return;
  env_.pause.wait(wait, stop);
}

void EventRecorder::write(const EventWrite& write, const std::stop_token& stop) {
  keep_pace(stop);
  for (int attempt = 1;; ++attempt) {
    const auto sent = send(write, stop);
    // A create repeated after a lost answer meets its own event.
    if (sent.ok() || (write.create && sent.error().code == Code::AlreadyExists)) {
      return written_.add();
    }
    const Error& error = sent.error();
    if (attempt >= options_.attempts || !may_pass(error.code) || stop.stop_requested()) {
      failed_.add();
      series_.forget(write.series);
      // A namespace on its way out refuses new events: nothing to act on.
      env_.log.debug("event not written", {kv("event", write.key),
                                           kv("code", to_string(error.code)), kv("error", error)});
      return;
    }
    Duration delay = backoff_delay(options_.backoff, attempt, jitter_.next());
    if (error.delay) delay = std::max<Duration>(delay, *error.delay);
    env_.pause.wait(delay, stop);
  }
}

Result<void> EventRecorder::send(const EventWrite& write, const std::stop_token& stop) {
  client::CallOptions call;
  call.stop = stop;
  call.timeout = options_.call_timeout;
  if (write.create) {
    MR_TRY(
        writer_.create_text(api::Event::kResource, write.key.ns, create_body(*write.create), call));
  } else {
    MR_TRY(writer_.patch_text(api::Event::kResource, write.key, client::PatchType::Merge,
                              codec::encode(SeriesPatch{write.state}), {}, call));
  }
  return {};
}

}  // namespace millrace::runtime
