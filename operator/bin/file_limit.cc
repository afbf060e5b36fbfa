#include "operator/bin/file_limit.h"

#include <sys/resource.h>

#include <cerrno>
#include <cstring>
#include <limits>

#include "operator/gateway/webhook_server.h"

namespace millrace::bin {

std::uint64_t files_needed(const logic::Config& config, std::uint64_t others) {
  std::uint64_t needed = others + static_cast<std::uint64_t>(config.http.max_concurrent);
  if (!config.webhook.address.empty()) {
    needed += gateway::WebhookOptions::webhook_server_defaults().max_connections;
  }
  return needed;
}

void raise_file_limit(std::uint64_t needed, const Logger& log) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  if (before != limit.rlim_max && ::setrlimit(RLIMIT_NOFILE, &limit) != 0) {
    log.debug("cannot raise the limit of open files", {kv("error", std::strerror(errno))});
    limit.rlim_cur = before;
  }
  if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= needed) return;
  log.warn(
      "the limit of open files is below what the configuration may need; calls and webhooks "
      "beyond it fail or wait. Raise the hard limit (ulimit -Hn), or lower http.maxConcurrent",
      {kv("limit", static_cast<std::uint64_t>(limit.rlim_cur)), kv("needed", needed)});
}

}  // namespace millrace::bin
