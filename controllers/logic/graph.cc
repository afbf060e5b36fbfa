#include "controllers/logic/graph.h"

namespace millrace::logic {

RunPlan plan_graph(const RunInput&, const Revision&) { return {}; }

}  // namespace millrace::logic
