#include "kubeclient/client/client.h"

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <random>
#include <tuple>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/credentials.h"
#include "kubeclient/client/kubeconfig.h"
#include "kubeclient/client/request.h"
#include "kubeclient/client/status_error.h"
#include "kubeclient/http/loop.h"

namespace millrace::client {
namespace {

using std::chrono::milliseconds;

constexpr int kMostThrottled = 10;   ///< repeats after 429
constexpr int kMostReadRepeats = 4;  ///< repeats of reads after failures that may pass
constexpr milliseconds kFirstPause{100};
constexpr milliseconds kLongestPause{10'000};
constexpr Duration kLongestCall = std::chrono::hours(24);
constexpr std::size_t kMostRefusal = std::size_t{1} << 20;  ///< body of a refused stream [bytes]
/// The server ends a watch itself, after its timeout; silence for this much longer means that the
/// connection is dead.
constexpr std::chrono::seconds kWatchGrace{30};
/// The longest the API server lets a watch live by default, min-request-timeout doubled.
constexpr std::chrono::seconds kDefaultWatch{3600};

/// Full jitter around an exponential pause: between half of it and all.
milliseconds pause_before(int repeat) {
  thread_local std::minstd_rand random{std::random_device{}()};
  const milliseconds full = std::min(kLongestPause, kFirstPause * (1 << std::min(repeat, 10)));
  return milliseconds(
      std::uniform_int_distribution<std::int64_t>(full.count() / 2, full.count())(random));
}

/// Sleep until `until`; false if `stop` came first.
bool pause(const std::stop_token& stop, SteadyTime until) {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  return !wake.wait_until(lock, stop, until, [&] { return stop.stop_requested(); });
}

SteadyTime deadline_of(const CallOptions& options) {
  return std::chrono::steady_clock::now() + std::min(options.timeout, kLongestCall);
}

/// A stream of the loop, seen through the interface of this layer.
class HttpByteStream final : public ByteStream {
 public:
  explicit HttpByteStream(std::unique_ptr<http::Stream> stream) : stream_(std::move(stream)) {}
  Result<std::string> read(SteadyTime deadline) override { return stream_->read(deadline); }
  void cancel() override { stream_->cancel(); }

 private:
  std::unique_ptr<http::Stream> stream_;
};

}  // namespace

struct Client::Impl {
  Impl(const ClientConfig& client_config, Credentials& client_credentials, http::Loop& http_loop,
       MetricsRegistry& registry, std::string_view component)
      : server(client_config.server),
        url(base_url(client_config)),
        config_as(client_config.as),
        credentials(client_credentials),
        loop(http_loop),
        metrics(registry),
        user_agent("User-Agent: millrace/" MILLRACE_VERSION " (" + std::string(component) + ")") {
    if (url != server) {  // connected elsewhere than the URL says: the server wants its own name
      const std::size_t start = server.find("://") + 3;
      host = "Host: " + server.substr(start, server.find('/', start) - start);
    }
  }

  /// Where operations of one kind and end are counted; they live as long as the registry.
  struct Samples {
    Counter* requests;
    Histogram* seconds;
  };

  Samples samples_of(const Operation& op, const std::string& code) {
    const auto known = samples.lock();
    const auto [it, fresh] = known->try_emplace({op.verb, op.resource, code});
    if (fresh) {
      it->second = {
          &metrics.counter("millrace_api_requests_total",
                           "Requests to the API server, by verb, resource and HTTP status (or our "
                           "own code).",
                           {{"verb", op.verb}, {"resource", op.resource}, {"code", code}}),
          &metrics.histogram("millrace_api_request_duration_seconds",
                             "Time until the answer of the API server (until its head, for "
                             "streams).",
                             {{"verb", op.verb}, {"resource", op.resource}})};
    }
    return it->second;
  }

  /// Answers and failures by code, and how long they took.
  void observe(const Operation& op, const std::string& code, SteadyTime began) {
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    const Samples here = samples_of(op, code);
    here.requests->add();
    here.seconds->observe(took.count());
  }

