#include "local/schema/checks.h"
#include "local/schema/custom_check.h"
#include "local/schema/event_shapes.h"
#include "local/schema/fit.h"
#include "local/schema/names.h"
#include "local/schema/problems.h"

namespace millrace::schema {
namespace {

using codec::Value;

void check_pod(Problems& problems, const Value& pod) {
  check_pod_spec(problems, Path("spec"), at(pod, "spec"));
}

using Check = void (*)(Problems&, const Value&);
struct KindCheck {
  std::string_view kind;
  Check check;
};
/// By kind; the names are unique among the built-in kinds but for Event.
constexpr KindCheck kChecks[] = {
    {"ConfigMap", &check_config_map},
    {"ControllerRevision", &check_controller_revision},
    {"Deployment", &check_deployment},
    {"Job", &check_job},
    {"Lease", &check_lease},
    {"Node", &check_node},
    {"Pod", &check_pod},
    {"Secret", &check_secret},
    {"Service", &check_service},
};

}  // namespace

std::vector<Problem> validate(const Value& object, const Value* old_object, const Kind& kind) {
  Problems problems;
  if (kind.custom) {
    check_custom(object, old_object, *kind.type, problems);
    return problems.take();
  }
  if (kind.resource.kind == "Event") {
    const bool group = kind.to_stored != nullptr;
    // What an old Event lacks is not asked of its updates.
    if (old_object == nullptr) check_event(problems, group ? core_event(object) : object, group);
    return problems.take();
  }
  for (const KindCheck& entry : kChecks) {
    if (entry.kind == kind.resource.kind) entry.check(problems, object);
  }
  return problems.take();
}

}  // namespace millrace::schema
