/// Leader election as pure decisions over one Lease.
#pragma once

#include <optional>
#include <string>

#include "kubeclient/api/lease.h"
#include "kubeclient/base/clock.h"

namespace millrace::runtime {

/// Lengths of a leadership. duration > renew_deadline > retry, or two may lead at once.
struct LeaseTimes {
  Duration duration = std::chrono::seconds(15);        ///< others wait so long after a renewal
  Duration renew_deadline = std::chrono::seconds(10);  ///< the leader gives up so long after one
  Duration renew_every = std::chrono::seconds(5);      ///< while all is well
  Duration retry = std::chrono::seconds(2);            ///< after a failure, and while waiting
};

/// The same proportions for another duration.
LeaseTimes lease_times(Duration duration);

/// What a candidate knows of the lease.
struct LeaseView {
  std::optional<api::Lease> lease;  ///< as read last; none: it does not exist
  /// When this process first saw the lease with its present holder and renew time. Other
  /// machines' clocks are not trusted. Source: client-go leaderelection, observedTime.
  SteadyTime seen{};
};

/// What to do about the lease.
enum class LeaseMove {
  Create,  ///< there is none: create it as ours
  Take,    ///< nobody holds it, or its holder went silent: make it ours
  Renew,   ///< it is ours: renew it
  Wait,    ///< somebody else leads
};

/// Decide for `self`. Total.
LeaseMove plan_lease(const LeaseView& view, const std::string& self, SteadyTime now,
                     const LeaseTimes& times);

/// Note what was read; `seen` moves only when holder or renew time did.
LeaseView observe_lease(LeaseView view, std::optional<api::Lease> read, SteadyTime now);

/// The spec to write for a Create, Take or Renew. The time of acquisition and the transitions
/// change with the holder only.
api::Lease::Spec next_lease_spec(const LeaseView& view, const std::string& self, Time now,
                                 const LeaseTimes& times);

/// The spec that gives the lease up, so that the next candidate takes over at once.
api::Lease::Spec released_lease_spec(const api::Lease::Spec& spec, Time now);

/// Whether a leader whose last successful renewal was begun at `renewed` still leads.
bool still_leads(SteadyTime renewed, SteadyTime now, const LeaseTimes& times);

}  // namespace millrace::runtime
