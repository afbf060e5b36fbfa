/// Plays scheduler, kubelet and Deployment controller: runs the pods of an API server on this
/// machine.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

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
  int parallelism = 0;    ///< pods at once; 0: as many as the machine can bear (see README)
  std::string path = {};  ///< PATH of the pods' processes; empty: that of this process
  /// Process only: command and arguments that stand for the entry point of an image, by image.
  std::map<std::string, std::vector<std::string>> image_commands = {};
  // How a pod names the object it was made for, so that its Events reach that too; empty: it does
  // not.
  std::string run_label = {};        ///< the object's name
  std::string run_uid_label = {};    ///< its UID
  std::string run_api_version = {};  ///< "group/version"
  std::string run_kind = {};
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
  /// Look at the clock again; for clocks that jump. Any thread.
  void wake();
  /// The logs of its pods.
  apiserver::LogSource& logs();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::executor
