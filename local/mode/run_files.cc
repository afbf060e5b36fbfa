#include "local/mode/run_files.h"

#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <set>
#include <vector>

#include "crds/pipeline_run.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/runtime/informer.h"
#include "local/mode/log_follower.h"

namespace millrace::mode {
namespace {

using crds::PipelineRun;
using std::chrono::seconds;

constexpr const char* kFieldManager = "millrace-run";
/// How long the end of a run waits for logs that do not end.
constexpr seconds kLogGrace{2};

/// What the threads have to tell the one that prints.
class Mailbox {
 public:
  struct Line {
    LogId id;
    std::string text;
  };
  struct News {
    std::deque<Line> lines;
    std::vector<runtime::Ref<PipelineRun>> runs;  ///< the latest of each; null: not known yet
    std::set<LogId> logs_done;                    ///< all so far
    std::set<std::size_t> deleted;                ///< runs that are gone
  };

  explicit Mailbox(std::size_t runs) { state_.runs.resize(runs); }

  void put_line(const LogId& id, std::string text) {
    change([&] { state_.lines.push_back({id, std::move(text)}); });
  }
  void put_done(const LogId& id) {
    change([&] { state_.logs_done.insert(id); });
  }
  void put_run(std::size_t index, runtime::Ref<PipelineRun> run) {
    change([&] {
      if (run) {
        state_.runs[index] = std::move(run);
      } else {
        state_.deleted.insert(index);
      }
    });
  }
  /// Make `wait` return.
  void wake() {
    change([] {});
  }
  /// Wait for something new until `deadline`, then take the lines and a copy of the rest.
  News wait(SteadyTime deadline) {
    std::unique_lock lock(mutex_);
    if (deadline == SteadyTime::max()) {
      wake_.wait(lock, [&] { return changed_; });
    } else {
      wake_.wait_until(lock, deadline, [&] { return changed_; });
    }
    changed_ = false;
    return {std::exchange(state_.lines, {}), state_.runs, state_.logs_done, state_.deleted};
  }

 private:
  template <class Change>
  void change(const Change& apply) {
    {
      const std::lock_guard lock(mutex_);
      apply();
      changed_ = true;
    }
    wake_.notify_one();
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool changed_ = false;
  News state_;
};

Result<> apply(const PlannedObject& object, client::Writer& writer) {
  const auto done =
      writer.patch_text(object.kind->resource, {object.ns, object.name}, client::PatchType::Apply,
                        object.object.dump(), {.field_manager = kFieldManager, .force = true}, {});
  if (done.ok()) return {};
  Error error = done.error();
  error.message = object.place + ": " + object.what() + ": " + error.message;
  return fail(std::move(error));
}

/// Create the run; when there is one of its name already, another one beside it.
Result<PipelineRun> create(const PlannedObject& run, client::Writer& writer) {
  auto created = client::create<PipelineRun>(writer, run.ns, run.object.dump());
  if (!created.ok() && created.error().code == Code::AlreadyExists) {
    codec::Value copy = run.object;
    codec::Value& metadata = copy["metadata"];
    metadata.erase("name");
    metadata["generateName"] = run.name.substr(0, 56) + "-";
    created = client::create<PipelineRun>(writer, run.ns, copy.dump());
  }
  if (created.ok()) return created;
  Error error = created.error();
  error.message = run.place + ": " + error.message;
  return fail(std::move(error));
}

/// One run that is shown.
struct Shown {
  PipelineRun run;
  RunView view;
  RunEnd end = RunEnd::None;
  SteadyTime began{};
  SteadyTime ended = SteadyTime::max();  ///< when we saw that
  bool told = false;
};

class Show {
 public:
  Show(std::vector<PipelineRun> runs, const RunOptions& options, const RunSurroundings& world)
      : options_(options),
        world_(world),
        mailbox_(runs.size()),
        logs_(world.open_log, world.env,
              {.line = [this](const LogId& id,
                              std::string text) { mailbox_.put_line(id, std::move(text)); },
               .done = [this](const LogId& id) { mailbox_.put_done(id); }}) {
    const SteadyTime now = clock().steady();
    for (PipelineRun& run : runs) {
      RunView view(options.colour, runs.size() > 1, options.telling);
      shown_.push_back({.run = std::move(run), .view = view, .began = now});
    }
  }

