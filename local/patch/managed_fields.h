/// Who owns which field: metadata.managedFields, and server-side apply on top of it.
/// Source: Kubernetes, structured-merge-diff v6 and apimachinery/pkg/util/managedfields.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "local/schema/type.h"

namespace millrace::patch {

/// Who writes, and where.
struct Manager {
  std::string name;         ///< fieldManager, or the first part of the user agent
  std::string api_version;  ///< "batch/v1"
  std::string subresource;  ///< "" or "status"
};

/// One field that another manager owns.
struct ApplyConflict {
  std::string manager;  ///< as messages name it: `"kubectl-edit" using batch/v1`
  std::string path;     ///< ".spec.template.spec.containers[name=\"a\"].image"
  bool operator==(const ApplyConflict&) const = default;
};

/// Brings metadata.managedFields of `now` up to date after an update (create, replace, other
/// patches): what `now` changed against `before` (null: new) belongs to `manager` from here on.
/// Call it on defaulted documents, before what the write may not touch is put back (it knows that
/// status, or all but status, does not count). What the client sent as managedFields in `now`
/// counts when it can be read, `[{}]` empties them, anything else leaves those of `before`; with a
/// subresource it is not looked at. The time of an entry moves when the manager changed something.
void track_update(codec::Value& now, const codec::Value* before, const schema::Type& type,
                  const Manager& manager, Time time);

/// The result of an apply: the merged object with its managedFields.
struct Applied {
  codec::Value object;
  std::vector<ApplyConflict>
      conflicts;  ///< not empty: nothing is to be stored (unless forced, then empty)
};

/// Server-side apply of `body` onto `live` (null: create). The result may still hold nulls of the
/// body and, with a status subresource, changes outside of its part: fit it, put back what the
/// write may not touch, then compare by `same_but_times`. When nothing changed it equals `live`.
/// Errors, worded as the API server does: Malformed (managedFields in the body), Invalid with
/// http_status 500 (unknown fields, wrong shapes, duplicate items of a keyed list, missing keys).
Result<Applied> apply(const codec::Value* live, const codec::Value& body, const schema::Type& type,
                      const Manager& manager, bool force, Time time);

/// The message of the 409 answer; each conflict is also a cause of it: reason
/// FieldManagerConflict, message "conflict with MANAGER", field PATH.
std::string conflict_message(const std::vector<ApplyConflict>& conflicts);

/// Whether two objects differ in nothing but the times of managedFields: such a write is none.
bool same_but_times(const codec::Value& a, const codec::Value& b);

}  // namespace millrace::patch
