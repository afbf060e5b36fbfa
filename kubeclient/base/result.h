/// The one channel for whatever the world can do to us: `Result<T>`, `Error`, and the macros that
/// pass them on.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace millrace {

/// What the caller can do about an error, not who failed.
enum class Code {
  Invalid,        ///< the request or input is wrong; repeating it cannot help
  NotFound,       ///< the object does not exist
  AlreadyExists,  ///< a create met an object of that name
  Conflict,       ///< the resourceVersion or another precondition did not hold; read again
  Expired,        ///< the resourceVersion or continue token is too old; list again
  Throttled,      ///< told to slow down, by 429, quota or 503 with Retry-After
  Denied,         ///< not authenticated or not allowed
  Timeout,        ///< our deadline passed; the request may have had effect
  Unavailable,    ///< could not reach the server, or it failed; the request may have had effect
  Cancelled,      ///< we were asked to stop
  Malformed,      ///< the peer sent what cannot be decoded
  Bug,            ///< a broken assumption of ours
};

/// The name of `code` as it stands in logs and metrics.
std::string_view to_string(Code code);

/// What to do with work that failed with a code.
enum class Advice { Never, Reread, Backoff, WaitAsTold };

/// The one mapping from code to advice. Throttled is WaitAsTold (falls back to backoff when no
/// delay came).
Advice advice_for(Code code);

/// A failure: code, a message a person can act on, and what HTTP said if it was HTTP.
struct Error {
  Code code = Code::Bug;
  std::string message;
  int http_status = 0;                             ///< 0 when no HTTP response came
  std::optional<std::chrono::milliseconds> delay;  ///< the server's Retry-After [ms]
  std::string reason;  ///< Kubernetes Status.reason, e.g. "Forbidden"; may be empty

  bool operator==(const Error&) const = default;
};

template <class T = void>
class [[nodiscard]] Result;

/// Build an error result: `return fail(Code::Invalid, "spec.timeout: not a duration");`
[[nodiscard]] tl::unexpected<Error> fail(Code code, std::string message);
[[nodiscard]] tl::unexpected<Error> fail(Error error);

/// A value or an `Error`. To be replaced by std::expected once the compiler has it in our mode.
template <class T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using Base = tl::expected<T, Error>;
  using Base::Base;
  Result(Base base) : Base(std::move(base)) {}

  bool ok() const { return this->has_value(); }
  /// Prefix the message of an error: `with("binding pod")` gives "binding pod: ...".
  Result with(std::string_view context) && {
    if (!ok()) this->error().message = std::string(context) + ": " + this->error().message;
    return std::move(*this);
  }
};

/// Broken assumption: a bug of ours, thrown by MR_CHECK and caught at thread roots only.
class BugError : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

namespace detail {
[[noreturn]] void bug(const char* condition, const char* file, int line);
}

}  // namespace millrace

#define MR_CONCAT_INNER(a, b) a##b
#define MR_CONCAT(a, b) MR_CONCAT_INNER(a, b)

/// Return the error of `expr` from this function, if it has one.
#define MR_TRY(expr)                                                            \
  do {                                                                          \
    auto&& mr_result = (expr);                                                  \
    if (!mr_result.ok()) return ::millrace::fail(std::move(mr_result).error()); \
  } while (false)

/// Declare or assign `target` from `expr`, or return its error: `MR_ASSIGN(auto pod,
/// client.get(...));`
#define MR_ASSIGN(target, expr) MR_ASSIGN_IMPL(MR_CONCAT(mr_assign_, __LINE__), target, expr)
#define MR_ASSIGN_IMPL(tmp, target, expr)                         \
  auto tmp = (expr);                                              \
  if (!tmp.ok()) return ::millrace::fail(std::move(tmp).error()); \
  target = *std::move(tmp)

/// Throw BugError when `condition` is false.
#define MR_CHECK(condition) \
  ((condition) ? void() : ::millrace::detail::bug(#condition, __FILE__, __LINE__))
