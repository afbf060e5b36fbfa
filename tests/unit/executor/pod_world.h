/// The executor over the embedded API server, with real processes, for tests.
#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>

#include "kubeclient/api/meta.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/codec/value.h"
#include "local/apiserver/api.h"
#include "local/apiserver/direct_client.h"
#include "local/executor/executor.h"
#include "local/executor/spawner.h"
#include "local/storage/storage.h"
#include "tests/support/temporary_folder.h"

namespace millrace::executor {

/// Log lines go nowhere.
class QuietSink final : public LogSink {
 public:
  void write(const std::string& line) override;
};

class PodWorld {
 public:
  /// With `folder`, data and objects live there and outlast this; else in a folder of its own, the
  /// objects in memory.
  explicit PodWorld(ExecutorOptions options = {}, const std::string& folder = {});
  ~PodWorld();

  /// Start an executor; it must not run.
  void start();
  /// End it in good order.
  void stop();

  /// Create an object from YAML.
  codec::Value create(const api::ApiResource& resource, const std::string& yaml);
  /// A pod in namespace "default", bound to this node.
  codec::Value create_pod(const std::string& name, const std::string& spec_yaml);
  codec::Value pod(const std::string& name);
  /// Look at an object at every write until `holds`; null, and a failure, after 20 seconds.
  codec::Value await(const api::ApiResource& resource, const ObjectKey& key,
                     const std::function<bool(const codec::Value&)>& holds);
  codec::Value await_pod(const std::string& name,
                         const std::function<bool(const codec::Value&)>& holds);
  /// Wait for the phase.
  codec::Value await_phase(const std::string& name, const std::string& phase);
  /// Wait until it is gone; false after 20 seconds.
  bool await_gone(const api::ApiResource& resource, const ObjectKey& key);
  void delete_pod(const std::string& name, std::optional<int> grace = {});
  /// The log so far, or to its end with `follow`.
  std::string logs(const std::string& name, const std::string& container, bool follow = false,
                   bool previous = false);

  apiserver::DirectClient& api() { return client_; }
  /// Writes of the object since the world began, its creation included.
  int writes_of(const api::ApiResource& resource, const ObjectKey& key);
  const std::string& folder() const { return folder_.path(); }
  ExecutorOptions options;

 private:
  support::TemporaryFolder folder_;
  std::unique_ptr<Spawner> spawner_;  // forked off before there are threads
  SystemClock clock_;
  runtime::SystemPause pause_;
  MetricsRegistry metrics_;
  QuietSink sink_;
  Logger log_{sink_};
  runtime::Env env_{clock_, pause_, metrics_, log_};
  std::unique_ptr<storage::Storage> storage_;
  apiserver::Api api_;
  apiserver::DirectClient client_{api_, clock_, "test/1"};
  std::unique_ptr<Executor> executor_;
  std::stop_source stop_;
  std::thread thread_;
};

/// A member by its path, as text; "" when it is not there.
std::string text_at(const codec::Value& value, const std::string& dotted_path);
std::int64_t int_at(const codec::Value& value, const std::string& dotted_path);

inline constexpr api::ApiResource kPods{"", "v1", "pods", "Pod", true};

}  // namespace millrace::executor
