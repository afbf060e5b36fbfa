/// What the text of a request to the webhook server means. Pure.
#pragma once

#include <string>
#include <string_view>

#include "controllers/delivery/delivery.h"

namespace millrace::gateway {

/// The pipeline that a path names.
struct WebhookPath {
  std::string ns;
  std::string name;             ///< empty: the path is not one of a webhook
  bool trailing_slash = false;  ///< the right path is the one without it
};

/// Read `/webhook/NAME` and `/webhook/NAMESPACE/NAME`. Nothing is decoded: the names of Kubernetes
/// need no escapes.
WebhookPath read_webhook_path(std::string_view path, const std::string& default_namespace);

/// The X-Request-ID that came, without what is not printable and at most 128 bytes; a new UUID when
/// nothing is left.
std::string request_id(const delivery::Headers& headers);

/// Empty when `id` can be a delivery's, else what is wrong.
std::string delivery_id_problem(std::string_view id);

}  // namespace millrace::gateway
