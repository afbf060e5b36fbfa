/// POST, PUT, PATCH and DELETE: from a request to a response.
#pragma once

#include "local/apiserver/api.h"
#include "local/apiserver/context.h"
#include "local/apiserver/refusal.h"
#include "local/apiserver/request_target.h"

namespace millrace::apiserver {

Answer<Response> post_object(Context& context, const Request& request, const Target& target);
Answer<Response> put_object(Context& context, const Request& request, const Target& target);
/// All four kinds of patches, by the content type.
Answer<Response> patch_object(Context& context, const Request& request, const Target& target);
Answer<Response> delete_one(Context& context, const Request& request, const Target& target);
Answer<Response> delete_collection(Context& context, const Request& request, const Target& target);

/// The subresource "finalize" of Namespaces: the body's spec.finalizers replace those stored.
Answer<Response> put_finalize(Context& context, const Request& request, const Target& target);
/// The subresource "scale" of Deployments: GET, PUT and PATCH.
Answer<Response> serve_scale(Context& context, const Request& request, const Target& target);

}  // namespace millrace::apiserver
