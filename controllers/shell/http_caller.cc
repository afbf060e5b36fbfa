#include "controllers/shell/http_caller.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "kubeclient/base/guarded.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/client/pem.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/http/loop.h"

namespace millrace::shell {
namespace {

constexpr std::chrono::seconds kSecretsFor{10};

/// As much of a Secret as headers need.
struct SecretData {
  static constexpr api::ApiResource kResource{"", "v1", "secrets", "Secret", true};
  std::map<std::string, std::string> data;  ///< base64

  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("data", self.data);
  }
};

/// The step's own fault, which trying the read again does not mend.
bool is_lasting(Code code) {
  return code == Code::NotFound || code == Code::Denied || code == Code::Invalid;
}

std::string outcome_of(const logic::CallResult& result) {
  if (result.error) return std::string(to_string(result.error->code));
  return std::to_string(result.status / 100) + "xx";
}

}  // namespace

Result<http::OutboundOptions> outbound_options(const logic::HttpConfig& config,
                                               const std::vector<std::string>& api_servers) {
  http::OutboundOptions out;
  MR_ASSIGN(out.policy, http::TargetPolicy::make({.allow = config.allow,
                                                  .deny = config.deny,
                                                  .own_servers = api_servers,
                                                  .setting = "http"}));
  MR_ASSIGN(out.no_proxy, http::ProxyBypass::make(config.no_proxy).with("http"));
  out.proxy = config.proxy;
  const std::size_t scheme = config.proxy.find("://");
  const std::string name = config.proxy.substr(0, scheme);
  if (!config.proxy.empty() &&
      (scheme == std::string::npos ||
       (name != "http" && name != "https" && name != "socks5" && name != "socks5h"))) {
    return fail(Code::Invalid,
                "http.proxy: the URL must begin with http://, https://, socks5:// or socks5h://");
  }
  return out;
}

struct HttpCaller::Impl {
  Impl(const http::OutboundOptions& options, std::size_t most, client::Reader& api,
       const Clock& time, MetricsRegistry& registry, const Logger& logger)
      : max_concurrent(most),
        reader(api),
        clock(time),
        metrics(registry),
        log(logger),
        in_flight(registry.gauge("millrace_http_calls_in_flight", "HTTP calls under way.")),
        queued(registry.gauge("millrace_http_calls_queued", "HTTP calls that wait their turn.")),
        outbound(options) {}

  ~Impl() { stop(); }

  /// A call by its names. The number tells it from a later one of the same key.
  struct Name {
    std::string run_uid;
    std::string key;
    std::uint64_t number = 0;
  };
  struct Entry {
    std::uint64_t number = 0;
    bool waiting = false;  ///< for its turn
    std::optional<std::uint64_t> handle;
    std::optional<logic::CallResult> result;
  };
  struct Waiting {
    Name name;
    http::OutboundRequest request;
    std::function<void()> on_done;
  };
  struct State {
    std::unordered_map<std::string, std::map<std::string, Entry>> runs;  ///< by UID
    std::deque<Waiting> queue;
    std::size_t active = 0;
    std::uint64_t numbers = 0;
    bool stopping = false;
  };
  struct CachedSecret {
    SteadyTime until{};
    std::map<std::string, std::string> data;
  };

  static Entry* find(State& of, const Name& name) {
    const auto run = of.runs.find(name.run_uid);
    if (run == of.runs.end()) return nullptr;
    const auto entry = run->second.find(name.key);
    if (entry == run->second.end() || entry->second.number != name.number) return nullptr;
    return &entry->second;
  }

  static void erase(State& of, const Name& name) {
    if (find(of, name) == nullptr) return;
    const auto run = of.runs.find(name.run_uid);
    run->second.erase(name.key);
    if (run->second.empty()) of.runs.erase(run);
  }

  // ---- Secrets

