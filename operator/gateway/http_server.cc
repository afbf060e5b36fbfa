#include "operator/gateway/http_server.h"

#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <pthread.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <list>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "kubeclient/base/guarded.h"
#include "operator/gateway/http_text.h"
#include "operator/gateway/tls_files.h"

namespace millrace::gateway {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using std::chrono::steady_clock;

/// Pause before accepting again when the machine has no descriptors left, or no place is free.
constexpr std::chrono::milliseconds kAcceptPause{100};
/// Read at a time: of a head, of a body [bytes].
constexpr std::size_t kHeadPiece = 2 * 1024;
constexpr std::size_t kBodyPiece = 16 * 1024;
/// Room for what has come and is not parsed yet, besides the head [bytes].
constexpr std::size_t kUnparsed = 64 * 1024;
/// Bytes on the wire for a byte of a chunked body, before it is a way to keep us busy.
constexpr std::uint64_t kChunkOverhead = 8;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

Code code_of(const ErrorCode& error) {
  if (error == asio::error::access_denied) return Code::Denied;
  if (error == asio::error::host_not_found || error == asio::error::no_data) return Code::Invalid;
  return Code::Unavailable;
}

std::string display_address(const HttpServerOptions& options) {
  const bool v6 = options.host.find(':') != std::string::npos;
  return (v6 ? "[" + options.host + "]" : options.host) + ":" + std::to_string(options.port);
}

Result<tcp::endpoint> resolve(asio::io_context& io, const HttpServerOptions& options) {
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
  acceptor.open(endpoint.protocol(), error);
  if (error) return error;
  acceptor.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error && dual_stack) acceptor.set_option(asio::ip::v6_only(false), error);
  if (!error) acceptor.non_blocking(true, error);
  if (!error) acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
  ErrorCode ignored;
  if (error) acceptor.close(ignored);
  return error;
}

Result<> open_acceptor(asio::io_context& io, tcp::acceptor& acceptor,
                       const HttpServerOptions& options) {
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

std::string address_text(const tcp::socket& socket) {
  ErrorCode error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) return {};
  const auto address = endpoint.address();
  if (address.is_v6() && address.to_v6().is_v4_mapped()) {
    return asio::ip::make_address_v4(asio::ip::v4_mapped, address.to_v6()).to_string();
  }
  return address.to_string();
}

/// Answers on their way from other threads to the server's.
struct Mail {
  std::uint64_t session;
  std::uint64_t request;
  HttpResponse response;
};
struct Mailbox {
  std::function<void()> ring;  ///< empty once the server is gone
  std::vector<Mail> mails;
};
/// Shared, since an answer may come after the server has gone.
using MailboxRef = std::shared_ptr<Guarded<Mailbox>>;

}  // namespace

/// Everything below the constructor runs on the server's thread only.
class HttpServer::Impl {
 public:
  Impl(const HttpServerOptions& options, HttpHandler& handler, const Logger& log);
  ~Impl();

  Result<> listen();
  std::uint16_t port() const { return port_; }
  void stop();

 private:
  class Session;

  void accept();
  void take_connection();
  void make_room();
  bool evict_one();
  void take_mail();
  void begin_stop();
  void end_stop();

  Session* find(std::uint64_t id) {
    const auto it = by_id_.find(id);
    return it == by_id_.end() ? nullptr : it->second;
  }
  void erase(Session& session);

  const HttpServerOptions options_;
  HttpHandler& handler_;
  const Logger log_;
  asio::io_context io_{1};
  tcp::acceptor acceptor_;
  asio::steady_timer accept_timer_;  ///< the pause before accepting again
  asio::steady_timer stop_timer_;    ///< the grace of the stop
  std::unique_ptr<TlsFiles> tls_;
  std::uint64_t body_bytes_ = 0;  ///< reserved for bodies
  std::list<Session> sessions_;   ///< in the order in which they began to wait for a request
  std::unordered_map<std::uint64_t, Session*> by_id_;
  std::uint64_t last_id_ = 0;
  bool room_wanted_ = false;
  bool stopping_ = false;
  std::uint16_t port_ = 0;
  MailboxRef mailbox_;
  std::mutex stop_mutex_;
  std::thread thread_;
};

