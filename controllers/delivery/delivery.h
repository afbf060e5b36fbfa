/// What a webhook brings, what becomes of it, and who decides that.
///
/// The HTTP side (operator/gateway) and the side that makes runs (controllers/shell) meet here and
/// nowhere else.
#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace millrace::delivery {

/// In the order they came, names as they were sent.
using Headers = std::vector<std::pair<std::string, std::string>>;

/// The value of the first header `name`, in any case; empty when there is none.
std::string_view find_header(const Headers& headers, std::string_view name);

/// True when `a` and `b` are the same but for the case of ASCII letters.
bool same_name(std::string_view a, std::string_view b);

/// One `POST /webhook/...`.
struct Delivery {
  std::string ns;
  std::string name;  ///< of the Pipeline
  std::string id;    ///< the sender's, else a fresh UUID; 1..kMostIdBytes printable ASCII
  Headers headers;
  std::string query;  ///< as sent, without '?'
  std::string body;
  std::string callback_url;  ///< X-Callback-URL; may be empty
  std::string remote;        ///< IP address of the peer
};

/// Longest delivery id [bytes].
inline constexpr std::size_t kMostIdBytes = 256;

/// The id that the sender gave, from the first of the headers X-Delivery-ID, Webhook-Id,
/// X-GitHub-Delivery, X-Gitea-Delivery, X-Gitlab-Event-UUID, Ce-Id and Idempotency-Key that is
/// there; empty when none is.
std::string_view sender_id(const Headers& headers);

/// What became of a delivery.
struct Verdict {
  enum class Kind {
    Accepted,      ///< the run exists in the API server
    NotFound,      ///< no such pipeline, or it takes no webhooks
    Unauthorized,  ///< the credential is missing
    Forbidden,     ///< the credential is wrong
    Invalid,       ///< the delivery itself is wrong; the same one will never do
    Unready,       ///< the pipeline cannot use it as it is; its owner has to act
    TooMany,       ///< over the rate; come again after `retry_after`
    Unavailable,   ///< could not be stored; come again after `retry_after`
  };
  Kind kind = Kind::Unavailable;
  std::string reason = {};   ///< one CamelCase word
  std::string message = {};  ///< for people; without secrets
  std::string run = {};      ///< Accepted: name of the run
  bool duplicate = false;
  std::chrono::seconds retry_after{1};
};

/// "Accepted", "NotFound", ...
std::string_view to_string(Verdict::Kind kind);

/// Takes a verdict. Called once, from any thread.
using Completion = std::function<void(Verdict)>;

/// Decides on deliveries.
class DeliverySink {
 public:
  virtual ~DeliverySink() = default;
  /// Must not block; `done` is called in bounded time, perhaps before this returns.
  virtual void deliver(Delivery delivery, Completion done) = 0;
};

}  // namespace millrace::delivery
