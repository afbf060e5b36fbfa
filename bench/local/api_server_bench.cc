/// Question: how many writes a second does the embedded API server take, with N objects there and
/// with watchers that follow them all?
///
/// The baseline to beat is 5,000 writes a second with 100 watchers at 10,000 objects. Three levels,
/// each with the database on disk: `direct` calls the server's function from threads of this
/// process; `https` sends requests over loopback TLS connections; `https+watch` does so while
/// watchers read every change over connections of their own. Client and server share the machine:
/// the processor time of both is in the figures.
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/http/loop.h"
#include "local/apiserver/api.h"
#include "local/apiserver/certificate.h"
#include "local/apiserver/server.h"
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

constexpr const char* kPath = "/api/v1/namespaces/default/configmaps";

std::string body(const std::string& name, int n) {
  return R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")" + name +
         R"(","labels":{"app":"bench","n":")" + std::to_string(n % 10) + R"("}},"data":{"text":")" +
         std::string(500, 'x') + R"("}})";
}

double cpu_seconds() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) / 1e6;
  };
  return seconds(use.ru_utime) + seconds(use.ru_stime);
}

/// Run `write(n)` for n in [0, count) on `threads` threads; prints the rate.
template <class Write>
void measure(const std::string& name, int count, int threads, const Write& write) {
  std::atomic<int> next{0};
  std::atomic<int> failed{0};
  const double cpu = cpu_seconds();
  const auto begin = steady_clock::now();
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t) {
    workers.emplace_back([&] {
      for (int n = next++; n < count; n = next++) {
        if (!write(n)) ++failed;
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

/// Reads watches and counts their lines, each on a thread of its own.
class Watchers {
 public:
  Watchers(http::Loop& loop, const std::string& base, const std::vector<std::string>& headers,
           int count, std::uint64_t version) {
    for (int n = 0; n < count; ++n) {
      http::Request request;
      request.url = base + kPath + "?watch=1&resourceVersion=" + std::to_string(version);
      request.headers = headers;
      auto stream =
          loop.open(std::move(request), {}, {}, steady_clock::now() + std::chrono::seconds(10));
      if (!stream.ok()) {
        std::fprintf(stderr, "watch: %s\n", stream.error().message.c_str());
        continue;
      }
      streams_.push_back(std::move(*stream));
    }
    for (auto& stream : streams_) {
      threads_.emplace_back([this, raw = stream.get()] {
        for (;;) {
          const auto piece = raw->read(steady_clock::now() + std::chrono::hours(1));
          if (!piece.ok() || piece->empty()) return;
          lines_ += std::count(piece->begin(), piece->end(), '\n');
        }
      });
    }
  }
  ~Watchers() {
    for (auto& stream : streams_) stream->cancel();
    for (std::thread& thread : threads_) thread.join();
  }
  std::int64_t lines() const { return lines_; }
  std::int64_t count() const { return static_cast<std::int64_t>(streams_.size()); }

 private:
  std::atomic<std::int64_t> lines_{0};
  std::vector<std::unique_ptr<http::Stream>> streams_;
  std::vector<std::thread> threads_;
};

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

  const auto create = [&](const std::string& name, int n) {
    apiserver::Request request;
    request.method = "POST";
    request.path = kPath;
    request.content_type = "application/json";
    request.user_agent = "bench";
    request.body = body(name, n);
    return api.handle(request).status == 201;
  };
  measure("direct, empty server", options.objects, 1,
          [&](int n) { return create("o-" + std::to_string(n), n); });
  measure("direct, 2 threads", options.writes, 2,
          [&](int n) { return create("d-" + std::to_string(n), n); });

  const auto identity =
      apiserver::server_identity(options.data + "/tls", {"127.0.0.1"}, clock.now());
  if (!identity.ok()) return 1;
  apiserver::ServerOptions server_options;
  server_options.token = "bench";
  server_options.certificate = identity->server.certificate;
  server_options.private_key = identity->server.private_key;
  auto server = apiserver::Server::start(api, server_options, clock, log);
  if (!server.ok()) {
    std::fprintf(stderr, "%s\n", server.error().message.c_str());
    return 1;
  }
  const std::string base = "https://" + (*server)->address();
  const std::vector<std::string> headers = {"Authorization: Bearer bench",
                                            "Content-Type: application/json"};
  http::LoopOptions loop_options;
  loop_options.tls.ca = identity->authority;
  http::Loop calls(loop_options);
  http::Loop watches(loop_options);
  const auto post = [&](const std::string& name, int n) {
    http::Request request;
    request.method = http::Method::Post;
    request.url = base + kPath;
    request.headers = headers;
    request.body = body(name, n);
    const auto answer =
        calls.call(std::move(request), {}, steady_clock::now() + std::chrono::seconds(30));
    return answer.ok() && answer->head.status == 201;
  };
  measure("https", options.writes, options.clients,
          [&](int n) { return post("h-" + std::to_string(n), n); });
  {
    const Watchers watchers(watches, base, headers, options.watchers, (*storage)->version());
    const std::int64_t before = watchers.lines();
    const auto begin = steady_clock::now();
    const int writes = options.writes / 4;
    measure("https, with watchers", writes, options.clients,
            [&](int n) { return post("w-" + std::to_string(n), n); });
    // Every change has to arrive at every watcher.
    const std::int64_t want = watchers.count() * writes;
    while (watchers.lines() - before < want &&
           steady_clock::now() - begin < std::chrono::minutes(2)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const double took = duration<double>(steady_clock::now() - begin).count();
    std::printf("%lld watchers saw %lld events in %.2f s: %.0f events/s\n",
                static_cast<long long>(watchers.count()),
                static_cast<long long>(watchers.lines() - before), took,
                static_cast<double>(watchers.lines() - before) / took);
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