/// One connection. At most one operation of it is pending at any time, none while its request is
/// being answered; when one ends with an error, the session is erased and thereby closed.
class HttpServer::Impl::Session {
 public:
  enum class State { Handshake, Idle, Head, Body, Answering, Writing, Closing };

  Session(Impl& server, std::uint64_t session_id, tcp::socket&& socket)
      : id(session_id),
        server_(server),
        remote_(address_text(socket)),
        tcp_(std::move(socket)),
        buffer_(server.options_.max_header_bytes + kUnparsed),
        timer_(server.io_) {}
  ~Session() { server_.body_bytes_ -= reserved_; }

  void start(SSL_CTX* context);
  void answer(std::uint64_t request, const HttpResponse& response) {
    if (state_ == State::Answering && request == request_number_) {
      timer_.cancel();
      write(response, keep_alive_);
    }
  }
  bool waits() const { return state_ != State::Answering && state_ != State::Writing; }
  /// Whether it may be closed to make room for another one.
  bool may_go(SteadyTime now) const {
    return waits() && tcp_.socket().is_open() && now - since_ >= server_.options_.evict_after;
  }
  /// End it: at once, or when its pending operation has noticed.
  void close() {
    if (state_ == State::Answering) return server_.erase(*this);
    tcp_.close();
  }
  void begin_stop() {
    if (waits()) tcp_.close();
  }

  const std::uint64_t id;
  std::list<Session>::iterator self;

 private:
  void next_request();
  void read(std::size_t most);
  void on_read(const ErrorCode& error, std::size_t n);
  void parse();
  void on_head();
  bool reserve_body();
  void send_continue();
  void handle();
  void late(std::uint64_t request);
  void refuse(const ErrorCode& error);
  void fail_request(int status, std::string_view message);
  void write(const HttpResponse& response, bool keep_alive);
  void on_written(const ErrorCode& error);
  void drain(std::uint64_t left);
  void close_politely();
  void say_it_is_https();

  template <class Done>
  void send(const std::string& text, Done done) {
    if (tls_) {
      asio::async_write(*tls_, asio::buffer(text), std::move(done));
    } else {
      asio::async_write(tcp_, asio::buffer(text), std::move(done));
    }
  }

  Impl& server_;
  const std::string remote_;
  beast::tcp_stream tcp_;
  std::optional<asio::ssl::stream<beast::tcp_stream&>> tls_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  asio::steady_timer timer_;  ///< for the handler's answer
  HttpRequest request_;
  std::string out_;
  State state_ = State::Head;
  SteadyTime since_ = steady_clock::now();  ///< when it began to wait for a request
  bool first_ = true;
  bool keep_alive_ = true;
  bool unread_ = false;           ///< part of the request has not been read
  std::uint64_t received_ = 0;    ///< of the body, as it came [bytes]
  std::uint64_t head_bytes_ = 0;  ///< of the request line and headers, as parsed [bytes]
  std::uint64_t reserved_ = 0;    ///< of the body budget [bytes]
  std::uint64_t request_number_ = 0;
};

// --- Session ---

void HttpServer::Impl::Session::start(SSL_CTX* context) {
  if (context == nullptr) return next_request();
  asio::ssl::context owned(context);
  tls_.emplace(tcp_, owned);
  state_ = State::Handshake;
  tcp_.expires_after(server_.options_.head_timeout);
  tls_->async_handshake(asio::ssl::stream_base::server, [this](const ErrorCode& error) {
    if (server_.stopping_) return server_.erase(*this);
    if (!error) return next_request();
    const bool plain =
        error.category() == asio::error::get_ssl_category() &&
        ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST;
    return plain ? say_it_is_https() : server_.erase(*this);
  });
}

void HttpServer::Impl::Session::say_it_is_https() {
  out_ =
      "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n"
      "this is an HTTPS server; the request came in plain HTTP.\n";
  asio::async_write(tcp_, asio::buffer(out_),
                    [this](const ErrorCode&, std::size_t) { server_.erase(*this); });
}

