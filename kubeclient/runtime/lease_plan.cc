#include "kubeclient/runtime/lease_plan.h"

#include <utility>

namespace millrace::runtime {

LeaseTimes lease_times(Duration duration) {
  return {duration, duration * 2 / 3, duration / 3, duration * 2 / 15};
}

LeaseMove plan_lease(const LeaseView& view, const std::string& self, SteadyTime now,
                     const LeaseTimes& times) {
  if (!view.lease) return LeaseMove::Create;
  const api::Lease::Spec& spec = view.lease->spec;
  if (spec.holder_identity == self) return LeaseMove::Renew;
  if (spec.holder_identity.empty()) return LeaseMove::Take;
  // The holder's own duration counts: it may be configured otherwise than we are.
  const Duration duration = spec.lease_duration_seconds
                                ? Duration(std::chrono::seconds(*spec.lease_duration_seconds))
                                : times.duration;
  return now - view.seen >= duration ? LeaseMove::Take : LeaseMove::Wait;
}

LeaseView observe_lease(LeaseView view, std::optional<api::Lease> read, SteadyTime now) {
  const bool same = view.lease && read && view.lease->metadata.uid == read->metadata.uid &&
                    view.lease->spec.holder_identity == read->spec.holder_identity &&
                    view.lease->spec.renew_time == read->spec.renew_time;
  if (!same) view.seen = now;
  view.lease = std::move(read);
  return view;
}

api::Lease::Spec next_lease_spec(const LeaseView& view, const std::string& self, Time now,
                                 const LeaseTimes& times) {
  api::Lease::Spec spec = view.lease ? view.lease->spec : api::Lease::Spec{};
  const bool mine = spec.holder_identity == self;
  if (view.lease && !mine) ++spec.lease_transitions;
  if (!mine || !spec.acquire_time) spec.acquire_time = codec::MicroTime{now};
  spec.holder_identity = self;
  spec.lease_duration_seconds =
      static_cast<int>(std::chrono::duration_cast<std::chrono::seconds>(times.duration).count());
  spec.renew_time = codec::MicroTime{now};
  return spec;
}

api::Lease::Spec released_lease_spec(const api::Lease::Spec& spec, Time now) {
  api::Lease::Spec out = spec;
  out.holder_identity.clear();
  out.lease_duration_seconds = 1;  // must be positive; also lets older candidates take over soon
  out.renew_time = codec::MicroTime{now};
  return out;
}

bool still_leads(SteadyTime renewed, SteadyTime now, const LeaseTimes& times) {
  return now - renewed < times.renew_deadline;
}

}  // namespace millrace::runtime
