/// Bodies of writes: from bytes to one object of the right kind.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "local/apiserver/api.h"
#include "local/apiserver/json_body.h"
#include "local/apiserver/refusal.h"
#include "local/apiserver/request_options.h"

namespace millrace::apiserver {

/// What bodies may be, as answers name it. Protobuf is named because the real server takes it.
inline constexpr std::string_view kBodyTypes =
    "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// Whether a body of this type can be read at all; no type stands for JSON. The media type as
/// `media_type` gives it.
bool is_body_type(std::string_view type);
/// The body as JSON, YAML (which also reads JSON) or protobuf, by its content type.
JsonBody parse_body(const Request& request);
/// `text` as YAML, one document.
JsonBody parse_yaml_text(std::string_view text);
/// The media type without parameters, in lower case.
std::string media_type(std::string_view content_type);

/// What became of a body.
struct Decoded {
  codec::Value object;                ///< has kind and apiVersion of the kind, and metadata
  std::vector<std::string> warnings;  ///< texts of Warning headers
};

/// The object of a create or replace: parsed, of the right kind and version, without unknown
/// fields. Refuses with 400 and 415.
Answer<Decoded> decode_object(const Request& request, const schema::Kind& kind,
                              FieldValidation validation);

/// The body's texts for unknown and repeated fields as Warnings, or an error that names them.
/// Empty: nothing is to be refused. `strict` texts come as `unknown field "spec.x"`.
std::string strict_error(std::vector<std::string> strict, FieldValidation validation,
                         std::vector<std::string>& warnings);

}  // namespace millrace::apiserver
