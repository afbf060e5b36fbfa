/// Turns webhooks into runs: finds the pipeline, checks the credential, creates the run once.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <stop_token>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "controllers/delivery/delivery.h"
#include "controllers/delivery/rate.h"
#include "controllers/logic/webhook_config.h"
#include "controllers/shell/act.h"
#include "controllers/shell/caches.h"
#include "controllers/shell/revision_cache.h"
#include "controllers/shell/services.h"
#include "kubeclient/base/guarded.h"

namespace millrace::shell {

struct WebhookSinkOptions {
  logic::WebhookConfig config;
  int workers = 16;                      ///< threads; each waits for its own API call
  std::size_t most_waiting = 4096;       ///< deliveries not begun; more are told to come again
  std::size_t most_remembered = 50'000;  ///< ids of deliveries
  std::chrono::hours remember{24};       ///< for so long an id means the same run
  std::chrono::seconds secrets_for{10};  ///< a Secret that was read is good for so long
  std::chrono::seconds secret_retry{1};  ///< after this a wrong credential is looked up anew
};

/// Threads `mr-hook-<n>` decide on deliveries. Safe from any thread.
class WebhookSink final : public delivery::DeliverySink {
 public:
  /// `ready` says whether the caches are synced; until then deliveries are told to come again.
  /// Everything outlives the sink.
  WebhookSink(const Services& services, const Caches& caches, Actor& actor,
              RevisionCache& revisions, WebhookSinkOptions options, std::function<bool()> ready);
  ~WebhookSink() override;
  WebhookSink(const WebhookSink&) = delete;
  WebhookSink& operator=(const WebhookSink&) = delete;

  void start();
  /// Tell those that wait to come again, end calls under way, join. May be repeated.
  void stop();

  void deliver(delivery::Delivery delivery, delivery::Completion done) override;

  /// Decide on this thread.
  delivery::Verdict decide(const delivery::Delivery& delivery, const std::stop_token& stop);

 private:
  struct Waiting {
    delivery::Delivery delivery;
    delivery::Completion done;
  };
  struct State {
    std::deque<Waiting> queue;
    bool closed = true;
  };
  struct Secret {
    SteadyTime read{};
    Result<std::map<std::string, std::string>> data;
  };
  struct Known {
    std::string run;
    SteadyTime until{};
  };
  struct Memory {
    std::unordered_map<std::string, Known> runs;  ///< by pipeline UID and delivery id
    std::deque<std::string> order;                ///< oldest first
  };

  void work(const std::stop_token& stop);
  /// Nothing when the credentials are right.
  std::optional<delivery::Verdict> authenticate(const delivery::Delivery& delivery,
                                                const crds::Trigger& trigger,
                                                const std::stop_token& stop);
  /// A value of a Secret, read at most `age` ago. Errors: as the read gave them; NotFound: no key.
  Result<std::string> secret_value(const std::string& ns, const crds::SecretKey& wanted,
                                   Duration age, const std::stop_token& stop);
  std::optional<delivery::Verdict> check_trigger(const delivery::Delivery& delivery,
                                                 const crds::Pipeline& pipeline,
                                                 const crds::Trigger& trigger, codec::Value& value,
                                                 codec::Value& params);
  delivery::Verdict create(const delivery::Delivery& delivery, const crds::Pipeline& pipeline,
                           const codec::Value& trigger, const codec::Value& params,
                           const std::stop_token& stop);
  Result<> ensure_revision(const crds::Pipeline& pipeline, const logic::Revision& revision,
                           const std::stop_token& stop);
  std::optional<std::string> known_run(const std::string& key) const;
  void remember(const std::string& key, const std::string& run);
  void tell(const crds::Pipeline& pipeline, const delivery::Verdict& verdict);

  const Services& services_;
  const Caches& caches_;
  Actor& actor_;
  RevisionCache& revisions_;
  const WebhookSinkOptions options_;
  const std::function<bool()> ready_;
  Guarded<State> state_;
  std::condition_variable_any changed_;
  Guarded<std::map<ObjectKey, Secret>> secrets_;
  Guarded<Memory> memory_;
  Guarded<delivery::RateLimiter> rates_;
  std::stop_source stop_;
  std::vector<std::thread> threads_;
};

}  // namespace millrace::shell