  http::Request make_request(const Operation& op, const Credential& credential,
                             const CallOptions& options) const {
    http::Request request;
    request.method = op.method;
    request.url = url + op.path;
    request.body = op.body;
    request.headers.reserve(6);
    request.headers.push_back(std::string("Accept: ") + op.accept);
    request.headers.push_back(user_agent);
    if (!host.empty()) request.headers.push_back(host);
    if (!credential.authorization.empty()) {
      request.headers.push_back("Authorization: " + credential.authorization);
    }
    if (!op.body.empty())
      request.headers.push_back(std::string("Content-Type: ") + op.content_type);
    const Impersonation& as = options.as.user.empty() ? config_as : options.as;
    if (!as.user.empty()) {
      request.headers.push_back("Impersonate-User: " + as.user);
      for (const std::string& group : as.groups) {
        request.headers.push_back("Impersonate-Group: " + group);
      }
    }
    return request;
  }

  /// Hand a plugin's new client certificate to the connections before its first use.
  void use_certificate(const Credential& credential) {
    if (credential.certificate.empty()) return;
    const auto used = certificate_generation.lock();
    if (*used >= credential.generation) return;
    *used = credential.generation;
    loop.set_client_certificate(credential.certificate, credential.key);
  }

  /// May the call be made again after `error`, for the `repeat`th time?
  static bool repeatable(const Operation& op, const Error& error, int repeat) {
    if (error.http_status == 429) return repeat < kMostThrottled;
    const bool may_pass = error.code == Code::Unavailable || error.http_status == 503;
    return op.is_read() && may_pass && repeat < kMostReadRepeats;
  }

  /// Run `attempt` (request, deadline, status to fill in → Result) until it succeeds or must not be
  /// repeated.
  template <class T, class Attempt>
  Result<T> repeat(const Operation& op, const CallOptions& options, Attempt attempt) {
    const SteadyTime deadline = deadline_of(options);
    std::uint64_t refused = 0;  // the generation that got a 401
    for (int repeats = 0;; ++repeats) {
      MR_ASSIGN(const Credential credential, credentials.get(options.stop, deadline));
      use_certificate(credential);
      const SteadyTime began = std::chrono::steady_clock::now();
      int status = 0;
      Result<T> answer = attempt(make_request(op, credential, options), deadline, status);
      observe(op, status != 0 ? std::to_string(status) : std::string(to_string(code_of(answer))),
              began);
      if (answer.ok()) return answer;
      Error& error = answer.error();
      if (error.http_status == 401 && refused == 0 && credentials.refused(credential.generation)) {
        refused = credential.generation;
        auto fresh = credentials.get(options.stop, deadline);
        if (!fresh.ok()) return fail(std::move(fresh).with(error.message).error());
        if (fresh->generation != refused) continue;
      }
      if (!repeatable(op, error, repeats)) return answer;
      const SteadyTime again =
          std::chrono::steady_clock::now() +
          std::max(error.delay.value_or(milliseconds(0)), pause_before(repeats));
      if (again >= deadline) return answer;
      if (!pause(options.stop, again)) {
        return fail(Code::Cancelled, op.what(server) + ": cancelled while waiting to try again");
      }
    }
  }

  template <class T>
  static Code code_of(const Result<T>& answer) {
    return answer.ok() ? Code::Bug : answer.error().code;  // an answer has a status
  }

  Result<std::string> call(const Operation& op, const CallOptions& options) {
    return repeat<std::string>(
        op, options,
        [&](http::Request request, SteadyTime deadline, int& status) -> Result<std::string> {
          MR_ASSIGN(http::Response answer, loop.call(std::move(request), options.stop, deadline));
          const http::Head& head = answer.head;
          status = head.status;
          if (head.status >= 200 && head.status < 300) return std::move(answer.body);
          return fail(status_error(op.what(server), head.status, answer.body, head.retry_after,
                                   head.location));
        });
  }

