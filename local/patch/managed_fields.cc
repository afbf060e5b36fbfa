#include "local/patch/managed_fields.h"

#include <algorithm>
#include <utility>

#include "local/patch/entries.h"

namespace millrace::patch {

using codec::Value;

namespace {

std::string group_of(const std::string& api_version) {
  const std::size_t slash = api_version.find('/');
  return slash == std::string::npos ? std::string() : api_version.substr(0, slash);
}

}  // namespace

void track_update(Value& now, const Value* before, const schema::Type& type, const Manager& manager,
                  Time time) {
  if (!now.is_object()) return;
  Entries entries = take_entries(now, before, manager.subresource);
  // Whose entries are of another group there is none, rather than one that cannot be read.
  const std::string group = group_of(manager.api_version);
  if (is_custom(manager.api_version) &&
      std::any_of(entries.begin(), entries.end(),
                  [&](const Entry& entry) { return group_of(entry.api_version) != group; })) {
    if (Value* metadata = now.find("metadata")) metadata->erase("managedFields");
    return;
  }
  // An object without owners stays so until it is applied: the API server saves the work.
  if (before == nullptr) {
    track(entries, blank_object(now), now, type, manager, time);
  } else if (!entries.empty()) {
    track(entries, *before, now, type, manager, time);
  }
  store_entries(now, std::move(entries));
}

bool same_but_times(const Value& a, const Value& b) {
  if (!a.is_object() || !b.is_object()) return a == b;
  const auto fields_of = [](const Value& object) -> const Value& {
    static const Value none;
    const Value* found = object.at_path({"metadata", "managedFields"});
    return found == nullptr ? none : *found;
  };
  const Value::Array& left = fields_of(a).items();
  const Value::Array& right = fields_of(b).items();
  if (left.size() != right.size()) return false;
  // Entries are sorted by time, so the same ones may stand in another order.
  const auto same_entry = [](const Value& x, const Value& y) {
    if (x.members().size() != y.members().size()) return false;
    for (const auto& [key, value] : x.members()) {
      const Value* other = y.find(key);
      if (other == nullptr || (key != "time" && !(*other == value))) return false;
    }
    return true;
  };
  if (!std::is_permutation(left.begin(), left.end(), right.begin(), same_entry)) return false;
  const auto same_members = [](const Value& x, const Value& y, std::string_view skip,
                               const auto& same) {
    std::size_t common = 0;
    for (const auto& [key, value] : x.members()) {
      const Value* other = y.find(key);
      if (other == nullptr || (key != skip && !same(value, *other, key))) return false;
      ++common;
    }
    return common == y.members().size();
  };
  const auto equal = [](const Value& x, const Value& y, std::string_view) { return x == y; };
  const auto body = [&](const Value& x, const Value& y, std::string_view key) {
    if (key != "metadata" || !x.is_object() || !y.is_object()) return x == y;
    return same_members(x, y, "managedFields", equal);
  };
  return same_members(a, b, "", body);
}

}  // namespace millrace::patch
