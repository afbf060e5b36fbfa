/// What an informer does next: the list-and-watch protocol as one pure function.
///
/// Sync ──> Initial (watch-list) ──> Watching <──> Resume
///   └────> Listing (pages) ──> Resume ┘
/// Any phase falls back to Sync when its version has expired.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "kubeclient/base/result.h"

namespace millrace::runtime {

/// Where a list-and-watch stands.
enum class WatchPhase {
  Sync,      ///< nothing is open; open a watch-list
  Initial,   ///< a watch is open that sends all objects first; they are collected
  Listing,   ///< reading page after page; objects are collected
  Resume,    ///< nothing is open; open a watch at `version`
  Watching,  ///< a watch is open; its events are applied
};

/// State of one list-and-watch. Start from a default-built one, or without watch-lists from
/// `{.phase = WatchPhase::Listing, .streaming = false}`.
struct WatchState {
  WatchPhase phase = WatchPhase::Sync;
  std::string version;         ///< resourceVersion of the last event, page or bookmark
  std::string continue_token;  ///< Listing: of the next page; empty for the first
  bool streaming = true;       ///< the server is thought to have watch-lists; else Listing is first
  std::string garbled_at;      ///< version after which a line could not be read
  bool operator==(const WatchState&) const = default;
};

/// What happened.
struct WatchInput {
  enum class Kind {
    Opened,       ///< the watch asked for is open
    Page,         ///< a page with `version`, and `token` when more follow
    Changed,      ///< ADDED or MODIFIED; `version` is the object's
    Deleted,      ///< DELETED; `version` is the deletion's
    Bookmark,     ///< progress without an object; `version`
    InitialEnd,   ///< the bookmark after the last initial object; `version`
    Undecodable,  ///< an object that does not fit its type; `version` if that could be read
    Garbled,      ///< a line that is no JSON, or too long
    Ended,        ///< clean end of the stream
    Silent,       ///< nothing came for longer than the server may be silent
    Failed,       ///< `code`: of a call, of the stream, or of an ERROR event
  } kind;
  std::string version = {};
  std::string token = {};
  Code code = Code::Bug;
};

/// What to do with the data of the input.
enum class WatchEffect {
  None,
  Restart,    ///< begin a new collection; the old content stays readable
  Collect,    ///< add the object or page to the collection
  Uncollect,  ///< take the object out of the collection
  Swap,       ///< add the page if there is one, then make the collection the content
  Apply,      ///< put the object into the content
  Remove,     ///< take the object out of the content
  Skip,       ///< count and log the object as unreadable
};

struct WatchStep {
  WatchState state;
  WatchEffect effect = WatchEffect::None;
  bool reopen = false;           ///< the stream is to be closed and something new begun, paced
  std::string_view reason = {};  ///< of `reopen`, for the metric; a bounded set of words
};

/// The step from `state` on `input`. Total: inputs that do not fit a phase change nothing.
WatchStep step(WatchState state, const WatchInput& input);

}  // namespace millrace::runtime
