/// The operator as a whole: caches, controllers, leader election, wired together.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "controllers/logic/config.h"
#include "controllers/logic/webhook_config.h"
#include "controllers/shell/call_maker.h"
#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/lease_plan.h"

namespace millrace::delivery {
class DeliverySink;
}

namespace millrace::shell {

struct OperatorSettings {
  std::vector<std::string> namespaces;  ///< empty: all
  int workers = 4;                      ///< threads of each busy controller
  bool leader_elect = true;
  std::string lease_namespace = "millrace-system";
  int shards = 1;                   ///< into how many the work is cut; more than 1: leader_elect
  runtime::LeaseTimes lease_times;  ///< of each shard's Lease
  std::string identity;             ///< unique among operators; holder of the lease and of events
  std::string zone_dir = "/usr/share/zoneinfo";
  /// How long an end, or giving up a shard, waits for HTTP calls, and then for reconciles.
  Duration drain_timeout = std::chrono::seconds(10);
  std::uint32_t seed = 0;  ///< of all jitter; 0: random
  logic::Config config;
  std::optional<logic::WebhookConfig> webhooks;  ///< none: webhooks make no runs here
};

/// How `run` came to its end.
enum class OperatorEnd {
  Stopped,   ///< asked to
  LeaseLost  ///< another one may lead: end the process
};

/// Resource: built once, destroyed after `run` returned. All references outlive it.
class Operator {
 public:
  /// `calls` makes the calls of HTTP steps; without it such steps wait.
  Operator(client::Reader& reader, client::Writer& writer, OperatorSettings settings,
           const runtime::Env& env, CallMaker* calls = nullptr);
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  /// Sync the caches, wait for the lease, reconcile until `stop`. Blocks.
  OperatorEnd run(const std::stop_token& stop);

  /// The caches are synced; any thread.
  bool ready() const;
  /// What somebody who looks at a ready operator should know, or empty; any thread.
  std::string note() const;

  /// Makes runs of webhooks while `run` goes on, leader or not; null without settings.webhooks. Any
  /// thread.
  delivery::DeliverySink* deliveries();

  /// How many parts `step` knows: caches, controllers, events, the watch over the clock, the lease.
  static int parts();
  /// Let part number `part` do one piece of work on this thread, without waiting; false when it has
  /// none now. For programs without threads (simulations), instead of `run`: the controllers begin
  /// once the caches are synced and the lease is held, and clients and `env.pause` must not wait
  /// either. What a client throws passes through; then, and once the lease is lost, only destroy
  /// this.
  bool step(int part);
  /// Of `step`: the controllers are at work / this process holds the shard, by the clock / it has
  /// noticed that it lost one.
  bool working() const;
  bool holds(int shard) const;
  bool lease_lost() const;
  /// When some part has something to do by time alone; now or earlier while one can go on at once.
  SteadyTime next_due() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::shell
