/// Cron expressions: parsing, and the ticks that follow from one.
/// Grammar: that of robfig/cron v1 `ParseStandard`, five fields; differences are stated below.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "controllers/logic/time_zone.h"
#include "kubeclient/base/clock.h"
#include "kubeclient/base/result.h"

namespace millrace::logic {

/// When a pipeline runs. A value; ticks are whole seconds.
///
/// Fields: minute 0-59, hour 0-23, day of month 1-31, month 1-12 or jan-dec, day of week 0-6 or
/// sun-sat. Each is a comma list of `*`, `?` (= `*`), `n`, `a-b`, each with an optional `/step`;
/// `n/step` means from n to the maximum. If either day field holds an item written with `*` or `?`,
/// both must match, else either suffices. Or a descriptor: @yearly @annually @monthly @weekly
/// @daily @midnight @hourly @every <duration>.
class CronSchedule {
 public:
  /// Errors: Invalid, naming the field, what was found and what is expected. Stricter than the
  /// model: empty list items and `*-5` are errors, and so is `@every` below one second.
  static Result<CronSchedule> parse(std::string_view text);

  /// The first tick after `after`; none when there is no date until the end of the fifth year on.
  /// `anchor` is where `@every` counts from (its ticks are anchor + k * interval, k >= 1, with the
  /// fraction of the anchor's second cut); the fields of a calendar expression ignore it.
  std::optional<Time> next(Time after, const TimeZone& zone, Time anchor = {}) const;

  /// The interval of `@every`; none for a calendar expression.
  std::optional<std::chrono::seconds> interval() const;

  bool operator==(const CronSchedule&) const = default;

 private:
  static Result<CronSchedule> parse_fields(std::string_view text);
  static Result<CronSchedule> parse_descriptor(std::string_view text);
  bool day_matches(std::chrono::year_month_day date, std::chrono::weekday weekday) const;
  std::optional<LocalSeconds> next_reading(LocalSeconds after) const;

  std::array<std::uint64_t, 5> fields_{};  ///< a bit for each value allowed, by field
  bool both_days_ = false;                 ///< day of month and day of week must both match
  std::chrono::seconds every_{0};          ///< > 0: `@every`, and fields_ is unused
};

/// Ticks of an interval of time.
struct TickSpan {
  std::vector<Time> latest;      ///< oldest first
  std::int64_t older = 0;        ///< how many came before `latest`; counted up to kMostCounted
  std::optional<Time> earliest;  ///< the very first; set when there is any
  bool operator==(const TickSpan&) const = default;
};
constexpr std::int64_t kMostCounted = 100'000;

/// The ticks in (after, until], the latest `keep` >= 1 of them one by one. The cost does not grow
/// with the length of the interval.
TickSpan ticks_between(const CronSchedule& cron, const TimeZone& zone, Time anchor, Time after,
                       Time until, std::size_t keep);

/// The first `count` ticks after `from`, with `@every` counted from `from`; fewer when there are no
/// more. Errors: Invalid.
Result<std::vector<Time>> preview(std::string_view expression, const TimeZone& zone, Time from,
                                  int count);

}  // namespace millrace::logic
