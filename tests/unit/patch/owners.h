/// Objects and their owners in tests: real kinds, short texts for managedFields.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/clock.h"
#include "kubeclient/codec/value.h"
#include "local/patch/managed_fields.h"
#include "local/schema/type.h"

namespace millrace::patch {

/// The type of a kind the server serves, by the object's apiVersion and kind.
const schema::Type& type_of(const codec::Value& object);
/// A time, `second` seconds after a fixed one.
Time at_second(int second);
/// `managedFields` in lines: "m Update v1 @5: {...}", with the seconds of `at_second`; `/status`
/// follows the manager of a subresource.
std::vector<std::string> owners(const codec::Value& object);
/// Write as `manager`: an update from `before` (null: create) to `now`.
codec::Value updated(const codec::Value* before, codec::Value now, std::string_view manager,
                     int second = 0, std::string_view subresource = "");
/// Apply as `manager`; conflicts are allowed.
Applied applied(const codec::Value* live, const codec::Value& body, std::string_view manager,
                bool force = false, int second = 0, std::string_view subresource = "");

}  // namespace millrace::patch
