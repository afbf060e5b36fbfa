#include "kubeclient/runtime/leader.h"

#include <algorithm>
#include <utility>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/runtime/object_body.h"
#include "kubeclient/runtime/shard_plan.h"

namespace millrace::runtime {
namespace {

/// Only what the election owns, with the version it was planned on.
struct LeasePatch {
  struct Meta {
    std::string resource_version;
    std::map<std::string, std::string> annotations;
    template <class V, class Self>
    static void describe(V& v, Self& self) {
      v.field("resourceVersion", self.resource_version);
      v.field("annotations", self.annotations);
    }
  };
  Meta metadata;
  api::Lease::Spec spec;
  template <class V, class Self>
  static void describe(V& v, Self& self) {
    v.field("metadata", self.metadata);
    v.field("spec", self.spec);
  }
};

std::string patch_body(const api::Lease& old, api::Lease::Spec spec,
                       std::map<std::string, std::string> annotations = {}) {
  return codec::encode(
      LeasePatch{{old.metadata.resource_version, std::move(annotations)}, std::move(spec)});
}

}  // namespace

LeaderElector::LeaderElector(client::Reader& reader, client::Writer& writer, LeaderOptions options,
                             const Env& env)
    : reader_(reader),
      writer_(writer),
      options_(std::move(options)),
      env_(env),
      gauge_(env.metrics.gauge("millrace_leader", "Whether this process leads.",
                               {{"lease", options_.lease.str()}})),
      jitter_(options_.seed) {
  MR_CHECK(options_.times.duration > options_.times.renew_deadline);
  MR_CHECK(options_.times.renew_deadline > options_.times.renew_every);
  MR_CHECK(options_.times.renew_deadline > options_.times.retry);
  MR_CHECK(!options_.identity.empty());
}

client::CallOptions LeaderElector::call(const std::stop_token& stop, Duration timeout) const {
  client::CallOptions out;
  out.stop = stop;
  out.timeout = timeout;
  return out;
}

void LeaderElector::note(std::optional<api::Lease> lease) {
  state_.lock()->holder = lease ? lease->spec.holder_identity : std::string();
  view_ = observe_lease(std::move(view_), std::move(lease), env_.clock.steady());
}

void LeaderElector::lead_since(std::optional<SteadyTime> renewed) {
  state_.lock()->renewed = renewed;
  gauge_.set(renewed ? 1 : 0);
}

bool LeaderElector::leading() const {
  const auto renewed = state_.lock()->renewed;
  return renewed && still_leads(*renewed, env_.clock.steady(), options_.times);
}

std::string LeaderElector::holder() const { return state_.lock()->holder; }

Result<void> LeaderElector::read(const std::stop_token& stop) {
  auto text =
      reader_.get_text(api::Lease::kResource, options_.lease, call(stop, options_.times.retry * 2));
  if (!text.ok() && text.error().code == Code::NotFound) {
    note(std::nullopt);
    return {};
  }
  MR_TRY(text);
  MR_ASSIGN(api::Lease lease, codec::decode<api::Lease>(*text));
  note(std::move(lease));
  return {};
}

/// Create or patch the lease as ours. On success we lead as of the moment before the call, since
/// that is the latest that is known to be before the server's own clock started.
Result<void> LeaderElector::write(LeaseMove move, const std::stop_token& stop) {
  const SteadyTime start = env_.clock.steady();
  Duration timeout = options_.times.renew_deadline;
  if (const auto renewed = state_.lock()->renewed) {
    timeout = std::max<Duration>(*renewed + options_.times.renew_deadline - start,
                                 std::chrono::milliseconds(1));
  }
  // One slow call must leave time for a second one.
  const auto options = call(stop, std::min(timeout, options_.times.renew_deadline / 2));
  api::Lease::Spec spec =
      next_lease_spec(view_, options_.identity, env_.clock.now(), options_.times);
  Result<std::string> text = fail(Code::Bug, "not called");
  if (move == LeaseMove::Create) {
    api::Lease lease;
    lease.metadata.ns = options_.lease.ns;
    lease.metadata.name = options_.lease.name;
    lease.metadata.annotations = annotations(move);
    lease.spec = std::move(spec);
    text =
        writer_.create_text(api::Lease::kResource, options_.lease.ns, create_body(lease), options);
  } else {
    text = writer_.patch_text(api::Lease::kResource, options_.lease, client::PatchType::Merge,
                              patch_body(*view_.lease, std::move(spec), annotations(move)), {},
                              options);
  }
  MR_TRY(text);
  MR_ASSIGN(api::Lease lease, codec::decode<api::Lease>(*text));
  note(std::move(lease));
  lead_since(start);
  return {};
}

/// What a new holder writes beside the spec; nothing where the lease says so already.
std::map<std::string, std::string> LeaderElector::annotations(LeaseMove move) const {
  std::map<std::string, std::string> out;
  if (move != LeaseMove::Create && move != LeaseMove::Take) return out;
  const int known = view_.lease ? shards_of(*view_.lease) : 1;
  if (known != options_.shards) out[kShardsAnnotation] = std::to_string(options_.shards);
  const bool wanted = view_.lease && !view_.lease->metadata.annotation(kWantedByAnnotation).empty();
  if (wanted) out[kWantedByAnnotation] = "";
  return out;
}

Result<void> LeaderElector::take(const std::stop_token& stop) {
  const LeaseMove move = plan_lease(view_, options_.identity, env_.clock.steady(), options_.times);
  if (move == LeaseMove::Wait) return fail(Code::Conflict, "held by \"" + holder() + "\"");
  MR_TRY(write(move, stop));
  if (!leading()) return fail(Code::Timeout, "the answer came too late");
  problem_ = kInTime;
  env_.log.info("leading", {kv("lease", options_.lease), kv("identity", options_.identity)});
  return {};
}

Result<void> LeaderElector::ask(const std::stop_token& stop) {
  if (!view_.lease) return {};
  MR_ASSIGN(const std::string text,
            writer_.patch_text(api::Lease::kResource, options_.lease, client::PatchType::Merge,
                               patch_body(*view_.lease, view_.lease->spec,
                                          {{kWantedByAnnotation, options_.identity}}),
                               {}, call(stop, options_.times.retry * 2)));
  MR_ASSIGN(api::Lease lease, codec::decode<api::Lease>(text));
  note(std::move(lease));
  return {};
}

/// One attempt to get the lease; ok with or without success.
Result<void> LeaderElector::claim(const std::stop_token& stop) {
  MR_TRY(read(stop));
  const LeaseMove move = plan_lease(view_, options_.identity, env_.clock.steady(), options_.times);
  if (move == LeaseMove::Wait) return {};
  return write(move, stop);
}

std::optional<Duration> LeaderElector::try_acquire(const std::stop_token& stop) {
  const auto tried = claim(stop);
  if (tried.ok()) complained_ = false;
  if (leading()) {
    told_.clear();
    problem_ = kInTime;
    env_.log.info("leading", {kv("lease", options_.lease), kv("identity", options_.identity)});
    return std::nullopt;
  }
  const bool race = !tried.ok() && (tried.error().code == Code::Conflict ||
                                    tried.error().code == Code::AlreadyExists);
  if (!tried.ok() && !race && tried.error().code != Code::Cancelled &&
      !std::exchange(complained_, true)) {
    env_.log.warn("lease cannot be acquired",
                  {kv("lease", options_.lease), kv("code", to_string(tried.error().code)),
                   kv("error", tried.error())});
  }
  if (const std::string now = holder(); now != told_) {
    told_ = now;
    env_.log.info("waiting for the lease", {kv("lease", options_.lease), kv("holder", now)});
  }
  return jitter_.between(options_.times.retry, options_.times.retry * 6 / 5);
}

Result<void> LeaderElector::acquire(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    const std::optional<Duration> wait = try_acquire(stop);
    if (!wait) return {};
    env_.pause.wait(*wait, stop);
  }
  return fail(Code::Cancelled, "stopped while waiting for the lease");
}

