#include "tests/sim/simulation.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "controllers/shell/operator.h"
#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "local/apiserver/api.h"
#include "local/apiserver/direct_client.h"
#include "local/storage/storage.h"
#include "tests/sim/auditor.h"
#include "tests/sim/calls.h"
#include "tests/sim/kubelet.h"
#include "tests/sim/random.h"
#include "tests/sim/trace.h"
#include "tests/sim/user.h"
#include "tests/support/manual_clock.h"

namespace millrace::sim {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

/// Nobody waits here: whoever wants to come back later says so by `next_due`.
class NoPause final : public runtime::Pause {
 public:
  bool wait(Duration, const std::stop_token& stop) const override { return !stop.stop_requested(); }
};

/// Looks for what no log line may hold, and for crashed reconciles.
class LogWatch final : public LogSink {
 public:
  explicit LogWatch(Auditor& auditor) : auditor_(auditor) {}
  void write(const std::string& line) override {
    if (line.find(kSecret) != std::string::npos) auditor_.complain("a secret in the log: " + line);
    if (line.find("reconcile crashed") != std::string::npos) auditor_.complain(line);
  }

 private:
  Auditor& auditor_;
};

/// One process of the operator, and how it is reborn.
struct Process {
  Process(client::Reader& reader, client::Writer& writer, const Clock& clock, Random random,
          Trace& trace, std::string process_name)
      : name(std::move(process_name)), client(reader, writer, clock, random, trace, name) {}

  std::string name;
  FaultyClient client;
  std::unique_ptr<MetricsRegistry> metrics;
  std::unique_ptr<Calls> calls;
  std::unique_ptr<shell::Operator> oper;  ///< null while it is dead
  SteadyTime back_at{};                   ///< when it is started again
  SteadyTime stands_until{};
};

class Simulation {
 public:
  explicit Simulation(const SimOptions& options);
  SimResult run();

 private:
  void choose();
  FaultRates storm_rates();
  void start(Process& process);
  /// Let one piece of work of the operator happen; false when it has none.
  bool step(Process& process);
  void crash(Process& process);
  void judge_leaders();
  void arm(Process& process);
  /// Something happens somewhere.
  void move(bool storm);
  bool move_world();
  void stand_still(Process& process, const std::string& what);
  std::optional<SteadyTime> next_due() const;
  void advance_to_next(Duration most);
  void storm();
  /// Without faults, until nothing happens any more or `limit` has passed.
  void settle(Duration limit, bool (Simulation::*done)() const);
  bool ended() const { return auditor_.all_ended(); }
  bool never() const { return false; }
  void rest();
  int writes() const;

