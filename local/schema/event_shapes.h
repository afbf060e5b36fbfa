/// The two shapes of one Event: core/v1, as it is stored, and events.k8s.io/v1.
#pragma once

#include "kubeclient/codec/value.h"

namespace millrace::schema {

/// The core/v1 Event of an events.k8s.io/v1 one. Total; members that neither knows stay.
codec::Value core_event(const codec::Value& event);
/// The events.k8s.io/v1 Event of a core/v1 one.
codec::Value group_event(const codec::Value& event);

}  // namespace millrace::schema