Error LeaderElector::lost(Code code, const std::string& why) {
  lead_since(std::nullopt);
  return fail(code, "lease " + options_.lease.str() + " lost: " + why).value();
}

Result<Duration> LeaderElector::renew(const std::stop_token& stop) {
  const LeaseTimes& times = options_.times;
  // First of all the clock: after a pause of the process somebody else may lead already.
  if (!leading()) return fail(lost(Code::Timeout, problem_));
  auto renewed = write(LeaseMove::Renew, stop);
  if (stop.stop_requested()) return Duration(times.retry);
  if (!leading()) return fail(lost(Code::Timeout, problem_));  // the answer came too late
  if (renewed.ok()) {
    problem_ = kInTime;
    return Duration(times.renew_every);
  }
  problem_ = renewed.error().message;
  env_.log.debug("lease not renewed", {kv("lease", options_.lease), kv("error", renewed.error())});
  // Changed or gone: look who has it. An earlier renewal whose answer was lost is ours still.
  const Code code = renewed.error().code;
  if (code == Code::Conflict || code == Code::NotFound || code == Code::AlreadyExists) {
    if (auto again = read(stop); again.ok()) {
      const LeaseMove move = plan_lease(view_, options_.identity, env_.clock.steady(), times);
      if (move == LeaseMove::Wait || move == LeaseMove::Take) {
        return fail(lost(Code::Conflict, "held by \"" + holder() + "\""));
      }
      renewed = write(move, stop);
      if (!leading()) return fail(lost(Code::Timeout, problem_));
    }
  }
  if (renewed.ok()) return Duration(times.renew_every);
  const SteadyTime deadline = state_.lock()->renewed.value_or(SteadyTime{}) + times.renew_deadline;
  return std::clamp<Duration>(deadline - env_.clock.steady(), std::chrono::milliseconds(1),
                              times.retry);
}

Result<void> LeaderElector::hold(const std::stop_token& stop) {
  Duration wait = options_.times.renew_every;
  for (;;) {
    if (!env_.pause.wait(wait, stop)) return {};
    const Result<Duration> next = renew(stop);
    if (!next.ok()) return fail(Error(next.error()));
    if (stop.stop_requested()) return {};
    wait = *next;
  }
}

void LeaderElector::release() {
  const bool mine = leading() && view_.lease;
  lead_since(std::nullopt);  // first, so that nobody thinks so while the call is under way
  if (!mine) return;
  auto spec = released_lease_spec(view_.lease->spec, env_.clock.now());
  auto text = writer_.patch_text(api::Lease::kResource, options_.lease, client::PatchType::Merge,
                                 patch_body(*view_.lease, std::move(spec)), {},
                                 call({}, options_.times.retry / 2));  // a stop waits for it
  if (text.ok()) {
    env_.log.info("lease released", {kv("lease", options_.lease)});
  } else {
    env_.log.warn("lease not released, others wait until it runs out",
                  {kv("lease", options_.lease), kv("error", text.error())});
  }
}

}  // namespace millrace::runtime
