/// What proves to the API server who we are, kept fresh.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "kubeclient/base/clock.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/base/result.h"
#include "kubeclient/client/kubeconfig.h"

namespace millrace::client {

/// What goes with a request.
struct Credential {
  std::string authorization;     ///< value of the Authorization header; may be empty
  std::string certificate;       ///< a plugin's client certificate, PEM; may be empty
  std::string key;               ///< and its key
  std::uint64_t generation = 0;  ///< grows whenever the rest changes; starts at 1

  bool operator==(const Credential&) const = default;
};

/// Gives out the credential of one ClientConfig. Tokens in files are read again once a minute,
/// plugins run when theirs expires, both also after a 401. Safe from any thread.
class Credentials {
 public:
  Credentials(const ClientConfig& config, const Environment& environment, const Clock& clock);
  Credentials(const Credentials&) = delete;
  Credentials& operator=(const Credentials&) = delete;

  /// The credential of now. May read a file or run a plugin, one thread at a time, while the others
  /// wait. Errors: Invalid (file or plugin is wrong), Denied (the plugin refused), Timeout,
  /// Cancelled.
  Result<Credential> get(std::stop_token stop, SteadyTime deadline);
  /// The server refused generation `generation`: get a new one next time. False if there is no
  /// other one to be had, or the refused one is younger than a second and came from a plugin.
  bool refused(std::uint64_t generation);

 private:
  struct State {
    Credential current;
    bool valid = false;
    bool busy = false;  ///< one thread fetches
    SteadyTime fetched{};
    std::optional<Time> expires;
  };

  bool usable(const State& state) const;
  Result<Credential> fetch(std::stop_token stop, SteadyTime deadline,
                           std::optional<Time>& expires) const;

  const ClientConfig config_;
  const Environment environment_;
  const Clock& clock_;
  Guarded<State> state_;
  std::condition_variable changed_;
};

}  // namespace millrace::client
