#include "local/apiserver/ownership_edits.h"

#include <algorithm>

#include "local/apiserver/strategy_parts.h"

namespace millrace::apiserver {

using codec::Value;

bool drop_finalizer(Value& object, std::string_view name) {
  Value* finalizers = object["metadata"].find("finalizers");
  if (finalizers == nullptr) return false;
  const std::size_t dropped = std::erase_if(
      finalizers->items(), [name](const Value& one) { return one.as_string() == name; });
  if (finalizers->items().empty()) object["metadata"].erase("finalizers");
  return dropped > 0;
}

bool drop_owners(Value& object, const std::vector<std::string>& uids) {
  Value* owners = object["metadata"].find("ownerReferences");
  if (owners == nullptr) return false;
  const std::size_t dropped = std::erase_if(owners->items(), [&uids](const Value& one) {
    return std::find(uids.begin(), uids.end(), text_at(one, {"uid"})) != uids.end();
  });
  if (owners->items().empty()) object["metadata"].erase("ownerReferences");
  return dropped > 0;
}

bool stop_blocking(Value& object) {
  Value* owners = object["metadata"].find("ownerReferences");
  if (owners == nullptr) return false;
  bool changed = false;
  for (Value& one : owners->items()) {
    Value* blocks = one.find("blockOwnerDeletion");
    if (blocks == nullptr || !blocks->as_bool()) continue;
    *blocks = false;
    changed = true;
  }
  return changed;
}

}  // namespace millrace::apiserver
