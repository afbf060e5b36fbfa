/// The entries of metadata.managedFields: who owns what.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/patch/field_set.h"
#include "local/patch/managed_fields.h"

namespace millrace::patch {

/// One manager's fields.
struct Entry {
  std::string manager;
  std::string operation;  ///< "Apply" or "Update"
  std::string api_version;
  std::string subresource;
  std::string time;  ///< may be empty
  FieldSet set;
  bool operator==(const Entry&) const = default;
};
using Entries = std::vector<Entry>;

/// What identifies an entry: an applier is the same in every API version.
bool same_owner(const Entry& a, const Entry& b);
/// The entry of `owner`, or null.
Entry* find_owner(Entries& entries, const Entry& owner);
/// Take the managedFields out of `object` and give the entries of `before` and of what a client
/// sent in `object`: the sent ones count if they can be read, and `[{}]` empties them; a
/// subresource's are not looked at.
Entries take_entries(codec::Value& object, const codec::Value* before,
                     std::string_view subresource);
/// Sort and store; without entries the member goes away.
void store_entries(codec::Value& object, Entries entries);
void drop_empty(Entries& entries);
/// Merge the oldest updaters into "ancient-changes" until at most ten are left.
void cap_updaters(Entries& entries);

/// Fields that a write to this place cannot set: status, or all but status.
const FieldSet& reset_fields(const codec::Value& object, const schema::Type& type,
                             const Manager& manager);
/// Take away what nobody owns: name, uid, resourceVersion and the like.
void strip_bookkeeping(FieldSet& set);
/// Both: what comparing does not look at.
const FieldSet& ignored_fields(const codec::Value& object, const schema::Type& type,
                               const Manager& manager);
/// What an object of a kind is before anything is set: members that the API server's own types
/// always write. Source: Kubernetes, api types: struct members without omitempty.
const codec::Value& blank_object(const codec::Value& object);
/// The owner that `manager` is with `operation`.
Entry owner_of(const Manager& manager, std::string_view operation);

/// `track_update` on entries: `now` and `before` without their managedFields. False: nothing
/// differs.
bool track(Entries& entries, const codec::Value& before, const codec::Value& now,
           const schema::Type& type, const Manager& manager, Time time);

/// Of a kind that a CRD defines.
bool is_custom(std::string_view api_version);

}  // namespace millrace::patch
