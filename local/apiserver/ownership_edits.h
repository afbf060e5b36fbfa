/// Changes of metadata that housekeeping makes. Each says whether it changed anything.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"

namespace millrace::apiserver {

bool drop_finalizer(codec::Value& object, std::string_view name);
/// Drop the references to owners with these UIDs.
bool drop_owners(codec::Value& object, const std::vector<std::string>& uids);
/// Let no owner wait for this object. Breaks circles.
bool stop_blocking(codec::Value& object);

}  // namespace millrace::apiserver
