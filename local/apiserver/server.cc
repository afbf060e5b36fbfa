#include "local/apiserver/server.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <pthread.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "kubeclient/base/guarded.h"
#include "kubeclient/base/log.h"
#include "local/apiserver/api.h"
#include "local/apiserver/server_text.h"

namespace millrace::apiserver {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using ErrorCode = boost::system::error_code;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

/// Pause before accepting again when the machine has no descriptors left [ms].
constexpr milliseconds kAcceptPause{100};
/// For answers under way when the server stops [ms].
constexpr milliseconds kStopGrace{500};
constexpr milliseconds kCloseTimeout{2'000};
/// Of a stream, taken and sent at a time [bytes].
constexpr std::size_t kPiece = std::size_t{64} << 10;
/// After streams were sent something, all streams of the thread rest so long, unless one has a lot:
/// events that come in quick succession go out together. One event alone is never late. The more
/// streams had something, the longer the rest, so that a hundred of them leave time for requests.
constexpr milliseconds kStreamPause{2};
constexpr microseconds kPausePerStream{300};
constexpr milliseconds kLongestPause{20};
constexpr std::size_t kLot = kPiece / 2;  ///< [bytes]
/// Read at a time while nothing is expected but the next request [bytes].
constexpr std::size_t kPeek = 4096;
/// Input that is thrown away so that our refusal is not lost in a reset [bytes].
constexpr std::size_t kMostDrained = std::size_t{16} << 20;
/// Around a piece: its size and line ends [bytes].
constexpr std::size_t kFrame = 24;
constexpr SteadyTime kNever = SteadyTime::max();

/// What all connections share.
struct Shared {
  Handler handler;
  ServerOptions options;
  const Clock& clock;
  const Logger& log;
  asio::ssl::context tls;
  std::atomic<std::size_t> connections{0};
};

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

Response failure(int status, std::string_view reason, std::string_view message) {
  Response response;
  response.status = status;
  response.body = failure_body(status, reason, message);
  return response;
}

class Worker;

/// One connection, on the thread of its worker. When it is closed and no operation of it is pending
/// any more, the worker drops it.
class Session {
 public:
  Session(Worker& worker, Shared& shared, std::uint64_t id, tcp::socket&& socket)
      : worker_(worker), shared_(shared), id_(id), stream_(std::move(socket), shared.tls) {}
  ~Session() { close(); }

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
  void set_deadline(milliseconds from_now);

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

  Worker& worker_;
  Shared& shared_;
  const std::uint64_t id_;
  asio::ssl::stream<tcp::socket> stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
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
  std::atomic<bool> woken_{false};
  std::unique_ptr<Stream> source_;
};

/// One thread with its connections.
class Worker {
 public:
  explicit Worker(Shared& shared)
      : shared_(shared), timer_(io_), rest_(io_), guard_(io_.get_executor()) {}

  asio::io_context& io() { return io_; }
  bool stopping() const { return stopping_; }
  void start(int number) {
    thread_ = std::thread([this, number] {
      pthread_setname_np(pthread_self(), ("mr-api-" + std::to_string(number)).c_str());
      io_.run();
    });
  }
  /// From any thread.
  void post_stop() {
    asio::post(io_, [this] { begin_stop(); });
  }
  void join() {
    if (thread_.joinable()) thread_.join();
  }
  /// From any thread: the stream of session `id` may have something. One message to the thread
  /// tells of all that wake before it looks.
  void post_wake(std::uint64_t id) {
    {
      const auto woken = woken_.lock();
      woken->push_back(id);
      if (woken->size() > 1) return;
    }
    asio::post(io_, [this] { look_at_streams(); });
  }
  void add(tcp::socket&& socket);
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

  Shared& shared_;
  asio::io_context io_{1};
  asio::steady_timer timer_;
  asio::steady_timer rest_;  ///< of the streams
  SteadyTime rest_until_ = SteadyTime::min();
  Guarded<std::vector<std::uint64_t>> woken_;
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  std::unordered_map<std::uint64_t, std::unique_ptr<Session>> sessions_;
  std::uint64_t last_id_ = 0;
  SteadyTime armed_ = kNever;
  bool stopping_ = false;
  std::thread thread_;
};

// --- Session ---

template <class Body>
auto Session::counted(Body body) {
  ++pending_;
  return [this, body](const ErrorCode& error, std::size_t n = 0) {
    --pending_;
    if (!closed_) body(error, n);
    if (gone()) worker_.drop(id_);  // the last thing done: it destroys this session
  };
}

void Session::set_deadline(milliseconds from_now) {
  deadline_ = steady_clock::now() + from_now;
  worker_.arm(deadline_);
}

void Session::start() {
  set_deadline(shared_.options.head_timeout);
  stream_.async_handshake(
      asio::ssl::stream_base::server, counted([this](const ErrorCode& error, std::size_t) {
        if (!error) return next_request();
        const bool plain =
            error.category() == asio::error::get_ssl_category() &&
            ERR_GET_REASON(static_cast<unsigned long>(error.value())) == SSL_R_HTTP_REQUEST;
        return plain ? say_it_is_https() : close();
      }));
}

void Session::say_it_is_https() {
  head_ =
      "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n"
      "Client sent an HTTP request to an HTTPS server.\n";
  asio::async_write(stream_.next_layer(), asio::buffer(head_),
                    counted([this](const ErrorCode&, std::size_t) { close(); }));
}

void Session::close() {
  closed_ = true;
  source_.reset();
  ErrorCode ignored;
  stream_.lowest_layer().close(ignored);
}

void Session::next_request() {
  if (worker_.stopping()) return close_politely();
  unread_input_ = false;
  body_ = {};
  parser_.emplace();
  parser_->header_limit(shared_.options.header_limit);
  parser_->body_limit(shared_.options.body_limit);
  if (buffer_.size() > 0 && !peeking_) return read_head();
  state_ = State::Idle;
  set_deadline(shared_.options.idle_timeout);
  peek();
}

/// Wait for a byte: of the next request, or the end of a client that watches.
void Session::peek() {
  if (peeking_) return;
  peeking_ = true;
  stream_.async_read_some(buffer_.prepare(kPeek),
                          counted([this](const ErrorCode& e, std::size_t n) { peeked(e, n); }));
}

void Session::peeked(const ErrorCode& error, std::size_t n) {
  peeking_ = false;
  buffer_.commit(n);
  if (error) return close();  // nobody is there to read an answer
  // While a stream runs, what comes next waits in the buffer, and we do not ask for more of it.
  if (state_ == State::Idle) read_head();
}

void Session::read_head() {
  state_ = State::Reading;
  set_deadline(shared_.options.head_timeout);
  http::async_read_header(stream_, buffer_, *parser_,
                          counted([this](const ErrorCode& e, std::size_t) { on_head(e); }));
}

void Session::on_head(const ErrorCode& error) {
  if (error) return refuse(error);
  const auto& request = parser_->get();
  keep_alive_ = request.keep_alive();
  unread_input_ = !parser_->is_done();
  const std::string_view target = view(request.target());
  const std::string_view authorization = view(request[http::field::authorization]);
  const bool open = authorization.empty() && is_open_path(target.substr(0, target.find('?')));
  if (!open && !brings_token(authorization, shared_.options.token)) {
    // Before the body is read: strangers get no memory of ours.
    if (unread_input_) keep_alive_ = false;
    return answer(failure(401, "Unauthorized", "Unauthorized"), keep_alive_);
  }
  if (!unread_input_) return handle();
  set_deadline(shared_.options.body_timeout);
  if (!beast::iequals(request[http::field::expect], "100-continue")) return read_body();
  head_ = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(head_),
                    counted([this](const ErrorCode& failed, std::size_t) {
                      return failed ? close() : read_body();
                    }));
}

void Session::read_body() {
  http::async_read(stream_, buffer_, *parser_,
                   counted([this](const ErrorCode& e, std::size_t) { on_body(e); }));
}

void Session::on_body(const ErrorCode& error) {
  if (error) return refuse(error);
  unread_input_ = false;
  handle();
}

void Session::refuse(const ErrorCode& error) {
  if (error == http::error::header_limit) {
    return refuse(431, "RequestHeaderFieldsTooLarge", "the request's headers are too large");
  }
  if (error == http::error::body_limit) {
    return refuse(
        413, "RequestEntityTooLarge",
        "Request entity too large: limit is " + std::to_string(shared_.options.body_limit));
  }
  const bool not_http =
      error.category() == http::make_error_code(http::error::bad_method).category();
  if (!not_http || error == http::error::end_of_stream || error == http::error::partial_message) {
    return close();  // the client went away
  }
  refuse(400, "BadRequest", "this is not an HTTP/1.1 request: " + error.message());
}

void Session::refuse(int status, std::string_view reason, std::string_view message) {
  unread_input_ = true;  // whatever follows, we do not know where the next request begins
  answer(failure(status, reason, message), false);
}

void Session::handle() {
  auto& message = parser_->get();
  auto target = read_target(view(message.target()));
  if (!target.ok()) {
    return answer(failure(400, "BadRequest", target.error().message), keep_alive_);
  }
  const auto header = [&](http::field name) { return std::string(view(message[name])); };
  Request request;
  request.method = message.method() == http::verb::head ? "GET" : view(message.method_string());
  request.path = std::move(target->path);
  request.query = std::move(target->query);
  request.accept = header(http::field::accept);
  request.content_type = header(http::field::content_type);
  request.user_agent = header(http::field::user_agent);
  request.if_none_match = header(http::field::if_none_match);
  request.body = std::move(message.body());
  Response response = shared_.handler(request);
  if (response.stream && message.method() != http::verb::head) {
    return begin_stream(std::move(response));
  }
  answer(std::move(response), keep_alive_);
}

void Session::answer(Response response, bool keep_alive) {
  state_ = State::Answering;
  keep_alive_ = keep_alive && !worker_.stopping();
  const auto& request = parser_->get();
  head_ = head_text({.status = response.status,
                     .content_type = response.content_type,
                     .headers = &response.headers,
                     .framing = response.status == 304 ? Framing::None : Framing::Length,
                     .length = response.body.size(),
                     .keep_alive = keep_alive_,
                     .http_1_0 = request.version() == 10,
                     .date = shared_.clock.now()});
  body_ = std::move(response.body);
  if (request.method() == http::verb::head) body_.clear();
  set_deadline(shared_.options.write_timeout);
  writing_ = true;
  const std::array<asio::const_buffer, 2> all = {asio::buffer(head_), asio::buffer(body_)};
  asio::async_write(stream_, all, counted([this](const ErrorCode& error, std::size_t) {
                      writing_ = false;
                      return error ? close() : finish();
                    }));
}

void Session::begin_stream(Response response) {
  state_ = State::Streaming;
  deadline_ = kNever;  // people look at watches for days
  const bool http_1_0 = parser_->get().version() == 10;
  framing_ = http_1_0 ? Framing::UntilClose : Framing::Chunked;
  keep_alive_ = keep_alive_ && !http_1_0 && !worker_.stopping();
  head_ = head_text({.status = response.status,
                     .content_type = response.content_type,
                     .headers = &response.headers,
                     .framing = framing_,
                     .keep_alive = keep_alive_,
                     .http_1_0 = http_1_0,
                     .date = shared_.clock.now()});
  ErrorCode ignored;
  stream_.lowest_layer().set_option(asio::socket_base::keep_alive(true), ignored);
  source_ = std::move(response.stream);
  source_->on_ready([this] {
    if (!woken_.exchange(true)) worker_.post_wake(id_);
  });
  if (buffer_.size() == 0) peek();
  writing_ = true;
  asio::async_write(stream_, asio::buffer(head_),
                    counted([this](const ErrorCode& error, std::size_t) {
                      writing_ = false;
                      error ? close() : void(pump());
                    }));
}

/// Send what the stream has, one piece at a time; the next is taken when this one is out. Whether
/// there was a piece.
bool Session::pump() {
  if (writing_ || !source_) return false;
  if (worker_.stopping()) {
    end_stream();
    return false;
  }
  woken_ = false;  // before taking: what comes from now on wakes us again
  body_ = source_->take(kPiece);
  if (body_.empty()) {
    if (source_->ended()) end_stream();
    return false;
  }
  const bool lot = body_.size() >= kLot;
  if (framing_ == Framing::Chunked) {
    // All in one buffer: each buffer would be a TLS record and a system call of its own.
    char size[24];
    const int length = std::snprintf(size, sizeof size, "%zx\r\n", body_.size());
    body_.reserve(body_.size() + kFrame);
    body_.insert(0, size, static_cast<std::size_t>(length)).append("\r\n");
  }
  writing_ = true;
  asio::async_write(stream_, asio::buffer(body_),
                    counted([this, lot](const ErrorCode& error, std::size_t) {
                      writing_ = false;
                      if (error) return close();
                      lot ? void(pump()) : look_later();
                    }));
  return true;
}

/// On our own thread. A wake that came while we were writing was not heeded, so ask once more.
void Session::look_later() {
  woken_ = true;
  worker_.post_wake(id_);
}

void Session::end_stream() {
  source_.reset();
  state_ = State::Answering;
  set_deadline(worker_.stopping() ? kStopGrace : shared_.options.write_timeout);
  if (framing_ != Framing::Chunked) return close_politely();
  head_ = "0\r\n\r\n";
  writing_ = true;
  asio::async_write(stream_, asio::buffer(head_),
                    counted([this](const ErrorCode& error, std::size_t) {
                      writing_ = false;
                      return error ? close() : finish();
                    }));
}

/// The answer is out.
void Session::finish() {
  if (keep_alive_ && !worker_.stopping()) return next_request();
  if (!unread_input_) return close_politely();
  // Unread input would turn the close into a reset, which may eat our answer on its way.
  state_ = State::Closing;
  set_deadline(kCloseTimeout);
  ErrorCode ignored;
  stream_.lowest_layer().shutdown(tcp::socket::shutdown_send, ignored);
  drain(kMostDrained);
}

/// Read on until the client closes, `left` bytes came or the time is over.
void Session::drain(std::size_t left) {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(16 * kPeek),
                          counted([this, left](const ErrorCode& error, std::size_t n) {
                            if (error || n >= left) return close();
                            drain(left - n);
                          }));
}