  SimOptions options_;
  Random random_;
  support::ManualClock clock_;
  Trace trace_;
  std::unique_ptr<storage::Storage> storage_;
  Logger quiet_;
  apiserver::Api api_;
  apiserver::DirectClient honest_;
  Auditor auditor_;
  Kubelet kubelet_;
  LogWatch log_watch_;
  Logger log_;
  NoPause pause_;
  Habits habits_;
  std::unique_ptr<User> user_;
  std::vector<std::unique_ptr<Process>> processes_;
  int generation_ = 0;
  int crashes_ = 0;
  bool nested_ = false;
  bool lease_ = false;  ///< the operators contend for a lease
  int shards_ = 1;      ///< or for so many
  bool calm_ = false;
};

class Silent final : public LogSink {
 public:
  void write(const std::string&) override {}
};
Silent silent;

apiserver::ApiOptions api_options(std::uint64_t seed) {
  apiserver::ApiOptions options;
  options.seed = static_cast<std::uint32_t>(seed % 0x7fffffff) + 1;
  options.bookmark_interval = minutes(5);
  return options;
}

Simulation::Simulation(const SimOptions& options)
    : options_(options),
      random_(options.seed),
      trace_(clock_),
      storage_(storage::open_storage({}).value()),
      quiet_(silent),
      api_(*storage_, clock_, quiet_, nullptr, api_options(options.seed)),
      honest_(api_, clock_, "kubelet"),
      auditor_(*storage_, clock_, trace_),
      kubelet_(*storage_, honest_, clock_, random_.split(), trace_),
      log_watch_(auditor_),
      log_(log_watch_, LogLevel::Info) {
  choose();
}

void Simulation::choose() {
  habits_.batch = !random_.chance(150);
  habits_.schedule = !habits_.batch || random_.chance(250);
  habits_.graph = random_.chance(500);
  habits_.stream = random_.chance(200);
  habits_.jobs = random_.chance(300);
  if (habits_.jobs) auditor_.expect_all_jobs();
  habits_.deletes = random_.chance(400);
  habits_.edits = random_.chance(300);
  habits_.forges = random_.chance(300);
  habits_.clock = random_.chance(200);
  if (habits_.clock) auditor_.graphs().expect_jumps();
  user_ =
      std::make_unique<User>(honest_, clock_, auditor_, kubelet_, random_.split(), trace_, habits_);
  int count = random_.chance(350) ? 2 : 1;
  lease_ = random_.chance(count > 1 ? 500 : 150);
  if (lease_ && random_.chance(500)) shards_ = random_.between(2, 4);
  if (shards_ > 1 && random_.chance(500)) ++count;
  if (count > 1) user_->expect_company();
  if (count > 1) auditor_.expect_company();
  for (int i = 0; i < count; ++i) {
    processes_.push_back(std::make_unique<Process>(honest_, honest_, clock_, random_.split(),
                                                   trace_, "op" + std::to_string(i)));
    Process& process = *processes_.back();
    process.client.rates = storm_rates();
    process.client.mutation = options_.mutation;
    process.client.about_to = [this, &process](const std::string& what) {
      const bool acts = what.find(" leases/") == std::string::npos;
      if (acts && !process.oper->working()) auditor_.complain(process.name + " acts too early");
      if (acts && process.oper->lease_lost()) auditor_.complain(process.name + " acts on");
    };
    process.client.stand_still = [this, &process](const std::string& what) {
      stand_still(process, what);
    };
  }
}

/// Each kind of fault is on in some seeds only: alone it reaches further.
FaultRates Simulation::storm_rates() {
  const auto rate = [&] {
    constexpr int kRates[] = {0, 0, 0, 10, 50, 200};
    return kRates[random_.below(6)];
  };
  FaultRates rates;
  rates.conflict = rate();
  rates.throttle = rate();
  rates.unavailable = rate();
  rates.lose = rate();
  rates.pause = rate();
  rates.watch_refuse = rate();
  rates.watch_cut = rate() / 2;
  rates.watch_expire = rate() / 4;
  rates.watch_late = rate();
  rates.watch_repeat = rate();
  rates.watch_reorder = rate();
  return rates;
}

void Simulation::start(Process& process) {
  ++generation_;
  trace_.add(process.name + " starts");
  shell::OperatorSettings settings;
  settings.leader_elect = lease_;
  settings.lease_namespace = "default";
  settings.shards = shards_;
  settings.identity = process.name + "-" + std::to_string(generation_);
  settings.seed = static_cast<std::uint32_t>(random_.next() | 1);
  settings.config.run_unmanaged_jobs = habits_.jobs;
  process.metrics = std::make_unique<MetricsRegistry>();
  const runtime::Env env{clock_, pause_, *process.metrics, log_};
  process.calls =
      std::make_unique<Calls>(clock_, auditor_.graphs(), random_.split(), trace_, process.name);
  process.calls->hinder = process.client.rates.throttle;
  process.oper = std::make_unique<shell::Operator>(process.client, process.client,
                                                   std::move(settings), env, process.calls.get());
  if (!calm_) arm(process);
}

/// Decide at which write it dies.
void Simulation::arm(Process& process) {
  process.client.crash_in.reset();
  if (random_.chance(600)) process.client.crash_in = random_.between(1, 25);
  process.client.crash_after_effect = random_.chance(500);
}

void Simulation::crash(Process& process) {
  ++crashes_;
  process.oper.reset();
  process.calls.reset();
  process.metrics.reset();
  process.client.crash_in.reset();
  process.back_at = clock_.steady() + milliseconds(random_.chance(500) ? 0 : random_.below(90000));
}

bool Simulation::step(Process& process) {
  if (!process.oper) {
    if (clock_.steady() < process.back_at) return false;
    start(process);
    return true;
  }
  if (clock_.steady() < process.stands_until) return false;
  const int parts = shell::Operator::parts() + 1;
  const int first = random_.below(parts);
  try {
    for (int i = 0; i < parts; ++i) {
      const int part = (first + i) % parts;
      const bool did = part + 1 == parts ? process.calls->step() : process.oper->step(part);
      judge_leaders();
      if (process.oper->lease_lost()) {
        trace_.add(process.name + " has lost the lease");
        crash(process);
      }
      if (did) return true;
    }
  } catch (const Crash&) {
    crash(process);
    return true;
  }
  return false;
}

/// Whoever thinks that it holds a shard is the only one, at every moment.
void Simulation::judge_leaders() {
  if (!lease_) return;
  for (int shard = 0; shard < shards_; ++shard) {
    int leaders = 0;
    for (const auto& process : processes_) {
      if (process->oper && process->oper->holds(shard)) ++leaders;
    }
    if (leaders > 1) auditor_.complain("two operators hold shard " + std::to_string(shard));
  }
}

bool Simulation::move_world() {
  switch (random_.below(3)) {
    case 0:
      return kubelet_.step() || api_.work_once();
    case 1:
      return api_.work_once() || kubelet_.step();
    default:
      return kubelet_.step();
  }
}

/// Between two writes of one process everything else goes on.
void Simulation::stand_still(Process& process, const std::string& what) {
  if (nested_) return;
  // Nothing fences a create that arrives late: the other operator may have made the same object
  // meanwhile, seen it end, and removed it. What comes so is to be taken away again.
  constexpr std::string_view kCreate = "create pods/";
  if (processes_.size() > 1 && what.starts_with(kCreate)) {
    auditor_.excuse_late(what.substr(kCreate.size()));
  }
  nested_ = true;
  const int moves = random_.between(1, 30);
  for (int i = 0; i < moves; ++i) {
    const int dice = random_.below(10);
    if (dice < 4) {
      move_world();
    } else if (dice < 5) {
      advance_to_next(seconds(5));
    } else if (dice == 5 && random_.chance(100)) {
      auditor_.look();
      user_->act();
    } else {
      for (auto& other : processes_) {
        if (other.get() != &process && other->oper) step(*other);
      }
    }
    auditor_.look();
  }
  nested_ = false;
}

void Simulation::move(bool storm) {
  const int dice = random_.below(100);
  if (storm && dice < 3) {
    auditor_.look();
    user_->act();
  } else if (storm && dice < 5) {
    Process& process =
        *processes_[static_cast<std::size_t>(random_.below(static_cast<int>(processes_.size())))];
    process.client.quota_used_up = random_.chance(300);
    if (random_.chance(200)) {
      auditor_.look();
      kubelet_.look();
      storage_->compact();
    }
    if (random_.chance(100)) {
      process.stands_until = clock_.steady() + seconds(random_.below(60));
    }
  } else if (storm && dice < 10) {
    advance_to_next(seconds(20));
  } else if (dice < 40) {
    if (!move_world()) advance_to_next(seconds(1));
  } else {
    Process& process =
        *processes_[static_cast<std::size_t>(random_.below(static_cast<int>(processes_.size())))];
    if (!step(process) && !move_world()) advance_to_next(seconds(1));
  }
  auditor_.look();
}

std::optional<SteadyTime> Simulation::next_due() const {
  std::optional<SteadyTime> next;
  const auto add = [&](SteadyTime due) { next = std::min(next.value_or(due), due); };
  for (const auto& process : processes_) {
    if (!process->oper) {
      add(process->back_at);
      continue;
    }
    add(std::max(process->oper->next_due(), process->stands_until));
    if (const auto due = process->calls->next_due()) add(std::max(*due, process->stands_until));
  }
  if (const auto due = kubelet_.next_due()) add(*due);
  if (const auto due = api_.next_due()) add(*due);
  return next;
}

/// To when something is due, but by at most `most`.
void Simulation::advance_to_next(Duration most) {
  const SteadyTime now = clock_.steady();
  const SteadyTime next = next_due().value_or(now + most);
  clock_.advance(std::clamp<Duration>(next - now, milliseconds(1), most));
}

void Simulation::storm() {
  user_->begin();
  const int moves = random_.between(300, 1200);
  for (int i = 0; i < moves && auditor_.complaints().empty(); ++i) move(true);
}

void Simulation::settle(Duration limit, bool (Simulation::*done)() const) {
  const SteadyTime end = clock_.steady() + limit;
  int idle = 0;
  while (clock_.steady() < end && auditor_.complaints().empty()) {
    bool moved = false;
    for (auto& process : processes_) moved = step(*process) || moved;
    moved = kubelet_.step() || moved;
    moved = api_.work_once() || moved;
    auditor_.look();
    moved = user_->decide() || moved;
    auditor_.look();
    if (moved) {
      if (++idle > 40000) return auditor_.complain("it never comes to rest");
      continue;
    }
    if ((this->*done)()) return;
    advance_to_next(end - clock_.steady());
  }
}

int Simulation::writes() const {
  int count = 0;
  for (const auto& process : processes_) count += process->client.writes;
  return count;
}

void Simulation::rest() {
  calm_ = true;
  trace_.add("calm");
  kubelet_.calm_down();
  user_->stop_schedules();
  for (auto& process : processes_) {
    process->client.rates = {};
    process->client.crash_in.reset();
    process->client.quota_used_up = false;
    if (process->calls) process->calls->hinder = 0;
    process->stands_until = {};
  }
  settle(hours(12), &Simulation::ended);
  if (auditor_.complaints().empty()) {
    for (const std::string& what : auditor_.unended()) auditor_.complain("does not end: " + what);
  }
  if (!auditor_.complaints().empty()) return;
  settle(minutes(30), &Simulation::never);
  auditor_.judge_ends();
  const int before = writes();
  settle(minutes(30), &Simulation::never);
  if (writes() != before) auditor_.complain("idle operators write");
  if (!auditor_.complaints().empty()) return;
  user_->delete_all();
  settle(minutes(10), &Simulation::never);
  auditor_.judge_emptiness();
}

SimResult Simulation::run() {
  storm();
  if (auditor_.complaints().empty()) rest();
  SimResult result;
  result.problems = auditor_.complaints();
  result.trace.assign(trace_.tail().begin(), trace_.tail().end());
  result.hash = trace_.hash();
  result.steps = trace_.size();
  result.runs = static_cast<int>(auditor_.runs().size());
  result.writes = writes();
  result.crashes = crashes_;
  return result;
}

}  // namespace

SimResult simulate(const SimOptions& options) {
  try {
    return Simulation(options).run();
  } catch (const std::exception& e) {
    SimResult result;
    result.problems.push_back(std::string("exception: ") + e.what());
    return result;
  }
}

}  // namespace millrace::sim
