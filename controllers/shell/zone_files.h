/// Time zones from the zone directory of the machine (package tzdata): the I/O side of
/// `controllers/logic/time_zone.h`.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "controllers/logic/time_zone.h"
#include "kubeclient/base/guarded.h"
#include "kubeclient/base/result.h"

namespace millrace::shell {

/// Load zones by name, each one once; new tzdata counts from the next start. Safe from any thread.
class ZoneFiles {
 public:
  explicit ZoneFiles(std::string directory = "/usr/share/zoneinfo");
  ZoneFiles(const ZoneFiles&) = delete;
  ZoneFiles& operator=(const ZoneFiles&) = delete;

  /// The zone of an IANA name such as `Europe/Berlin`; "" and `UTC` need no file.
  /// Errors: Invalid (not a zone; with a suggestion where one is near), Unavailable (the directory
  /// is missing or cannot be read), Malformed (a broken file).
  Result<logic::TimeZone> find(std::string_view name);

 private:
  tl::unexpected<Error> unknown(std::string_view name) const;

  const std::string directory_;
  Guarded<std::map<std::string, logic::TimeZone, std::less<>>> loaded_;
};

}  // namespace millrace::shell
