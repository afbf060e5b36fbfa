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
/// What the client sent as managedFields is dropped unless it empties them. The entry's time moves
/// only when its fields change.
void track_update(codec::Value& now, const codec::Value* before, const schema::Type& type,
                  const Manager& manager, Time time);

/// The result of an apply: the merged object with its managedFields.
struct Applied {
  codec::Value object;
  std::vector<ApplyConflict>
      conflicts;  ///< not empty: nothing is to be stored (unless forced, then empty)
};

/// Server-side apply of `body` onto `live` (null: create). Errors: Invalid (duplicate items of a
/// keyed list, missing keys, managedFields in the body), worded as the API server does.
Result<Applied> apply(const codec::Value* live, const codec::Value& body, const schema::Type& type,
                      const Manager& manager, bool force, Time time);

}  // namespace millrace::patch
