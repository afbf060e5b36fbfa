#include "operator/gateway/gateway.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>
#include <list>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>
#include <utility>

namespace millrace::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;

/// Pause before accepting again when the machine has no descriptors left.
constexpr std::chrono::milliseconds kAcceptPause{100};

Code code_of(const ErrorCode& error) {
  if (error == asio::error::access_denied) return Code::Denied;
  if (error == asio::error::host_not_found || error == asio::error::no_data) return Code::Invalid;
  return Code::Unavailable;
}

std::string display_address(const GatewayOptions& options) {
  const bool v6 = options.host.find(':') != std::string::npos;
  return (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
}

Result<tcp::endpoint> resolve(asio::io_context& io, const GatewayOptions& options) {
  ErrorCode error;
  const auto address = asio::ip::make_address(options.host, error);
  if (!error) return tcp::endpoint(address, options.port);
  tcp::resolver resolver(io);
  const auto found = resolver.resolve(options.host, std::to_string(options.port), error);
  if (error || found.empty()) {
    return fail(Code::Invalid, "listen address \"" + display_address(options) +
                                   "\": no such host; give an IP address such as 127.0.0.1");
  }
  return found.begin()->endpoint();
}

ErrorCode listen_on(tcp::acceptor& acceptor, const tcp::endpoint& endpoint, bool dual_stack) {
  ErrorCode error;
  const auto close_on_error = [&]() -> ErrorCode {
    ErrorCode ignored;
    if (error) acceptor.close(ignored);
    return error;
  };
  acceptor.open(endpoint.protocol(), error);
  if (error) return error;
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && dual_stack) acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  return close_on_error();
}

Result<> open_acceptor(asio::io_context& io, tcp::acceptor& acceptor,
                       const GatewayOptions& options) {
  ErrorCode error;
  if (options.host.empty()) {
    error = listen_on(acceptor, {asio::ip::address_v6::any(), options.port}, true);
    // A machine without IPv6: the IPv4 wildcard. A taken port is not retried, it stays taken.
    if (error && error != asio::error::address_in_use && error != asio::error::access_denied) {
      error = listen_on(acceptor, {asio::ip::address_v4::any(), options.port}, false);
    }
  } else {
    MR_ASSIGN(const tcp::endpoint endpoint, resolve(io, options));
    error = listen_on(acceptor, endpoint, false);
  }
  if (!error) return {};
  return fail(code_of(error),
              "cannot listen on \"" + display_address(options) + "\": " + error.message());
}

std::string json_error(std::string_view message) {
  return "{\"error\":" + json_quote(message) + "}\n";
}

}  // namespace

/// Everything below the constructor runs on the gateway's thread only.
class Gateway::Impl {
 public:
  Impl(const GatewayOptions& options, std::vector<Route> routes, const Logger& log)
      : options_(options), routes_(std::move(routes)), log_(log), acceptor_(io_), timer_(io_) {}

  Result<> listen() {
    MR_TRY(open_acceptor(io_, acceptor_, options_));
    ErrorCode error;
    port_ = acceptor_.local_endpoint(error).port();
    if (error) return fail(Code::Unavailable, "reading the bound port: " + error.message());
    accept();
    thread_ = std::thread([this] {
      pthread_setname_np(pthread_self(), "mr-gw-0");
      io_.run();
    });
    return {};
  }

  std::uint16_t port() const { return port_; }

  void stop() {
    const std::lock_guard lock(stop_mutex_);
    if (!thread_.joinable()) return;
    asio::post(io_, [this] { begin_stop(); });
    thread_.join();
  }

 private:
  /// One connection. Exactly one operation of it is pending at any time; when that ends with an
  /// error, the session is erased from the list and thereby closed.
  struct Session {
    explicit Session(tcp::socket&& socket) : stream(std::move(socket)) {}
    beast::tcp_stream stream;
    beast::flat_buffer buffer;
    std::optional<http::request_parser<http::string_body>> parser;
    http::response<http::string_body> response;
    bool writing = false;
    bool first = true;
    std::list<Session>::iterator self;
  };

