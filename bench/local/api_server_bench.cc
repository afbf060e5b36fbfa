/// Question: how many writes a second does the embedded API server take, with N objects there and
/// with watchers that follow them all?
///
/// The baseline to beat is 5,000 writes a second with 100 watchers at 10,000 objects. Each level
/// has the database on disk: `direct` calls the server's function from threads of this process,
/// without and with watchers inside of it; `https` sends requests over loopback TLS connections,
/// without watchers and with 100 on connections of their own: each follows its own namespace, its
/// own label, or every change. Client and server share the machine: the processor time of both is
/// in the figures.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <filesystem>
#include <functional>
#include <iostream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "bench/local/process_time.h"
#include "bench/local/tls_bound.h"
#include "bench/local/tls_client.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "local/apiserver/api.h"
#include "local/apiserver/certificate.h"
#include "local/apiserver/server.h"
#include "local/apiserver/stream.h"
#include "local/storage/storage.h"

namespace millrace::bench {
namespace {

using std::chrono::duration;
using std::chrono::steady_clock;

struct Options {
  std::string data;
  int objects = 10'000;
  int writes = 20'000;
  int clients = 16;
  int watchers = 100;
};

const std::string kPath = "/api/v1/namespaces/default/configmaps";
constexpr const char* kToken = "bench";
constexpr const char* kServerThreads = "mr-api";  ///< how the names of the server's threads begin

std::string space(int n) { return "/api/v1/namespaces/w-" + std::to_string(n) + "/configmaps"; }

std::string body(const std::string& name, int n) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
         R"(","labels":{"app":"bench","n":")" + std::to_string(n % 100) +
         R"("}},"data":{"text":")" + std::string(500, 'x') + R"("}})";
}

/// Run `write(n, thread)` for n in [0, count) on `threads` threads; prints the rate.
/// Returns the processor time of all for one write [s].
template <class Write>
double measure(const std::string& name, int count, int threads, const Write& write) {
  std::atomic<int> next{0};
  std::atomic<int> failed{0};
  const double cpu = process_cpu_seconds();
  const auto begin = steady_clock::now();
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&, t] {
      for (int n = next++; n < count; n = next++) {
        if (!write(n, t)) ++failed;
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  const double took = duration<double>(steady_clock::now() - begin).count();
  std::printf("%-28s %7d writes in %6.2f s: %7.0f /s, %5.0f us of CPU each, %d failed\n",
              name.c_str(), count, took, count / took, (process_cpu_seconds() - cpu) / count * 1e6,
              failed.load());
  std::fflush(stdout);
  return (process_cpu_seconds() - cpu) / count;
}

/// A watcher that falls too far behind is expired: writers wait, so that the slower side is
/// measured [writes].
constexpr int kMostBehind = 1000;
template <class Events>
void keep_up(const Events& events, std::int64_t want) {
  while (events() < want) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

/// Watches inside this process, as the operator's own are: one thread takes what each has.
class DirectWatchers {
 public:
  DirectWatchers(apiserver::Api& api, int count, const std::string& version) {
    for (int n = 0; n < count; ++n) {
      apiserver::Request request;
      request.method = "GET";
      request.path = kPath;
      request.query = {{"watch", "1"}, {"resourceVersion", version}};
      streams_.push_back(api.handle(request).stream);
      streams_.back()->on_ready([this] {
        const std::lock_guard lock(mutex_);
        woken_ = true;
        wake_.notify_one();
      });
    }
    thread_ = std::thread([this] { run(); });
  }
  ~DirectWatchers() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
      wake_.notify_one();
    }
    thread_.join();
  }
  std::int64_t events() const { return events_; }

 private:
  void run() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return woken_ || stop_; });
      if (stop_) return;
      woken_ = false;
      lock.unlock();
      for (auto& stream : streams_) {
        for (std::string text = stream->take(kTake); !text.empty(); text = stream->take(kTake)) {
          events_ += std::count(text.begin(), text.end(), '\n');
        }
      }
      lock.lock();
    }
  }

  static constexpr std::size_t kTake = std::size_t{64} << 10;
  std::vector<std::unique_ptr<apiserver::Stream>> streams_;
  std::mutex mutex_;
  std::condition_variable wake_;
  bool woken_ = true;  // the first look is not asked for
  bool stop_ = false;
  std::atomic<std::int64_t> events_{0};
  std::thread thread_;
};