void HttpServer::Impl::Session::next_request() {
  server_.sessions_.splice(server_.sessions_.end(), server_.sessions_, self);
  const HttpServerOptions& options = server_.options_;
  parser_.emplace();
  parser_->header_limit(options.max_header_bytes);
  parser_->body_limit(options.max_body_bytes);
  request_ = {};
  request_.remote = remote_;
  received_ = 0;
  head_bytes_ = 0;
  unread_ = false;
  // Between requests a client may be silent for long; from the first byte on it may not.
  const bool idle = !first_ && buffer_.size() == 0;
  since_ = steady_clock::now();
  first_ = false;
  state_ = idle ? State::Idle : State::Head;
  tcp_.expires_after(idle ? options.idle_timeout : options.head_timeout);
  if (buffer_.size() > 0) return parse();
  read(kHeadPiece);
}

void HttpServer::Impl::Session::read(std::size_t most) {
  if (buffer_.size() + most > buffer_.max_size()) {
    return fail_request(400, "the request's framing is too large");
  }
  const auto space = buffer_.prepare(most);
  const auto done = [this](const ErrorCode& error, std::size_t n) { on_read(error, n); };
  if (tls_) {
    tls_->async_read_some(space, done);
  } else {
    tcp_.async_read_some(space, done);
  }
}

void HttpServer::Impl::Session::on_read(const ErrorCode& error, std::size_t n) {
  if (error || server_.stopping_) return server_.erase(*this);  // gone, or its time is over
  buffer_.commit(n);
  if (state_ == State::Idle) {
    state_ = State::Head;
    tcp_.expires_after(server_.options_.head_timeout);
  }
  if (state_ == State::Body) {
    received_ += n;
    if (received_ > kChunkOverhead * server_.options_.max_body_bytes + kUnparsed) {
      return fail_request(413, "the request body is too large");
    }
  }
  parse();
}

void HttpServer::Impl::Session::parse() {
  const bool head = state_ == State::Head;
  ErrorCode error;
  parser_->eager(!head);  // stop after the head, to see whether the body is wanted
  const std::size_t used = parser_->put(buffer_.data(), error);
  buffer_.consume(used);
  // The parser's own limit knows only what one call gave it.
  if (head) head_bytes_ += used;
  const bool growing = error == http::error::need_more;
  const std::size_t waiting = head && growing ? buffer_.size() : 0;
  if (head && head_bytes_ + waiting > server_.options_.max_header_bytes) {
    return refuse(http::error::header_limit);
  }
  if (error == http::error::need_more) return read(head ? kHeadPiece : kBodyPiece);
  if (error) return refuse(error);
  if (head) return on_head();
  if (parser_->is_done()) return handle();
  if (buffer_.size() > 0 && used > 0) return parse();
  read(kBodyPiece);
}

void HttpServer::Impl::Session::refuse(const ErrorCode& error) {
  if (error == http::error::header_limit) {
    return fail_request(431, "the request headers are too large");
  }
  if (error == http::error::body_limit) {
    return fail_request(413, "the request body is too large");
  }
  fail_request(400, "this is not an HTTP/1.1 request");
}

/// Whatever follows, we do not know where the next request begins.
void HttpServer::Impl::Session::fail_request(int status, std::string_view message) {
  unread_ = true;
  write(server_.handler_.failure(status, message, request_), false);
}

void HttpServer::Impl::Session::on_head() {
  const auto& message = parser_->get();
  request_.method = view(message.method_string());
  request_.target = view(message.target());
  for (const auto& field : message) {
    request_.headers.emplace_back(view(field.name_string()), view(field.value()));
  }
  keep_alive_ = message.keep_alive();
  unread_ = !parser_->is_done();
  if (auto refusal = server_.handler_.refuse_head(request_)) {
    return write(*refusal, keep_alive_ && !unread_);
  }
  if (!unread_) return handle();
  if (!reserve_body()) return fail_request(503, "too many request bodies at once");
  state_ = State::Body;
  tcp_.expires_after(server_.options_.body_timeout);
  if (beast::iequals(message[http::field::expect], "100-continue")) return send_continue();
  if (buffer_.size() > 0) return parse();
  read(kBodyPiece);
}

bool HttpServer::Impl::Session::reserve_body() {
  const auto length = parser_->content_length();
  const std::uint64_t wanted = length ? *length : server_.options_.max_body_bytes;
  if (server_.body_bytes_ + wanted > server_.options_.body_budget) return false;
  reserved_ = wanted;
  server_.body_bytes_ += wanted;
  return true;
}

