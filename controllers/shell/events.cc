#include "controllers/shell/events.h"

#include "kubeclient/runtime/event_recorder.h"

namespace millrace::shell {

void record_note(runtime::EventRecorder& events, const api::ApiResource& kind,
                 const api::ObjectMeta& object, const logic::Note& note) {
  runtime::EventRequest request;
  request.regarding = {kind.api_version(), std::string(kind.kind), object.ns, object.name,
                       object.uid,         object.resource_version};
  request.type = note.type == logic::Note::Type::Normal ? "Normal" : "Warning";
  request.reason = note.reason;
  request.action = "Reconcile";
  request.note = note.message;
  events.record(std::move(request));
}

}  // namespace millrace::shell
