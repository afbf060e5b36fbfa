#include "operator/gateway/webhook_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "controllers/delivery/rate.h"
#include "kubeclient/base/json_quote.h"
#include "operator/gateway/delivery_log.h"
#include "operator/gateway/http_text.h"
#include "operator/gateway/webhook_path.h"

namespace millrace::gateway {
namespace {

using delivery::Delivery;
using delivery::Verdict;
using Kind = delivery::Verdict::Kind;

/// Descriptors left to the rest of the program.
constexpr std::uint64_t kOtherDescriptors = 256;

/// Refusals as conveyor-belt wrote them: three fields.
HttpResponse refusal(int status, std::string_view message, const std::string& request) {
  HttpResponse out;
  out.status = status;
  out.headers = {{"Content-Type", "application/json"}, {"X-Request-ID", request}};
  out.body = "{\"message\":" + json_quote(message) +
             ",\"error\":" + json_quote(reason_phrase(status)) +
             ",\"statusCode\":" + std::to_string(status) + "}";
  return out;
}

HttpResponse not_found(const HttpRequest& request, const std::string& id) {
  return refusal(404, "Route " + request.method + ":" + request.target + " not found", id);
}

void retry_after(HttpResponse& response, std::chrono::seconds pause) {
  response.headers.emplace_back("Retry-After",
                                std::to_string(std::max<std::int64_t>(pause.count(), 1)));
}

int status_of(Kind kind) {
  switch (kind) {
    case Kind::Accepted:
      return 202;
    case Kind::NotFound:
      return 404;
    case Kind::Unauthorized:
      return 401;
    case Kind::Forbidden:
      return 403;
    case Kind::Invalid:
      return 400;
    case Kind::Unready:
      return 422;
    case Kind::TooMany:
      return 429;
    case Kind::Unavailable:
      break;
  }
  return 503;
}

bool is_health(const HttpRequest& request) {
  return request.path() == "/healthz" && (request.method == "GET" || request.method == "HEAD");
}

/// To a path of which we know that it begins with /webhook/.
HttpResponse redirect_to_slashless(const HttpRequest& request) {
  std::string target(request.path());
  target.pop_back();
  if (!request.query().empty()) target += "?" + std::string(request.query());
  HttpResponse out;
  out.status = 307;
  out.headers = {{"Location", std::move(target)}};
  return out;
}

HttpResponse accepted(const Verdict& verdict, const std::string& ns, const std::string& id) {
  HttpResponse out;
  out.status = 202;
  out.headers = {
      {"X-Request-ID", id},
      {"X-Millrace-Run", ns + "/" + verdict.run},
      {"Location", "/apis/millrace.dev/v1/namespaces/" + ns + "/pipelineruns/" + verdict.run}};
  return out;
}

HttpResponse answer_to(const Verdict& verdict, const HttpRequest& head, const WebhookPath& path) {
  const std::string id = request_id(head.headers);
  if (verdict.kind == Kind::Accepted) return accepted(verdict, path.ns, id);
  if (verdict.kind == Kind::NotFound) return not_found(head, id);
  HttpResponse out = refusal(status_of(verdict.kind), verdict.message, id);
  if (verdict.kind == Kind::TooMany || verdict.kind == Kind::Unavailable) {
    retry_after(out, verdict.retry_after);
  }
  if (verdict.kind == Kind::Unauthorized) out.headers.emplace_back("WWW-Authenticate", "Bearer");
  return out;
}

/// An IPv6 client owns its /64, so that counts as one address.
std::string rate_key(const std::string& remote) {
  if (remote.find(':') == std::string::npos) return remote;
  std::size_t end = 0;
  for (int groups = 0; groups < 4 && end != std::string::npos; ++groups) {
    if (remote.compare(end, 2, "::") == 0) break;
    end = remote.find(':', end + 1);
  }
  return remote.substr(0, end);
}

/// Counts and keeps what became of deliveries. Safe from any thread.
class Books {
 public:
  Books(DeliveryLog& records, const Clock& clock, MetricsRegistry& metrics)
      : records_(records),
        clock_(clock),
        seconds_(metrics.histogram("millrace_webhook_seconds",
                                   "From a webhook's whole request to the verdict.")) {
    // All at once, so that none is missing from the first reading.
    for (const Kind kind : {Kind::Accepted, Kind::NotFound, Kind::Unauthorized, Kind::Forbidden,
                            Kind::Invalid, Kind::Unready, Kind::TooMany, Kind::Unavailable}) {
      by_kind_[static_cast<std::size_t>(kind)] =
          &metrics.counter("millrace_webhook_deliveries_total", "Webhook deliveries by verdict.",
                           {{"verdict", std::string(to_string(kind))}});
    }
  }

