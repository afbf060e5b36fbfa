/// Validation of custom kinds against their structural schema, in the API server's words.
#pragma once

#include <vector>

#include "kubeclient/codec/value.h"
#include "local/schema/problems.h"
#include "local/schema/type.h"

namespace millrace::schema {

/// Problems of shape, limits and enums, then those of CEL rules; what did not change since
/// `old_object` (null: new) is not complained of again. Source: Kubernetes,
/// apiextensions-apiserver/pkg/apiserver/validation and pkg/registry/customresource.
void check_custom(const codec::Value& object, const codec::Value* old_object, const Type& type,
                  Problems& problems);

}  // namespace millrace::schema
