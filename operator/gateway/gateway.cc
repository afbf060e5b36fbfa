#include "operator/gateway/gateway.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "operator/gateway/http_server.h"

namespace millrace::gateway {
namespace {

HttpServerOptions server_options(const GatewayOptions& options) {
  HttpServerOptions out;
  out.host = options.host;
  out.port = options.port;
  out.max_connections = options.max_connections;
  out.max_header_bytes = options.max_header_bytes;
  out.max_body_bytes = options.max_body_bytes;
  out.max_drained_bytes = options.max_body_bytes + options.max_header_bytes;
  out.head_timeout = options.request_timeout;
  out.body_timeout = options.request_timeout;
  out.idle_timeout = options.idle_timeout;
  out.write_timeout = options.write_timeout;
  out.stop_grace = options.stop_grace;
  return out;
}

HttpResponse reply(int status, std::string content_type, std::string body) {
  HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", std::move(content_type)},
                      {"Cache-Control", "no-store"},
                      {"X-Content-Type-Options", "nosniff"}};
  response.body = std::move(body);
  return response;
}

HttpResponse error_reply(int status, std::string_view message) {
  return reply(status, "application/json", "{\"error\":" + json_quote(message) + "}\n");
}

}  // namespace

class Gateway::Impl final : public HttpHandler {
 public:
  explicit Impl(std::vector<Route> routes) : routes_(std::move(routes)) {}

  Result<> start(const GatewayOptions& options, const Logger& log) {
    MR_ASSIGN(server_, HttpServer::start(server_options(options), *this, log));
    return {};
  }
  HttpServer& server() { return *server_; }

  void handle(HttpRequest request, Answer answer) override { answer(answer_to(request)); }
  HttpResponse failure(int status, std::string_view message, const HttpRequest&) override {
    return error_reply(status, message);
  }

 private:
  HttpResponse answer_to(const HttpRequest& request) const {
    if (request.method != "GET" && request.method != "HEAD") {
      HttpResponse response = error_reply(405, "only GET and HEAD are served here");
      response.headers.emplace_back("Allow", "GET, HEAD");
      return response;
    }
    const auto route = std::find_if(routes_.begin(), routes_.end(),
                                    [&](const Route& r) { return r.path == request.path(); });
    if (route == routes_.end()) return reply(404, "application/json", not_found_body());
    Response response = route->answer();
    return reply(response.status, std::move(response.content_type), std::move(response.body));
  }

  std::string not_found_body() const {
    std::string paths;
    for (const Route& route : routes_) {
      paths += (paths.empty() ? "" : ",") + json_quote(route.path);
    }
    return "{\"error\":\"no such path\",\"paths\":[" + paths + "]}\n";
  }

  const std::vector<Route> routes_;
  std::unique_ptr<HttpServer> server_;  ///< the last member: it calls the others
};

Result<std::unique_ptr<Gateway>> Gateway::start(const GatewayOptions& options,
                                                std::vector<Route> routes, const Logger& log) {
  auto impl = std::make_unique<Impl>(std::move(routes));
  MR_TRY(impl->start(options, log));
  return std::unique_ptr<Gateway>(new Gateway(std::move(impl)));
}

Gateway::Gateway(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Gateway::~Gateway() { stop(); }
std::uint16_t Gateway::port() const { return impl_->server().port(); }
void Gateway::stop() { impl_->server().stop(); }

}  // namespace millrace::gateway
