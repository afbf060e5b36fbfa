/// Everything of local mode in one process: storage, API server, executor and operator.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "controllers/delivery/delivery.h"
#include "controllers/logic/config.h"
#include "kubeclient/base/result.h"
#include "kubeclient/runtime/env.h"
#include "local/apiserver/direct_client.h"
#include "local/executor/executor.h"

namespace millrace::mode {

class DataDir;

struct ModeOptions {
  std::string data_dir;
  /// Where to listen ("127.0.0.1:0"); none: no socket at all.
  std::optional<std::string> listen = {};
  executor::Runtime runtime = executor::Runtime::Auto;
  int parallelism = 0;  ///< pods at once; 0: as many as the machine can bear
  int workers = 2;      ///< threads of each controller
  int server_threads = 2;
  std::string version = "0.0.0";
  logic::Config config = {};
  bool run_operator = true;  ///< else somebody runs `millrace operator` against it
};

/// The processes that start containers. They hold open what their maker has open: fork them off
/// before anything else is opened, and before there are threads. Good for one LocalMode that ran.
class Helpers {
 public:
  /// Errors: Unavailable.
  static Result<std::unique_ptr<Helpers>> fork_off();
  /// Ends what they still run.
  ~Helpers();
  executor::Spawner& spawner() { return *spawner_; }

 private:
  explicit Helpers(std::unique_ptr<executor::Spawner> spawner);
  std::unique_ptr<executor::Spawner> spawner_;
};

/// Runs while it lives. Threads: those of the parts, and mr-housekeep, mr-exec, mr-operator for
/// their loops. The caller holds the lock of the data folder.
class LocalMode {
 public:
  /// Open the data, start everything; the API answers when this returns, the controllers follow
  /// within milliseconds (see `ready`). Writes DIR/kubeconfig when it listens. Errors: Unavailable,
  /// Malformed, Invalid; the message names file or address and the cure.
  static Result<std::unique_ptr<LocalMode>> start(const ModeOptions& options, Helpers& helpers,
                                                  const runtime::Env& env);
  ~LocalMode();
  LocalMode(const LocalMode&) = delete;
  LocalMode& operator=(const LocalMode&) = delete;

  /// The controllers' caches are synced.
  bool ready() const;
  /// Wait for that; false when `stop` came first.
  bool wait_ready(const std::stop_token& stop) const;
  /// Of the latest write; it stands still while nothing happens.
  std::uint64_t version() const;
  /// Give back memory that work took: free pages, and the history of changes. Watches that are open
  /// go on; those that come back with an older version have to list again.
  void rest();
  /// "127.0.0.1:41234"; empty when it does not listen.
  std::string address() const;
  /// Makes runs of webhooks; null without `config.webhook.address` or without the operator. Lives
  /// as long as this; webhooks that come after `stop` are refused.
  delivery::DeliverySink* deliveries();
  /// A client inside this process.
  apiserver::DirectClient& client();
  /// End the server, the operator, then the pods; they are taken up again by the next start. May
  /// be repeated.
  void stop();

 private:
  struct Impl;
  explicit LocalMode(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::mode
