/// Values for templates before there is a run; for trial.cc only.
#pragma once

#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "controllers/expression/scope.h"
#include "controllers/logic/plan.h"
#include "crds/pipeline_run.h"

namespace millrace::logic {

/// One combination of a matrix; of a step without one: nothing.
struct SampleMatrix {
  codec::Value values;            ///< object, or null
  std::set<std::string> unknown;  ///< names whose values are made up
};

/// Params by their defaults, the run as `run` has it; everything else is made up, and noted.
class SampleScope final : public expression::Scope {
 public:
  SampleScope(const std::vector<crds::Param>& params, const crds::PipelineRun& run,
              const SampleMatrix& matrix)
      : params_(params), run_(run), matrix_(matrix) {}

  Result<expression::Lookup> find(std::span<const expression::Segment> path) const override;
  /// The paths that were made up since the last call.
  std::set<std::string> take_made_up() const { return std::exchange(made_up_, {}); }

 private:
  Result<expression::Lookup> find_param(std::span<const expression::Segment> path) const;
  expression::Lookup sample(std::span<const expression::Segment> path, std::size_t named,
                            codec::Value value) const;

  const std::vector<crds::Param>& params_;
  const crds::PipelineRun& run_;
  const SampleMatrix& matrix_;
  mutable std::set<std::string> made_up_;
};

/// Where a value stands, as far as it matters whether a sample may stand for it.
enum class Place {
  Container,  ///< a core/v1 Container: its command, args and values of env take samples
  Sample,     ///< takes samples
  Decides,    ///< must be known
};

/// A document rendered with what is known.
struct Rendered {
  codec::Value value;
  std::set<std::string> samples;  ///< paths that samples stand for
  std::string problem;            ///< not empty: why it cannot be rendered, led by the field
};
Rendered render_sample(const codec::Value& document, Place place, const SampleScope& scope);

/// The combinations of a node's matrix, at most 256; one that is empty when it has none.
std::vector<SampleMatrix> sample_matrix(const Node& node, const std::vector<crds::Param>& params,
                                        const crds::PipelineRun& run);

}  // namespace millrace::logic
