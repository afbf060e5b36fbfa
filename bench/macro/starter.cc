#include "bench/macro/starter.h"

#include <condition_variable>
#include <optional>

#include "kubeclient/base/guarded.h"

namespace millrace::bench {

std::string filled(std::string text, std::string_view mark, std::string_view value) {
  for (std::size_t at = 0; (at = text.find(mark, at)) != std::string::npos; at += value.size()) {
    text.replace(at, mark.size(), value);
  }
  return text;
}

namespace {

class CreateStarter final : public Starter {
 public:
  CreateStarter(client::Client& api, const api::ApiResource& resource, const std::string& ns,
                std::string body)
      : api_(api), resource_(resource), ns_(ns), body_(std::move(body)) {}
  Result<void> start(const std::string& name) override {
    MR_TRY(api_.create_text(resource_, ns_, filled(body_, "$(NAME)", name), {}));
    return {};
  }

 private:
  client::Client& api_;
  api::ApiResource resource_;
  std::string ns_;
  std::string body_;
};

class WebhookStarter final : public Starter {
 public:
  WebhookStarter(http::Outbound& http, const std::string& url, std::string body)
      : http_(http), url_(url), body_(std::move(body)) {}
  Result<void> start(const std::string& name) override {
    http::OutboundRequest request;
    request.method = "POST";
    request.url = url_;
    request.headers = {{"Content-Type", "application/json"}, {"X-Delivery-ID", name}};
    request.body = filled(body_, "$(NAME)", name);
    request.has_body = true;
    request.timeout = std::chrono::seconds(30);
    Guarded<std::optional<Result<http::OutboundAnswer>>> answer;
    std::condition_variable_any came;
    http_.start(std::move(request), [&](Result<http::OutboundAnswer> got) {
      auto locked = answer.lock();
      locked->emplace(std::move(got));
      came.notify_one();  // under the lock: whoever waits may be gone right after it
    });
    auto locked = answer.lock();
    came.wait(locked.lock(), [&] { return locked->has_value(); });
    if (!(*locked)->ok()) return fail((*locked)->error());
    const http::OutboundAnswer& got = ***locked;
    if (got.status == 202) return {};
    return fail(Code::Invalid, name + ": webhook answered " + std::to_string(got.status) + ": " +
                                   got.body.substr(0, 300));
  }

 private:
  http::Outbound& http_;
  std::string url_;
  std::string body_;
};

}  // namespace

std::unique_ptr<Starter> make_create_starter(client::Client& api, const api::ApiResource& resource,
                                             const std::string& ns, std::string body) {
  return std::make_unique<CreateStarter>(api, resource, ns, std::move(body));
}

std::unique_ptr<Starter> make_webhook_starter(http::Outbound& http, const std::string& url,
                                              std::string body) {
  return std::make_unique<WebhookStarter>(http, url, std::move(body));
}

}  // namespace millrace::bench
