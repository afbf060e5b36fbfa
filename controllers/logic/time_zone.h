/// Time zones as values: what the wall clock shows, and the first instant it shows a time.
/// Pure: the zone arrives as the bytes of a TZif file; `controllers/shell/zone_files.h` reads it.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "kubeclient/base/result.h"

namespace millrace::logic {

/// Seconds since 1970-01-01T00:00:00 on a wall clock, with no zone attached.
using LocalSeconds = std::chrono::local_time<std::chrono::seconds>;
using SysSeconds = std::chrono::sys_seconds;

/// The offsets of one zone over time. A small value: copies share one immutable table.
///
/// Daylight saving enters schedules through two functions that are each other's mirror:
/// `high_water` (the latest reading the clock has ever shown) and `first_reaching` (the first
/// instant at which it shows a reading or a later one). A reading inside a skipped hour is reached
/// at the hour's end; a reading of a repeated hour is reached once, the first time.
class TimeZone {
 public:
  /// UTC.
  TimeZone() : name_("UTC") {}

  /// Decode the content of a TZif file, versions 1 to 4 (RFC 8536, RFC 9636). The rule in its
  /// footer is written out until the end of 2200; after that the last offset stays. Errors:
  /// Malformed, also for files that count leap seconds.
  static Result<TimeZone> parse(std::string_view name, std::string_view tzif);

  const std::string& name() const { return name_; }
  std::chrono::seconds offset_at(SysSeconds time) const;
  /// The latest reading the wall clock has shown up to and including `time`.
  LocalSeconds high_water(SysSeconds time) const;
  /// The first instant at which the wall clock shows `reading` or later.
  SysSeconds first_reaching(LocalSeconds reading) const;

 private:
  struct Segment {
    SysSeconds begin;
    std::chrono::seconds offset;
    LocalSeconds peak_before;  ///< no earlier segment showed this reading or a later one
  };
  using Segments = std::vector<Segment>;
  const Segment& segment_at(SysSeconds time) const;

  std::string name_;
  std::shared_ptr<const Segments> segments_;  ///< null for UTC; never empty otherwise
};

/// Whether `name` may be looked up in a zone directory: letters, digits, `_ + - /`, no empty or
/// dotted part, at most 64 bytes. Keeps a Pipeline from naming other files of the machine.
bool is_zone_name(std::string_view name);

/// The entry of `known` a person most likely meant by `name` ("berlin", "Europe/Berln"), or "".
std::string suggest_zone(std::string_view name, const std::vector<std::string>& known);

}  // namespace millrace::logic
