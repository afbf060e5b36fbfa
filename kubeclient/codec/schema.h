/// Described types as OpenAPI v3 structural schemas.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/codec/type_info.h"

namespace millrace::codec {

/// The structural schema of `type`: types, limits, defaults, CEL rules, descriptions. Of the
/// Kubernetes types that fields name (`kube_type`) it holds as much as must be right before a pod
/// can be made. Source: Kubernetes, apiextensions/v1 JSONSchemaProps.
Value schema_of(const TypeInfo& type);
template <class T>
Value schema_of() {
  return schema_of(type_info<T>());
}

/// The rule on every field of type Duration: Go can read it, it is not negative, and `extra` (CEL
/// on `duration(self)`), if given.
std::string duration_rule(std::string_view extra = {});
/// What `duration_rule()` means.
bool is_duration(const Value& self);

/// The rule on names of containers and volumes.
inline constexpr std::string_view kDnsLabelRule = "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')";
inline constexpr std::string_view kDnsLabelMessage =
    "must be a DNS label: lower-case letters, digits and '-', with a letter or digit at both ends";
/// What `kDnsLabelRule` means.
bool is_dns_label(const Value& self);

}  // namespace millrace::codec
