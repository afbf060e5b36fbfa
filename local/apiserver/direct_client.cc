#include "local/apiserver/direct_client.h"

#include <condition_variable>
#include <mutex>

#include "kubeclient/api/meta.h"
#include "kubeclient/client/request_path.h"
#include "kubeclient/client/status_error.h"
#include "kubeclient/codec/value.h"
#include "local/apiserver/api.h"
#include "local/apiserver/server_text.h"

namespace millrace::apiserver {
namespace {

using client::Query;

/// Taken from a stream at a time [bytes].
constexpr std::size_t kPiece = std::size_t{64} << 10;

/// One verb. `path` is as on the wire, with query.
struct Operation {
  const char* method = "GET";
  std::string path;
  std::string body = {};
  const char* content_type = "application/json";
  const char* accept = "application/json";
};

const char* content_type_of(client::PatchType type) {
  switch (type) {
    case client::PatchType::Merge:
      return "application/merge-patch+json";
    case client::PatchType::Json:
      return "application/json-patch+json";
    case client::PatchType::Apply:
      return "application/apply-patch+yaml";
  }
  return "";
}

std::string_view name_of(client::Propagation propagation) {
  switch (propagation) {
    case client::Propagation::Background:
      return "Background";
    case client::Propagation::Foreground:
      return "Foreground";
    case client::Propagation::Orphan:
      return "Orphan";
  }
  return "";
}

std::string delete_body(const client::DeleteOptions& del, bool dry_run) {
  using codec::Value;
  Value body = Value::object({{"kind", "DeleteOptions"},
                              {"apiVersion", "v1"},
                              {"propagationPolicy", name_of(del.propagation)}});
  if (!del.uid.empty()) body["preconditions"]["uid"] = del.uid;
  if (!del.resource_version.empty()) {
    body["preconditions"]["resourceVersion"] = del.resource_version;
  }
  if (del.grace_seconds) body["gracePeriodSeconds"] = *del.grace_seconds;
  if (dry_run) body["dryRun"] = Value::array({"All"});
  return body.dump();
}

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
  request.method = op.method;
  request.path = std::move(target.path);
  request.query = std::move(target.query);
  request.accept = op.accept;
  if (!op.body.empty()) request.content_type = op.content_type;
  request.user_agent = user_agent;
  request.body = op.body;
  return api.handle(request);
}

Error refusal(const Operation& op, const Response& response) {
  const std::string what = std::string(op.method) + " " + op.path.substr(0, op.path.find('?'));
  std::optional<std::chrono::milliseconds> retry_after;
  std::string_view location;
  for (const auto& [name, value] : response.headers) {
    if (name == "Retry-After") retry_after = std::chrono::seconds(std::atoi(value.c_str()));
    if (name == "Location") location = value;
  }
  return client::status_error(what, response.status, response.body, retry_after, location);
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
  MR_ASSIGN(auto path, client::object_path(resource, key));
  return call(api_, user_agent_, {.path = std::move(path)}, options);
}

Result<std::string> DirectClient::list_text(const api::ApiResource& resource, const std::string& ns,
                                            const client::ListOptions& list,
                                            const client::CallOptions& options) {
  MR_ASSIGN(auto path, client::collection_path(resource, ns));
  Query query;
  query.add("labelSelector", list.label_selector)
      .add("fieldSelector", list.field_selector)
      .add("limit", list.limit > 0 ? std::to_string(list.limit) : "")
      .add("continue", list.continue_token)
      .add("resourceVersion", list.resource_version)
      .add("resourceVersionMatch", list.resource_version_match);
  return call(api_, user_agent_, {.path = std::move(path) + query.text()}, options);
}

Result<std::unique_ptr<client::ByteStream>> DirectClient::watch(
    const api::ApiResource& resource, const std::string& ns, const client::WatchOptions& watch,
    const client::CallOptions& options) {
  MR_ASSIGN(auto path, client::collection_path(resource, ns));
  Query query;
  query.add("watch", "1")
      .add("allowWatchBookmarks", watch.bookmarks ? "true" : "")
      .add("labelSelector", watch.label_selector)
      .add("fieldSelector", watch.field_selector)
      .add("resourceVersion", watch.resource_version)
      .add("timeoutSeconds",
           watch.timeout.count() > 0 ? std::to_string(watch.timeout.count()) : "");
  if (watch.send_initial_events) {
    query.add("sendInitialEvents", "true").add("resourceVersionMatch", "NotOlderThan");
  }
  return open(api_, clock_, user_agent_, {.path = std::move(path) + query.text()}, options);
}

Result<std::string> DirectClient::create_text(const api::ApiResource& resource,
                                              const std::string& ns, std::string_view body,
                                              const client::CallOptions& options) {
  if (resource.namespaced && ns.empty()) {
    return fail(Code::Invalid,
                "creating " + std::string(resource.plural) + ": the namespace is missing");
  }
  MR_ASSIGN(auto path, client::collection_path(resource, ns));
  Query query;
  query.add("dryRun", options.dry_run ? "All" : "");
  return call(api_, user_agent_,
              {.method = "POST", .path = std::move(path) + query.text(), .body = std::string(body)},
              options);
}

Result<std::string> DirectClient::replace_text(const api::ApiResource& resource,
                                               const ObjectKey& key, std::string_view body,
                                               const std::string& subresource,
                                               const client::CallOptions& options) {
  MR_ASSIGN(auto path, client::object_path(resource, key, subresource));
  Query query;
  query.add("dryRun", options.dry_run ? "All" : "");
  return call(api_, user_agent_,
              {.method = "PUT", .path = std::move(path) + query.text(), .body = std::string(body)},
              options);
}

Result<std::string> DirectClient::patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                             client::PatchType type, std::string_view body,
                                             const client::PatchOptions& patch,
                                             const client::CallOptions& options) {
  MR_ASSIGN(auto path, client::object_path(resource, key, patch.subresource));
  const bool apply = type == client::PatchType::Apply;
  if (apply && patch.field_manager.empty()) {
    return fail(Code::Invalid, "applying " + key.str() + ": the field manager is missing");
  }
  Query query;
  query.add("dryRun", options.dry_run ? "All" : "")
      .add("fieldManager", patch.field_manager)
      .add("force", apply && patch.force ? "true" : "");
  return call(api_, user_agent_,
              {.method = "PATCH",
               .path = std::move(path) + query.text(),
               .body = std::string(body),
               .content_type = content_type_of(type)},
              options);
}