/// Run `writes`, then wait until `events()` has grown by `want`: every change has to arrive at
/// every watcher that it concerns. Returns how long all of it took [s].
template <class Writes, class Events>
double with_watchers(std::int64_t want, const Events& events, const Writes& writes) {
  const std::int64_t before = events();
  const auto begin = steady_clock::now();
  const double cpu = process_cpu_seconds();
  writes();
  const auto written = steady_clock::now();
  while (events() - before < want && steady_clock::now() - begin < std::chrono::minutes(2)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const double took = duration<double>(steady_clock::now() - begin).count();
  const double late = duration<double>(steady_clock::now() - written).count();
  std::printf(
      "%28s %7lld of %lld events, the last %.0f ms after the last write: %.0f events/s, "
      "processors %.0f %% busy\n",
      "", static_cast<long long>(events() - before), static_cast<long long>(want), late * 1000,
      static_cast<double>(events() - before) / took, (process_cpu_seconds() - cpu) / took * 100);
  std::fflush(stdout);
  return took;
}

/// Requests over TLS, each client with a connection and a thread of its own.
class Posts {
 public:
  Posts(const std::string& address, int clients) {
    for (int n = 0; n < clients; ++n) clients_.emplace_back(address, kToken);
  }
  /// `what(n)` gives path and body.
  template <class What>
  double measure(const std::string& name, int count, const What& what) {
    return bench::measure(name, count, static_cast<int>(clients_.size()), [&](int n, int thread) {
      const auto [path, body] = what(n);
      return clients_[static_cast<std::size_t>(thread)].post(path, body) == 201;
    });
  }

 private:
  std::vector<TlsClient> clients_;
};

using Write = std::pair<std::string, std::string>;

/// What watchers that follow everything cost, and what they received.
struct Fanout {
  double seconds = 0;
  double events = 0;
  double bytes = 0;
  double server_cpu = 0;  ///< of the server's threads [s]
  double reader_cpu = 0;  ///< of the watching thread [s]
};

/// One level: creates that watchers see.
struct Level {
  const char* name = "";
  std::int64_t events = 0;  ///< that have to arrive
  std::function<std::string(int)> target;
  std::function<Write(int)> write;
};

Fanout watch_level(Posts& posts, const std::string& address, const storage::Storage& storage,
                   const Options& options, const Level& level) {
  const std::string watch = "watch=1&resourceVersion=" + std::to_string(storage.version());
  std::vector<std::string> targets;
  for (int n = 0; n < options.watchers; ++n) targets.push_back(level.target(n) + watch);
  const Watchers all(address, kToken, targets);
  std::this_thread::sleep_for(std::chrono::milliseconds(300));  // their requests are on the way
  const double reader = all.cpu_seconds();
  const double server = thread_cpu_seconds(kServerThreads);
  const std::int64_t bytes = all.bytes();
  const std::int64_t events = all.events();
  Fanout fanout;
  const std::int64_t each = level.events / options.writes;
  const auto write = [&](int n) {
    keep_up([&] { return all.events() - events; }, each * (n - kMostBehind));
    return level.write(n);
  };
  fanout.seconds = with_watchers(
      level.events, [&] { return all.events(); },
      [&] { posts.measure(level.name, options.writes, write); });
  fanout.events = static_cast<double>(all.events() - events);
  fanout.bytes = static_cast<double>(all.bytes() - bytes);
  fanout.server_cpu = thread_cpu_seconds(kServerThreads) - server;
  fanout.reader_cpu = all.cpu_seconds() - reader;
  std::printf("%28s %.0f MB received; CPU: server %.2f s, watching thread %.2f s\n", "",
              fanout.bytes / 1e6, fanout.server_cpu, fanout.reader_cpu);
  return fanout;
}

/// Beside what the server did with watchers that follow everything: what a bare loop does with
/// the same bytes, and how many writes a second that would leave time for.
void against_bound(const Fanout& fanout, double plain_write_cpu, double plain_server_cpu,
                   const apiserver::CertificatePair& identity, const Options& options) {
  const int threads = apiserver::ServerOptions().threads;
  const Bound bound = measure_bound({
      .connections = options.watchers,
      .threads = threads,
      .events = static_cast<std::int64_t>(fanout.events),
      .event_bytes = static_cast<std::size_t>(fanout.bytes / fanout.events),
      .certificate = identity.certificate,
      .private_key = identity.private_key,
  });
  const double event_cpu = bound.cpu_seconds / static_cast<double>(bound.events);
  const double reader = bound.reader_cpu_seconds / static_cast<double>(bound.events);
  const double cores = std::max(1U, std::thread::hardware_concurrency());
  std::printf(
      "bound: a bare loop (%s)     %.0f events/s; CPU an event: %.2f us, %.2f of it the reader's\n",
      bound.cipher.c_str(), static_cast<double>(bound.events) / bound.seconds, event_cpu * 1e6,
      reader * 1e6);
  const double server_event =
      (fanout.server_cpu - plain_server_cpu * options.writes) / fanout.events;
  std::printf(
      "%28s the server: %.2f us of its own CPU an event (bare sender %.2f), its reader %.2f\n", "",
      server_event * 1e6, (event_cpu - reader) * 1e6, fanout.reader_cpu / fanout.events * 1e6);
  const double possible = cores / (plain_write_cpu + options.watchers * event_cpu);
  const double reached = options.writes / fanout.seconds;
  std::printf(
      "%28s %.0f processors could do %.0f writes/s, writes as without watchers and events as in "
      "the loop; reached %.0f, %.0f %%\n",
      "", cores, possible, reached, reached / possible * 100);
}

/// Creates that 100 watchers see: all of them each, or each watcher its own share. Returns the
/// last level's figures.
Fanout watched_over_https(Posts& posts, const std::string& address, const storage::Storage& storage,
                          const Options& options) {
  const auto level = [&](const Level& what) {
    return watch_level(posts, address, storage, options, what);
  };
  level({"https, each its namespace", options.writes, [&](int n) { return space(n) + "?"; },
         [&](int n) {
           return Write(space(n % options.watchers), body("n-" + std::to_string(n), n));
         }});
  level(
      {"https, each its label", options.writes,
       [&](int n) { return kPath + "?labelSelector=n%3D" + std::to_string(n) + "&"; },
       [&](int n) { return Write(kPath, body("l-" + std::to_string(n), n % options.watchers)); }});
  return level({"https, each everything", std::int64_t{options.writes} * options.watchers,
                [&](int) { return kPath + "?"; },
                [&](int n) { return Write(kPath, body("w-" + std::to_string(n), n)); }});
}

int run(const Options& options) {
  const SystemClock clock;
  const Logger log(stderr_sink(), LogLevel::Warn);
  std::filesystem::create_directories(options.data);
  auto storage = storage::open_storage({.path = options.data + "/bench.db"});
  if (!storage.ok()) {
    std::fprintf(stderr, "%s\n", storage.error().message.c_str());
    return 1;
  }
  apiserver::Api api(**storage, clock, log, nullptr, {});

  const auto create = [&](const std::string& path, std::string text) {
    apiserver::Request request;
    request.method = "POST";
    request.path = path;
    request.content_type = "application/json";
    request.user_agent = "bench";
    request.body = std::move(text);
    return api.handle(request).status == 201;
  };
  const auto create_map = [&](const std::string& name, int n) {
    return create(kPath, body(name + std::to_string(n), n));
  };
  for (int n = 0; n < options.watchers; ++n) {
    create("/api/v1/namespaces", R"({"metadata":{"name":"w-)" + std::to_string(n) + R"("}})");
  }
  measure("direct, empty server", options.objects, 1,
          [&](int n, int) { return create_map("o-", n); });
  measure("direct, 2 threads", options.writes, 2, [&](int n, int) { return create_map("d-", n); });
  {
    const DirectWatchers watchers(api, options.watchers, std::to_string((*storage)->version()));
    with_watchers(
        std::int64_t{options.watchers} * options.writes, [&] { return watchers.events(); },
        [&] {
          measure("direct, watched", options.writes, 1, [&](int n, int) {
            keep_up([&] { return watchers.events(); },
                    std::int64_t{n - kMostBehind} * options.watchers);
            return create_map("i-", n);
          });
        });
  }

  const auto identity =
      apiserver::server_identity(options.data + "/tls", {"127.0.0.1"}, clock.now());
  if (!identity.ok()) return 1;
  apiserver::ServerOptions server_options;
  server_options.token = kToken;
  server_options.certificate = identity->server.certificate;
  server_options.private_key = identity->server.private_key;
  auto server = apiserver::Server::start(api, server_options, clock, log);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  {
    Posts posts((*server)->address(), options.clients);
    const double server_cpu = thread_cpu_seconds(kServerThreads);
    const double write_cpu = posts.measure("https", options.writes, [&](int n) {
      return Write(kPath, body("h-" + std::to_string(n), n));
    });
    const double server_write_cpu =
        (thread_cpu_seconds(kServerThreads) - server_cpu) / options.writes;
    std::printf("%28s %.0f us of it the server's\n", "", server_write_cpu * 1e6);
    if (options.watchers > 0) {
      const Fanout fanout = watched_over_https(posts, (*server)->address(), **storage, options);
      against_bound(fanout, write_cpu, server_write_cpu, identity->server, options);
    }
  }
  (*server)->stop();
  return 0;
}

}  // namespace
}  // namespace millrace::bench

int main(int argc, char** argv) {
  millrace::bench::Options options;
  CLI::App app{"Writes and watches of the embedded API server"};
  app.add_option("--data", options.data, "a folder for the database; must be new")->required();
  app.add_option("--objects", options.objects, "objects that are there at first");
  app.add_option("--writes", options.writes, "writes of each measurement");
  app.add_option("--clients", options.clients, "requests at once");
  app.add_option("--watchers", options.watchers, "watches open at once");
  CLI11_PARSE(app, argc, argv);
  return millrace::bench::run(options);
}
