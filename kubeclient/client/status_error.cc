#include "kubeclient/client/status_error.h"

#include <algorithm>
#include <string>

#include "kubeclient/api/meta.h"
#include "kubeclient/codec/json_reader.h"

namespace millrace::client {
namespace {

constexpr std::size_t kMostMessage = 2000;  ///< of a server's text in ours [bytes]

const char* hint_of(int status) {
  if (status == 401) return "; the credentials are not accepted: check token or certificate";
  return "";
}

/// True for refusals that name the object and the cause themselves. Their words reach users, in
/// conditions and events; a URL before them would help nobody.
bool speaks_for_itself(int status, const api::Status& said) {
  const bool of_the_object = status == 400 || status == 403 || status == 404 || status == 409 ||
                             status == 410 || status == 422;
  return of_the_object && said.status == "Failure" && !said.message.empty();
}

/// The start of a body that is no Status, fit for one line of a message.
std::string excerpt(std::string_view body) {
  std::string text(body.substr(0, 200));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  return text;
}

}  // namespace

Code code_of_status(int status, const api::Status& said, bool has_delay) {
  switch (status) {
    case 401:
      return Code::Denied;
    case 403:
      // A quota that is used up frees itself; a missing permission does not.
      return said.message.find("exceeded quota") != std::string::npos ? Code::Throttled
                                                                      : Code::Denied;
    case 404:
      return Code::NotFound;
    case 408:
    case 504:
      return Code::Timeout;
    case 409:
      return said.reason == "AlreadyExists" ? Code::AlreadyExists : Code::Conflict;
    case 410:
      return Code::Expired;
    case 429:
      return Code::Throttled;
    case 503:
      return has_delay ? Code::Throttled : Code::Unavailable;
    default:
      if (status >= 500) return Code::Unavailable;
      return status >= 300 ? Code::Invalid : Code::Malformed;
  }
}

Error status_error(std::string_view what, int status, std::string_view body,
                   std::optional<std::chrono::milliseconds> retry_after,
                   std::string_view location) {
  api::Status said;
  auto decoded = codec::decode<api::Status>(body);
  if (decoded.ok()) said = *std::move(decoded);
  if (said.message.size() > kMostMessage) said.message.resize(kMostMessage);
  const int seconds = std::clamp(said.details.retry_after_seconds, 0, 24 * 3600);
  if (!retry_after && seconds > 0) retry_after = std::chrono::seconds(seconds);
  std::string message = std::string(what) + ": the server answered " + std::to_string(status);
  if (!said.reason.empty()) message += " " + said.reason;
  if (status >= 300 && status < 400) {
    message += ", a redirect to \"" + std::string(location) +
               "\"; redirects are not followed: write the final address as the server's";
  } else if (!said.message.empty()) {
    message += ": " + said.message;
  } else if (!body.empty() && !decoded.ok()) {
    message += ": " + excerpt(body);
  }
  message += hint_of(status);
  if (speaks_for_itself(status, said)) message = said.message;
  Error error =
      fail(code_of_status(status, said, retry_after.has_value()), std::move(message)).value();
  error.http_status = status;
  error.delay = retry_after;
  error.reason = said.reason;
  return error;
}

}  // namespace millrace::client
