/// Runs the list-and-watch protocol against a server and feeds what comes to a sink.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "kubeclient/api/meta.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/backoff.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/watch_framer.h"
#include "kubeclient/runtime/watch_machine.h"
#include "kubeclient/runtime/watch_text.h"

namespace millrace {
class Counter;
}

namespace millrace::runtime {

/// Takes what a reflector reads. Called on the reflector's thread only. The read functions decode
/// and hold what they decoded until `perform` says what becomes of it.
class ReflectorSink {
 public:
  virtual ~ReflectorSink() = default;
  /// An ADDED, MODIFIED or DELETED line: Changed, Deleted, Undecodable or Garbled.
  virtual WatchInput read_event(WatchEventType type, std::string_view line) = 0;
  /// The answer to a list call: Page, or Failed with Malformed.
  virtual WatchInput read_page(std::string_view text) = 0;
  /// Do `effect` with what was read last. `version` is the state's after the step.
  virtual void perform(WatchEffect effect, const std::string& version) = 0;
};

struct ReflectorOptions {
  api::ApiResource resource;
  std::string ns = {};  ///< "" is all namespaces
  std::string label_selector = {};
  std::string field_selector = {};
  bool watch_list = true;  ///< ask for watch-list streaming; false reads pages at once
  int page_size = 500;     ///< [objects]
  std::chrono::seconds min_timeout{300};  ///< the server ends a watch at random between these [s]
  std::chrono::seconds max_timeout{600};
  Duration initial_silence = std::chrono::seconds(15);  ///< longest pause inside a watch-list
  Duration grace = std::chrono::seconds(30);            ///< over the server's timeout, to silence
  Duration call_timeout = std::chrono::seconds(60);     ///< of a page, or of opening a watch
  std::size_t line_limit = 16 * 1024 * 1024;            ///< [bytes]
  BackoffPolicy restart = {std::chrono::milliseconds(200), std::chrono::seconds(30), 2, 0.25};
  Duration quiet = std::chrono::seconds(60);  ///< without restarts, before backoff begins anew
  std::uint32_t seed = 0;
};

/// One list-and-watch: the loop around `step`. Use from one thread.
class Reflector {
 public:
  /// `env.metrics` gets millrace_watch_restarts_total{resource,reason}.
  Reflector(client::Reader& reader, ReflectorSink& sink, ReflectorOptions options, const Env& env);
  Reflector(const Reflector&) = delete;
  Reflector& operator=(const Reflector&) = delete;

  /// Work until `stop` is requested.
  void run(const std::stop_token& stop);
  /// Take one step without waiting; false when there is nothing to do now. For programs without
  /// threads, instead of `run`; the reader must not wait either, and its streams answer at once
  /// when their deadline is now.
  bool advance();
  /// When `advance` has something to do by time alone: an open watch that has gone silent, or the
  /// end of a pause. Before `now` while it can go on at once.
  SteadyTime next_due() const;

 private:
  void open(const std::stop_token& stop);
  void read_page(const std::stop_token& stop);
  /// Read once, until `deadline` at the latest.
  void pump(SteadyTime deadline, const std::stop_token& stop);
  /// When an open stream counts as silent.
  SteadyTime silent_at() const;
  WatchInput read_line(const WatchFramer::Frame& frame);
  void take(const WatchInput& input);
  void restart(std::string_view reason);
  WatchInput failed(Error error);
  bool is_open() const;

  client::Reader& reader_;
  ReflectorSink& sink_;
  ReflectorOptions options_;
  Env env_;
  WatchState state_;
  Jitter jitter_;
  RestartPacer pacer_;
  std::unique_ptr<client::ByteStream> stream_;
  WatchFramer framer_;
  Duration server_timeout_{};
  SteadyTime last_bytes_{};
  bool piece_read_ = false;        ///< the last `pump` met more than silence
  std::optional<Duration> pause_;  ///< asked for by the last step
  SteadyTime not_before_{};        ///< of `advance`: the end of a pause
  Error last_error_;               ///< of the latest Failed input
  std::string_view complained_;    ///< the reason logged last; empty after things went well
};

}  // namespace millrace::runtime