  void accept() {
    acceptor_.async_accept([this](const ErrorCode& error, tcp::socket socket) {
      if (stopping_) return;
      if (!error) {
        add_session(std::move(socket));
        accept();
        return;
      }
      if (error == asio::error::operation_aborted) return;
      // Out of descriptors or memory: the loop would spin, so let connections go first.
      log_.warn("gateway cannot accept a connection", {kv("error", error.message())});
      timer_.expires_after(kAcceptPause);
      timer_.async_wait([this](const ErrorCode& aborted) {
        if (!aborted && !stopping_) accept();
      });
    });
  }

  void add_session(tcp::socket&& socket) {
    if (sessions_.size() >= options_.max_connections) evict_one();
    if (sessions_.size() >= 2 * options_.max_connections) return;  // all busy; drop the newest
    ErrorCode ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    Session& session = sessions_.emplace_back(std::move(socket));
    session.self = std::prev(sessions_.end());
    read(session);
  }

  /// Close the connection that has waited longest for a request of its client. The list is in
  /// that order: a session moves to the end when it starts to wait.
  void evict_one() {
    for (Session& session : sessions_) {
      if (session.writing || !session.stream.socket().is_open()) continue;
      session.stream.close();  // its pending read ends with operation_aborted and erases it
      return;
    }
  }

  void read(Session& session) {
    sessions_.splice(sessions_.end(), sessions_, session.self);
    session.parser.emplace();
    session.parser->header_limit(options_.max_header_bytes);
    session.parser->body_limit(options_.max_body_bytes);
    if (session.first || session.buffer.size() > 0) {
      read_request(session);
      return;
    }
    // Between requests a client may be silent for long; from the first byte on it may not.
    session.stream.expires_after(options_.idle_timeout);
    session.stream.async_read_some(session.buffer.prepare(1024),
                                   [this, &session](const ErrorCode& error, std::size_t n) {
                                     if (error || stopping_) return erase(session);
                                     session.buffer.commit(n);
                                     read_request(session);
                                   });
  }

  void read_request(Session& session) {
    session.first = false;
    session.stream.expires_after(options_.request_timeout);
    http::async_read(session.stream, session.buffer, *session.parser,
                     [this, &session](const ErrorCode& error, std::size_t) {
                       if (error == asio::error::operation_aborted || stopping_) {
                         return erase(session);
                       }
                       if (error) return refuse(session, error);
                       answer(session);
                     });
  }

  void refuse(Session& session, const ErrorCode& error) {
    http::status status = http::status::bad_request;
    std::string_view message = "this is not an HTTP/1.1 request";
    if (error == http::error::header_limit) {
      status = http::status::request_header_fields_too_large;
      message = "the request headers are too large";
    } else if (error == http::error::body_limit) {
      status = http::status::payload_too_large;
      message = "the request body is too large";
    } else if (error == beast::error::timeout) {
      return erase(session);  // the stream is closed already
    } else if (error.category() != http::make_error_code(http::error::bad_method).category() ||
               error == http::error::end_of_stream || error == http::error::partial_message) {
      return erase(session);  // the client went away
    }
    write(session, status, "application/json", json_error(message), false);
  }

  void answer(Session& session) {
    const auto& request = session.parser->get();
    const bool keep = request.keep_alive();
    if (request.method() != http::verb::get && request.method() != http::verb::head) {
      session.response = {};
      session.response.set(http::field::allow, "GET, HEAD");
      return write(session, http::status::method_not_allowed, "application/json",
                   json_error("only GET and HEAD are served here"), keep);
    }
    const std::string_view target(request.target().data(), request.target().size());
    const std::string_view path = target.substr(0, target.find('?'));
    const auto route = std::find_if(routes_.begin(), routes_.end(),
                                    [&](const Route& r) { return r.path == path; });
    if (route == routes_.end()) {
      return write(session, http::status::not_found, "application/json", not_found_body(), keep);
    }
    Response response = route->answer();
    write(session, static_cast<http::status>(response.status), response.content_type,
          std::move(response.body), keep);
  }

