/// What became of the latest deliveries, for people: bounded, in memory.
#pragma once

#include <cstddef>
#include <deque>
#include <string>

#include "controllers/delivery/delivery.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"

namespace millrace::gateway {

/// One delivery and what became of it.
struct DeliveryRecord {
  Time time{};
  std::string ns;
  std::string pipeline;
  std::string id;
  std::string verdict;  ///< "Accepted", "Duplicate", or another of delivery::to_string
  std::string reason;   ///< one word, and what there is to say for people; empty when accepted
  std::string run;
  std::string remote;
};

/// The latest records. Refusals cannot push out what was accepted: each has a half of its own.
/// Safe from any thread.
class DeliveryLog {
 public:
  explicit DeliveryLog(std::size_t most = 1000) : most_of_a_kind_(most / 2) {}

  void add(DeliveryRecord record);
  /// `{"deliveries":[{time, namespace, pipeline, id, verdict, reason, run, remote}]}`, newest
  /// first.
  std::string json() const;

 private:
  struct State {
    std::deque<DeliveryRecord> accepted;  ///< oldest first
    std::deque<DeliveryRecord> refused;
  };
  const std::size_t most_of_a_kind_;
  Guarded<State> state_;
};

}  // namespace millrace::gateway
