/// The calls of HTTP steps: begun on a worker's thread, made on an I/O thread, remembered until the
/// run has them on record.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "controllers/logic/http_config.h"
#include "controllers/logic/run.h"
#include "controllers/shell/call_maker.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"
#include "kubeclient/http/outbound.h"

namespace millrace {
class Logger;
class MetricsRegistry;
}  // namespace millrace
namespace millrace::client {
class Reader;
}

namespace millrace::shell {

/// The configuration as settings of the I/O thread. `api_servers`: names and addresses of the API
/// server, as TargetRules::own_servers wants them. Errors: Invalid, naming the entry.
Result<http::OutboundOptions> outbound_options(const logic::HttpConfig& config,
                                               const std::vector<std::string>& api_servers);

/// Makes calls, each key of a run once in the life of this process. Safe from any thread.
class HttpCaller final : public CallMaker {
 public:
  HttpCaller(const http::OutboundOptions& options, std::size_t max_concurrent,
             client::Reader& reader, const Clock& clock, MetricsRegistry& metrics,
             const Logger& log);
  ~HttpCaller() override;
  HttpCaller(const HttpCaller&) = delete;
  HttpCaller& operator=(const HttpCaller&) = delete;

  /// Begin `order` for the run; no-op when its key is known. Reads the Secrets it names in `ns`,
  /// hence may block as long as a read may; what is wrong with them (missing, forbidden, not fit
  /// for a header) is the call's result. `on_done` is called once when the result is there, from
  /// inside or on the I/O thread; it must not block. Once forget() or stop() has returned it is not
  /// called any more, but for one that is on its way at that moment.
  /// The order's timeout counts from the sending, not while the call waits its turn.
  /// Errors, with the key left unknown: Cancelled (stopped), or what hinders a read for a while
  /// (Unavailable, Timeout, Throttled, ...).
  Result<void> begin(const std::string& run_uid, const std::string& ns,
                     const logic::CallOrder& order, std::function<void()> on_done,
                     const std::stop_token& stop = {}) override;

  std::map<std::string, logic::CallState> states(const std::string& run_uid) const override;
  void forget(const std::string& run_uid, const std::string& key) override;
  void forget_run(const std::string& run_uid) override;
  void forget_waiting(const std::string& run_uid) override;

  /// Begin nothing more, cancel all. Results that come of that are not kept: a step does not fail
  /// because this process ends.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::shell
