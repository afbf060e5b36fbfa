#include "kubeclient/runtime/watch_machine.h"

#include <utility>

namespace millrace::runtime {
namespace {

using Kind = WatchInput::Kind;

WatchStep stay(WatchState state, WatchEffect effect = WatchEffect::None) {
  return {std::move(state), effect, false, {}};
}

/// Go to where reading everything begins: Sync, or Listing where watch-lists are not to be had.
WatchState begin(WatchState state) {
  state.phase = state.streaming ? WatchPhase::Sync : WatchPhase::Listing;
  state.continue_token.clear();
  return state;
}

WatchStep sync_again(WatchState state, std::string_view reason) {
  return {begin(std::move(state)), WatchEffect::Restart, true, reason};
}

WatchStep without_watch_list(WatchState state) {
  state.streaming = false;
  return stay(begin(std::move(state)), WatchEffect::Restart);
}

/// Open again what was open: a watch goes on from where it was, a page is asked for again, a
/// watch-list starts over.
WatchStep reopen(WatchState state, std::string_view reason) {
  if (state.phase == WatchPhase::Sync || state.phase == WatchPhase::Initial) {
    return sync_again(std::move(state), reason);
  }
  if (state.phase == WatchPhase::Watching) state.phase = WatchPhase::Resume;
  return {std::move(state), WatchEffect::None, true, reason};
}

void move_on(WatchState& state, const std::string& version) {
  if (!version.empty()) state.version = version;
}

WatchStep on_failure(WatchState state, Code code) {
  const bool opening = state.phase == WatchPhase::Sync || state.phase == WatchPhase::Initial;
  switch (code) {
    case Code::Expired:
      return sync_again(std::move(state), "expired");
    case Code::Invalid:
      // An older server refuses sendInitialEvents: read pages instead, at once.
      if (opening) return without_watch_list(std::move(state));
      return sync_again(std::move(state), "invalid");
    case Code::NotFound:  // the kind is not served (any more): our version may mean nothing now
      return sync_again(std::move(state), "not_found");
    case Code::Denied:
      return reopen(std::move(state), "denied");
    case Code::Throttled:
      return reopen(std::move(state), "throttled");
    case Code::Malformed:
      return reopen(std::move(state), "malformed");
    default:
      return reopen(std::move(state), "failed");
  }
}

}  // namespace

WatchStep step(WatchState state, const WatchInput& input) {
  const bool collecting = state.phase == WatchPhase::Initial;
  const bool open = collecting || state.phase == WatchPhase::Watching;
  switch (input.kind) {
    case Kind::Opened:
      if (state.phase == WatchPhase::Sync) {
        state.phase = WatchPhase::Initial;
        return stay(std::move(state), WatchEffect::Restart);
      }
      if (state.phase == WatchPhase::Resume) state.phase = WatchPhase::Watching;
      return stay(std::move(state));

    case Kind::Page:
      if (state.phase != WatchPhase::Listing) return stay(std::move(state));
      state.continue_token = input.token;
      move_on(state, input.version);
      if (!input.token.empty()) return stay(std::move(state), WatchEffect::Collect);
      state.phase = WatchPhase::Resume;
      return stay(std::move(state), WatchEffect::Swap);

    case Kind::Changed:
      if (!open) return stay(std::move(state));
      // Initial objects come in no order of versions: only the end tells where to go on.
      if (collecting) return stay(std::move(state), WatchEffect::Collect);
      move_on(state, input.version);
      return stay(std::move(state), WatchEffect::Apply);

    case Kind::Deleted:
      if (!open) return stay(std::move(state));
      if (collecting) return stay(std::move(state), WatchEffect::Uncollect);
      move_on(state, input.version);
      return stay(std::move(state), WatchEffect::Remove);

    case Kind::Bookmark:
      if (state.phase == WatchPhase::Watching) move_on(state, input.version);
      return stay(std::move(state));

    case Kind::InitialEnd:
      if (state.phase == WatchPhase::Watching) move_on(state, input.version);
      if (!collecting) return stay(std::move(state));
      move_on(state, input.version);
      state.phase = WatchPhase::Watching;
      return stay(std::move(state), WatchEffect::Swap);

    case Kind::Undecodable:
      if (state.phase == WatchPhase::Watching) move_on(state, input.version);
      return stay(std::move(state), WatchEffect::Skip);

    case Kind::Garbled:
      if (!open) return stay(std::move(state), WatchEffect::Skip);
      // Ask once more for the same place; a server that sends it again is taken by its word.
      if (collecting || state.garbled_at == state.version) {
        return stay(std::move(state), WatchEffect::Skip);
      }
      state.garbled_at = state.version;
      return reopen(std::move(state), "malformed");

    case Kind::Ended:
      return reopen(std::move(state), "ended");

    case Kind::Silent:
      // A server that knows watch-lists is never silent for long in their midst; one that ignores
      // the question never ends them.
      if (collecting) return without_watch_list(std::move(state));
      return reopen(std::move(state), "silent");

    case Kind::Failed:
      return on_failure(std::move(state), input.code);
  }
  return stay(std::move(state));
}

}  // namespace millrace::runtime