  /// The value of a key. Errors: NotFound, Denied, Invalid are lasting.
  Result<std::string> secret_value(const std::string& ns, const crds::SecretKey& wanted,
                                   const std::stop_token& stop_token) {
    const ObjectKey key{ns, wanted.name};
    const std::string shown = "Secret \"" + wanted.name + "\"";
    const SteadyTime now = clock.steady();
    std::optional<std::string> text;
    {
      const auto cache = secrets.lock();
      std::erase_if(*cache, [now](const auto& entry) { return entry.second.until <= now; });
      const auto at = cache->find(key);
      if (at != cache->end()) {
        const auto found = at->second.data.find(wanted.key);
        if (found != at->second.data.end()) text = found->second;
      }
    }
    if (!text) {
      client::CallOptions options;
      options.stop = stop_token;
      auto json = reader.get_text(SecretData::kResource, key, options);
      if (!json.ok() && json.error().code == Code::NotFound) {
        return fail(Code::NotFound, shown + " does not exist in namespace " + ns);
      }
      if (!json.ok()) return std::move(json).with(shown);
      auto secret = codec::decode<SecretData>(*json);
      // What the decoder says might quote the text.
      if (!secret.ok()) return fail(Code::Malformed, shown + " cannot be decoded");
      const auto found = secret->data.find(wanted.key);
      if (found == secret->data.end()) {
        return fail(Code::NotFound, shown + " has no key \"" + wanted.key + "\"");
      }
      text = found->second;
      (*secrets.lock())[key] = {now + kSecretsFor, std::move(secret->data)};
    }
    auto bytes = client::decode_base64(*text);
    if (!bytes) return fail(Code::Invalid, shown + ": key \"" + wanted.key + "\" is not base64");
    return *std::move(bytes);
  }

  Result<http::OutboundRequest> render(const std::string& ns, const logic::CallOrder& order,
                                       const std::stop_token& stop_token) {
    http::OutboundRequest request{
        .method = order.method,
        .url = order.url,
        .body = order.body,
        .has_body = order.has_body,
        .redirects = order.follow_redirects ? http::Redirects::Follow : http::Redirects::Leave,
        .max_body = order.max_response_bytes,
        .timeout = order.timeout};
    for (const crds::HttpHeader& header : order.headers) {
      if (!header.value_from) {
        request.headers.push_back({header.name, header.value});
        continue;
      }
      MR_ASSIGN(std::string value, secret_value(ns, header.value_from->secret_key_ref, stop_token)
                                       .with("header " + header.name));
      // Secrets made from files end with a line end that nobody means.
      while (value.ends_with('\n') || value.ends_with('\r')) value.pop_back();
      request.headers.push_back({header.name, std::move(value)});
    }
    if (order.ca) {
      MR_ASSIGN(request.ca, secret_value(ns, *order.ca, stop_token).with("caFrom"));
      if (!client::check_authority(request.ca).ok()) {
        return fail(Code::Invalid, "caFrom: key \"" + order.ca->key + "\" of Secret \"" +
                                       order.ca->name + "\" holds no PEM certificate");
      }
    }
    return request;
  }

  // ---- Calls

  Result<void> begin(const std::string& run_uid, const std::string& ns,
                     const logic::CallOrder& order, std::function<void()> on_done,
                     const std::stop_token& stop_token) {
    Name name{run_uid, order.key, 0};
    {
      const auto locked = state.lock();
      if (locked->stopping) return fail(Code::Cancelled, "HTTP calls: stopping");
      const auto [at, fresh] = locked->runs[run_uid].try_emplace(order.key);
      if (!fresh) return {};
      at->second.number = name.number = ++locked->numbers;
    }
    auto request = render(ns, order, stop_token);
    if (!request.ok()) {
      if (is_lasting(request.error().code)) {
        settle(name, fail(std::move(request).error()), on_done);
        return {};
      }
      const auto locked = state.lock();
      erase(*locked, name);
      return fail(std::move(request).error());
    }
    {
      const auto locked = state.lock();
      if (locked->stopping) return fail(Code::Cancelled, "HTTP calls: stopping");
      if (Entry* entry = find(*locked, name)) entry->waiting = true;
      locked->queue.push_back({std::move(name), *std::move(request), std::move(on_done)});
    }
    pump();
    return {};
  }

  /// Start what may start.
  void pump() {
    while (true) {
      std::optional<Waiting> next;
      {
        const auto locked = state.lock();
        while (!next && !locked->stopping && locked->active < max_concurrent &&
               !locked->queue.empty()) {
          if (Entry* entry = find(*locked, locked->queue.front().name)) {
            entry->waiting = false;
            next = std::move(locked->queue.front());
            ++locked->active;
          }
          locked->queue.pop_front();
        }
        in_flight.set(static_cast<std::int64_t>(locked->active));
        queued.set(static_cast<std::int64_t>(locked->queue.size()));
      }
      if (!next) return;
      const Name name = next->name;
      const std::uint64_t handle = outbound.start(
          std::move(next->request),
          [this, name, on_done = std::move(next->on_done)](Result<http::OutboundAnswer> answer) {
            {
              const auto locked = state.lock();
              in_flight.set(static_cast<std::int64_t>(--locked->active));
            }
            settle(name, std::move(answer), on_done);
            pump();
          });
      bool wanted = true;
      {
        const auto locked = state.lock();
        Entry* entry = find(*locked, name);
        wanted = entry != nullptr;
        if (wanted) entry->handle = handle;
      }
      if (!wanted) outbound.cancel(handle);
    }
  }

