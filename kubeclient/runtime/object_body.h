/// Bodies of create and patch calls for described types.
#pragma once

#include <string>

#include "kubeclient/api/meta.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::runtime {

/// `object` as the body of a create, with its apiVersion and kind.
template <class T>
std::string create_body(const T& object) {
  std::string out = "{\"apiVersion\":\"" + T::kResource.api_version() + "\",\"kind\":\"";
  out += T::kResource.kind;
  out += "\",";
  return out + codec::encode(object).substr(1);
}

}  // namespace millrace::runtime
