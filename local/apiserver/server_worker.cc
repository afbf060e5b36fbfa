#include "local/apiserver/server_worker.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "kubeclient/base/log.h"

namespace millrace::apiserver {
namespace {

using tcp = boost::asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// After streams were sent something, all streams of the thread rest so long, unless one has a lot:
/// events that come in quick succession go out together. One event alone is never late. The more
/// streams had something, the longer the rest, so that a hundred of them leave time for requests.
constexpr milliseconds kStreamPause{2};
constexpr microseconds kPausePerStream{300};
constexpr milliseconds kLongestPause{20};

}  // namespace

void ServerWorker::start(int number) {
  thread_ = std::thread([this, number] {
    pthread_setname_np(pthread_self(), ("mr-api-" + std::to_string(number)).c_str());
    io_.run();
  });
}

void ServerWorker::post_wake(std::uint64_t id) {
  {
    const auto woken = woken_.lock();
    woken->push_back(id);
    if (woken->size() > 1) return;
  }
  boost::asio::post(io_, [this] { look_at_streams(); });
}

void ServerWorker::add(tcp::socket&& socket) {
  if (stopping_) return;
  if (shared_.connections >= shared_.options.most_connections) {
    evict_one();
    if (shared_.connections >= 2 * shared_.options.most_connections) {  // all are busy
      shared_.log.warn("too many connections; the newest one is closed",
                       {kv("connections", std::uint64_t{shared_.connections})});
      return;
    }
  }
  ErrorCode ignored;
  socket.set_option(tcp::no_delay(true), ignored);
  const std::uint64_t id = ++last_id_;
  auto& session = sessions_[id];
  session = std::make_unique<ServerSession>(*this, shared_, id, std::move(socket));
  ++shared_.connections;
  session->start();
}

void ServerWorker::drop(std::uint64_t id) {
  if (sessions_.erase(id) > 0) --shared_.connections;
  finish_if_done();
}

void ServerWorker::arm(SteadyTime deadline) {
  if (stopping_ || deadline >= armed_) return;
  armed_ = deadline;
  timer_.expires_at(deadline);
  timer_.async_wait([this](const ErrorCode& aborted) {
    if (!aborted) look();
  });
}

/// Close what is late, and wake again for the next deadline.
void ServerWorker::look() {
  const SteadyTime now = steady_clock::now();
  SteadyTime next = kNever;
  std::vector<std::uint64_t> gone;
  for (auto& [id, session] : sessions_) {
    if (session->closed()) continue;
    if (session->deadline() <= now) {
      session->close();
      if (session->gone()) gone.push_back(id);
    } else {
      next = std::min(next, session->deadline());
    }
  }
  for (const std::uint64_t id : gone) drop(id);
  armed_ = kNever;
  // Deadlines move with every request; looking ten times a second at most keeps that cheap.
  if (next != kNever) arm(std::max(next, now + milliseconds(stopping_ ? 0 : 100)));
}

/// Give every woken stream its turn, unless they rest; then they are looked at afterwards.
void ServerWorker::look_at_streams() {
  const SteadyTime now = steady_clock::now();
  if (now < rest_until_ && !stopping_) {
    rest_.expires_at(rest_until_);
    rest_.async_wait([this](const ErrorCode& aborted) {
      if (!aborted) look_at_streams();
    });
    return;
  }
  std::vector<std::uint64_t> woken;
  woken_.lock()->swap(woken);
  int sent = 0;
  for (const std::uint64_t id : woken) {
    const auto found = sessions_.find(id);
    if (found != sessions_.end() && !found->second->closed() && found->second->wake()) ++sent;
  }
  if (sent == 0) return;
  rest_until_ = now + std::clamp<Duration>(sent * kPausePerStream, kStreamPause, kLongestPause);
}

void ServerWorker::evict_one() {
  ServerSession* oldest = nullptr;
  std::uint64_t oldest_id = 0;
  for (auto& [id, session] : sessions_) {
    if (!session->idle() || (oldest != nullptr && session->deadline() >= oldest->deadline())) {
      continue;
    }
    oldest = session.get();
    oldest_id = id;
  }
  if (oldest == nullptr) return;
  oldest->close();
  if (oldest->gone()) drop(oldest_id);
}

void ServerWorker::begin_stop() {
  if (stopping_) return;
  stopping_ = true;
  timer_.cancel();
  rest_.cancel();
  std::vector<std::uint64_t> gone;
  for (auto& [id, session] : sessions_) {
    session->begin_stop();
    if (session->gone()) gone.push_back(id);
  }
  for (const std::uint64_t id : gone) drop(id);
  timer_.expires_after(kStopGrace);
  timer_.async_wait([this](const ErrorCode& aborted) {
    if (!aborted) close_all();
  });
  guard_.reset();
  finish_if_done();
}

void ServerWorker::close_all() {
  std::vector<std::uint64_t> gone;
  for (auto& [id, session] : sessions_) {
    session->close();
    if (session->gone()) gone.push_back(id);
  }
  for (const std::uint64_t id : gone) drop(id);
}

void ServerWorker::finish_if_done() {
  if (stopping_ && sessions_.empty()) timer_.cancel();
}

}  // namespace millrace::apiserver
