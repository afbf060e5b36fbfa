/// Bodies in Kubernetes' protobuf encoding, read into the documents that JSON would have given.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/base/result.h"
#include "kubeclient/codec/value.h"
#include "local/schema/type.h"

namespace millrace::schema {

/// What is around an object. Source: Kubernetes, runtime.Unknown.
struct Envelope {
  std::string api_version;
  std::string kind;
  std::string_view raw;  ///< the object's bytes, inside those that were read
};

/// The envelope of a body. Errors: Malformed, in the words of the real server.
Result<Envelope> read_envelope(std::string_view body);

/// The object in `raw`, as JSON written by Go would have it: without zero values where it omits
/// them, maps sorted by key. Fields of unknown numbers are skipped; of scalars given more than once
/// the last one counts. Errors: Malformed, in the words of the real server.
Result<codec::Value> read_message(std::string_view raw, const Type& type);

/// Both in one, with kind and apiVersion in the document. What the envelope does not say is taken
/// from `api_version` and `kind`. A type that is not known gives a document with these two only.
Result<codec::Value> decode_protobuf(std::string_view body, std::string_view api_version = "",
                                     std::string_view kind = "");

}  // namespace millrace::schema
