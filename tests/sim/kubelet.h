/// A toy scheduler, kubelet and Deployment controller: plays what becomes of pods, by seed.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "kubeclient/client/client.h"
#include "kubeclient/codec/value.h"
#include "local/storage/storage.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"

namespace millrace::sim {

/// One thread. Reads the storage, writes through an honest client.
class Kubelet {
 public:
  Kubelet(storage::Storage& storage, client::Writer& client, const Clock& clock, Random random,
          Trace& trace);

  /// Take note of what was written; needed before the storage forgets its history.
  void look();
  /// Do the next thing that is due; false when nothing is.
  bool step();
  std::optional<SteadyTime> next_due() const;
  /// From now on pods that hang end, and nodes that were silent speak again.
  void calm_down();
  /// Names of pods that have not ended, for users who delete them.
  std::vector<ObjectKey> living() const;

 private:
  enum class Fate { Succeed, Fail, Evicted, Hang };
  struct Life {
    ObjectKey key;
    std::string uid;
    std::vector<std::string> init;
    std::vector<std::string> main;
    Fate fate = Fate::Succeed;
    std::size_t fails_at = 0;
    int exit_code = 1;
    std::string word;       ///< its output `v`; empty: it says nothing
    std::size_t stage = 0;  ///< containers that have ended
    bool bound = false;
    bool running = false;
    bool ended = false;
    bool leaving = false;
    bool pulls = false;   ///< its image is waited for, once
    bool silent = false;  ///< its node does not answer
    SteadyTime due;
  };

  void meet(const codec::Value& pod);
  void meet_deployment(const codec::Value& deployment);
  void act(Life& life);
  void bind(const Life& life);
  void leave(Life& life);
  void report(const Life& life, const char* phase, std::optional<int> exit_code,
              const char* reason = "");
  codec::Value statuses(const std::vector<std::string>& names, std::size_t first, const Life& life,
                        std::optional<int> exit_code) const;
  Duration soon();

  storage::Storage& storage_;
  client::Writer& client_;
  const Clock& clock_;
  Random random_;
  Trace& trace_;
  std::unique_ptr<storage::Subscription> pods_;
  std::unique_ptr<storage::Subscription> deployments_;
  std::map<std::string, Life> lives_;                                  ///< by UID
  std::map<ObjectKey, std::pair<SteadyTime, codec::Value>> rollouts_;  ///< statuses to come
  bool calm_ = false;
};

}  // namespace millrace::sim