  Result<std::unique_ptr<ByteStream>> open(const Operation& op, const http::StreamLimits& limits,
                                           const CallOptions& options) {
    using Opened = std::unique_ptr<ByteStream>;
    return repeat<Opened>(
        op, options,
        [&](http::Request request, SteadyTime deadline, int& status) -> Result<Opened> {
          MR_ASSIGN(auto stream, loop.open(std::move(request), limits, options.stop, deadline));
          const http::Head& head = stream->head();
          status = head.status;
          if (head.status == 200) return Opened(new HttpByteStream(std::move(stream)));
          std::string body;
          while (body.size() < kMostRefusal) {
            const auto piece = stream->read(deadline);
            if (!piece.ok() || piece->empty()) break;  // what came is enough for a message
            body += *piece;
          }
          return fail(
              status_error(op.what(server), head.status, body, head.retry_after, head.location));
        });
  }

  const std::string server;
  const std::string url;
  std::string host;
  const Impersonation config_as;
  Credentials& credentials;
  http::Loop& loop;
  MetricsRegistry& metrics;
  Guarded<std::map<std::tuple<std::string, std::string, std::string>, Samples>> samples;
  const std::string user_agent;
  Guarded<std::uint64_t> certificate_generation{std::uint64_t{0}};
};

Client::Client(const ClientConfig& config, Credentials& credentials, http::Loop& loop,
               MetricsRegistry& metrics, const Logger& log, std::string_view component)
    : impl_(std::make_unique<Impl>(config, credentials, loop, metrics, component)) {
  if (config.insecure) {
    log.warn("the server's certificate is not checked: insecure-skip-tls-verify is set",
             {kv("server", config.server), kv("kubeconfig", config.source)});
  }
}

Client::~Client() = default;

Result<std::string> Client::get_text(const api::ApiResource& resource, const ObjectKey& key,
                                     const CallOptions& options) {
  MR_ASSIGN(const Operation op, get_request(resource, key));
  return impl_->call(op, options);
}

Result<std::string> Client::list_text(const api::ApiResource& resource, const std::string& ns,
                                      const ListOptions& list, const CallOptions& options) {
  MR_ASSIGN(const Operation op, list_request(resource, ns, list));
  return impl_->call(op, options);
}

Result<std::unique_ptr<ByteStream>> Client::watch(const api::ApiResource& resource,
                                                  const std::string& ns, const WatchOptions& watch,
                                                  const CallOptions& options) {
  MR_ASSIGN(const Operation op, watch_request(resource, ns, watch));
  const auto expected = watch.timeout.count() > 0 ? watch.timeout : kDefaultWatch;
  return impl_->open(op, {.idle = expected + kWatchGrace}, options);
}

Result<std::string> Client::create_text(const api::ApiResource& resource, const std::string& ns,
                                        std::string_view body, const CallOptions& options) {
  MR_ASSIGN(const Operation op, create_request(resource, ns, body, options));
  return impl_->call(op, options);
}

Result<std::string> Client::replace_text(const api::ApiResource& resource, const ObjectKey& key,
                                         std::string_view body, const std::string& subresource,
                                         const CallOptions& options) {
  MR_ASSIGN(const Operation op, replace_request(resource, key, body, subresource, options));
  return impl_->call(op, options);
}

Result<std::string> Client::patch_text(const api::ApiResource& resource, const ObjectKey& key,
                                       PatchType type, std::string_view body,
                                       const PatchOptions& patch, const CallOptions& options) {
  MR_ASSIGN(const Operation op, patch_request(resource, key, type, body, patch, options));
  return impl_->call(op, options);
}

Result<std::string> Client::delete_text(const api::ApiResource& resource, const ObjectKey& key,
                                        const DeleteOptions& del, const CallOptions& options) {
  MR_ASSIGN(const Operation op, delete_request(resource, key, del, options));
  return impl_->call(op, options);
}

Result<std::unique_ptr<ByteStream>> Client::pod_logs(const ObjectKey& pod, const LogOptions& log,
                                                     const CallOptions& options) {
  MR_ASSIGN(const Operation op, log_request(pod, log));
  return impl_->open(op, {}, options);
}

Result<std::string> Reader::raw_get(std::string_view path, const CallOptions&) {
  return fail(Code::NotFound, std::string(path) + " is not served");
}

Result<std::string> Client::raw_get(std::string_view path, const CallOptions& options) {
  MR_ASSIGN(const Operation op, raw_request(path));
  return impl_->call(op, options);
}

}  // namespace millrace::client
