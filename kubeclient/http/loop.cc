#include "kubeclient/http/loop.h"

#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "kubeclient/base/duration.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/http/failure.h"
#include "kubeclient/http/line.h"

namespace millrace::http {
namespace {

constexpr std::size_t kIdleLines = 32;

/// libcurl wants this once in a process, before its other functions.
void init_curl_once() {
  static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
  MR_CHECK(code == CURLE_OK);
}

/// What would let a header value start a second header, or end the request.
Result<void> check(const Request& request) {
  for (const std::string& header : request.headers) {
    if (header.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return fail(Code::Invalid, "header \"" + header.substr(0, header.find(':')) +
                                     "\" holds a line end or a zero byte");
    }
  }
  for (const char c : request.url) {
    if (static_cast<unsigned char>(c) <= ' ' || c == 0x7f) {
      return fail(Code::Invalid, "the URL holds a blank or a control character");
    }
  }
  return {};
}

}  // namespace

/// The lines that nobody uses, the one used last on top.
struct Loop::Impl {
  explicit Impl(const LoopOptions& options) { state.lock()->options = options; }

  struct State {
    LoopOptions options;
    std::uint64_t generation = 1;
    std::vector<std::unique_ptr<Line>> idle;
  };

  std::unique_ptr<Line> take() {
    std::unique_ptr<Line> line;
    const auto s = state.lock();
    if (!s->idle.empty()) {
      line = std::move(s->idle.back());
      s->idle.pop_back();
    } else {
      line = std::make_unique<Line>();
    }
    line->apply(s->options, s->generation);
    return line;
  }

  void give_back(std::unique_ptr<Line> line) {
    const auto s = state.lock();
    if (s->idle.size() < kIdleLines) s->idle.push_back(std::move(line));
  }

  Guarded<State> state;
};

namespace {

/// The whole answer at once.
struct CallTransfer final : Transfer {
  CallTransfer(Request&& what, SteadyTime until, std::size_t most)
      : Transfer(std::move(what), until), max_body(most) {}

  void on_head() override {
    if (content_length && *content_length <= max_body) body.reserve(*content_length);
  }
  bool on_body(std::string_view piece) override {
    if (body.size() + piece.size() > max_body) {
      failure =
          error_of(Code::Malformed, target() + ": the answer exceeds " + std::to_string(max_body) +
                                        " bytes; ask for less, e.g. in pages");
      return false;
    }
    body.append(piece);
    return true;
  }

  const std::size_t max_body;
  std::string body;
};

/// The answer in pieces: its reader's thread works for it, so that a slow reader holds the server
/// back by the socket alone.
class StreamTransfer final : public Transfer, public Stream {
 public:
  using GiveBack = std::function<void(std::unique_ptr<Line>)>;

  StreamTransfer(Request&& what, SteadyTime until, const StreamLimits& limits, std::size_t capacity,
                 std::unique_ptr<Line> line, GiveBack give_back)
      : Transfer(std::move(what), until),
        idle_(limits.idle),
        capacity_(capacity),
        line_(std::move(line)),
        give_back_(std::move(give_back)) {
    line_->begin(*this);
  }
  ~StreamTransfer() override {
    on_stop_.reset();
    line_->end();
    give_back_(std::move(line_));
  }

  /// Wait for the head of the answer.
  Result<void> wait_head(std::stop_token stop) {
    on_stop_.emplace(std::move(stop), [this] { cancel(); });
    switch (line_->drive(deadline, [this] { return head_done; })) {
      case Line::Step::Ready:
        break;
      case Line::Step::Done:
        finish();
        if (!head_done && error_) return fail(*error_);
        break;
      case Line::Step::Due:
        return fail(overdue());
      case Line::Step::Interrupted:
        return fail(Transfer::cancelled());
    }
    return {};
  }

  const Head& head() const override { return Transfer::head; }

  Result<std::string> read(SteadyTime until) override {
    const SteadyTime began = std::chrono::steady_clock::now();
    if (pending_.empty() && !done_) {
      if (const auto error = wait(began, until)) return fail(*error);
    }
    if (cancelled_) return fail(Transfer::cancelled());
    if (pending_.empty()) {
      if (error_) return fail(*error_);
      return std::string();
    }
    silent_ = {};
    return std::exchange(pending_, {});
  }

