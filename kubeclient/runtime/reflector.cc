#include "kubeclient/runtime/reflector.h"

#include <algorithm>
#include <utility>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"

namespace millrace::runtime {

using Kind = WatchInput::Kind;

Reflector::Reflector(client::Reader& reader, ReflectorSink& sink, ReflectorOptions options,
                     const Env& env)
    : reader_(reader),
      sink_(sink),
      options_(std::move(options)),
      env_(env),
      jitter_(options_.seed),
      pacer_(options_.restart, options_.quiet, options_.seed),
      framer_(options_.line_limit) {
  if (options_.watch_list) return;
  state_.streaming = false;
  state_.phase = WatchPhase::Listing;
}

bool Reflector::is_open() const {
  return state_.phase == WatchPhase::Initial || state_.phase == WatchPhase::Watching;
}

void Reflector::run(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    if (is_open()) {
      pump(silent_at(), stop);
    } else if (state_.phase == WatchPhase::Listing) {
      read_page(stop);
    } else {
      open(stop);
    }
    if (const auto delay = std::exchange(pause_, {})) env_.pause.wait(*delay, stop);
  }
  stream_.reset();
}

bool Reflector::advance() {
  const SteadyTime now = env_.clock.steady();
  if (now < not_before_) return false;
  const bool reading = is_open();
  if (reading) {
    piece_read_ = false;
    pump(now, {});
  } else if (state_.phase == WatchPhase::Listing) {
    read_page({});
  } else {
    open({});
  }
  if (const auto delay = std::exchange(pause_, {})) not_before_ = now + *delay;
  return !reading || piece_read_ || !is_open();
}

SteadyTime Reflector::next_due() const { return is_open() ? silent_at() : not_before_; }

SteadyTime Reflector::silent_at() const {
  return last_bytes_ + (state_.phase == WatchPhase::Initial ? options_.initial_silence
                                                            : server_timeout_ + options_.grace);
}

WatchInput Reflector::failed(Error error) {
  last_error_ = std::move(error);
  return {Kind::Failed, {}, {}, last_error_.code};
}

void Reflector::open(const std::stop_token& stop) {
  const bool initial = state_.phase == WatchPhase::Sync;
  client::WatchOptions watch;
  watch.label_selector = options_.label_selector;
  watch.field_selector = options_.field_selector;
  watch.send_initial_events = initial;  // the client adds resourceVersionMatch=NotOlderThan
  if (!initial) watch.resource_version = state_.version;
  // At random, so that the watches of many clients do not end together.
  watch.timeout = std::chrono::duration_cast<std::chrono::seconds>(
      jitter_.between(options_.min_timeout, options_.max_timeout));
  client::CallOptions call;
  call.stop = stop;
  call.timeout = options_.call_timeout;
  auto stream = reader_.watch(options_.resource, options_.ns, watch, call);
  if (stop.stop_requested()) return;
  if (!stream.ok()) return take(failed(std::move(stream).error()));
  stream_ = *std::move(stream);
  framer_ = WatchFramer(options_.line_limit);
  server_timeout_ = watch.timeout;
  last_bytes_ = env_.clock.steady();
  take({Kind::Opened});
}

void Reflector::read_page(const std::stop_token& stop) {
  client::ListOptions list;
  list.label_selector = options_.label_selector;
  list.field_selector = options_.field_selector;
  list.limit = options_.page_size;
  list.continue_token = state_.continue_token;
  client::CallOptions call;
  call.stop = stop;
  call.timeout = options_.call_timeout;
  auto text = reader_.list_text(options_.resource, options_.ns, list, call);
  if (stop.stop_requested()) return;
  if (!text.ok()) return take(failed(std::move(text).error()));
  WatchInput input = sink_.read_page(*text);
  if (input.kind == Kind::Failed) {
    input = failed(fail(Code::Malformed, "the answer is not a list that can be read").value());
  }
  take(input);
}

void Reflector::pump(SteadyTime deadline, const std::stop_token& stop) {
  auto piece = stream_->read(deadline);
  if (stop.stop_requested()) return;
  const SteadyTime now = env_.clock.steady();
  if (!piece.ok() && piece.error().code == Code::Timeout) {
    if (now >= silent_at()) take({Kind::Silent});
    return;
  }
  piece_read_ = true;
  if (!piece.ok()) return take(failed(std::move(piece).error()));
  if (piece->empty()) return take({Kind::Ended});  // an unfinished line is worth nothing
  last_bytes_ = now;
  framer_.push(*std::move(piece));
  while (is_open()) {
    const auto frame = framer_.next();
    if (!frame || stop.stop_requested()) return;
    take(read_line(*frame));
  }
}

WatchInput Reflector::read_line(const WatchFramer::Frame& frame) {
  const auto garbled = [this](std::string message) {
    last_error_ = fail(Code::Malformed, std::move(message)).value();
    return WatchInput{Kind::Garbled};
  };
  if (frame.too_long) return garbled("a watch event is longer than the limit");
  const auto type = event_type(frame.line);
  if (!type.ok()) return garbled(type.error().message);
  switch (*type) {
    case WatchEventType::Bookmark: {
      auto bookmark = read_bookmark(frame.line);
      if (!bookmark.ok()) return garbled(bookmark.error().message);
      return {bookmark->initial_end ? Kind::InitialEnd : Kind::Bookmark,
              std::move(bookmark->version)};
    }
    case WatchEventType::Error:
      return failed(read_error_event(frame.line));
    case WatchEventType::Unknown:
      return {Kind::Bookmark};  // says nothing that we know
    default:
      return sink_.read_event(*type, frame.line);
  }
}

void Reflector::take(const WatchInput& input) {
  WatchStep next = step(std::move(state_), input);
  state_ = std::move(next.state);
  if (next.effect != WatchEffect::None) sink_.perform(next.effect, state_.version);
  if (!is_open()) stream_.reset();
  if (next.reopen) {
    restart(next.reason);
  } else if (input.kind == Kind::Page || input.kind == Kind::Changed) {
    complained_ = {};
  }
}

void Reflector::restart(std::string_view reason) {
  env_.metrics
      .counter(
          "millrace_watch_restarts_total", "Watches and lists begun again.",
          {{"resource", std::string(options_.resource.plural)}, {"reason", std::string(reason)}})
      .add();
  Duration delay = pacer_.next(env_.clock.steady());
  const Error error = std::exchange(last_error_, Error{});
  if (error.delay) delay = std::max<Duration>(delay, *error.delay);
  // The everyday ends, and a complaint that was made already, are no news.
  const bool news = reason != "ended" && reason != "silent" && reason != complained_;
  if (news) {
    complained_ = reason;
    env_.log.warn("watch interrupted",
                  {kv("resource", options_.resource.plural), kv("namespace", options_.ns),
                   kv("reason", reason), kv("code", to_string(error.code)), kv("error", error)});
  } else {
    env_.log.debug("watch begins again",
                   {kv("resource", options_.resource.plural), kv("reason", reason)});
  }
  pause_ = delay;
}

}  // namespace millrace::runtime
