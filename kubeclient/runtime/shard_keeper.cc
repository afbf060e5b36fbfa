#include "kubeclient/runtime/shard_keeper.h"

#include <algorithm>
#include <thread>
#include <utility>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"

namespace millrace::runtime {
namespace {

/// How often to ask whether a shard that is to be given up can be.
constexpr Duration kLeaveCheck = std::chrono::milliseconds(100);

LeaderOptions elector_options(const ShardOptions& options, int index) {
  LeaderOptions out;
  out.lease = shard_lease(options.lease, index);
  out.identity = options.identity;
  out.times = options.times;
  out.seed = options.seed == 0 ? 0 : options.seed + static_cast<std::uint32_t>(index);
  out.shards = options.shards;
  return out;
}

}  // namespace

ShardKeeper::ShardKeeper(client::Reader& reader, client::Writer& writer, ShardOptions options,
                         const Env& env, ShardUser& user)
    : reader_(reader),
      writer_(writer),
      options_(std::move(options)),
      env_(env),
      user_(user),
      gauge_(env.metrics.gauge("millrace_shards_held", "Shards that this process holds.")),
      jitter_(options_.seed) {
  MR_CHECK(options_.shards >= 1 && options_.shards <= kMostShards);
  for (int k = 0; k < options_.shards; ++k) {
    shards_.emplace_back().elector =
        std::make_unique<LeaderElector>(reader, writer, elector_options(options_, k), env);
  }
}

bool ShardKeeper::holds(int shard) const {
  return shards_[static_cast<std::size_t>(shard)].elector->leading();
}

bool ShardKeeper::all_held() const {
  return std::all_of(shards_.begin(), shards_.end(),
                     [](const Shard& shard) { return shard.seen.held; });
}

void ShardKeeper::note_held() {
  gauge_.set(std::count_if(shards_.begin(), shards_.end(),
                           [](const Shard& shard) { return shard.seen.held; }));
}

Result<Duration> ShardKeeper::step(const std::stop_token& stop) {
  MR_TRY(renew(stop));
  if (stop.stop_requested()) return Duration::zero();
  release_left();
  if (!closing_) {
    if (!all_held() && env_.clock.steady() >= look_due_) MR_TRY(look(stop));
    if (std::exchange(plan_due_, false)) follow(stop);
  }
  return next_due();
}

/// All that are due about now together, so that they stay together: each has the whole time of a
/// renewal then, however many there are.
Result<void> ShardKeeper::renew(const std::stop_token& stop) {
  const SteadyTime now = env_.clock.steady();
  std::vector<Shard*> batch;
  bool due = false;
  for (Shard& shard : shards_) {
    if (!shard.seen.held || shard.renew_due > now + options_.times.renew_every / 2) continue;
    batch.push_back(&shard);
    due = due || shard.renew_due <= now;
  }
  if (!due) return {};
  std::vector<Result<Duration>> next(batch.size(), Duration::zero());
  const auto renew_one = [&](std::size_t i) { next[i] = batch[i]->elector->renew(stop); };
  {
    std::vector<std::jthread> helpers;  // joined by their end
    for (std::size_t i = 1; threads_ && i < batch.size(); ++i) {
      helpers.emplace_back([&renew_one, i] { renew_one(i); });
    }
    for (std::size_t i = 0; i < (threads_ ? 1 : batch.size()); ++i) renew_one(i);
  }
  for (std::size_t i = 0; i < batch.size(); ++i) {
    MR_TRY(next[i]);
    if (stop.stop_requested()) return {};
    batch[i]->renew_due = now + *next[i];  // a slow call must not make the next one late
    batch[i]->seen.view = batch[i]->elector->view();
  }
  plan_due_ = true;  // somebody may have asked for one
  return {};
}

void ShardKeeper::release_left() {
  for (std::size_t k = 0; k < shards_.size(); ++k) {
    Shard& shard = shards_[k];
    if (!shard.seen.leaving || !user_.left(static_cast<int>(k))) continue;
    shard.seen.held = false;
    shard.seen.leaving = false;
    shard.elector->release();
    note_held();
    look_due_ = env_.clock.steady() + options_.times.retry;
  }
}

void ShardKeeper::complain(const ObjectKey& lease, const Error& error) {
  const bool race = error.code == Code::Conflict || error.code == Code::AlreadyExists;
  if (race || error.code == Code::Cancelled || std::exchange(complained_, true)) return;
  env_.log.warn("lease cannot be acquired",
                {kv("lease", lease), kv("code", to_string(error.code)), kv("error", error)});
}

Result<void> ShardKeeper::look(const std::stop_token& stop) {
  bool good = true;
  for (std::size_t k = 0; k < shards_.size() && !stop.stop_requested(); ++k) {
    Shard& shard = shards_[k];
    if (shard.seen.held) continue;
    MR_TRY(renew(stop));  // looks at many may take longer than a lease
    const auto read = shard.elector->look(stop);
    if (!read.ok()) {
      complain(shard_lease(options_.lease, static_cast<int>(k)), read.error());
      good = false;
      continue;
    }
    shard.seen.known = true;
    shard.seen.view = shard.elector->view();
    note_free(shard.seen, env_.clock.steady(), options_.times);
    const std::string holder = shard.elector->holder();
    if (std::exchange(shard.told, holder) != holder && !holder.empty()) {
      env_.log.info(
          "waiting for the lease",
          {kv("lease", shard_lease(options_.lease, static_cast<int>(k))), kv("holder", holder)});
    }
  }
  read_beyond(stop);
  if (good) complained_ = false;
  look_due_ =
      env_.clock.steady() + jitter_.between(options_.times.retry, options_.times.retry * 6 / 5);
  plan_due_ = true;
  return {};
}

/// Where the work was cut into more shards than ours, others may still hold those.
void ShardKeeper::read_beyond(const std::stop_token& stop) {
  const ShardSeen& anchor = shards_.front().seen;
  const int theirs = anchor.held || !anchor.view.lease ? 1 : shards_of(*anchor.view.lease);
  if (theirs <= options_.shards) beyond_.clear();
  for (int k = options_.shards; k < theirs; ++k) {
    const auto place = static_cast<std::size_t>(k - options_.shards);
    if (beyond_.size() <= place) {
      beyond_.push_back(
          std::make_unique<LeaderElector>(reader_, writer_, elector_options(options_, k), env_));
    }
    if (const auto read = beyond_[place]->look(stop); !read.ok()) {
      complain(shard_lease(options_.lease, k), read.error());
    }
  }
}

void ShardKeeper::follow(const std::stop_token& stop) {
  ShardsInput input;
  input.self = options_.identity;
  input.now = env_.clock.steady();
  input.times = options_.times;
  for (Shard& shard : shards_) {
    note_free(shard.seen, input.now, options_.times);
    input.shards.push_back(shard.seen);
  }
  for (const auto& other : beyond_) input.beyond.push_back(other->view());
  const ShardsPlan plan = plan_shards(input);
  if (std::exchange(*blocked_.lock(), plan.blocked) != plan.blocked && !plan.blocked.empty()) {
    env_.log.warn("no shard is taken while others work with another number of them",
                  {kv("shards", options_.shards), kv("why", plan.blocked)});
  }
  if (plan.again) look_due_ = std::min(look_due_, input.now + *plan.again);
  for (const int k : plan.leave) {
    Shard& shard = shards_[static_cast<std::size_t>(k)];
    shard.seen.leaving = true;
    env_.log.info("giving up a shard",
                  {kv("lease", shard_lease(options_.lease, k)),
                   kv("to", shard.seen.view.lease->metadata.annotation(kWantedByAnnotation))});
    user_.leave(k);
  }
  if (plan.take) take(*plan.take, stop);
  if (plan.ask) {
    Shard& shard = shards_[static_cast<std::size_t>(*plan.ask)];
    const ObjectKey lease = shard_lease(options_.lease, *plan.ask);
    env_.log.info("asking for a shard", {kv("lease", lease), kv("holder", shard.told)});
    if (const auto asked = shard.elector->ask(stop); !asked.ok()) complain(lease, asked.error());
    shard.seen.view = shard.elector->view();
  }
}

void ShardKeeper::take(int index, const std::stop_token& stop) {
  Shard& shard = shards_[static_cast<std::size_t>(index)];
  const auto taken = shard.elector->take(stop);
  shard.seen.view = shard.elector->view();
  if (!taken.ok()) {
    complain(shard_lease(options_.lease, index), taken.error());
    return;
  }
  shard.seen.held = true;
  shard.seen.known = true;
  shard.seen.free_since.reset();
  shard.told.clear();
  shard.renew_due = env_.clock.steady() + options_.times.renew_every;
  look_due_ = env_.clock.steady();  // there may be more
  note_held();
  user_.gained(index);
}

Duration ShardKeeper::next_due() const {
  SteadyTime due = SteadyTime::max();
  for (const Shard& shard : shards_) {
    if (shard.seen.held) due = std::min(due, shard.renew_due);
    if (shard.seen.leaving) due = std::min(due, env_.clock.steady() + kLeaveCheck);
  }
  if (!closing_ && !all_held()) due = std::min(due, look_due_);
  const SteadyTime now = env_.clock.steady();
  return std::clamp<Duration>(std::min(due, now + options_.times.renew_every) - now,
                              Duration::zero(), options_.times.renew_every);
}

void ShardKeeper::release() {
  for (Shard& shard : shards_) {
    if (std::exchange(shard.seen.held, false)) shard.elector->release();
  }
  note_held();
}

}  // namespace millrace::runtime