  void cancel() override {
    cancelled_ = true;
    line_->interrupt();
  }

  bool on_body(std::string_view piece) override {
    pending_.append(piece);
    return true;
  }
  bool full() const override { return pending_.size() >= capacity_; }

 private:
  /// Wait for bytes or the end. Errors that leave the stream open, or the one that ends it now.
  std::optional<Error> wait(SteadyTime began, SteadyTime until) {
    const bool limited = idle_.count() != 0;
    const SteadyTime silent_at = limited ? began + (idle_ - silent_) : SteadyTime::max();
    const auto ready = [this] { return !pending_.empty(); };
    const auto result = line_->drive(std::min(until, silent_at), ready);
    if (limited) silent_ += std::chrono::steady_clock::now() - began;
    switch (result) {
      case Line::Step::Ready:
        break;
      case Line::Step::Done:
        finish();
        break;
      case Line::Step::Due:
        if (until < silent_at) {
          return error_of(Code::Timeout, target() + ": nothing came until the reader's deadline");
        }
        done_ = true;
        error_ = error_of(Code::Unavailable, target() + ": the server sent nothing for " +
                                                 human_duration(idle_) +
                                                 "; the connection is taken for dead");
        line_->end();
        break;
      case Line::Step::Interrupted:
        return Transfer::cancelled();
    }
    return std::nullopt;
  }

  void finish() {
    done_ = true;
    error_ = line_->take_error();
    line_->end();
  }

  const std::chrono::milliseconds idle_;
  const std::size_t capacity_;
  std::unique_ptr<Line> line_;
  GiveBack give_back_;
  std::string pending_;
  bool done_ = false;
  std::optional<Error> error_;
  Duration silent_{};  ///< waited for bytes since the last ones
  std::atomic<bool> cancelled_{false};
  std::optional<std::stop_callback<std::function<void()>>> on_stop_;
};

}  // namespace

Loop::Loop(const LoopOptions& options) : impl_(nullptr) {
  init_curl_once();
  impl_ = std::make_unique<Impl>(options);
}

Loop::~Loop() = default;

Result<Response> Loop::call(Request request, std::stop_token stop, SteadyTime deadline) {
  MR_TRY(check(request));
  CallTransfer transfer(std::move(request), deadline, impl_->state.lock()->options.max_body);
  if (deadline <= std::chrono::steady_clock::now()) return fail(transfer.overdue());
  std::unique_ptr<Line> line = impl_->take();
  line->begin(transfer);
  std::optional<Error> error;
  {
    const std::stop_callback on_stop(std::move(stop), [&] { line->interrupt(); });
    switch (line->drive(deadline, [] { return false; })) {
      case Line::Step::Ready:
      case Line::Step::Done:
        error = line->take_error();
        break;
      case Line::Step::Due:
        error = transfer.overdue();
        break;
      case Line::Step::Interrupted:
        error = transfer.cancelled();
        break;
    }
  }
  line->end();
  impl_->give_back(std::move(line));
  if (error) return fail(std::move(*error));
  return Response{std::move(transfer.head), std::move(transfer.body), transfer.connections};
}

Result<std::unique_ptr<Stream>> Loop::open(Request request, const StreamLimits& limits,
                                           std::stop_token stop, SteadyTime deadline) {
  MR_TRY(check(request));
  // On its own: the lock lives as long as its statement, and take() locks too.
  const std::size_t capacity = impl_->state.lock()->options.stream_buffer;
  auto stream = std::make_unique<StreamTransfer>(
      std::move(request), deadline, limits, capacity, impl_->take(),
      [this](std::unique_ptr<Line> line) { impl_->give_back(std::move(line)); });
  MR_TRY(stream->wait_head(std::move(stop)));
  return std::unique_ptr<Stream>(std::move(stream));
}

void Loop::set_client_certificate(std::string certificate, std::string key) {
  const auto s = impl_->state.lock();
  s->options.tls.certificate = std::move(certificate);
  s->options.tls.key = std::move(key);
  ++s->generation;
}

}  // namespace millrace::http