Result<std::string> DirectClient::delete_text(const api::ApiResource& resource,
                                              const ObjectKey& key,
                                              const client::DeleteOptions& del,
                                              const client::CallOptions& options) {
  MR_ASSIGN(auto path, client::object_path(resource, key));
  return call(
      api_, user_agent_,
      {.method = "DELETE", .path = std::move(path), .body = delete_body(del, options.dry_run)},
      options);
}

Result<std::unique_ptr<client::ByteStream>> DirectClient::pod_logs(
    const ObjectKey& pod, const client::LogOptions& log, const client::CallOptions& options) {
  static constexpr api::ApiResource kPods{"", "v1", "pods", "Pod", true};
  MR_ASSIGN(auto path, client::object_path(kPods, pod, "log"));
  const auto number = [](const std::optional<std::int64_t>& n) {
    return n ? std::to_string(*n) : std::string();
  };
  Query query;
  query.add("container", log.container)
      .add("follow", log.follow ? "true" : "")
      .add("previous", log.previous ? "true" : "")
      .add("timestamps", log.timestamps ? "true" : "")
      .add("tailLines", number(log.tail_lines))
      .add("limitBytes", number(log.limit_bytes));
  return open(api_, clock_, user_agent_, {.path = std::move(path) + query.text(), .accept = "*/*"},
              options);
}

}  // namespace millrace::apiserver
