/// Described types as reference pages in Markdown.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/codec/type_info.h"

namespace millrace::codec {

/// One section for the object `type`, headed by its field path, and one for each object below it: a
/// table of fields (type, default, limits, meaning) and the rules. `level` is the depth of the
/// headings. Ends with a newline.
std::string reference_markdown(const TypeInfo& type, std::string_view path, int level = 2);

}  // namespace millrace::codec
