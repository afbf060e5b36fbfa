#include "local/apiserver/direct_client.h"

#include <condition_variable>
#include <mutex>

#include "kubeclient/client/request.h"
#include "kubeclient/client/status_error.h"
#include "local/apiserver/api.h"
#include "local/apiserver/server_text.h"

namespace millrace::apiserver {
namespace {

using client::Operation;

/// Taken from a stream at a time [bytes].
constexpr std::size_t kPiece = std::size_t{64} << 10;

/// Blocks its reader until the stream below has something.
class BlockingStream final : public client::ByteStream {
 public:
  BlockingStream(std::unique_ptr<Stream> source, const Clock& clock, std::stop_token stop)
      : source_(std::move(source)), clock_(clock), stop_(std::move(stop)) {
    source_->on_ready([this] { notify(&BlockingStream::ready_); });
  }
  ~BlockingStream() override { source_.reset(); }

  Result<std::string> read(SteadyTime deadline) override {
    const std::stop_callback wake(stop_, [this] { notify(&BlockingStream::cancelled_); });
    for (;;) {
      {
        const std::lock_guard lock(mutex_);
        if (cancelled_) return fail(Code::Cancelled, "reading a stream was cancelled");
        ready_ = false;  // before taking: what comes from now on wakes us again
      }
      std::string piece = source_->take(kPiece);
      if (!piece.empty() || source_->ended()) return piece;
      std::unique_lock lock(mutex_);
      const auto waiting = [this] { return ready_ || cancelled_; };
      // A manual clock does not move while we wait; then only what is there by now counts.
      const Duration left = deadline - clock_.steady();
      if (left > Duration::zero()) {
        wake_.wait_until(lock, real_deadline(deadline, left), waiting);
      }
      if (!waiting()) return fail(Code::Timeout, "nothing came on a stream until the deadline");
    }
  }
  void cancel() override { notify(&BlockingStream::cancelled_); }

 private:
  static SteadyTime real_deadline(SteadyTime deadline, Duration left) {
    if (deadline == SteadyTime::max()) return deadline;
    return std::chrono::steady_clock::now() + left;
  }
  void notify(bool BlockingStream::*what) {
    {
      const std::lock_guard lock(mutex_);
      this->*what = true;
    }
    wake_.notify_all();
  }

  std::unique_ptr<Stream> source_;
  const Clock& clock_;
  const std::stop_token stop_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool ready_ = false;
  bool cancelled_ = false;
};

Result<Response> send(Api& api, const std::string& user_agent, const Operation& op,
                      const client::CallOptions& options) {
  if (options.stop.stop_requested()) {
    return fail(Code::Cancelled, "the call was cancelled before it began");
  }
  MR_ASSIGN(RawTarget target, read_target(op.path));
  Request request;
  request.method = op.method_name();
  request.path = std::move(target.path);
  request.query = std::move(target.query);
  request.accept = op.accept;
  if (!op.body.empty()) request.content_type = op.content_type;
  request.user_agent = user_agent;
  request.body = op.body;
  return api.handle(request);
}

Error refusal(const Operation& op, const Response& response) {
  std::optional<std::chrono::milliseconds> retry_after;
  std::string_view location;
  for (const auto& [name, value] : response.headers) {
    if (name == "Retry-After") retry_after = std::chrono::seconds(std::atoi(value.c_str()));
    if (name == "Location") location = value;
  }
  return client::status_error(op.what(), response.status, response.body, retry_after, location);
}

Result<std::string> call(Api& api, const std::string& user_agent, const Operation& op,
                         const client::CallOptions& options) {
  MR_ASSIGN(Response response, send(api, user_agent, op, options));
  if (response.status < 200 || response.status >= 300) return fail(refusal(op, response));
  while (response.stream && !response.stream->ended()) {  // a log that is not followed
    std::string piece = response.stream->take(kPiece);
    if (piece.empty()) break;
    response.body += piece;
  }
  return std::move(response.body);
}

/// What is there at once, then the end.
class FixedStream final : public Stream {
 public:
  explicit FixedStream(std::string text) : text_(std::move(text)) {}
  std::string take(std::size_t) override { return std::exchange(text_, {}); }
  bool ended() const override { return text_.empty(); }
  void on_ready(std::function<void()>) override {}

 private:
  std::string text_;
};

Result<std::unique_ptr<client::ByteStream>> open(Api& api, const Clock& clock,
                                                 const std::string& user_agent, const Operation& op,
                                                 const client::CallOptions& options) {
  MR_ASSIGN(Response response, send(api, user_agent, op, options));
  if (response.status != 200) return fail(refusal(op, response));
  if (!response.stream) response.stream = std::make_unique<FixedStream>(std::move(response.body));
  return std::unique_ptr<client::ByteStream>(
      std::make_unique<BlockingStream>(std::move(response.stream), clock, options.stop));
}

}  // namespace

DirectClient::DirectClient(Api& api, const Clock& clock, std::string user_agent)
    : api_(api), clock_(clock), user_agent_(std::move(user_agent)) {}

DirectClient::~DirectClient() = default;

Result<std::string> DirectClient::get_text(const api::ApiResource& resource, const ObjectKey& key,
                                           const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::get_request(resource, key));
  return call(api_, user_agent_, op, options);
}

Result<std::string> DirectClient::raw_get(std::string_view path,
                                          const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::raw_request(path));
  return call(api_, user_agent_, op, options);
}

Result<std::string> DirectClient::list_text(const api::ApiResource& resource, const std::string& ns,
                                            const client::ListOptions& list,
                                            const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::list_request(resource, ns, list));
  return call(api_, user_agent_, op, options);
}

Result<std::unique_ptr<client::ByteStream>> DirectClient::watch(
    const api::ApiResource& resource, const std::string& ns, const client::WatchOptions& watch,
    const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::watch_request(resource, ns, watch));
  return open(api_, clock_, user_agent_, op, options);
}

Result<std::string> DirectClient::create_text(const api::ApiResource& resource,
                                              const std::string& ns, std::string_view body,
                                              const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::create_request(resource, ns, body, options));
  return call(api_, user_agent_, op, options);
}

Result<std::string> DirectClient::replace_text(const api::ApiResource& resource,
                                               const ObjectKey& key, std::string_view body,
                                               const std::string& subresource,
                                               const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::replace_request(resource, key, body, subresource, options));
  return call(api_, user_agent_, op, options);
}

Result<std::string> DirectClient::patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                             client::PatchType type, std::string_view body,
                                             const client::PatchOptions& patch,
                                             const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::patch_request(resource, key, type, body, patch, options));
  return call(api_, user_agent_, op, options);
}

Result<std::string> DirectClient::delete_text(const api::ApiResource& resource,
                                              const ObjectKey& key,
                                              const client::DeleteOptions& del,
                                              const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::delete_request(resource, key, del, options));
  return call(api_, user_agent_, op, options);
}

Result<std::unique_ptr<client::ByteStream>> DirectClient::pod_logs(
    const ObjectKey& pod, const client::LogOptions& log, const client::CallOptions& options) {
  MR_ASSIGN(const Operation op, client::log_request(pod, log));
  return open(api_, clock_, user_agent_, op, options);
}

}  // namespace millrace::apiserver
