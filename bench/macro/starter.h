/// Ways to make one run: by creating an object, or by posting a webhook.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "kubeclient/api/meta.h"
#include "kubeclient/client/client.h"
#include "kubeclient/http/outbound.h"

namespace millrace::bench {

/// Makes one run and returns once that is answered. Used by several threads.
class Starter {
 public:
  virtual ~Starter() = default;
  virtual Result<void> start(const std::string& name) = 0;
};

/// `text` with `value` in each place of `mark`.
std::string filled(std::string text, std::string_view mark, std::string_view value);

/// Creates objects from a template, in which $(NAME) stands for the run's name.
std::unique_ptr<Starter> make_create_starter(client::Client& api, const api::ApiResource& resource,
                                             const std::string& ns, std::string body);

/// Posts webhooks over connections that are kept; the run's name is the X-Delivery-ID.
std::unique_ptr<Starter> make_webhook_starter(http::Outbound& http, const std::string& url,
                                              std::string body);

}  // namespace millrace::bench
