#include "controllers/logic/graph_check.h"

namespace millrace::logic {

using codec::FieldError;

GraphFindings check_graph(const crds::PipelineSpec&, const std::vector<GraphStep>& steps,
                          const GraphShape& shape) {
  GraphFindings found;
  found.reads.resize(steps.size());
  const std::vector<std::size_t> cycle = shape.cycle();
  if (!cycle.empty()) {
    std::string names;
    for (const std::size_t i : cycle) names += steps[i].name + " -> ";
    found.errors.push_back({steps[cycle.front()].path + ".dependsOn",
                            "steps wait for each other: " + names + steps[cycle.front()].name});
  }
  return found;
}

std::vector<FieldError> check_surroundings(const crds::PipelineSpec&) { return {}; }

}  // namespace millrace::logic
