#include "local/apiserver/documents.h"

#include <set>
#include <string>
#include <utility>

#include "local/apiserver/negotiation.h"
#include "local/apiserver/refusal.h"
#include "local/apiserver/render.h"
#include "local/schema/openapi.h"

namespace millrace::apiserver {
namespace {

using codec::Value;

Response text_response(int status, std::string body) {
  Response response;
  response.status = status;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("X-Content-Type-Options", "nosniff");
  response.body = std::move(body);
  return response;
}

Response send(const schema::Document& document, const Request& request) {
  Response response;
  response.content_type = document.media_type;
  if (!document.etag.empty()) {
    response.headers.emplace_back("ETag", document.etag);
    response.headers.emplace_back("Vary", "Accept");
    if (request.if_none_match == document.etag) {
      response.status = 304;
      return response;
    }
  }
  response.body = document.body;
  return response;
}

/// As JSON or protobuf. The name of the latter has been written in two ways; kubectl uses the
/// first.
Response send_openapi_v2(const Request& request) {
  constexpr std::string_view kJson = "application/json";
  const auto type = choose_type(
      request.accept, {kJson, "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
                       schema::openapi_v2_message().media_type});
  if (type == kJson) return send(*schema::openapi_document("/openapi/v2"), request);
  if (type) return send(schema::openapi_v2_message(), request);
  Response response;
  response.status = 406;
  response.content_type = {};
  return response;
}

Response root_paths() {
  std::set<std::string> paths = {"/api",        "/api/v1",      "/apis",   "/apis/",
                                 "/healthz",    "/livez",       "/readyz", "/openapi/v2",
                                 "/openapi/v3", "/openapi/v3/", "/version"};
  for (const schema::Kind& kind : schema::kinds()) {
    if (kind.resource.group.empty()) continue;
    const std::string group = "/apis/" + std::string(kind.resource.group);
    paths.insert(group);
    paths.insert(group + "/" + std::string(kind.resource.version));
  }
  Value list = Value::array();
  for (const std::string& path : paths) list.push_back(path);
  Response response;
  response.body = Value::object({{"paths", std::move(list)}}).pretty() + '\n';
  return response;
}

std::optional<Response> health(const Request& request, std::string_view path) {
  if (path != "/healthz" && path != "/livez" && path != "/readyz") return std::nullopt;
  if (!query_flag(request, "verbose")) return text_response(200, "ok");
  return text_response(
      200, "[+]ping ok\n[+]storage ok\n" + std::string(path.substr(1)) + " check passed\n");
}

}  // namespace

Response page_not_found() { return text_response(404, "404 page not found\n"); }

Response to_response(const Refusal& refusal) {
  Response response;
  response.status = refusal.code;
  response.body = status_json(refusal) + '\n';
  if (const Value* seconds = refusal.details.find("retryAfterSeconds")) {
    response.headers.emplace_back("Retry-After", std::to_string(seconds->as_int()));
  }
  add_warnings(response, refusal.warnings);
  return response;
}

std::optional<Response> serve_document(const Request& request) {
  std::string_view path = request.path;
  if (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  if (auto response = health(request, path)) return response;
  const schema::Document* document = nullptr;
  if (path == "/api" || path == "/apis") {
    document = wants_aggregated_discovery(request.accept) ? schema::aggregated_document(path)
                                                          : schema::discovery_document(path);
  } else {
    document = schema::discovery_document(path);
  }
  if (document == nullptr) document = schema::openapi_document(path);
  if (document == nullptr && path.starts_with("/openapi/v3/")) {
    Response nothing;
    nothing.status = 404;
    nothing.content_type = {};
    return nothing;
  }
  if (document == nullptr && path != "/") return std::nullopt;
  if (request.method != "GET" && request.method != "HEAD") {
    return to_response(method_not_allowed().value());
  }
  if (document == nullptr) return root_paths();
  return path == "/openapi/v2" ? send_openapi_v2(request) : send(*document, request);
}

}  // namespace millrace::apiserver
