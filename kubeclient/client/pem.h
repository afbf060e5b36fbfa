/// base64 and PEM: what is checked of keys and certificates before they are used.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::client {

/// Standard base64 with padding; line ends inside are skipped. Nothing if it is something else.
std::optional<std::string> decode_base64(std::string_view text);
std::string encode_base64(std::string_view bytes);

/// `pem` holds at least one certificate. Errors: Invalid.
Result<void> check_authority(const std::string& pem);
/// Certificate and key can be used at `now` and belong together. Errors: Invalid, without context.
Result<void> check_key_pair(const std::string& certificate, const std::string& key, Time now);
/// When the first certificate in `pem` expires. Errors: Invalid.
Result<Time> certificate_expiry(const std::string& pem);

}  // namespace millrace::client