  RunResult follow() {
    const std::stop_callback on_cancel(options_.cancel, [this] { mailbox_.wake(); });
    const std::stop_callback on_leave(options_.leave, [this] { mailbox_.wake(); });
    for (Shown& shown : shown_) world_.print(shown.view.begun(shown.run));
    watch();
    for (;;) {
      const Mailbox::News news = mailbox_.wait(next_deadline());
      for (const auto& line : news.lines) held_[line.id].push_back(line.text);
      bool all_told = true;
      for (std::size_t i = 0; i < shown_.size(); ++i) {
        look(i, news);
        all_told = all_told && shown_[i].told;
      }
      if (all_told) return result();
      if (options_.leave.stop_requested()) return RunResult::Stopped;
      stop_if_told();
    }
  }

 private:
  const Clock& clock() const { return world_.env.clock; }

  void watch() {
    for (std::size_t i = 0; i < shown_.size(); ++i) {
      const PipelineRun& run = shown_[i].run;
      runtime::InformerOptions<PipelineRun> options;
      options.namespaces = {run.metadata.ns};
      options.field_selector = "metadata.name=" + run.metadata.name;
      auto& informer = informers_.emplace_back(std::make_unique<runtime::Informer<PipelineRun>>(
          world_.reader, std::move(options), world_.env));
      informer->on_change([this, i](const auto&, const auto& now) { mailbox_.put_run(i, now); });
      informer->start();
    }
  }

  SteadyTime next_deadline() const {
    SteadyTime next = SteadyTime::max();
    if (options_.timeout && !cancelled_) next = shown_.front().began + *options_.timeout;
    for (const Shown& shown : shown_) {
      if (!shown.told && shown.end != RunEnd::None) next = std::min(next, shown.ended + kLogGrace);
    }
    return next;
  }

  void look(std::size_t index, const Mailbox::News& news) {
    Shown& shown = shown_[index];
    if (shown.told) return;
    const SteadyTime now = clock().steady();
    if (news.runs[index]) shown.run = *news.runs[index];
    const PipelineRun& run = shown.run;
    if (news.deleted.contains(index)) {
      shown.told = true;
      world_.print(shown.view.remark("the run was deleted"));
      return;
    }
    for (const crds::StepState& step : run.status.step_states) {
      const bool began = step.state == crds::StepPhase::Running || RunView::is_over(step);
      if (!began || step.pod_name.empty() || !is_wanted(step)) continue;
      for (const LogId& id : logs_of(index, step)) {
        logs_.follow(id, run.metadata.ns,
                     RunView::is_over(step) ? Container::Ended : Container::Running);
      }
    }
    if (shown.end == RunEnd::None && end_of(run) != RunEnd::None) {
      shown.end = end_of(run);
      shown.ended = now;
    }
    print_logs_of_the_past(index);
    const bool waited_enough = shown.end != RunEnd::None && now >= shown.ended + kLogGrace;
    bool complete = true;
    world_.print(shown.view.progress(run, now, [&](const crds::StepState& step) {
      LogPart part;
      for (const LogId& id : logs_of(index, step)) {
        part.text += take_lines(id);
        const bool done = waited_enough || !logs_.follows(id) || news.logs_done.contains(id);
        part.complete = part.complete && done;
      }
      if (part.complete) part.text += summary_of(shown, step);
      complete = complete && part.complete;
      return part;
    }));
    if (shown.end == RunEnd::None || !complete) return;
    shown.told = true;
    world_.print(shown.view.finished(run, shown.ended - shown.began));
  }

  bool is_wanted(const crds::StepState& step) const {
    const bool named =
        options_.step.empty() || options_.step == step.name || options_.step == step.of;
    return named && (options_.attempt == 0 || options_.attempt == step.attempt);
  }

  /// The logs of a step that has a pod; none for others.
  std::vector<LogId> logs_of(std::size_t index, const crds::StepState& step) {
    std::vector<LogId> ids;
    if (step.pod_name.empty()) return ids;
    const std::string& own = step.of.empty() ? step.name : step.of;
    const auto found = options_.containers.find(own);
    const auto containers =
        found == options_.containers.end() ? std::vector<std::string>{own} : found->second;
    for (const std::string& container : containers) {
      const LogId& id = ids.emplace_back(LogId{index, step.pod_name, container});
      labels_.try_emplace(id, containers.size() > 1 ? step.name + "/" + container : step.name);
    }
    return ids;
  }

