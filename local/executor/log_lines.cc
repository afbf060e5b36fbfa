#include "local/executor/log_lines.h"

#include <algorithm>

#include "kubeclient/base/time_format.h"

namespace millrace::executor {
namespace {

constexpr std::size_t kLongest = std::size_t{16} << 10;  // as container runtimes cut

}  // namespace

std::string format_log_time(Time time) {
  std::string out = format_micro_time(time);
  out.insert(out.size() - 1, "000");
  return out;
}

void LineSplitter::add(std::string_view bytes, Time now, std::string& out) {
  const std::string head = format_log_time(now) + " " + stream_;
  while (!bytes.empty()) {
    const std::size_t newline = bytes.find('\n');
    const std::size_t room = kLongest - line_.size();
    const std::size_t take = std::min(std::min(newline, bytes.size()), room);
    line_.append(bytes.substr(0, take));
    bytes.remove_prefix(take);
    const bool ended = !bytes.empty() && bytes.front() == '\n';
    if (ended) bytes.remove_prefix(1);
    if (!ended && line_.size() < kLongest) return;
    out.append(head).append(ended ? " F " : " P ").append(line_) += '\n';
    line_.clear();
  }
}

void LineSplitter::finish(Time now, std::string& out) {
  if (line_.empty()) return;
  out.append(format_log_time(now)).append(" ").append(stream_).append(" P ").append(line_) += '\n';
  line_.clear();
}

std::optional<LogLine> parse_log_line(std::string_view line) {
  const std::size_t time = line.find(' ');
  if (time == std::string_view::npos) return std::nullopt;
  const std::size_t stream = line.find(' ', time + 1);
  if (stream == std::string_view::npos) return std::nullopt;
  const std::size_t tag = line.find(' ', stream + 1);
  if (tag == std::string_view::npos) return std::nullopt;
  LogLine out;
  out.time = line.substr(0, time);
  out.text = line.substr(tag + 1);
  out.full = line.substr(stream + 1, tag - stream - 1) == "F";
  return out;
}

}  // namespace millrace::executor