void HttpServer::Impl::Session::send_continue() {
  out_ = "HTTP/1.1 100 Continue\r\n\r\n";
  send(out_, [this](const ErrorCode& error, std::size_t) {
    if (error || server_.stopping_) return server_.erase(*this);
    if (buffer_.size() > 0) return parse();
    read(kBodyPiece);
  });
}

void HttpServer::Impl::Session::handle() {
  unread_ = false;
  state_ = State::Answering;
  tcp_.expires_never();
  const std::uint64_t number = ++request_number_;
  timer_.expires_after(server_.options_.answer_timeout);
  timer_.async_wait([server = &server_, session = id, number](const ErrorCode& aborted) {
    if (aborted) return;
    if (Session* found = server->find(session)) found->late(number);
  });
  HttpRequest whole = request_;  // its head stays here
  whole.body = std::move(parser_->get().body());
  server_.handler_.handle(
      std::move(whole), [mailbox = server_.mailbox_, session = id, number](HttpResponse response) {
        const auto box = mailbox->lock();
        if (!box->ring) return;
        box->mails.push_back({session, number, std::move(response)});
        if (box->mails.size() == 1) box->ring();
      });
}

void HttpServer::Impl::Session::late(std::uint64_t request) {
  if (state_ != State::Answering || request != request_number_) return;
  write(server_.handler_.failure(504, "the answer took too long", request_), keep_alive_);
}

void HttpServer::Impl::Session::write(const HttpResponse& response, bool keep_alive) {
  keep_alive_ = keep_alive && !server_.stopping_;
  state_ = State::Writing;
  out_ = head_text(response, keep_alive_);
  if (request_.method != "HEAD") out_ += response.body;
  tcp_.expires_after(server_.options_.write_timeout);
  send(out_, [this](const ErrorCode& error, std::size_t) { on_written(error); });
}

void HttpServer::Impl::Session::on_written(const ErrorCode& error) {
  server_.body_bytes_ -= std::exchange(reserved_, 0);
  out_ = {};
  if (error || server_.stopping_) return server_.erase(*this);
  if (keep_alive_) return next_request();
  close_politely();
}

/// Unread input would turn the close into a reset, which may eat our answer on its way.
void HttpServer::Impl::Session::close_politely() {
  state_ = State::Closing;
  tcp_.expires_after(server_.options_.head_timeout);
  if (tls_ && !unread_) {
    tls_->async_shutdown([this](const ErrorCode&) { server_.erase(*this); });
    return;
  }
  ErrorCode ignored;
  tcp_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  buffer_.clear();
  drain(server_.options_.max_drained_bytes);
}

/// Read on until the client closes, `left` bytes came or the time is over.
void HttpServer::Impl::Session::drain(std::uint64_t left) {
  tcp_.async_read_some(buffer_.prepare(kBodyPiece),
                       [this, left](const ErrorCode& error, std::size_t n) {
                         if (error || server_.stopping_ || n >= left) return server_.erase(*this);
                         drain(left - n);
                       });
}

// --- Impl ---

HttpServer::Impl::Impl(const HttpServerOptions& options, HttpHandler& handler, const Logger& log)
    : options_(options),
      handler_(handler),
      log_(log),
      acceptor_(io_),
      accept_timer_(io_),
      stop_timer_(io_),
      mailbox_(std::make_shared<Guarded<Mailbox>>()) {}

HttpServer::Impl::~Impl() = default;

Result<> HttpServer::Impl::listen() {
  if (!options_.certificate_file.empty()) {
    MR_ASSIGN(tls_, TlsFiles::open(options_.certificate_file, options_.key_file,
                                   options_.reload_interval));
  }
  MR_TRY(open_acceptor(io_, acceptor_, options_));
  ErrorCode error;
  port_ = acceptor_.local_endpoint(error).port();
  if (error) return fail(Code::Unavailable, "reading the bound port: " + error.message());
  mailbox_->lock()->ring = [this] { asio::post(io_, [this] { take_mail(); }); };
  accept();
  thread_ = std::thread([this] {
    pthread_setname_np(pthread_self(), ("mr-gw-" + options_.name).substr(0, 15).c_str());
    io_.run();
  });
  return {};
}

