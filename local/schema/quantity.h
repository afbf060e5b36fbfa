/// Amounts such as "500m" and "1.5Gi". Source: Kubernetes, apimachinery/pkg/api/resource.
#pragma once

#include <string>
#include <string_view>

#include "kubeclient/base/result.h"

namespace millrace::schema {

/// One amount. Comparable; what is smaller than a billionth was rounded up.
struct Quantity {
  __extension__ using Nano = __int128;
  enum class Format { Binary, Decimal, Exponent };
  Nano nano = 0;  ///< billionths
  Format format = Format::Decimal;
};

/// Errors: Malformed, worded as the API server does.
Result<Quantity> parse_quantity(std::string_view text);
/// The form the API server writes: "0.5" becomes "500m", "1024Ki" becomes "1Mi", "1e3" stays.
/// `whole_milli` rounds up to thousandths, as resource lists are. Errors: those of parse_quantity.
Result<std::string> canonical_quantity(std::string_view text, bool whole_milli);

}  // namespace millrace::schema
