/// Pieces that the bodies of several kinds share.
#pragma once

#include <map>
#include <string>

#include "controllers/logic/action.h"
#include "kubeclient/api/meta.h"
#include "kubeclient/codec/value.h"

namespace millrace::logic {

/// `map` as a JSON object.
codec::Value to_value(const std::map<std::string, std::string>& map);

/// The owner reference with `controller: true` to the object of `kind` with `owner`.
codec::Value controller_reference(const api::ApiResource& kind, const api::ObjectMeta& owner);

/// apiVersion, kind and metadata.name, namespace of an object to be sent.
codec::Value object_head(const api::ApiResource& kind, const ObjectKey& key);

/// The Delete of an object.
Action delete_object(const api::ApiResource& kind, const api::ObjectMeta& object,
                     Action::Propagation propagation = Action::Propagation::Background);

/// True when the controller of `object` has the UID `uid`.
bool is_controlled_by(const api::ObjectMeta& object, const std::string& uid);

}  // namespace millrace::logic
