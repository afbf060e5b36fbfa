/// What clients are told about the kinds: discovery and OpenAPI documents, made of the
/// descriptions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"

namespace millrace::schema {

/// One document that is served as it is.
struct Document {
  std::string path;        ///< "/openapi/v3/apis/batch/v1"
  std::string media_type;  ///< "application/json"
  std::string body;
  std::string etag;  ///< quoted, from the content
};

/// The Kubernetes whose API this is.
inline constexpr std::string_view kKubernetesVersion = "v1.34.4";

/// /version, /api, /apis, /api/v1, /apis/GROUP, /apis/GROUP/VERSION: plain discovery. Null when the
/// path is none of them. Built at the first call, as all documents here.
const Document* discovery_document(std::string_view path);
/// /api and /apis as apidiscovery.k8s.io/v2 APIGroupDiscoveryList; v2beta1 is not served, as a
/// server of this version does not either.
const Document* aggregated_document(std::string_view path);
/// /openapi/v3 and what it names (the hashes in its addresses are not looked at); /openapi/v2.
/// Deviation: version 2 describes no kind. kubectl asks for it where version 3 lacks a kind, and
/// has to learn that it is missing there as well.
const Document* openapi_document(std::string_view path);
/// /openapi/v2 as protobuf, which is what kubectl asks for.
const Document& openapi_v2_message();

}  // namespace millrace::schema