/// Tell the client that nothing was cut off.
void Session::close_politely() {
  if (peeking_) return close();
  state_ = State::Closing;
  set_deadline(kCloseTimeout);
  stream_.async_shutdown(counted([this](const ErrorCode&, std::size_t) { close(); }));
}

void Session::begin_stop() {
  if (state_ == State::Streaming) return void(pump());
  if (state_ != State::Answering && state_ != State::Closing) close();
}

// --- Worker ---

void Worker::add(tcp::socket&& socket) {
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
  session = std::make_unique<Session>(*this, shared_, id, std::move(socket));
  ++shared_.connections;
  session->start();
}

void Worker::drop(std::uint64_t id) {
  if (sessions_.erase(id) > 0) --shared_.connections;
  finish_if_done();
}

void Worker::arm(SteadyTime deadline) {
  if (stopping_ || deadline >= armed_) return;
  armed_ = deadline;
  timer_.expires_at(deadline);
  timer_.async_wait([this](const ErrorCode& aborted) {
    if (!aborted) look();
  });
}

/// Close what is late, and wake again for the next deadline.
void Worker::look() {
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
void Worker::look_at_streams() {
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

void Worker::evict_one() {
  Session* oldest = nullptr;
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

void Worker::begin_stop() {
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

void Worker::close_all() {
  std::vector<std::uint64_t> gone;
  for (auto& [id, session] : sessions_) {
    session->close();
    if (session->gone()) gone.push_back(id);
  }
  for (const std::uint64_t id : gone) drop(id);
}

void Worker::finish_if_done() {
  if (stopping_ && sessions_.empty()) timer_.cancel();
}

// --- Server ---

int select_protocol(SSL*, const unsigned char** out, unsigned char* out_length,
                    const unsigned char* in, unsigned int in_length, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* chosen = nullptr;
  const int found =
      SSL_select_next_proto(&chosen, out_length, kOurs, sizeof kOurs - 1, in, in_length);
  if (found != OPENSSL_NPN_NEGOTIATED) return SSL_TLSEXT_ERR_NOACK;
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

Result<> set_up_tls(asio::ssl::context& tls, const ServerOptions& options) {
  SSL_CTX* context = tls.native_handle();
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, select_protocol, nullptr);
  ErrorCode error;
  tls.use_certificate_chain(asio::buffer(options.certificate), error);
  if (!error) {
    tls.use_private_key(asio::buffer(options.private_key), asio::ssl::context::pem, error);
  }
  if (error) return fail(Code::Invalid, "the server's certificate or key: " + error.message());
  return {};
}

class ServerImpl final : public Server {
 public:
  ServerImpl(Handler handler, const ServerOptions& options, const Clock& clock, const Logger& log)
      : shared_{.handler = std::move(handler),
                .options = options,
                .clock = clock,
                .log = log,
                .tls = asio::ssl::context(asio::ssl::context::tls_server)} {
    for (int i = 0; i < std::max(options.threads, 1); ++i) {
      workers_.push_back(std::make_unique<Worker>(shared_));
    }
    acceptor_.emplace(workers_.front()->io());
    retry_.emplace(workers_.front()->io());
  }
  ~ServerImpl() override { stop(); }

  Result<> listen() {
    MR_TRY(set_up_tls(shared_.tls, shared_.options));
    MR_ASSIGN(Endpoint endpoint, parse_endpoint(shared_.options.address));
    MR_TRY(open_acceptor(endpoint));
    ErrorCode error;
    const tcp::endpoint bound = acceptor_->local_endpoint(error);
    if (error) return fail(Code::Unavailable, "reading the bound port: " + error.message());
    endpoint.port = bound.port();
    address_ = to_string(endpoint);
    if (!bound.address().is_loopback()) {
      shared_.log.warn(
          "listening beyond this machine: whoever has the token can run programs here as you",
          {kv("address", address_)});
    }
    accept();
    int number = 0;
    for (auto& worker : workers_) worker->start(number++);
    return {};
  }

  std::string address() const override { return address_; }

  void stop() override {
    const std::lock_guard lock(stop_mutex_);
    if (stopped_) return;
    stopped_ = true;
    asio::post(workers_.front()->io(), [this] {
      ErrorCode ignored;
      acceptor_->close(ignored);
      retry_->cancel();
    });
    for (auto& worker : workers_) worker->post_stop();
    for (auto& worker : workers_) worker->join();
  }

 private:
  Result<> open_acceptor(const Endpoint& wanted) {
    ErrorCode error;
    auto address = asio::ip::make_address(wanted.host, error);
    if (error) {
      tcp::resolver resolver(workers_.front()->io());
      const auto found = resolver.resolve(wanted.host, std::to_string(wanted.port), error);
      if (error || found.empty()) {
        return fail(Code::Invalid, "listen address \"" + shared_.options.address +
                                       "\": no such host; give an IP address such as 127.0.0.1");
      }
      address = found.begin()->endpoint().address();
    }
    const tcp::endpoint endpoint(address, wanted.port);
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
    if (!error) return {};
    const std::string port = std::to_string(wanted.port);
    const std::string cure =
        error == asio::error::address_in_use
            ? "; end what uses port " + port + ", or listen on port 0, which takes a free one"
        : error == asio::error::access_denied ? "; ports below 1024 need root, take a higher one"
                                              : "; give an address of this machine";
    return fail(Code::Unavailable,
                "cannot listen on \"" + shared_.options.address + "\": " + error.message() + cure);
  }

  /// Connections go to the workers in turn.
  void accept() {
    Worker& worker = *workers_[next_++ % workers_.size()];
    acceptor_->async_accept(
        worker.io(), [this, &worker](const ErrorCode& error, tcp::socket socket) {
          if (error == asio::error::operation_aborted || !acceptor_->is_open()) return;
          if (!error) {
            asio::post(worker.io(), [&worker, moved = std::move(socket)]() mutable {
              worker.add(std::move(moved));
            });
            return accept();
          }
          // Out of descriptors or memory: the loop would spin, so let connections go first.
          shared_.log.warn("cannot accept a connection", {kv("error", error.message())});
          retry_->expires_after(kAcceptPause);
          retry_->async_wait([this](const ErrorCode& aborted) {
            if (!aborted) accept();
          });
        });
  }

  Shared shared_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::optional<tcp::acceptor> acceptor_;
  std::optional<asio::steady_timer> retry_;  ///< the pause before accepting again
  std::size_t next_ = 0;
  std::string address_;
  std::mutex stop_mutex_;
  bool stopped_ = false;
};

}  // namespace

Result<std::unique_ptr<Server>> Server::start(Handler handler, const ServerOptions& options,
                                              const Clock& clock, const Logger& log) {
  try {
    auto server = std::make_unique<ServerImpl>(std::move(handler), options, clock, log);
    MR_TRY(server->listen());
    return std::unique_ptr<Server>(std::move(server));
  } catch (const std::system_error& e) {  // no descriptors for the loop, no thread
    return fail(Code::Unavailable, std::string("starting the API server: ") + e.what());
  }
}

}  // namespace millrace::apiserver
