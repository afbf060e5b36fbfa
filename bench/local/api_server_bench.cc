/// Question: how many writes a second does the embedded API server take, with N objects there and
/// with watchers that follow them all?
///
/// The baseline to beat is 5,000 writes a second with 100 watchers at 10,000 objects. Each level
/// has the database on disk: `direct` calls the server's function from threads of this process,
/// without and with watchers inside of it; `https` sends requests over loopback TLS connections,
/// without watchers and with 100 on connections of their own: each follows its own namespace, its
/// own label, or every change. Client and server share the machine: the processor time of both is
/// in the figures.
#include <sys/resource.h>

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

std::string space(int n) { return "/api/v1/namespaces/w-" + std::to_string(n) + "/configmaps"; }

std::string body(const std::string& name, int n) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
         R"(","labels":{"app":"bench","n":")" + std::to_string(n % 100) +
         R"("}},"data":{"text":")" + std::string(500, 'x') + R"("}})";
}

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

/// Run `write(n, thread)` for n in [0, count) on `threads` threads; prints the rate.
template <class Write>
void measure(const std::string& name, int count, int threads, const Write& write) {
  std::atomic<int> next{0};
  std::atomic<int> failed{0};
  const double cpu = cpu_seconds();
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
              name.c_str(), count, took, count / took, (cpu_seconds() - cpu) / count * 1e6,
              failed.load());
  std::fflush(stdout);
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
/// every watcher that it concerns.
template <class Writes, class Events>
void with_watchers(std::int64_t want, const Events& events, const Writes& writes) {
  const std::int64_t before = events();
  const auto begin = steady_clock::now();
  const double cpu = cpu_seconds();
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
      static_cast<double>(events() - before) / took, (cpu_seconds() - cpu) / took * 100);
  std::fflush(stdout);
}

/// Requests over TLS, each client with a connection and a thread of its own.
class Posts {
 public:
  Posts(const std::string& address, int clients) {
    for (int n = 0; n < clients; ++n) clients_.emplace_back(address, kToken);
  }
  /// `what(n)` gives path and body.
  template <class What>
  void measure(const std::string& name, int count, const What& what) {
    bench::measure(name, count, static_cast<int>(clients_.size()), [&](int n, int thread) {
      const auto [path, body] = what(n);
      return clients_[static_cast<std::size_t>(thread)].post(path, body) == 201;
    });
  }

 private:
  std::vector<TlsClient> clients_;
};

using Write = std::pair<std::string, std::string>;

/// Creates that 100 watchers see: all of them each, or each watcher its own share.
void watched_over_https(Posts& posts, const std::string& address, const storage::Storage& storage,
                        const Options& options) {
  const int writes = options.writes;
  const std::int64_t watchers = options.watchers;
  const auto follow = [&](const char* name, std::int64_t want,
                          const std::function<std::string(int)>& target,
                          const std::function<Write(int)>& write) {
    const std::string watch = "watch=1&resourceVersion=" + std::to_string(storage.version());
    std::vector<std::string> targets;
    for (int n = 0; n < options.watchers; ++n) targets.push_back(target(n) + watch);
    const Watchers all(address, kToken, targets);
    std::this_thread::sleep_for(std::chrono::milliseconds(300));  // their requests are on the way
    const double cpu = all.cpu_seconds();
    const std::int64_t bytes = all.bytes();
    with_watchers(
        want, [&] { return all.events(); }, [&] { posts.measure(name, writes, write); });
    std::printf("%28s %.0f MB received; the watching thread took %.2f s of CPU\n", "",
                static_cast<double>(all.bytes() - bytes) / 1e6, all.cpu_seconds() - cpu);
  };
  follow(
      "https, each its namespace", writes, [&](int n) { return space(n) + "?"; },
      [&](int n) { return Write(space(n % options.watchers), body("n-" + std::to_string(n), n)); });
  follow(
      "https, each its label", writes,
      [&](int n) { return kPath + "?labelSelector=n%3D" + std::to_string(n) + "&"; },
      [&](int n) { return Write(kPath, body("l-" + std::to_string(n), n % options.watchers)); });
  follow(
      "https, each everything", writes * watchers, [&](int) { return kPath + "?"; },
      [&](int n) { return Write(kPath, body("w-" + std::to_string(n), n)); });
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
            // A watcher that falls too far behind is expired: the slower side is measured.
            while (watchers.events() < std::int64_t{n - 1000} * options.watchers) {
              std::this_thread::yield();
            }
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
    posts.measure("https", options.writes,
                  [&](int n) { return Write(kPath, body("h-" + std::to_string(n), n)); });
    if (options.watchers > 0) watched_over_https(posts, (*server)->address(), **storage, options);
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
