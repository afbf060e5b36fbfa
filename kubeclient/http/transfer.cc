#include <algorithm>
#include <charconv>

#include "kubeclient/base/duration.h"
#include "kubeclient/http/failure.h"
#include "kubeclient/http/line.h"

namespace millrace::http {
namespace {

bool equals_ignoring_case(std::string_view a, std::string_view lower) {
  return std::equal(a.begin(), a.end(), lower.begin(), lower.end(), [](char x, char y) {
    return (x >= 'A' && x <= 'Z' ? static_cast<char>(x - 'A' + 'a') : x) == y;
  });
}

}  // namespace

void Transfer::add_header(std::string_view name, std::string_view value) {
  if (equals_ignoring_case(name, "content-type")) {
    head.content_type = value;
  } else if (equals_ignoring_case(name, "location")) {
    head.location = value;
  } else if (equals_ignoring_case(name, "retry-after")) {
    head.retry_after = parse_retry_after(value, SystemClock().now());
  }
}

std::string Transfer::target() const {
  const std::string_view url = request.url;
  return std::string(to_string(request.method)) + " " + std::string(url.substr(0, url.find('?')));
}

Error Transfer::overdue() const {
  const auto allowed = std::chrono::ceil<std::chrono::milliseconds>(deadline - created);
  return error_of(Code::Timeout, target() + ": no complete answer within " +
                                     human_duration(std::max(allowed, allowed.zero())));
}

Error Transfer::cancelled() const { return error_of(Code::Cancelled, target() + ": cancelled"); }

}  // namespace millrace::http
