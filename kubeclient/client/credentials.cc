#include "kubeclient/client/credentials.h"

#include <algorithm>
#include <utility>

#include "kubeclient/client/exec_plugin.h"
#include "kubeclient/client/kubeconfig_file.h"
#include "kubeclient/client/pem.h"

namespace millrace::client {
namespace {

constexpr std::chrono::minutes kTokenFileAge{1};
constexpr std::chrono::seconds kPluginPause{1};

}  // namespace

Credentials::Credentials(const ClientConfig& config, const Environment& environment,
                         const Clock& clock)
    : config_(config), environment_(environment), clock_(clock) {}

bool Credentials::usable(const State& state) const {
  if (!state.valid) return false;
  if (!config_.token_file.empty()) return clock_.steady() < state.fetched + kTokenFileAge;
  return !state.expires || clock_.now() < *state.expires;
}

Result<Credential> Credentials::get(std::stop_token stop, SteadyTime deadline) {
  const std::stop_callback on_stop(stop, [this] {
    const auto state = state_.lock();
    changed_.notify_all();
  });
  {
    auto state = state_.lock();
    const auto free = [&] { return usable(*state) || !state->busy || stop.stop_requested(); };
    if (!changed_.wait_until(state.lock(), deadline, free)) {
      return fail(Code::Timeout, config_.source + ": still waiting for credentials");
    }
    if (usable(*state)) return state->current;
    if (stop.stop_requested()) return fail(Code::Cancelled, "cancelled");
    state->busy = true;
  }
  std::optional<Time> expires;
  auto fetched = fetch(std::move(stop), deadline, expires);
  const auto state = state_.lock();
  state->busy = false;
  changed_.notify_all();
  if (!fetched.ok()) {
    // A token file that is gone for a moment: the token it held may still be good.
    const bool keep = !config_.token_file.empty() && state->current.generation > 0;
    if (!keep) return fetched;
    fetched = state->current;
  }
  fetched->generation = state->current.generation;
  const bool same = *fetched == state->current;
  if (!same || config_.exec || fetched->generation == 0) ++fetched->generation;
  state->current = *fetched;
  state->valid = true;
  state->fetched = clock_.steady();
  state->expires = expires;
  return fetched;
}

bool Credentials::refused(std::uint64_t generation) {
  const auto state = state_.lock();
  if (generation != state->current.generation) return true;  // there is a newer one already
  if (config_.token_file.empty() && !config_.exec) return false;
  if (config_.exec && clock_.steady() < state->fetched + kPluginPause) return false;
  state->valid = false;
  return true;
}

Result<Credential> Credentials::fetch(std::stop_token stop, SteadyTime deadline,
                                      std::optional<Time>& expires) const {
  Credential credential;
  std::string token = config_.token;
  if (!config_.token_file.empty()) {
    auto text = read_text_file(config_.token_file);
    if (!text.ok()) return fail(Code::Invalid, "token file " + text.error().message);
    token = *text;
    while (!token.empty() && std::isspace(static_cast<unsigned char>(token.back())) != 0) {
      token.pop_back();
    }
    if (token.empty()) return fail(Code::Invalid, "token file " + config_.token_file + " is empty");
  } else if (config_.exec) {
    MR_ASSIGN(ExecCredential got,
              run_exec_plugin(config_, environment_, std::move(stop), deadline));
    token = std::move(got.token);
    credential.certificate = std::move(got.certificate);
    credential.key = std::move(got.key);
    expires = got.expires;
  }
  if (!token.empty()) {
    credential.authorization = "Bearer " + token;
  } else if (!config_.username.empty()) {
    credential.authorization = "Basic " + encode_base64(config_.username + ":" + config_.password);
  }
  return credential;
}

}  // namespace millrace::client
