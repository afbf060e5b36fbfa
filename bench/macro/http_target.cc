#include "bench/macro/http_target.h"

#include <algorithm>

#include "controllers/delivery/delivery.h"

namespace millrace::bench {

Result<std::unique_ptr<HttpTarget>> HttpTarget::start(std::uint16_t port, OnCall on_call,
                                                      const Logger& log) {
  std::unique_ptr<HttpTarget> out(new HttpTarget(std::move(on_call)));
  gateway::HttpServerOptions options;
  options.name = "target";
  options.host = "127.0.0.1";
  options.port = port;
  options.max_connections = 4096;
  MR_ASSIGN(out->server_, gateway::HttpServer::start(options, *out, log));
  return out;
}

void HttpTarget::handle(gateway::HttpRequest request, Answer answer) {
  const std::string run(delivery::find_header(request.headers, "X-Run"));
  on_call_(run, Moment::Came);
  gateway::HttpResponse response;
  response.headers = {{"Content-Type", "application/json"}};
  response.body = R"({"ok":true})";
  answer(std::move(response));
  on_call_(run, Moment::Answered);
}

gateway::HttpResponse HttpTarget::failure(int status, std::string_view message,
                                          const gateway::HttpRequest&) {
  gateway::HttpResponse response;
  response.status = status;
  response.body = std::string(message);
  return response;
}

}  // namespace millrace::bench
