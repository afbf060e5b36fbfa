#include "controllers/logic/compile.h"

namespace millrace::logic {

Result<Plan> compile_graph(const crds::PipelineSpec&) {
  return fail(Code::Invalid, "spec.steps: not built yet");
}

std::unordered_map<std::string_view, std::size_t> positions(const Plan& plan) {
  std::unordered_map<std::string_view, std::size_t> out;
  for (std::size_t i = 0; i < plan.nodes.size(); ++i) out.emplace(plan.nodes[i].name, i);
  return out;
}

}  // namespace millrace::logic
