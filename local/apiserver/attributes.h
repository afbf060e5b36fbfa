/// What selectors look at in objects of each kind.
/// Source: Kubernetes 1.34, pkg/registry/*/strategy.go and pkg/apis/*/conversion.go.
#pragma once

#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"
#include "local/schema/kinds.h"
#include "local/storage/storage.h"

namespace millrace::apiserver {

/// The fields of `kind` that fieldSelector knows, metadata.name and metadata.namespace apart.
const std::vector<std::string_view>& selectable_fields(const schema::Kind& kind);

/// Labels and fields of `object`, in the shape it is stored in, for the storage.
storage::Attributes attributes_of(const codec::Value& object, const schema::Kind& kind);

}  // namespace millrace::apiserver
