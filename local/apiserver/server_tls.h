/// TLS of the server's connections: OpenSSL over a socket of Asio's.
///
/// Asio's own layer passes each record of 16 KiB through two more buffers and a system call of its
/// own. Here what is sent at once is encrypted at once and goes out in one call, and a connection
/// that waits holds one buffer.
#pragma once

#include <openssl/ssl.h>

#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/compose.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "kubeclient/base/result.h"

namespace millrace::apiserver {

struct FreeTls {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* session) const { SSL_free(session); }
};
using TlsContext = std::unique_ptr<SSL_CTX, FreeTls>;

/// For a certificate (with its chain) and its key, both PEM: TLS 1.2 or later, HTTP/1.1. Errors:
/// Invalid.
Result<TlsContext> make_tls_context(const std::string& certificate, const std::string& key);

/// One connection, for one thread. At most one read (or handshake, or shutdown) and one send at a
/// time; the two may overlap. No handler is called before the function that took it returns. An
/// end of the peer's that was not announced is `eof`, as one that was.
class TlsStream {
 public:
  using Socket = boost::asio::ip::tcp::socket;
  using ErrorCode = boost::system::error_code;
  using executor_type = Socket::executor_type;

  TlsStream(Socket&& socket, SSL_CTX* context);
  TlsStream(const TlsStream&) = delete;
  TlsStream& operator=(const TlsStream&) = delete;

  executor_type get_executor() { return socket_.get_executor(); }
  Socket& socket() { return socket_; }

  template <class Handler>
  void async_handshake(Handler&& handler) {
    repeat([this] { return handshake(); }, handler);
  }
  /// Whether the handshake failed because the client speaks HTTP without TLS.
  static bool is_plain_http(const ErrorCode& error);

  /// Read what is there, as Asio's sockets do; Beast calls it.
  template <class Buffers, class Handler>
  void async_read_some(const Buffers& buffers, Handler&& handler) {
    const boost::asio::mutable_buffer into = *boost::asio::buffer_sequence_begin(buffers);
    repeat([this, into] { return read(into); }, handler);
  }

  /// Send both texts whole; they stay where they are until the handler is called.
  template <class Handler>
  void async_send(std::string_view first, std::string_view second, Handler&& handler) {
    boost::asio::async_compose<Handler, void(ErrorCode, std::size_t)>(
        Sending{*this, {first, second}}, handler, socket_);
  }

  /// Tell the peer that nothing follows, and wait until it says so too.
  template <class Handler>
  void async_shutdown(Handler&& handler) {
    repeat([this] { return shut_down(); }, handler);
  }

 private:
  struct Step {
    bool wants_input = false;
    ErrorCode error = {};
    std::size_t count = 0;
  };
  using Texts = std::array<std::string_view, 2>;

  Step handshake();
  Step read(boost::asio::mutable_buffer into);
  Step shut_down();
  /// What a call of OpenSSL's came to that returned `returned`.
  Step outcome(int returned) const;
  /// Encrypt as much of `texts` as goes out at once, and take it off them.
  ErrorCode encrypt(Texts& texts);
  void begin_sending();
  void end_sending();
  /// Send what OpenSSL has to say by itself (handshake, alerts, new keys). It is short: what the
  /// socket does not take at once waits for the next time.
  void flush();

  static const BIO_METHOD* bio_method();
  static int take_output(BIO* bio, const char* data, int size);
  static int give_input(BIO* bio, char* data, int size);

  /// Repeat `attempt` with more input until it wants none.
  template <class Attempt>
  struct Repeating {
    TlsStream& stream;
    Attempt attempt;
    enum class At { Start, Reading, End } at = At::Start;
    Step last = {};

    template <class Self>
    void operator()(Self& self, ErrorCode error = {}, std::size_t count = 0) {
      if (at == At::End) return self.complete(last.error, last.count);
      if (at == At::Reading) {
        if (error) return self.complete(error, 0);
        stream.input_left_ = {stream.input_.data(), count};
      }
      last = attempt();
      stream.flush();
      if (last.wants_input) {
        at = At::Reading;
        return stream.socket_.async_read_some(boost::asio::buffer(stream.input_), std::move(self));
      }
      if (at == At::Reading) return self.complete(last.error, last.count);
      at = At::End;
      boost::asio::post(stream.get_executor(), std::move(self));
    }
  };
  template <class Attempt, class Handler>
  void repeat(Attempt attempt, Handler& handler) {
    boost::asio::async_compose<Handler, void(ErrorCode, std::size_t)>(
        Repeating<Attempt>{*this, attempt}, handler, socket_);
  }

  struct Sending {
    TlsStream& stream;
    Texts texts;
    bool begun = false;
    ErrorCode failed = {};

    template <class Self>
    void operator()(Self& self, ErrorCode error = {}, std::size_t = 0) {
      if (failed) return self.complete(failed, 0);
      if (begun) stream.end_sending();
      if (error || (begun && texts[0].empty() && texts[1].empty())) return self.complete(error, 0);
      failed = stream.encrypt(texts);
      if (failed) return boost::asio::post(stream.get_executor(), std::move(self));
      begun = true;
      stream.begin_sending();
      boost::asio::async_write(stream.socket_, boost::asio::buffer(stream.on_its_way_),
                               std::move(self));
    }
  };

  Socket socket_;
  std::array<char, 16'384> input_;  ///< encrypted, as it came
  std::string_view input_left_;     ///< of it, not given to OpenSSL yet
  std::string output_;              ///< encrypted, not on its way yet
  std::string on_its_way_;          ///< not touched while it is being sent
  bool sending_ = false;
  std::unique_ptr<SSL, FreeTls> session_;  ///< the last one: its end may write
};

}  // namespace millrace::apiserver