  void observe_since(SteadyTime began) {
    seconds_.observe(std::chrono::duration<double>(clock_.steady() - began).count());
  }

  void record(const WebhookPath& path, const std::string& id, const std::string& remote,
              const Verdict& verdict) {
    by_kind_[static_cast<std::size_t>(verdict.kind)]->add();
    // Anybody can make up names, and would fill the records with them.
    if (verdict.kind == Kind::NotFound) return;
    DeliveryRecord entry;
    entry.time = clock_.now();
    entry.ns = path.ns;
    entry.pipeline = path.name;
    entry.id = id;
    entry.verdict = verdict.duplicate ? "Duplicate" : to_string(verdict.kind);
    entry.reason = verdict.reason;
    if (!verdict.message.empty()) {
      entry.reason += (entry.reason.empty() ? "" : ": ") + verdict.message;
    }
    if (verdict.kind == Kind::Accepted) entry.run = verdict.run;
    entry.remote = remote;
    records_.add(std::move(entry));
  }

 private:
  DeliveryLog& records_;
  const Clock& clock_;
  Histogram& seconds_;
  Counter* by_kind_[8] = {};
};

}  // namespace

HttpServerOptions WebhookOptions::webhook_server_defaults() {
  HttpServerOptions out;
  out.name = "hook";
  out.max_connections = 2048;
  out.max_header_bytes = 16 * 1024;
  out.max_body_bytes = 256 * 1024;
  out.body_budget = std::uint64_t{128} << 20;
  out.max_drained_bytes = std::uint64_t{256} << 20;
  out.head_timeout = std::chrono::seconds(5);
  out.body_timeout = std::chrono::seconds(15);
  out.stop_grace = std::chrono::seconds(5);
  out.evict_after = std::chrono::seconds(1);
  return out;
}

class WebhookServer::Impl final : public HttpHandler {
 public:
  Impl(const WebhookOptions& options, delivery::DeliverySink& sink, DeliveryLog& records,
       const Clock& clock, MetricsRegistry& metrics)
      : options_(options),
        sink_(sink),
        clock_(clock),
        books_(std::make_shared<Books>(records, clock, metrics)),
        connections_(metrics.gauge("millrace_webhook_connections",
                                   "Connections of webhook senders open now.")),
        remotes_(options.remote_rate, options.remote_burst) {}

  Result<> start(const Logger& log) {
    HttpServerOptions server = options_.server;
    // More connections than descriptors would starve the client of the API server.
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
      const std::uint64_t others = std::min<std::uint64_t>(limit.rlim_cur / 2, kOtherDescriptors);
      server.max_connections =
          std::min<std::size_t>(server.max_connections, limit.rlim_cur - others);
    }
    MR_ASSIGN(server_, HttpServer::start(server, *this, log));
    return {};
  }
  HttpServer& server() { return *server_; }

  std::optional<HttpResponse> refuse_head(const HttpRequest& request) override;
  void handle(HttpRequest request, Answer answer) override;
  HttpResponse failure(int status, std::string_view message, const HttpRequest& head) override;
  void count_connections(std::size_t now) override {
    connections_.set(static_cast<std::int64_t>(now));
  }

 private:
  WebhookPath path_of(const HttpRequest& request) const {
    return read_webhook_path(request.path(), options_.default_namespace);
  }

