/// Plays scheduler, kubelet and Deployment controller: runs the pods of an API server on this
/// machine.
#pragma once

#include <chrono>
#include <memory>
#include <stop_token>
#include <string>

#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "local/apiserver/log_source.h"

namespace millrace::executor {

enum class Runtime {
  Auto,     ///< podman or docker where found and usable, else Process
  Process,  ///< the image is ignored; commands run as plain processes of this user
  Podman,
  Docker
};

struct ExecutorOptions {
  std::string data_dir;  ///< pods' folders, logs, and what is needed to clean up after a crash
  std::string node_name = "local";
  Runtime runtime = Runtime::Auto;
  int parallelism = 0;  ///< pods at once; 0: as many as the machine can bear (see README)
};

class Spawner;

/// Resource: built once, destroyed after `run` returned. All references outlive it.
class Executor {
 public:
  /// `spawner` was forked off before this process had threads.
  Executor(client::Reader& reader, client::Writer& writer, Spawner& spawner,
           ExecutorOptions options, const runtime::Env& env);
  ~Executor();
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  /// End what an earlier process left behind, take its pods up again, then run pods until `stop`.
  /// Blocks. On the way out nothing of ours keeps running; pods that had not ended are started
  /// again by the next one.
  void run(const std::stop_token& stop);
  /// Caches are synced; any thread.
  bool ready() const;
  /// The logs of its pods.
  apiserver::LogSource& logs();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::executor
