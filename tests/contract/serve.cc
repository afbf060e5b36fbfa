/// The embedded API server alone, for tests/contract: no executor, no operator.
///
/// usage: contract_server FOLDER    with FOLDER/token, server.crt and server.key; data goes there
///
/// Writes its address to FOLDER/address once it listens. USR1 makes it forget its history, as a
/// compaction does. TERM ends it; the log's last line is then "ended".
#include <pthread.h>
#include <signal.h>

#include <fstream>
#include <iostream>
#include <sstream>
#include <stop_token>
#include <string>
#include <thread>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "local/apiserver/api.h"
#include "local/apiserver/server.h"
#include "local/storage/storage.h"

namespace millrace {
namespace {

std::string read_file(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

int serve(const std::string& folder) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  const Logger log(stderr_sink(), LogLevel::Info);
  const SystemClock clock;
  const auto storage = storage::open_storage({.path = folder + "/data.db"});
  if (!storage.ok()) {
    std::cerr << storage.error().message << "\n";
    return 1;
  }
  apiserver::Api api(**storage, clock, log, nullptr, {});
  apiserver::ServerOptions options;
  options.token = read_file(folder + "/token");
  options.certificate = read_file(folder + "/server.crt");
  options.private_key = read_file(folder + "/server.key");
  const auto server = apiserver::Server::start(api, options, clock, log);
  if (!server.ok()) {
    std::cerr << server.error().message << "\n";
    return 1;
  }
  std::jthread controllers([&api](const std::stop_token& stop) { api.run(stop); });
  std::ofstream(folder + "/address") << (*server)->address() << std::endl;
  for (int signal = 0; sigwait(&signals, &signal) == 0 && signal == SIGUSR1;) (*storage)->compact();
  (*server)->stop();
  controllers.request_stop();
  controllers.join();
  return 0;
}

}  // namespace
}  // namespace millrace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: contract_server FOLDER\n";
    return 2;
  }
  const int code = millrace::serve(argv[1]);
  if (code == 0) std::cerr << "ended\n";
  return code;
}
