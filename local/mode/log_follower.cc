#include "local/mode/log_follower.h"

#include <chrono>

#include "controllers/logic/names.h"

namespace millrace::mode {
namespace {

using std::chrono::milliseconds;

/// A log may be asked for before its first byte; it is waited for so long.
constexpr milliseconds kRetry{20};
constexpr int kMostRetries = 100;
constexpr int kFewRetries = 3;
/// A line longer than this is told in pieces [bytes].
constexpr std::size_t kLongestLine = 64 * 1024;
/// Deadlines are only for looking at the stop token now and then.
constexpr std::chrono::seconds kRead{60};

}  // namespace

LogFollower::LogFollower(OpenLog open, const runtime::Env& env, Sinks sinks)
    : open_(std::move(open)), env_(env), sinks_(std::move(sinks)) {}

LogFollower::~LogFollower() {
  stop_.request_stop();
  for (auto& [id, thread] : threads_) thread.join();
}

void LogFollower::follow(const LogId& id, const std::string& ns, Container container) {
  if (follows(id)) return;
  const int retries = container == Container::Ended ? kFewRetries : kMostRetries;
  threads_.emplace(id, std::thread([this, id, ns, retries] {
                     runtime::name_this_thread("mr-log");
                     run(id, ns, retries);
                     sinks_.done(id);
                   }));
}

std::unique_ptr<client::ByteStream> LogFollower::open(const LogId& id, const std::string& ns,
                                                      int retries) {
  client::LogOptions log;
  log.container = logic::container_name(id.step);
  log.follow = true;
  client::CallOptions call;
  call.stop = stop_.get_token();
  for (int i = 0; i < retries; ++i) {
    auto opened = open_({ns, id.pod}, log, call);
    if (opened.ok()) return *std::move(opened);
    if (opened.error().code == Code::Cancelled) return nullptr;
    if (!env_.pause.wait(kRetry, stop_.get_token())) return nullptr;
  }
  return nullptr;
}

void LogFollower::run(const LogId& id, const std::string& ns, int retries) {
  const auto stream = open(id, ns, retries);
  if (!stream) return;
  std::string rest;
  for (;;) {
    auto piece = stream->read(env_.clock.steady() + kRead);
    if (!piece.ok() && piece.error().code == Code::Timeout) continue;
    if (!piece.ok() || piece->empty()) break;
    rest += *piece;
    std::size_t start = 0;
    for (std::size_t end; (end = rest.find('\n', start)) != std::string::npos; start = end + 1) {
      sinks_.line(id, rest.substr(start, end - start));
    }
    rest.erase(0, start);
    if (rest.size() > kLongestLine) sinks_.line(id, std::exchange(rest, {}));
  }
  if (!rest.empty()) sinks_.line(id, rest);
}

}  // namespace millrace::mode
