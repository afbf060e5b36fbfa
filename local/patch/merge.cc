#include <algorithm>
#include <string>
#include <utility>

#include "local/patch/patch.h"

namespace millrace::patch {
namespace {

using codec::Value;

/// What a patch becomes where there is nothing to merge into: members that are null say "absent".
/// The API server does so within lists too, though RFC 7386 takes lists as they are.
void drop_null_members(Value& value) {
  if (value.is_object()) {
    std::erase_if(value.members(), [](const Value::Member& m) { return m.second.is_null(); });
    for (auto& [key, member] : value.members()) drop_null_members(member);
  } else if (value.is_array()) {
    for (Value& item : value.items()) drop_null_members(item);
  }
}

void merge_into(Value& target, const Value& patch) {
  if (!target.is_object() || !patch.is_object()) {
    const bool prune = !target.is_object();
    target = patch;
    if (prune) drop_null_members(target);
    return;
  }
  for (const auto& [key, change] : patch.members()) {
    if (change.is_null()) {
      target.erase(key);
    } else {
      merge_into(target[key], change);
    }
  }
}

}  // namespace

Result<> check_merge(const Value& patch) {
  if (patch.is_object()) return {};
  if (patch.is_null()) return fail(Code::Malformed, "Invalid JSON Patch");
  return fail(Code::Malformed, "error decoding patch: json: cannot unmarshal " +
                                   std::string(patch.is_number() ? "number" : patch.kind_name()) +
                                   " into Go value of type map[string]interface {}");
}

Value merge(Value target, const Value& patch) {
  merge_into(target, patch);
  return target;
}

}  // namespace millrace::patch
