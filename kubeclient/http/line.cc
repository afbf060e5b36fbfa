#include "kubeclient/http/line.h"

#include <curl/curl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "kubeclient/http/failure.h"

namespace millrace::http {
namespace {

// One TLS record holds at most 16 KiB; a stream's first answer is long.
constexpr std::size_t kReceiveBuffer = std::size_t{32} << 10;
/// A longer body is sent by itself, and not copied.
constexpr std::size_t kSmallBody = std::size_t{64} << 10;
// A peer that acknowledges nothing for this long is gone.
constexpr unsigned kUserTimeout = 20'000;  // [ms]
// Go's servers, the API server among them, close what was idle for 90 s: a request must not meet
// that moment. Source: IdleTimeout in k8s.io/apiserver, secure_serving.go.
constexpr std::chrono::seconds kOldestIdle{80};
// A connection that was used just now is taken for good without a look.
constexpr std::chrono::seconds kTrusted{1};

template <class Value>
void set(CURL* easy, CURLoption option, Value value) {
  const CURLcode code = curl_easy_setopt(easy, option, value);
  if (code == CURLE_OUT_OF_MEMORY) throw std::bad_alloc();
  MR_CHECK(code == CURLE_OK);
}

void set_blob(CURL* easy, CURLoption option, const std::string& text) {
  if (text.empty()) return set(easy, option, static_cast<curl_blob*>(nullptr));
  curl_blob blob{const_cast<char*>(text.data()), text.size(), CURL_BLOB_COPY};
  set(easy, option, &blob);
}

int tune_socket(void*, curl_socket_t socket, curlsocktype) noexcept {
  // Unix sockets and old kernels refuse it; keepalive remains.
  (void)setsockopt(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, &kUserTimeout, sizeof kUserTimeout);
  return CURL_SOCKOPT_OK;
}

/// One system call a record instead of two. What OpenSSL has read ahead no poll tells of: see
/// `has_more`.
CURLcode tune_tls(CURL*, void* context, void*) noexcept {
  SSL_CTX_set_read_ahead(static_cast<SSL_CTX*>(context), 1);
  return CURLE_OK;
}

/// Keeps SIGPIPE from this thread: OpenSSL writes without MSG_NOSIGNAL, and whether the process
/// wants to die of a closed pipe elsewhere (`millrace get | head`) is not ours to say.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~NoSigpipe() {
    if (sigismember(&before_, SIGPIPE) == 1) return;
    constexpr timespec kNow{};
    while (sigtimedwait(&pipe_, nullptr, &kNow) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;

 private:
  sigset_t pipe_{};
  sigset_t before_{};
};

/// Until `until`, for poll: rounded up, or the last wait would spin.
int wait_of(SteadyTime until) {
  using std::chrono::milliseconds;
  constexpr milliseconds kLongest = std::chrono::hours(1);
  const SteadyTime now = std::chrono::steady_clock::now();
  if (until - now >= kLongest) return static_cast<int>(kLongest.count());
  const auto wait = std::chrono::ceil<milliseconds>(until - now);
  return static_cast<int>(std::max(wait, milliseconds(0)).count());
}

/// A URL cut before its path: "https://host:port" and "/path?query".
std::pair<std::string_view, std::string_view> cut(std::string_view url) {
  const std::size_t scheme = url.find("://");
  const std::size_t start = scheme == std::string_view::npos ? 0 : scheme + 3;
  const std::size_t path = std::min(url.find_first_of("/?#", start), url.size());
  return {url.substr(0, path), url.substr(path)};
}

bool is_repeatable(Method method) { return method != Method::Post && method != Method::Patch; }

}  // namespace

Line::Line()
    : easy_(curl_easy_init()),
      multi_(curl_multi_init()),
      error_text_(CURL_ERROR_SIZE),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      buffer_(kReceiveBuffer) {
  if (easy_ == nullptr || multi_ == nullptr || wake_ < 0) throw std::bad_alloc();
}

Line::~Line() {
  hang_up();
  curl_easy_cleanup(easy_);
  curl_multi_cleanup(multi_);
  curl_slist_free_all(static_cast<curl_slist*>(connect_to_));
  close(wake_);
}

void Line::apply(const LoopOptions& o, std::uint64_t generation) {
  if (generation == generation_) return;
  hang_up();
  CURL* const easy = easy_;
  set(easy, CURLOPT_CONNECT_ONLY, 1L);
  set(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
  set(easy, CURLOPT_ERRORBUFFER, error_text_.data());
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_QUICK_EXIT, 1L);  // a cancelled call does not wait for a name server
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_TCP_NODELAY, 1L);
  set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  set(easy, CURLOPT_TCP_KEEPIDLE, 15L);   // [s]
  set(easy, CURLOPT_TCP_KEEPINTVL, 10L);  // [s]
  set(easy, CURLOPT_SOCKOPTFUNCTION, &tune_socket);
  set(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(o.connect_timeout.count()));
  set(easy, CURLOPT_BUFFERSIZE, 4L << 10);  // of no use here

