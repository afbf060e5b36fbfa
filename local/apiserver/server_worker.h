/// One thread of the server with its share of the connections.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <memory>
#include <thread>
#include <unordered_map>
#include <vector>

#include "kubeclient/base/guarded.h"
#include "local/apiserver/server_session.h"

namespace millrace::apiserver {

/// Everything but what is said to be from any thread is on its own one.
class ServerWorker {
 public:
  explicit ServerWorker(ServerShared& shared)
      : shared_(shared), timer_(io_), rest_(io_), guard_(io_.get_executor()) {}

  boost::asio::io_context& io() { return io_; }
  bool stopping() const { return stopping_; }
  void start(int number);
  /// From any thread.
  void post_stop() {
    boost::asio::post(io_, [this] { begin_stop(); });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  /// From any thread: the stream of session `id` may have something. One message to the thread
  /// tells of all that wake before it looks.
  void post_wake(std::uint64_t id);
  void add(boost::asio::ip::tcp::socket&& socket);
  void drop(std::uint64_t id);
  /// Have `look` called at `deadline` or before.
  void arm(SteadyTime deadline);

 private:
  void look();
  void look_at_streams();
  void evict_one();
  void begin_stop();
  void close_all();
  void finish_if_done();

  ServerShared& shared_;
  boost::asio::io_context io_{1};
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer rest_;  ///< of the streams
  SteadyTime rest_until_ = SteadyTime::min();
  Guarded<std::vector<std::uint64_t>> woken_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::unordered_map<std::uint64_t, std::unique_ptr<ServerSession>> sessions_;
  std::uint64_t last_id_ = 0;
  SteadyTime armed_ = kNever;
  bool stopping_ = false;
  std::thread thread_;
};

}  // namespace millrace::apiserver
