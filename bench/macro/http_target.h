/// A service for HTTP steps to call: answers at once, and notes who called.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "operator/gateway/http_server.h"

namespace millrace::bench {

/// Answers 200 with a small JSON object. Calls `on_call` with the value of the header X-Run, before
/// and after the answer was handed over, on the server's thread.
class HttpTarget final : private gateway::HttpHandler {
 public:
  enum class Moment { Came, Answered };
  using OnCall = std::function<void(const std::string& run, Moment moment)>;
  static Result<std::unique_ptr<HttpTarget>> start(std::uint16_t port, OnCall on_call,
                                                   const Logger& log);
  std::uint16_t port() const { return server_->port(); }

 private:
  explicit HttpTarget(OnCall on_call) : on_call_(std::move(on_call)) {}
  void handle(gateway::HttpRequest request, Answer answer) override;
  gateway::HttpResponse failure(int status, std::string_view message,
                                const gateway::HttpRequest& head) override;

  OnCall on_call_;
  std::unique_ptr<gateway::HttpServer> server_;  ///< last: it calls
};

}  // namespace millrace::bench
