/// Container logs as lines of the CRI format: `<RFC 3339 time> stdout F text`. Pure.
/// Source of the format: Kubernetes, design proposal kubelet-cri-logging.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"

namespace millrace::executor {

/// Cuts what a program writes into log lines. Holds at most one unfinished line of 16 KiB.
class LineSplitter {
 public:
  explicit LineSplitter(std::string_view stream) : stream_(stream) {}
  /// Append the log lines that `bytes` completes to `out`; longer ones come in parts (P).
  void add(std::string_view bytes, Time now, std::string& out);
  /// The stream has ended: what is left, as a part, for no newline came.
  void finish(Time now, std::string& out);

 private:
  std::string stream_;
  std::string line_;
};

/// One log line, taken apart.
struct LogLine {
  std::string_view time;
  std::string_view text;
  bool full = true;  ///< a newline follows
};
/// Nothing when `line` (without its newline) is not in the format.
std::optional<LogLine> parse_log_line(std::string_view line);

/// "2026-11-21T03:04:05.123456000Z"
std::string format_log_time(Time time);

}  // namespace millrace::executor