void HttpServer::Impl::stop() {
  const std::lock_guard lock(stop_mutex_);
  if (!thread_.joinable()) return;
  asio::post(io_, [this] { begin_stop(); });
  thread_.join();
  const auto box = mailbox_->lock();
  box->ring = nullptr;
  box->mails.clear();
}

void HttpServer::Impl::accept() {
  acceptor_.async_wait(tcp::acceptor::wait_read, [this](const ErrorCode& error) {
    if (stopping_ || error) return;
    if (sessions_.size() >= options_.max_connections) return make_room();
    take_connection();
  });
}

void HttpServer::Impl::take_connection() {
  ErrorCode error;
  tcp::socket socket = acceptor_.accept(error);
  if (!error) {
    ErrorCode ignored;
    socket.set_option(tcp::no_delay(true), ignored);
    Session& session = sessions_.emplace_back(*this, ++last_id_, std::move(socket));
    session.self = std::prev(sessions_.end());
    by_id_[session.id] = &session;
    handler_.count_connections(sessions_.size());
    session.start(tls_ ? tls_->take(steady_clock::now(), log_) : nullptr);
    return accept();
  }
  if (error == asio::error::would_block || error == asio::error::connection_aborted) {
    return accept();  // it went away again
  }
  // Out of descriptors or memory: the loop would spin, so let connections go first.
  log_.warn("cannot accept a connection", {kv("error", error.message())});
  accept_timer_.expires_after(kAcceptPause);
  accept_timer_.async_wait([this](const ErrorCode& aborted) {
    if (!aborted && !stopping_) accept();
  });
}

/// Accept again once a connection has gone. Those who wait until then stand in the kernel's queue.
void HttpServer::Impl::make_room() {
  room_wanted_ = true;
  if (evict_one()) return;
  accept_timer_.expires_after(kAcceptPause);
  accept_timer_.async_wait([this](const ErrorCode& aborted) {
    if (aborted || stopping_ || !room_wanted_) return;
    room_wanted_ = false;
    accept();
  });
}

/// Close the connection that has waited longest for a request of its client.
bool HttpServer::Impl::evict_one() {
  const SteadyTime now = steady_clock::now();
  for (Session& session : sessions_) {
    if (!session.may_go(now)) continue;
    session.close();  // its pending operation ends with operation_aborted and erases it
    return true;
  }
  return false;
}

void HttpServer::Impl::erase(Session& session) {
  by_id_.erase(session.id);
  sessions_.erase(session.self);
  handler_.count_connections(sessions_.size());
  if (stopping_) {
    if (sessions_.empty()) stop_timer_.cancel();
  } else if (std::exchange(room_wanted_, false)) {
    accept_timer_.cancel();
    accept();
  }
}

void HttpServer::Impl::take_mail() {
  std::vector<Mail> mails;
  mailbox_->lock()->mails.swap(mails);
  for (const Mail& mail : mails) {
    if (Session* session = find(mail.session)) session->answer(mail.request, mail.response);
  }
}

void HttpServer::Impl::begin_stop() {
  stopping_ = true;
  ErrorCode ignored;
  acceptor_.close(ignored);
  accept_timer_.cancel();
  for (Session& session : sessions_) session.begin_stop();
  if (sessions_.empty()) return;
  stop_timer_.expires_after(options_.stop_grace);
  stop_timer_.async_wait([this](const ErrorCode& aborted) {
    if (!aborted) end_stop();
  });
}

void HttpServer::Impl::end_stop() {
  for (auto it = sessions_.begin(); it != sessions_.end();) (it++)->close();
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const HttpServerOptions& options,
                                                      HttpHandler& handler, const Logger& log) {
  try {
    auto impl = std::make_unique<Impl>(options, handler, log);
    MR_TRY(impl->listen());
    return std::unique_ptr<HttpServer>(new HttpServer(std::move(impl)));
  } catch (const std::system_error& e) {  // no descriptors for the loop, no thread
    return fail(Code::Unavailable, std::string("starting the gateway: ") + e.what());
  }
}

HttpServer::HttpServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
HttpServer::~HttpServer() { stop(); }
std::uint16_t HttpServer::port() const { return impl_->port(); }
void HttpServer::stop() { impl_->stop(); }

}  // namespace millrace::gateway
