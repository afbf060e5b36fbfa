/// One connection of the server: its requests, its answers, its streams.
#pragma once

#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "local/apiserver/api.h"
#include "local/apiserver/server.h"
#include "local/apiserver/server_text.h"
#include "local/apiserver/server_tls.h"
#include "local/apiserver/stream.h"

namespace millrace {
class Logger;
}

namespace millrace::apiserver {

/// What all connections share.
struct ServerShared {
  Handler handler;
  ServerOptions options;
  const Clock& clock;
  const Logger& log;
  TlsContext tls;
  std::atomic<std::size_t> connections{0};
};

inline constexpr SteadyTime kNever = SteadyTime::max();
/// For answers under way when the server stops [ms].
inline constexpr std::chrono::milliseconds kStopGrace{500};

class ServerWorker;

/// A state machine on the thread of its worker. When it is closed and no operation of it is pending
/// any more, the worker drops it.
class ServerSession {
 public:
  using ErrorCode = boost::system::error_code;

  ServerSession(ServerWorker& worker, ServerShared& shared, std::uint64_t id,
                boost::asio::ip::tcp::socket&& socket)
      : worker_(worker), shared_(shared), id_(id), stream_(std::move(socket), shared.tls.get()) {}
  ~ServerSession() { close(); }

  void start();
  /// The stream may have something. Whether it had.
  bool wake() { return pump(); }
  void begin_stop();
  void close();
  bool closed() const { return closed_; }
  bool gone() const { return closed_ && pending_ == 0; }
  bool idle() const { return state_ == State::Idle && !closed_; }
  SteadyTime deadline() const { return deadline_; }

 private:
  enum class State { Handshake, Idle, Reading, Answering, Streaming, Closing };

  /// A handler that keeps count and drops the session after its last one.
  template <class Body>
  auto counted(Body body);
  void set_deadline(std::chrono::milliseconds from_now);

  void next_request();
  void peek();
  void peeked(const ErrorCode& error, std::size_t n);
  void read_head();
  void on_head(const ErrorCode& error);
  void read_body();
  void on_body(const ErrorCode& error);
  void refuse(const ErrorCode& error);
  void refuse(int status, std::string_view reason, std::string_view message);
  void handle();
  void answer(Response response, bool keep_alive);
  void begin_stream(Response response);
  bool pump();
  void look_later();
  void end_stream();
  void finish();
  void drain(std::size_t left);
  void close_politely();
  void say_it_is_https();

  ServerWorker& worker_;
  ServerShared& shared_;
  const std::uint64_t id_;
  TlsStream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  State state_ = State::Handshake;
  SteadyTime deadline_ = kNever;
  int pending_ = 0;
  bool closed_ = false;
  bool peeking_ = false;
  bool writing_ = false;
  bool keep_alive_ = true;
  bool unread_input_ = false;  ///< the body of a refused request
  Framing framing_ = Framing::Length;
  std::string head_;  ///< of what is being written
  std::string body_;
  Piece piece_;  ///< being written
  std::atomic<bool> woken_{false};
  std::unique_ptr<Stream> source_;
};

}  // namespace millrace::apiserver