  void settle(const Name& name, Result<http::OutboundAnswer> answer,
              const std::function<void()>& on_done) {
    logic::CallResult result;
    result.ended = clock.now();
    if (answer.ok()) {
      result.status = answer->status;
      result.headers = std::move(answer->headers);
      const auto asked = result.headers.find("Retry-After");
      if (asked != result.headers.end() && !asked->second.empty()) {
        result.retry_after = http::parse_retry_after(asked->second.front(), result.ended);
      }
      result.body = std::move(answer->body);
    } else {
      result.error = std::move(answer).error();
    }
    const std::string outcome = outcome_of(result);
    metrics
        .counter("millrace_http_calls_total", "HTTP calls that ended, by outcome.",
                 {{"outcome", outcome}})
        .add();
    if (log.enabled(LogLevel::Debug)) {
      log.debug("http call ended",
                {kv("run_uid", name.run_uid), kv("call", name.key), kv("outcome", outcome),
                 kv("error", result.error ? result.error->message : "")});
    }
    {
      const auto locked = state.lock();
      Entry* entry = find(*locked, name);
      if (entry == nullptr || locked->stopping) return;
      entry->result = std::move(result);
    }
    if (on_done) on_done();
  }

  void forget(const std::string& run_uid, const std::string* key) {
    std::vector<std::uint64_t> handles;
    {
      const auto locked = state.lock();
      const auto run = locked->runs.find(run_uid);
      if (run == locked->runs.end()) return;
      for (auto at = run->second.begin(); at != run->second.end();) {
        if (key != nullptr && at->first != *key) {
          ++at;
          continue;
        }
        if (at->second.handle && !at->second.result) handles.push_back(*at->second.handle);
        at = run->second.erase(at);
      }
      if (run->second.empty()) locked->runs.erase(run);
    }
    for (const std::uint64_t handle : handles) outbound.cancel(handle);
  }

  /// What it leaves in the queue is passed over when its turn comes.
  void forget_waiting(const std::string& run_uid) {
    const auto locked = state.lock();
    const auto run = locked->runs.find(run_uid);
    if (run == locked->runs.end()) return;
    std::erase_if(run->second, [](const auto& entry) { return entry.second.waiting; });
    if (run->second.empty()) locked->runs.erase(run);
  }

  void stop() {
    {
      const auto locked = state.lock();
      locked->stopping = true;
      locked->queue.clear();
    }
    outbound.stop();
  }

  const std::size_t max_concurrent;
  client::Reader& reader;
  const Clock& clock;
  MetricsRegistry& metrics;
  const Logger& log;
  Gauge& in_flight;
  Gauge& queued;
  Guarded<State> state;
  Guarded<std::map<ObjectKey, CachedSecret>> secrets;
  http::Outbound outbound;  ///< last: its thread uses the others
};

HttpCaller::HttpCaller(const http::OutboundOptions& options, std::size_t max_concurrent,
                       client::Reader& reader, const Clock& clock, MetricsRegistry& metrics,
                       const Logger& log)
    : impl_(std::make_unique<Impl>(options, max_concurrent, reader, clock, metrics, log)) {}

HttpCaller::~HttpCaller() = default;

Result<void> HttpCaller::begin(const std::string& run_uid, const std::string& ns,
                               const logic::CallOrder& order, std::function<void()> on_done,
                               const std::stop_token& stop) {
  return impl_->begin(run_uid, ns, order, std::move(on_done), stop);
}

std::map<std::string, logic::CallState> HttpCaller::states(const std::string& run_uid) const {
  std::map<std::string, logic::CallState> out;
  const auto locked = impl_->state.lock();
  const auto run = locked->runs.find(run_uid);
  if (run == locked->runs.end()) return out;
  for (const auto& [key, entry] : run->second) out[key].result = entry.result;
  return out;
}

void HttpCaller::forget(const std::string& run_uid, const std::string& key) {
  impl_->forget(run_uid, &key);
}

void HttpCaller::forget_run(const std::string& run_uid) { impl_->forget(run_uid, nullptr); }

void HttpCaller::forget_waiting(const std::string& run_uid) { impl_->forget_waiting(run_uid); }

void HttpCaller::stop() { impl_->stop(); }

}  // namespace millrace::shell
