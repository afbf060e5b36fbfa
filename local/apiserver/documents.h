/// What is served besides objects: health, discovery, OpenAPI.
#pragma once

#include <optional>

#include "local/apiserver/api.h"

namespace millrace::apiserver {

/// The answer, or nothing when the path is none of these.
std::optional<Response> serve_document(const Request& request);
/// 404 as text: paths outside of the API.
Response page_not_found();
/// A refusal as the body and headers of a response.
struct Refusal;
Response to_response(const Refusal& refusal);

}  // namespace millrace::apiserver
