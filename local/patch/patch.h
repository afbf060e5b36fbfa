/// The patches of the Kubernetes API as functions from a document and a patch to a document.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "local/schema/type.h"

namespace millrace::patch {

/// Whether `patch` can be a merge patch: an object. Errors: Malformed, worded as the API server
/// does.
Result<> check_merge(const codec::Value& patch);
/// RFC 7386. Total: what is not an object replaces the target, as there.
codec::Value merge(codec::Value target, const codec::Value& patch);

/// RFC 6902, all six operations. Errors: Malformed (400: not a patch), Invalid (422: a path that is
/// not there, or a test that failed; 413 in http_status: too many operations), worded as the API
/// server does.
Result<codec::Value> json_patch(codec::Value target, const codec::Value& patch);

/// Strategic merge patch, by the merge keys of `type`: $patch (replace, delete, merge),
/// $retainKeys, $deleteFromPrimitiveList, $setElementOrder. Errors: Malformed, Invalid. Source:
/// Kubernetes, apimachinery/pkg/util/strategicpatch.
Result<codec::Value> strategic_merge(codec::Value target, const codec::Value& patch,
                                     const schema::Type& type);

}  // namespace millrace::patch