  const WebhookOptions options_;
  delivery::DeliverySink& sink_;
  const Clock& clock_;
  const std::shared_ptr<Books> books_;  ///< shared: verdicts may come after the server has gone
  Gauge& connections_;
  delivery::RateLimiter remotes_;       ///< of the server's thread only
  std::unique_ptr<HttpServer> server_;  ///< the last member: it calls the others
};

std::optional<HttpResponse> WebhookServer::Impl::refuse_head(const HttpRequest& request) {
  if (is_health(request)) return std::nullopt;
  const WebhookPath path = path_of(request);
  if (request.method != "POST" || path.name.empty()) {
    return not_found(request, request_id(request.headers));
  }
  if (path.trailing_slash) return redirect_to_slashless(request);
  Verdict verdict;
  const std::string id(delivery::sender_id(request.headers));
  if (const auto pause = remotes_.take(rate_key(request.remote), clock_.steady())) {
    verdict = {.kind = Kind::TooMany,
               .reason = "RemoteRate",
               .message = "too many requests from this address",
               .retry_after = *pause};
  } else if (std::string wrong = delivery_id_problem(id); !wrong.empty()) {
    verdict = {.kind = Kind::Invalid, .reason = "BadDeliveryId", .message = std::move(wrong)};
  } else {
    return std::nullopt;
  }
  books_->record(path, id, request.remote, verdict);
  return answer_to(verdict, request, path);
}

void WebhookServer::Impl::handle(HttpRequest request, Answer answer) {
  if (is_health(request)) {
    HttpResponse ok;
    ok.headers = {{"Content-Type", "text/plain; charset=utf-8"},
                  {"X-Request-ID", request_id(request.headers)}};
    ok.body = "ok\n";
    return answer(std::move(ok));
  }
  const WebhookPath path = path_of(request);
  Delivery one;
  one.ns = path.ns;
  one.name = path.name;
  one.id = delivery::sender_id(request.headers);
  if (one.id.empty()) one.id = new_uuid();
  one.query = request.query();
  one.body = std::move(request.body);
  one.callback_url = delivery::find_header(request.headers, "X-Callback-URL");
  one.remote = request.remote;
  one.headers = request.headers;
  auto done = [books = books_, began = clock_.steady(), path, id = one.id,
               head = std::move(request), answer = std::move(answer)](const Verdict& verdict) {
    books->observe_since(began);
    books->record(path, id, head.remote, verdict);
    answer(answer_to(verdict, head, path));
  };
  sink_.deliver(std::move(one), std::move(done));
}

HttpResponse WebhookServer::Impl::failure(int status, std::string_view message,
                                          const HttpRequest& head) {
  const bool busy = status == 503 || status == 504;
  const WebhookPath path = path_of(head);
  if (head.method == "POST" && !path.name.empty()) {
    const Verdict verdict{.kind = busy ? Kind::Unavailable : Kind::Invalid,
                          .reason = status == 413   ? "BodyTooLarge"
                                    : status == 504 ? "Timeout"
                                    : busy          ? "Busy"
                                                    : "BadRequest",
                          .message = std::string(message)};
    books_->record(path, std::string(delivery::sender_id(head.headers)), head.remote, verdict);
  }
  HttpResponse out = refusal(busy ? 503 : status, message, request_id(head.headers));
  if (busy) retry_after(out, std::chrono::seconds(1));
  return out;
}

Result<std::unique_ptr<WebhookServer>> WebhookServer::start(
    const WebhookOptions& options, delivery::DeliverySink& sink, DeliveryLog& records,
    const Clock& clock, MetricsRegistry& metrics, const Logger& log) {
  auto impl = std::make_unique<Impl>(options, sink, records, clock, metrics);
  MR_TRY(impl->start(log));
  return std::unique_ptr<WebhookServer>(new WebhookServer(std::move(impl)));
}

WebhookServer::WebhookServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
WebhookServer::~WebhookServer() { stop(); }
std::uint16_t WebhookServer::port() const { return impl_->server().port(); }
void WebhookServer::stop() { impl_->server().stop(); }

}  // namespace millrace::gateway