  std::string not_found_body() const {
    std::string paths;
    for (const Route& route : routes_) {
      paths += (paths.empty() ? "" : ",") + json_quote(route.path);
    }
    return "{\"error\":\"no such path\",\"paths\":[" + paths + "]}\n";
  }

  void write(Session& session, http::status status, std::string_view content_type, std::string body,
             bool keep_alive) {
    auto& response = session.response;
    const auto& request = session.parser->get();
    response.result(status);
    response.version(11);
    response.set(http::field::content_type,
                 beast::string_view(content_type.data(), content_type.size()));
    response.set(http::field::cache_control, "no-store");
    response.set("X-Content-Type-Options", "nosniff");
    response.keep_alive(keep_alive && !stopping_);
    response.content_length(body.size());
    if (request.method() != http::verb::head) response.body() = std::move(body);
    session.writing = true;
    session.stream.expires_after(options_.write_timeout);
    http::async_write(
        session.stream, response,
        [this, &session](const ErrorCode& error, std::size_t) { written(session, error); });
  }

  void written(Session& session, const ErrorCode& error) {
    const bool keep = session.response.keep_alive();
    session.writing = false;
    session.response = {};
    if (error || stopping_) return erase(session);
    if (keep) return read(session);
    // Unread input would turn the close into a reset, which may eat our answer on its way.
    ErrorCode ignored;
    session.stream.socket().shutdown(tcp::socket::shutdown_send, ignored);
    session.stream.expires_after(options_.request_timeout);
    drain(session, options_.max_body_bytes + options_.max_header_bytes);
  }

  /// Read on until the client closes, `left` bytes came or the request timeout is over.
  void drain(Session& session, std::uint64_t left) {
    session.buffer.clear();
    session.stream.async_read_some(session.buffer.prepare(1024),
                                   [this, &session, left](const ErrorCode& error, std::size_t n) {
                                     if (error || stopping_ || n >= left) return erase(session);
                                     drain(session, left - n);
                                   });
  }

  void erase(Session& session) {
    sessions_.erase(session.self);
    if (stopping_ && sessions_.empty()) timer_.cancel();
  }

  void begin_stop() {
    stopping_ = true;
    ErrorCode ignored;
    acceptor_.close(ignored);
    timer_.cancel();  // a pause before accepting again
    for (Session& session : sessions_) {
      if (!session.writing) session.stream.close();
    }
    if (sessions_.empty()) return;
    timer_.expires_after(options_.stop_grace);
    timer_.async_wait([this](const ErrorCode& aborted) {
      if (aborted) return;
      for (Session& session : sessions_) session.stream.close();
    });
  }

  const GatewayOptions options_;
  const std::vector<Route> routes_;
  const Logger log_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;  ///< the pause before accepting again, then the grace of the stop
  std::list<Session> sessions_;
  bool stopping_ = false;
  std::uint16_t port_ = 0;
  std::mutex stop_mutex_;
  std::thread thread_;
};

Result<std::unique_ptr<Gateway>> Gateway::start(const GatewayOptions& options,
                                                std::vector<Route> routes, const Logger& log) {
  try {
    auto impl = std::make_unique<Impl>(options, std::move(routes), log);
    MR_TRY(impl->listen());
    return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
  } catch (const std::system_error& e) {  // no descriptors for the loop, no thread
    return fail(Code::Unavailable, std::string("starting the gateway: ") + e.what());
  }
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() { stop(); }
std::uint16_t Gateway::port() const { return impl_->port(); }
void Gateway::stop() { impl_->stop(); }

}  // namespace millrace::gateway
