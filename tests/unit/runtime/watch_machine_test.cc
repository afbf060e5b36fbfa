#include "kubeclient/runtime/watch_machine.h"

#include <gtest/gtest.h>

namespace millrace::runtime {
namespace {

using enum WatchPhase;
using Kind = WatchInput::Kind;

WatchState at(WatchPhase phase, std::string version = "10", bool streaming = true,
              std::string token = "", std::string garbled = "") {
  return {phase, std::move(version), std::move(token), streaming, std::move(garbled)};
}

WatchInput failure(Code code) { return {Kind::Failed, {}, {}, code}; }

struct Row {
  const char* name;
  WatchState from;
  WatchInput input;
  WatchState to;
  WatchEffect effect;
  const char* reopen;  // the reason; null when nothing is begun anew
};

void check(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const WatchStep got = step(row.from, row.input);
    EXPECT_EQ(got.state, row.to) << row.name << ": " << int(got.state.phase) << " "
                                 << got.state.version;
    EXPECT_EQ(int(got.effect), int(row.effect)) << row.name;
    EXPECT_EQ(got.reopen, row.reopen != nullptr) << row.name;
    EXPECT_EQ(got.reason, row.reopen != nullptr ? row.reopen : "") << row.name;
  }
}

TEST(WatchStep, WatchList) {
  check({
      {"opens", at(Sync, ""), {Kind::Opened}, at(Initial, ""), WatchEffect::Restart, nullptr},
      {"collects, in no order of versions",
       at(Initial, ""),
       {Kind::Changed, "9"},
       at(Initial, ""),
       WatchEffect::Collect,
       nullptr},
      {"takes out what is deleted meanwhile",
       at(Initial, ""),
       {Kind::Deleted, "9"},
       at(Initial, ""),
       WatchEffect::Uncollect,
       nullptr},
      {"a bookmark before the end says nothing",
       at(Initial, ""),
       {Kind::Bookmark, "9"},
       at(Initial, ""),
       WatchEffect::None,
       nullptr},
      {"ends with the bookmark",
       at(Initial, ""),
       {Kind::InitialEnd, "50"},
       at(Watching, "50"),
       WatchEffect::Swap,
       nullptr},
      {"broken in the midst: from the start",
       at(Initial, "5"),
       {Kind::Ended},
       at(Sync, "5"),
       WatchEffect::Restart,
       "ended"},
      {"refused as unknown: pages", at(Sync, ""), failure(Code::Invalid), at(Listing, "", false),
       WatchEffect::Restart, nullptr},
      {"refused by an event: pages", at(Initial, ""), failure(Code::Invalid),
       at(Listing, "", false), WatchEffect::Restart, nullptr},
      {"never ends: pages",
       at(Initial, ""),
       {Kind::Silent},
       at(Listing, "", false),
       WatchEffect::Restart,
       nullptr},
      {"server away", at(Sync, ""), failure(Code::Unavailable), at(Sync, ""), WatchEffect::Restart,
       "failed"},
      {"unreadable line is skipped",
       at(Initial, ""),
       {Kind::Garbled},
       at(Initial, ""),
       WatchEffect::Skip,
       nullptr},
      {"unreadable object is skipped",
       at(Initial, ""),
       {Kind::Undecodable, "7"},
       at(Initial, ""),
       WatchEffect::Skip,
       nullptr},
  });
}

TEST(WatchStep, Pages) {
  check({
      {"first page",
       at(Listing, "", false),
       {Kind::Page, "50", "t"},
       at(Listing, "50", false, "t"),
       WatchEffect::Collect,
       nullptr},
      {"last page",
       at(Listing, "50", false, "t"),
       {Kind::Page, "50"},
       at(Resume, "50", false),
       WatchEffect::Swap,
       nullptr},
      {"token too old: from the start", at(Listing, "50", false, "t"), failure(Code::Expired),
       at(Listing, "50", false), WatchEffect::Restart, "expired"},
      {"server away: the same page again", at(Listing, "50", false, "t"),
       failure(Code::Unavailable), at(Listing, "50", false, "t"), WatchEffect::None, "failed"},
      {"throttled: the same page again", at(Listing, "50", false, "t"), failure(Code::Throttled),
       at(Listing, "50", false, "t"), WatchEffect::None, "throttled"},
      {"a page that is no list", at(Listing, "50", false, "t"), failure(Code::Malformed),
       at(Listing, "50", false, "t"), WatchEffect::None, "malformed"},
      {"kind not served", at(Listing, "", false), failure(Code::NotFound), at(Listing, "", false),
       WatchEffect::Restart, "not_found"},
      {"then a watch from there",
       at(Resume, "50", false),
       {Kind::Opened},
       at(Watching, "50", false),
       WatchEffect::None,
       nullptr},
  });
}

TEST(WatchStep, Watch) {
  check({
      {"change",
       at(Watching),
       {Kind::Changed, "11"},
       at(Watching, "11"),
       WatchEffect::Apply,
       nullptr},
      {"deletion",
       at(Watching),
       {Kind::Deleted, "12"},
       at(Watching, "12"),
       WatchEffect::Remove,
       nullptr},
      {"bookmark moves on",
       at(Watching),
       {Kind::Bookmark, "90"},
       at(Watching, "90"),
       WatchEffect::None,
       nullptr},
      {"event of an unknown type has no version",
       at(Watching),
       {Kind::Bookmark},
       at(Watching),
       WatchEffect::None,
       nullptr},
      {"repeated end bookmark",
       at(Watching),
       {Kind::InitialEnd, "91"},
       at(Watching, "91"),
       WatchEffect::None,
       nullptr},
      {"unreadable object moves on",
       at(Watching),
       {Kind::Undecodable, "12"},
       at(Watching, "12"),
       WatchEffect::Skip,
       nullptr},
      {"unreadable line: ask again from there",
       at(Watching),
       {Kind::Garbled},
       at(Resume, "10", true, "", "10"),
       WatchEffect::None,
       "malformed"},
      {"unreadable line again: skipped",
       at(Watching, "10", true, "", "10"),
       {Kind::Garbled},
       at(Watching, "10", true, "", "10"),
       WatchEffect::Skip,
       nullptr},
      {"end", at(Watching), {Kind::Ended}, at(Resume), WatchEffect::None, "ended"},
      {"silence", at(Watching), {Kind::Silent}, at(Resume), WatchEffect::None, "silent"},
      {"broken", at(Watching), failure(Code::Unavailable), at(Resume), WatchEffect::None, "failed"},
      {"410 as an event", at(Watching), failure(Code::Expired), at(Sync), WatchEffect::Restart,
       "expired"},
      {"410 as an answer", at(Resume), failure(Code::Expired), at(Sync), WatchEffect::Restart,
       "expired"},
      {"410 without watch-lists", at(Watching, "10", false), failure(Code::Expired),
       at(Listing, "10", false), WatchEffect::Restart, "expired"},
      {"version refused", at(Resume), failure(Code::Invalid), at(Sync), WatchEffect::Restart,
       "invalid"},
      {"rights taken away: stays there", at(Resume), failure(Code::Denied), at(Resume),
       WatchEffect::None, "denied"},
      {"kind removed", at(Resume), failure(Code::NotFound), at(Sync), WatchEffect::Restart,
       "not_found"},
      {"a late input changes nothing",
       at(Resume),
       {Kind::Changed, "11"},
       at(Resume),
       WatchEffect::None,
       nullptr},
  });
}

}  // namespace
}  // namespace millrace::runtime
