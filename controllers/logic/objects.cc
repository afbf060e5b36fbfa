#include "controllers/logic/objects.h"

namespace millrace::logic {

using codec::Value;

Value to_value(const std::map<std::string, std::string>& map) {
  Value out = Value::object();
  Value::Object& members = out.members();
  members.reserve(map.size());
  for (const auto& [key, value] : map) members.emplace_back(key, value);
  return out;
}

Value controller_reference(const api::ApiResource& kind, const api::ObjectMeta& owner) {
  return Value::object({{"apiVersion", kind.api_version()},
                        {"kind", kind.kind},
                        {"name", owner.name},
                        {"uid", owner.uid},
                        {"controller", true},
                        {"blockOwnerDeletion", true}});
}

Value object_head(const api::ApiResource& kind, const ObjectKey& key) {
  Value head = Value::object({{"apiVersion", kind.api_version()}, {"kind", kind.kind}});
  head["metadata"] = Value::object({{"name", key.name}, {"namespace", key.ns}});
  return head;
}

Action delete_object(const api::ApiResource& kind, const api::ObjectMeta& object,
                     Action::Propagation propagation) {
  Action action;
  action.verb = Action::Verb::Delete;
  action.resource = kind;
  action.key = api::key_of(object);
  action.uid = object.uid;
  action.propagation = propagation;
  return action;
}

bool is_controlled_by(const api::ObjectMeta& object, const std::string& uid) {
  const api::OwnerReference* owner = object.controller_ref();
  return owner != nullptr && owner->uid == uid;
}

}  // namespace millrace::logic
