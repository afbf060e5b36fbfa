/// From the steps of a graph, in whichever way they were written, to nodes in an order. For the
/// files of compile_graph and graph_check only; callers use compile.h and check.h.
///
/// What stays for a run to render: all strings of pod containers, `http`, `manifest.object`,
/// `approval.message`, `pipeline.params` and `wait.duration` stay templates; `when`, `outputs`,
/// `success` and `failure` stay expressions, with or without braces. A belt's body stays a document
/// of Go templates; its URL and method are final.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "controllers/logic/plan.h"
#include "crds/pipeline.h"

namespace millrace::logic {

/// Longest name of a step [bytes]: its container is build-step-<name>.
inline constexpr std::size_t kMaxStepName = 52;
/// Name of the call that tells X-Callback-URL of a success; no step can be called so.
inline constexpr const char* kReservedStepName = "x-callback-url";
/// Most dependencies of one plan, counting each step of a stage after each one of the stage before.
inline constexpr std::size_t kMaxEdges = 250'000;

/// One step of a graph; exactly one of `step` and `job` is there.
struct GraphStep {
  const crds::Step* step = nullptr;    ///< canonical
  const crds::BeltJob* job = nullptr;  ///< conveyor-belt's
  std::string name;                    ///< of its node; of a belt's job made from stage and name
  Group group = Group::Main;
  std::string path;   ///< "spec.steps[3]"
  std::string stage;  ///< empty: none
};

/// All steps as written: those of Main, then of OnError, then of Finally. Borrows from `spec`.
std::vector<GraphStep> graph_steps(const crds::PipelineSpec& spec);

/// Who waits for whom, by position in `graph_steps`. Names that are not known, stand in another
/// group or are the step's own make no edge; of two steps with one name the first counts. Stages
/// are points that all of one stage pass before any of the next begins, so that n steps after m
/// make n + m edges here, not n * m.
class GraphShape {
 public:
  GraphShape(const std::vector<GraphStep>& steps, const std::vector<std::string>& stages);

  /// Positions so that each stands after those it waits for; else as written, group by group.
  /// Shorter than the steps when there is a cycle.
  const std::vector<std::size_t>& order() const { return order_; }
  /// One cycle, if there is any: each waits for the next, the last for the first.
  std::vector<std::size_t> cycle() const;
  /// Whom `step` waits for directly, each once: `dependsOn` as written, then the stage before.
  std::vector<std::size_t> after(std::size_t step) const;
  /// How many entries `after` has over all steps, without making them (repeats included).
  std::size_t edges() const;
  /// Whether `step` begins only once `other` is done. Asks for an order without a cycle.
  bool waits_for(std::size_t step, std::size_t other) const;
  /// The position of the step called so, or npos.
  std::size_t find(std::string_view name) const;

  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

 private:
  static constexpr std::size_t kBits = 64;
  std::size_t stage_before(std::size_t stage) const;
  void sort();
  void close();

  std::size_t count_;  ///< of steps; points follow
  std::unordered_map<std::string_view, std::size_t> by_name_;
  std::vector<std::vector<std::size_t>> needs_;    ///< of steps and points
  std::vector<std::vector<std::size_t>> members_;  ///< of stages
  std::vector<std::size_t> point_of_;              ///< step → point it waits for, or npos
  std::vector<std::size_t> order_;
  std::vector<std::size_t> full_order_;  ///< with points
  std::vector<bool> sorted_;             ///< is in full_order_
  std::size_t words_ = 0;
  std::vector<std::uint64_t> ancestors_;  ///< a row of bits for each vertex
};

}  // namespace millrace::logic
