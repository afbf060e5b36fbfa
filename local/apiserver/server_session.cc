#include "local/apiserver/server_session.h"

#include <boost/asio/write.hpp>
#include <boost/beast/http/read.hpp>
#include <utility>

#include "local/apiserver/server_worker.h"

namespace millrace::apiserver {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using tcp = asio::ip::tcp;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kCloseTimeout{2'000};
/// Of a stream, taken and sent at a time [bytes].
constexpr std::size_t kPiece = std::size_t{64} << 10;
constexpr std::size_t kLot = kPiece / 2;  ///< followed by the next without a rest [bytes]
/// Read at a time while nothing is expected but the next request [bytes].
constexpr std::size_t kPeek = 4096;
/// Input that is thrown away so that our refusal is not lost in a reset [bytes].
constexpr std::size_t kMostDrained = std::size_t{16} << 20;

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

Response failure(int status, std::string_view reason, std::string_view message) {
  Response response;
  response.status = status;
  response.body = failure_body(status, reason, message);
  return response;
}

}  // namespace

template <class Body>
auto ServerSession::counted(Body body) {
  ++pending_;
  return [this, body](const ErrorCode& error, std::size_t n = 0) {
    --pending_;
    if (!closed_) body(error, n);
    if (gone()) worker_.drop(id_);  // the last thing done: it destroys this session
  };
}

void ServerSession::set_deadline(milliseconds from_now) {
  deadline_ = steady_clock::now() + from_now;
  worker_.arm(deadline_);
}

void ServerSession::start() {
  set_deadline(shared_.options.head_timeout);
  stream_.async_handshake(counted([this](const ErrorCode& error, std::size_t) {
    if (!error) return next_request();
    TlsStream::is_plain_http(error) ? say_it_is_https() : close();
  }));
}

void ServerSession::say_it_is_https() {
  head_ =
      "HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\n"
      "Client sent an HTTP request to an HTTPS server.\n";
  asio::async_write(stream_.socket(), asio::buffer(head_),
                    counted([this](const ErrorCode&, std::size_t) { close(); }));
}

void ServerSession::close() {
  closed_ = true;
  source_.reset();
  ErrorCode ignored;
  stream_.socket().close(ignored);
}

void ServerSession::next_request() {
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
void ServerSession::peek() {
  if (peeking_) return;
  peeking_ = true;
  stream_.async_read_some(buffer_.prepare(kPeek),
                          counted([this](const ErrorCode& e, std::size_t n) { peeked(e, n); }));
}

void ServerSession::peeked(const ErrorCode& error, std::size_t n) {
  peeking_ = false;
  buffer_.commit(n);
  if (error) return close();  // nobody is there to read an answer
  // While a stream runs, what comes next waits in the buffer, and we do not ask for more of it.
  if (state_ == State::Idle) read_head();
}

void ServerSession::read_head() {
  state_ = State::Reading;
  set_deadline(shared_.options.head_timeout);
  http::async_read_header(stream_, buffer_, *parser_,
                          counted([this](const ErrorCode& e, std::size_t) { on_head(e); }));
}

void ServerSession::on_head(const ErrorCode& error) {
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
  stream_.async_send(head_, {}, counted([this](const ErrorCode& failed, std::size_t) {
                       return failed ? close() : read_body();
                     }));
}

void ServerSession::read_body() {
  http::async_read(stream_, buffer_, *parser_,
                   counted([this](const ErrorCode& e, std::size_t) { on_body(e); }));
}

void ServerSession::on_body(const ErrorCode& error) {
  if (error) return refuse(error);
  unread_input_ = false;
  handle();
}

void ServerSession::refuse(const ErrorCode& error) {
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

void ServerSession::refuse(int status, std::string_view reason, std::string_view message) {
  unread_input_ = true;  // whatever follows, we do not know where the next request begins
  answer(failure(status, reason, message), false);
}

void ServerSession::handle() {
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

void ServerSession::answer(Response response, bool keep_alive) {
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
  stream_.async_send(head_, body_, counted([this](const ErrorCode& error, std::size_t) {
                       writing_ = false;
                       return error ? close() : finish();
                     }));
}

void ServerSession::begin_stream(Response response) {
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
  stream_.socket().set_option(asio::socket_base::keep_alive(true), ignored);
  source_ = std::move(response.stream);
  source_->on_ready([this] {
    if (!woken_.exchange(true)) worker_.post_wake(id_);
  });
  if (buffer_.size() == 0) peek();
  writing_ = true;
  stream_.async_send(head_, {}, counted([this](const ErrorCode& error, std::size_t) {
                       writing_ = false;
                       error ? close() : void(pump());
                     }));
}

/// Send what the stream has, one piece at a time; the next is taken when this one is out. Whether
/// there was a piece.
bool ServerSession::pump() {
  if (writing_ || !source_) return false;
  if (worker_.stopping()) {
    end_stream();
    return false;
  }
  woken_ = false;  // before taking: what comes from now on wakes us again
  piece_ = source_->take_piece(kPiece);
  if (piece_.empty()) {
    if (source_->ended()) end_stream();
    return false;
  }
  const bool lot = piece_.text().size() >= kLot;
  writing_ = true;
  stream_.async_send(framing_ == Framing::Chunked ? piece_.chunk() : piece_.text(), {},
                     counted([this, lot](const ErrorCode& error, std::size_t) {
                       writing_ = false;
                       piece_ = {};
                       if (error) return close();
                       lot ? void(pump()) : look_later();
                     }));
  return true;
}

/// On our own thread. A wake that came while we were writing was not heeded, so ask once more.
void ServerSession::look_later() {
  woken_ = true;
  worker_.post_wake(id_);
}

void ServerSession::end_stream() {
  source_.reset();
  state_ = State::Answering;
  set_deadline(worker_.stopping() ? kStopGrace : shared_.options.write_timeout);
  if (framing_ != Framing::Chunked) return close_politely();
  head_ = "0\r\n\r\n";
  writing_ = true;
  stream_.async_send(head_, {}, counted([this](const ErrorCode& error, std::size_t) {
                       writing_ = false;
                       return error ? close() : finish();
                     }));
}

/// The answer is out.
void ServerSession::finish() {
  if (keep_alive_ && !worker_.stopping()) return next_request();
  if (!unread_input_) return close_politely();
  // Unread input would turn the close into a reset, which may eat our answer on its way.
  state_ = State::Closing;
  set_deadline(kCloseTimeout);
  ErrorCode ignored;
  stream_.socket().shutdown(tcp::socket::shutdown_send, ignored);
  drain(kMostDrained);
}

/// Read on until the client closes, `left` bytes came or the time is over.
void ServerSession::drain(std::size_t left) {
  buffer_.clear();
  stream_.async_read_some(buffer_.prepare(16 * kPeek),
                          counted([this, left](const ErrorCode& error, std::size_t n) {
                            if (error || n >= left) return close();
                            drain(left - n);
                          }));
}

/// Tell the client that nothing was cut off.
void ServerSession::close_politely() {
  if (peeking_) return close();
  state_ = State::Closing;
  set_deadline(kCloseTimeout);
  stream_.async_shutdown(counted([this](const ErrorCode&, std::size_t) { close(); }));
}

void ServerSession::begin_stop() {
  if (state_ == State::Streaming) return void(pump());
  if (state_ != State::Answering && state_ != State::Closing) close();
}

}  // namespace millrace::apiserver