  set(easy, CURLOPT_SSL_CTX_FUNCTION, &tune_tls);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  const bool verify = o.tls.verify == Verify::Yes;
  set(easy, CURLOPT_SSL_VERIFYPEER, verify ? 1L : 0L);
  set(easy, CURLOPT_SSL_VERIFYHOST, verify ? 2L : 0L);
  if (!o.tls.ca.empty()) {  // this one, and not the system's as well
    set(easy, CURLOPT_CAINFO, static_cast<const char*>(nullptr));
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
    set_blob(easy, CURLOPT_CAINFO_BLOB, o.tls.ca);
  }
  set(easy, CURLOPT_SSLCERTTYPE, "PEM");
  set(easy, CURLOPT_SSLKEYTYPE, "PEM");
  set(easy, CURLOPT_KEYPASSWD, "");  // never ask the terminal
  set_blob(easy, CURLOPT_SSLCERT_BLOB, o.tls.certificate);
  set_blob(easy, CURLOPT_SSLKEY_BLOB, o.tls.key);

  set(easy, CURLOPT_PROXY, o.proxy.c_str());  // "" also keeps the environment out
  set(easy, CURLOPT_NOPROXY, o.no_proxy.c_str());
  if (!o.connect_to.empty() && connect_to_ == nullptr) {
    connect_to_ = curl_slist_append(nullptr, o.connect_to.c_str());
    if (connect_to_ == nullptr) throw std::bad_alloc();
    set(easy, CURLOPT_CONNECT_TO, static_cast<curl_slist*>(connect_to_));
  }
  max_headers_ = o.max_headers;
  proxied_ = !o.proxy.empty();
  generation_ = generation;
}

void Line::begin(Transfer& transfer) {
  error_.reset();
  interrupted_ = false;
  if (woken_.exchange(false)) {  // an interruption that came too late
    std::uint64_t count = 0;
    (void)!read(wake_, &count, sizeof count);
  }
  transfer_ = &transfer;
  answer_.emplace(transfer, max_headers_);
  sent_ = 0;
  drained_ = false;
  write_head();
  reused_ = is_usable(std::string(cut(transfer.request.url).first));
  if (reused_) {
    phase_ = Phase::Sending;
  } else {
    connect();
  }
}

void Line::write_head() {
  const Request& request = transfer_->request;
  const auto [origin, path] = cut(request.url);
  const auto starts = [](const std::string& header) { return header.starts_with("Host:"); };
  out_.clear();
  out_ += to_string(request.method);
  out_ += ' ';
  if (!path.starts_with('/')) out_ += '/';
  out_ += path.substr(0, path.find('#'));
  out_ += " HTTP/1.1\r\n";
  if (std::none_of(request.headers.begin(), request.headers.end(), starts)) {
    out_ += "Host: ";
    out_ += origin.substr(std::min(origin.find("://") + 3, origin.size()));
    out_ += "\r\n";
  }
  for (const std::string& header : request.headers) (out_ += header) += "\r\n";
  if (!request.body.empty() || request.method != Method::Get) {
    out_ += "Content-Length: " + std::to_string(request.body.size()) + "\r\n";
  }
  out_ += "\r\n";
  body_in_out_ = request.body.size() <= kSmallBody;
  if (body_in_out_) out_ += request.body;
}

bool Line::is_usable(const std::string& origin) const {
  if (!connected_ || origin != origin_) return false;
  const Duration idle = std::chrono::steady_clock::now() - last_use_;
  if (idle < kTrusted) return true;
  if (idle > kOldestIdle) return false;
  pollfd socket{socket_, POLLIN, 0};
  return poll(&socket, 1, 0) == 0;  // what can be read now is the server's goodbye
}

void Line::connect() {
  hang_up();
  error_text_[0] = '\0';
  origin_ = cut(transfer_->request.url).first;
  ++transfer_->connections;
  const NoSigpipe guard;
  set(easy_, CURLOPT_URL, (origin_ + "/").c_str());
  const CURLMcode code = curl_multi_add_handle(multi_, easy_);
  MR_CHECK(code == CURLM_OK);
  connected_ = true;
  phase_ = Phase::Connecting;
}

void Line::hang_up() {
  if (!connected_) return;
  const NoSigpipe guard;                    // TLS says goodbye
  curl_multi_remove_handle(multi_, easy_);  // closes a connection of CONNECT_ONLY
  connected_ = false;
  socket_ = -1;
  tls_.reset();
}

Line::Step Line::drive(SteadyTime until, const std::function<bool()>& ready) {
  const NoSigpipe guard;
  for (;;) {
    if (interrupted_) return Step::Interrupted;
    if (drained_) wait(until);
    work();
    if (phase_ == Phase::Done) return Step::Done;
    if (ready()) return Step::Ready;
    if (std::chrono::steady_clock::now() >= until) return Step::Due;
  }
}

