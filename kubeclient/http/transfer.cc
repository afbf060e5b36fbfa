#include "kubeclient/http/transfer.h"

#include <algorithm>
#include <charconv>

#include "kubeclient/base/duration.h"
#include "kubeclient/http/failure.h"

namespace millrace::http {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\r' || c == '\n'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

/// "HTTP/2 200" or "HTTP/1.1 404 Not Found".
Head parse_status_line(std::string_view line) {
  Head head;
  head.http_version = line.size() > 5 && line[5] == '2' ? 2 : 1;
  const std::size_t space = line.find(' ');
  if (space != std::string_view::npos) {
    std::from_chars(line.data() + space + 1, line.data() + line.size(), head.status);
  }
  return head;
}

}  // namespace

bool Transfer::add_header(std::string_view line, std::size_t max_headers) {
  header_bytes += line.size();
  if (header_bytes > max_headers) {
    failure = error_of(Code::Malformed, target() + ": the headers of the answer exceed " +
                                            std::to_string(max_headers) + " bytes");
    return false;
  }
  if (head_done) return true;  // a trailer
  if (line.starts_with("HTTP/")) {
    head = parse_status_line(line);
    content_length.reset();
    return true;
  }
  const std::string_view text = trim(line);
  if (text.empty()) {
    if (head.status < 200) return true;  // interim; the real one follows
    head_done = true;
    on_head();
    return true;
  }
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return true;
  const std::string_view name = text.substr(0, colon);
  const std::string_view value = trim(text.substr(colon + 1));
  if (equals_ignoring_case(name, "content-length")) {
    std::size_t length = 0;
    if (std::from_chars(value.data(), value.data() + value.size(), length).ec == std::errc()) {
      content_length = length;
    }
  } else if (equals_ignoring_case(name, "content-type")) {
    head.content_type = value;
  } else if (equals_ignoring_case(name, "location")) {
    head.location = value;
  } else if (equals_ignoring_case(name, "retry-after")) {
    head.retry_after = parse_retry_after(value, SystemClock().now());
  }
  return true;
}

std::string Transfer::target() const {
  const std::string_view url = request.url;
  return std::string(to_string(request.method)) + " " + std::string(url.substr(0, url.find('?')));
}

Error Transfer::overdue() const {
  const auto allowed = std::chrono::ceil<std::chrono::milliseconds>(deadline - created);
  return error_of(Code::Timeout, target() + ": no complete answer within " +
                                     human_duration(std::max(allowed, allowed.zero())));
}

// ---- CallTransfer

CallTransfer::CallTransfer(std::uint64_t transfer_id, Request&& what, SteadyTime until,
                           std::size_t max_body)
    : Transfer(transfer_id, std::move(what), until), max_body_(max_body) {
  MR_CHECK(sem_init(&done_, 0, 0) == 0);
}

CallTransfer::~CallTransfer() { sem_destroy(&done_); }

void CallTransfer::on_head() {
  if (content_length && *content_length <= max_body_) body_.reserve(*content_length);
}

Taken CallTransfer::on_body(std::string_view piece) {
  if (body_.size() + piece.size() > max_body_) {
    failure =
        error_of(Code::Malformed, target() + ": the answer exceeds " + std::to_string(max_body_) +
                                      " bytes; ask for less, e.g. in pages");
    return Taken::No;
  }
  body_.append(piece);
  return Taken::Yes;
}

void CallTransfer::on_done(std::optional<Error> error) {
  error_ = std::move(error);
  sem_post(&done_);
}

Result<Response> CallTransfer::wait() {
  while (sem_wait(&done_) != 0) {  // EINTR
  }
  if (error_) return fail(std::move(*error_));
  return Response{std::move(head), std::move(body_), connections};
}

// ---- StreamTransfer

StreamTransfer::~StreamTransfer() {
  on_stop_.reset();
  if (!started_) return;
  if (!state_.lock()->done) mailbox_.post({Command::Kind::Cancel, id, nullptr});
  auto state = state_.lock();
  wake_.wait(state.lock(), [&] { return state->done; });
}

void StreamTransfer::start(std::stop_token stop) {
  started_ = true;
  mailbox_.post({Command::Kind::Start, id, this});
  if (stop.stop_possible()) on_stop_.emplace(std::move(stop), [this] { cancel(); });
}

Result<void> StreamTransfer::wait_head() {
  auto state = state_.lock();
  wake_.wait(state.lock(), [&] { return state->has_head || state->done || state->cancelled; });
  if (state->cancelled) return fail(cancelled_error());
  if (!state->has_head && state->error) return fail(*state->error);
  return {};
}

void StreamTransfer::on_head() {
  last_data_ = std::chrono::steady_clock::now();
  const auto state = state_.lock();
  state->has_head = true;
  wake_.notify_all();
}

Taken StreamTransfer::on_body(std::string_view piece) {
  const auto state = state_.lock();
  if (state->pending.size() >= capacity_) {
    state->paused = true;
    paused_in_curl_ = true;
    return Taken::Pause;
  }
  state->pending.append(piece);
  wake_.notify_all();
  last_data_ = std::chrono::steady_clock::now();
  return Taken::Yes;
}

void StreamTransfer::on_done(std::optional<Error> error) {
  const auto state = state_.lock();
  state->error = std::move(error);
  state->done = true;
  wake_.notify_all();  // under the lock, since the waiter may destroy this object
}

SteadyTime StreamTransfer::due() const {
  if (!head_done) return deadline;
  if (idle_.count() == 0 || paused_in_curl_) return SteadyTime::max();
  return last_data_ + idle_;
}

SteadyTime StreamTransfer::look_again(SteadyTime now) const {
  return idle_.count() == 0 ? due() : std::min(due(), now + idle_);
}

Error StreamTransfer::overdue() const {
  if (!head_done) return Transfer::overdue();
  return error_of(Code::Unavailable, target() + ": the server sent nothing for " +
                                         human_duration(idle_) +
                                         "; the connection is taken for dead");
}

void StreamTransfer::on_resume(SteadyTime now) {
  paused_in_curl_ = false;
  last_data_ = now;
}

Result<std::string> StreamTransfer::read(SteadyTime until) {
  std::string piece;
  bool resume = false;
  {
    auto state = state_.lock();
    const auto ready = [&] { return !state->pending.empty() || state->done || state->cancelled; };
    if (until == SteadyTime::max()) {
      wake_.wait(state.lock(), ready);
    } else if (!wake_.wait_until(state.lock(), until, ready)) {
      return fail(Code::Timeout, target() + ": nothing came until the reader's deadline");
    }
    if (state->cancelled) return fail(cancelled_error());
    if (state->pending.empty()) {
      if (state->error) return fail(*state->error);
      return std::string();
    }
    piece = std::move(state->pending);
    state->pending.clear();
    resume = state->paused && !state->done;
    state->paused = false;
  }
  if (resume) mailbox_.post({Command::Kind::Resume, id, nullptr});
  return piece;
}

void StreamTransfer::cancel() {
  {
    const auto state = state_.lock();
    state->cancelled = true;
    wake_.notify_all();
    if (state->done) return;
  }
  mailbox_.post({Command::Kind::Cancel, id, nullptr});
}

Error StreamTransfer::cancelled_error() const {
  return error_of(Code::Cancelled, target() + ": cancelled");
}

}  // namespace millrace::http
