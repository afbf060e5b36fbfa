#include "kubeclient/base/result.h"

namespace millrace {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::Invalid:
      return "Invalid";
    case Code::NotFound:
      return "NotFound";
    case Code::AlreadyExists:
      return "AlreadyExists";
    case Code::Conflict:
      return "Conflict";
    case Code::Expired:
      return "Expired";
    case Code::Throttled:
      return "Throttled";
    case Code::Denied:
      return "Denied";
    case Code::Timeout:
      return "Timeout";
    case Code::Unavailable:
      return "Unavailable";
    case Code::Cancelled:
      return "Cancelled";
    case Code::Malformed:
      return "Malformed";
    case Code::Bug:
      return "Bug";
  }
  return "Unknown";
}

Advice advice_for(Code code) {
  switch (code) {
    case Code::Invalid:
    case Code::Cancelled:
      return Advice::Never;
    case Code::NotFound:
    case Code::AlreadyExists:
    case Code::Conflict:
    case Code::Expired:
      return Advice::Reread;
    case Code::Throttled:
      return Advice::WaitAsTold;
    case Code::Denied:
    case Code::Timeout:
    case Code::Unavailable:
    case Code::Malformed:
    case Code::Bug:
      return Advice::Backoff;
  }
  return Advice::Backoff;
}

tl::unexpected<Error> fail(Code code, std::string message) {
  Error error;
  error.code = code;
  error.message = std::move(message);
  return tl::unexpected<Error>(std::move(error));
}

tl::unexpected<Error> fail(Error error) { return tl::unexpected<Error>(std::move(error)); }

namespace detail {
void bug(const char* condition, const char* file, int line) {
  throw BugError(std::string("broken assumption: ") + condition + " (" + file + ":" +
                 std::to_string(line) + ")");
}
}  // namespace detail

}  // namespace millrace