void Line::wait(SteadyTime until) {
  if (phase_ == Phase::Connecting) {
    curl_waitfd wake{wake_, CURL_WAIT_POLLIN, 0};
    curl_multi_poll(multi_, &wake, 1, wait_of(until), nullptr);
    return;
  }
  const bool sending = phase_ == Phase::Sending;
  std::array<pollfd, 2> both{
      {{socket_, static_cast<short>(sending ? POLLIN | POLLOUT : POLLIN), 0}, {wake_, POLLIN, 0}}};
  poll(both.data(), both.size(), wait_of(until));
}

void Line::work() {
  drained_ = true;  // unless the work says otherwise
  if (phase_ == Phase::Connecting) work_connecting();
  if (phase_ == Phase::Sending) {
    work_sending();
    return;  // the answer takes a while, and reading before it is there costs as much as after
  }
  if (phase_ == Phase::Receiving) work_receiving();
}

void Line::work_connecting() {
  int running = 0;
  curl_multi_perform(multi_, &running);
  int left = 0;
  while (const CURLMsg* message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    const CURLcode code = message->data.result;
    if (code != CURLE_OK) {
      hang_up();
      return done(describe_failure(code, transfer_->target(), error_text_.data()));
    }
    curl_socket_t socket = CURL_SOCKET_BAD;
    curl_easy_getinfo(easy_, CURLINFO_ACTIVESOCKET, &socket);
    if (socket == CURL_SOCKET_BAD) return broken(CURLE_COULDNT_CONNECT);
    socket_ = socket;
    phase_ = Phase::Sending;
  }
}

void Line::work_sending() {
  const std::string& body = transfer_->request.body;
  for (;;) {
    std::string_view rest;
    if (sent_ < out_.size()) {
      rest = std::string_view(out_).substr(sent_);
    } else if (!body_in_out_) {
      rest = std::string_view(body).substr(sent_ - out_.size());
    }
    if (rest.empty()) break;
    std::size_t sent = 0;
    const CURLcode code = curl_easy_send(easy_, rest.data(), rest.size(), &sent);
    if (code == CURLE_AGAIN) return;
    // A server may answer and close before it has read all: its answer says more than our error.
    if (code != CURLE_OK) break;
    sent_ += sent;
  }
  phase_ = Phase::Receiving;
}

void Line::work_receiving() {
  while (!transfer_->full()) {
    std::size_t size = 0;
    const CURLcode code = curl_easy_recv(easy_, buffer_.data(), buffer_.size(), &size);
    if (code == CURLE_AGAIN) return;
    if (code != CURLE_OK || size == 0) {
      if (!answer_->begun() && reused_) return broken(CURLE_GOT_NOTHING);
      const bool whole = answer_->feed_end();
      hang_up();
      if (whole) return done(std::nullopt);
      if (code == CURLE_OK) return done(answer_->error());
      // libcurl's sentence may hold the server's alert about our certificate.
      return done(describe_failure(code, transfer_->target(), error_text_.data()));
    }
    if (!answer_->feed({buffer_.data(), size})) {
      hang_up();
      return done(answer_->error());
    }
    if (!answer_->complete() && !has_more()) return;
    if (answer_->complete()) {
      last_use_ = std::chrono::steady_clock::now();
      const std::size_t whole = out_.size() + (body_in_out_ ? 0 : transfer_->request.body.size());
      if (!answer_->keep_alive() || sent_ < whole) hang_up();
      return done(std::nullopt);
    }
  }
  drained_ = false;
}

/// May there be more to read that no poll would tell of? A proxy may speak TLS of its own below
/// ours, of which we know nothing.
bool Line::has_more() {
  if (proxied_) return true;
  if (!tls_) {
    const curl_tlssessioninfo* info = nullptr;
    curl_easy_getinfo(easy_, CURLINFO_TLS_SSL_PTR, &info);
    const bool openssl = info != nullptr && info->backend == CURLSSLBACKEND_OPENSSL;
    tls_ = openssl ? info->internals : nullptr;
    if (*tls_ == nullptr && origin_.starts_with("https")) return true;
  }
  return *tls_ != nullptr && SSL_has_pending(static_cast<const SSL*>(*tls_)) == 1;
}

void Line::broken(int code) {
  hang_up();
  // The connection was idle and has died: nobody read the request, as far as one can tell. What
  // must not be done twice is the caller's decision.
  if (reused_ && is_repeatable(transfer_->request.method)) {
    reused_ = false;
    sent_ = 0;
    drained_ = false;
    return connect();
  }
  if (reused_) return done(describe_failure(CURLE_ABORTED_BY_CALLBACK, transfer_->target(), ""));
  done(describe_failure(code, transfer_->target(), ""));
}

void Line::done(std::optional<Error> error) {
  error_ = std::move(error);
  phase_ = Phase::Done;
}

void Line::end() {
  if (transfer_ == nullptr) return;
  if (phase_ != Phase::Done) hang_up();
  phase_ = Phase::Idle;
  answer_.reset();
  transfer_ = nullptr;
}

void Line::interrupt() {
  interrupted_ = true;
  const std::uint64_t one = 1;
  (void)!write(wake_, &one, sizeof one);
  woken_ = true;
}

}  // namespace millrace::http
