/// One call of Outbound: its libcurl handle, what has come so far, where redirects lead. I/O thread
/// only.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/http/outbound.h"

namespace millrace::http {

class OutboundCall {
 public:
  /// `found` collects the numbers of calls that have come to an address.
  OutboundCall(std::uint64_t number, OutboundRequest request, OutboundDone done,
               const OutboundOptions& options, std::vector<std::uint64_t>& found);
  ~OutboundCall();
  OutboundCall(const OutboundCall&) = delete;
  OutboundCall& operator=(const OutboundCall&) = delete;

  /// Check what was asked for. Errors: Invalid.
  Result<void> check() const;
  /// Make the handle ready for the next request. Errors: Invalid (URL), Denied (target).
  Result<void> prepare();
  /// libcurl has ended the request with `curl_code`. Nothing: a redirect follows; prepare() again.
  std::optional<Result<OutboundAnswer>> ended(int curl_code);
  Error overdue() const;
  Error cancelled() const;
  Error unresolved() const;
  /// Hand over the outcome.
  void finish(Result<OutboundAnswer> outcome) { done_(std::move(outcome)); }

  const std::uint64_t id;
  const SteadyTime due;  ///< time_point::max(): never
  void* const easy;      ///< CURL*
  bool running = false;  ///< the handle is in the multi handle
  const std::string& lookup_key() const { return lookup_key_; }  ///< empty: needs no lookup

  // From libcurl's callbacks.
  bool on_header(std::string_view line);
  bool on_body(std::string_view piece);
  bool may_send(std::string_view address);
  int open_socket(void* address);

 private:
  struct Origin {
    std::string scheme;
    std::string host;
    int port = 0;
  };

  Result<void> read_url();
  void configure();
  void configure_method();
  void configure_headers();
  void on_head_end();
  /// The way a redirect goes; nothing when the answer is to be taken as it is.
  std::optional<std::string> redirect_location() const;
  Result<void> follow(const std::string& location);
  std::string target() const;
  bool has_header(std::string_view name) const;
  void fail_with(Code code, const std::string& message);

  const OutboundOptions& options_;
  std::vector<std::uint64_t>& found_;
  OutboundRequest request_;
  OutboundDone done_;

  void* url_;  ///< CURLU*
  bool url_read_ = false;
  std::string url_text_;
  std::string shown_;  ///< scheme, host and path, for messages
  Origin origin_;
  bool proxied_ = false;
  std::string lookup_key_;
  void* header_list_ = nullptr;  ///< curl_slist*
  std::vector<char> error_text_;

  OutboundAnswer answer_;
  bool head_done_ = false;
  bool skip_body_ = false;  ///< of a redirect
  bool cut_ = false;        ///< by us, after as much of it as is worth reading
  std::size_t skipped_ = 0;
  std::size_t header_bytes_ = 0;
  int sends_ = 0;
  std::optional<Error> failure_;  ///< our own reason for stopping libcurl
  std::optional<Error> denial_;   ///< of an address; another may be allowed
};

}  // namespace millrace::http