  /// What there is to say of an ended step without a log, once.
  std::string summary_of(const Shown& shown, const crds::StepState& step) {
    if (!options_.summary || !RunView::is_over(step) || !is_wanted(step)) return "";
    if (!summarized_.insert(step.name + "/" + std::to_string(step.attempt)).second) return "";
    std::string text;
    std::string rest = options_.summary(step);
    for (std::size_t end; (end = rest.find('\n')) != std::string::npos; rest.erase(0, end + 1)) {
      text += shown.view.output(step.name, std::string_view(rest).substr(0, end));
    }
    return text;
  }

  std::string take_lines(const LogId& id) {
    std::string text;
    const auto found = held_.find(id);
    if (found == held_.end()) return text;
    for (const std::string& line : found->second) {
      text += shown_[id.run].view.output(labels_.at(id), line);
    }
    held_.erase(found);
    return text;
  }

  /// What is left of attempts before the one that the status is about.
  void print_logs_of_the_past(std::size_t index) {
    std::set<std::string> pods;
    for (const auto& step : shown_[index].run.status.step_states) pods.insert(step.pod_name);
    std::vector<LogId> past;
    for (const auto& [id, lines] : held_) {
      if (id.run == index && !pods.contains(id.pod)) past.push_back(id);
    }
    for (const LogId& id : past) world_.print(take_lines(id));
  }

  void stop_if_told() {
    if (cancelled_) return;
    const bool late =
        options_.timeout && clock().steady() >= shown_.front().began + *options_.timeout;
    if (!late && !options_.cancel.stop_requested()) return;
    cancelled_ = true;
    for (Shown& shown : shown_) {
      if (shown.end != RunEnd::None) continue;
      const std::string why =
          late ? "the time is over (" + format_duration(*options_.timeout) + "), cancelling"
               : "cancelling; Ctrl-C again leaves at once";
      world_.print(shown.view.remark(why));
      const auto done = world_.writer.patch_text(
          PipelineRun::kResource, api::key_of(shown.run.metadata), client::PatchType::Merge,
          R"({"spec":{"cancel":true}})", {.field_manager = kFieldManager}, {});
      if (!done.ok()) world_.complain("cancelling: " + done.error().message);
    }
  }

  RunResult result() const {
    RunResult worst = RunResult::Succeeded;
    for (const Shown& shown : shown_) {
      if (shown.end == RunEnd::Failed) return RunResult::Failed;
      if (shown.end != RunEnd::Succeeded) worst = RunResult::Stopped;
    }
    return worst;
  }

  const RunOptions& options_;
  const RunSurroundings& world_;
  Mailbox mailbox_;
  std::vector<Shown> shown_;
  std::map<LogId, std::vector<std::string>> held_;  ///< lines that were not printed yet
  std::map<LogId, std::string> labels_;             ///< what stands before those lines
  std::set<std::string> summarized_;                ///< "step/attempt"
  bool cancelled_ = false;
  // Last: their threads write into the mailbox.
  LogFollower logs_;
  std::vector<std::unique_ptr<runtime::Informer<PipelineRun>>> informers_;
};

}  // namespace

RunResult follow_runs(std::vector<PipelineRun> runs, const RunOptions& options,
                      const RunSurroundings& surroundings) {
  return Show(std::move(runs), options, surroundings).follow();
}

RunResult run_all(const RunPlan& plan, const RunOptions& options,
                  const RunSurroundings& surroundings) {
  const auto refused = [&](const Error& error) {
    surroundings.complain(error.message);
    return RunResult::Failed;
  };
  for (const PlannedObject& object : plan.apply) {
    const auto applied = apply(object, surroundings.writer);
    if (!applied.ok()) return refused(applied.error());
  }
  std::vector<PipelineRun> runs;
  for (const PlannedObject& run : plan.runs) {
    auto created = create(run, surroundings.writer);
    if (!created.ok()) return refused(created.error());
    runs.push_back(*std::move(created));
  }
  return Show(std::move(runs), options, surroundings).follow();
}

}  // namespace millrace::mode
