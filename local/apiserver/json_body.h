/// JSON that clients send, read once: values, repeated fields, and errors in the words of Go's
/// decoder, which clients of the real server know.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/codec/value.h"

namespace millrace::apiserver {

/// A document, or what is wrong with it.
struct JsonBody {
  codec::Value value;
  std::vector<std::string> repeated;  ///< paths of fields given more than once; the last one wins
  std::string error;                  ///< empty: none
};

/// Read all of `text`. Nesting up to 128. The work is bounded for any text: documents whose objects
/// have so many members that looking them up would take long are refused.
JsonBody read_json(std::string_view text);

}  // namespace millrace::apiserver
