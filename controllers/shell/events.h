/// Notes of a plan as Kubernetes events.
#pragma once

#include "controllers/logic/action.h"
#include "kubeclient/api/meta.h"

namespace millrace::runtime {
class EventRecorder;
}

namespace millrace::shell {

/// Record `note` about the object; never blocks, never fails.
void record_note(runtime::EventRecorder& events, const api::ApiResource& kind,
                 const api::ObjectMeta& object, const logic::Note& note);

}  // namespace millrace::shell
