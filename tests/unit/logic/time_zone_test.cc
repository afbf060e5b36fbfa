#include "controllers/logic/time_zone.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <random>

#include "kubeclient/base/time_format.h"
#include "tests/unit/logic/zones.h"

namespace millrace::logic {
namespace {

using std::chrono::floor;
using std::chrono::seconds;

SysSeconds at(const char* text) { return floor<seconds>(*parse_time(text)); }
LocalSeconds reading(const char* text) { return LocalSeconds{at(text).time_since_epoch()}; }

/// A TZif file of version 2 with one type, no transitions and the footer `rule`: what a packager
/// that writes slim files ships.
std::string slim_file(const std::string& rule) {
  const auto header = [](int types) {
    std::string h = "TZif2" + std::string(15, '\0');
    for (const int count : {0, 0, 0, 0, types, types}) {
      h += std::string(3, '\0') + static_cast<char>(count);
    }
    return h;
  };
  const std::string type(7, '\0');  // offset 0, no DST, abbreviation "" at 0
  return header(1) + type + header(1) + type + "\n" + rule + "\n";
}

/// The C library's opinion, an implementation that shares nothing with ours.
class CLibraryZone {
 public:
  explicit CLibraryZone(const std::string& name) {
    setenv("TZ", (":" + name).c_str(), 1);
    tzset();
  }
  ~CLibraryZone() {
    unsetenv("TZ");
    tzset();
  }
  seconds offset_at(SysSeconds time) const {
    const std::time_t t = time.time_since_epoch().count();
    std::tm local{};
    localtime_r(&t, &local);
    return seconds{local.tm_gmtoff};
  }
};

TEST(TimeZone, DefaultIsUtc) {
  const TimeZone utc;
  EXPECT_EQ(utc.name(), "UTC");
  EXPECT_EQ(utc.offset_at(at("2026-07-01T00:00:00Z")), seconds{0});
  EXPECT_EQ(utc.high_water(at("2026-07-01T00:00:00Z")), reading("2026-07-01T00:00:00Z"));
  EXPECT_EQ(utc.first_reaching(reading("2026-07-01T00:00:00Z")), at("2026-07-01T00:00:00Z"));
}

TEST(TimeZone, FirstInstantOfAReading) {
  const struct {
    const char* name;
    const char* zone;
    const char* reading;
    const char* want;
  } cases[] = {
      {"plain winter", "Europe/Berlin", "2026-01-15T12:00:00Z", "2026-01-15T11:00:00Z"},
      {"plain summer", "Europe/Berlin", "2026-07-15T12:00:00Z", "2026-07-15T10:00:00Z"},
      {"skipped hour, its start", "Europe/Berlin", "2026-03-29T02:00:00Z", "2026-03-29T01:00:00Z"},
      {"skipped hour, inside", "Europe/Berlin", "2026-03-29T02:59:59Z", "2026-03-29T01:00:00Z"},
      {"first reading after it", "Europe/Berlin", "2026-03-29T03:00:00Z", "2026-03-29T01:00:00Z"},
      {"repeated hour, first pass", "Europe/Berlin", "2026-10-25T02:30:00Z",
       "2026-10-25T00:30:00Z"},
      {"first reading after it", "Europe/Berlin", "2026-10-25T03:00:00Z", "2026-10-25T02:00:00Z"},
      {"half-hour gap", "Australia/Lord_Howe", "2026-10-04T02:15:00Z", "2026-10-03T15:30:00Z"},
      {"half-hour repeat", "Australia/Lord_Howe", "2026-04-05T01:45:00Z", "2026-04-04T14:45:00Z"},
      {"gap at midnight", "America/Santiago", "2026-09-06T00:30:00Z", "2026-09-06T04:00:00Z"},
      {"a whole day skipped", "Pacific/Apia", "2011-12-30T12:00:00Z", "2011-12-30T10:00:00Z"},
      {"negative DST", "Europe/Dublin", "2026-03-29T01:30:00Z", "2026-03-29T01:00:00Z"},
      {"UTC+14", "Pacific/Kiritimati", "2026-01-01T00:00:00Z", "2025-12-31T10:00:00Z"},
      {"beyond the table of the file", "Europe/Berlin", "2099-07-01T12:00:00Z",
       "2099-07-01T10:00:00Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(format_time(zone(c.zone).first_reaching(reading(c.reading))), c.want) << c.name;
  }
}

TEST(TimeZone, HighWaterHoldsWhileTheClockRepeats) {
  const TimeZone berlin = zone("Europe/Berlin");
  const struct {
    const char* name;
    const char* time;
    const char* want;
  } cases[] = {
      {"first pass", "2026-10-25T00:59:59Z", "2026-10-25T02:59:59Z"},
      {"clock set back", "2026-10-25T01:00:00Z", "2026-10-25T02:59:59Z"},
      {"second pass", "2026-10-25T01:59:59Z", "2026-10-25T02:59:59Z"},
      {"repeat over", "2026-10-25T02:00:00Z", "2026-10-25T03:00:00Z"},
  };
  for (const auto& c : cases) EXPECT_EQ(berlin.high_water(at(c.time)), reading(c.want)) << c.name;
}

TEST(TimeZone, OffsetsAgreeWithTheCLibrary) {
  std::mt19937_64 random(20261121);
  const SysSeconds from = at("1970-01-01T00:00:00Z");
  const SysSeconds to = at("2199-12-31T00:00:00Z");
  std::uniform_int_distribution<std::int64_t> pick(0, (to - from).count());
  for (const char* name : {"Europe/Berlin",       "Europe/Dublin",     "America/New_York",
                           "America/Santiago",    "America/Nuuk",      "America/Sao_Paulo",
                           "Australia/Lord_Howe", "Australia/Sydney",  "Pacific/Auckland",
                           "Pacific/Chatham",     "Pacific/Apia",      "Pacific/Kiritimati",
                           "Asia/Kolkata",        "Asia/Tehran",       "Asia/Gaza",
                           "Asia/Tokyo",          "Africa/Casablanca", "Africa/Cairo",
                           "Antarctica/Troll",    "Etc/GMT+5",         "UTC"}) {
    const TimeZone ours = zone(name);
    const CLibraryZone theirs(name);
    for (int i = 0; i < 3000; ++i) {
      const SysSeconds t = from + seconds{pick(random)};
      ASSERT_EQ(ours.offset_at(t), theirs.offset_at(t)) << name << " " << format_time(t);
    }
  }
}

TEST(TimeZone, MirrorFunctionsAgree) {
  std::mt19937_64 random(7);
  for (const char* name : {"Europe/Berlin", "Australia/Lord_Howe", "Pacific/Apia",
                           "America/Santiago", "Africa/Casablanca"}) {
    const TimeZone z = zone(name);
    std::uniform_int_distribution<std::int64_t> pick(0, 100LL * 366 * 86400);
    for (int i = 0; i < 5000; ++i) {
      const LocalSeconds r{seconds{pick(random)}};
      const SysSeconds t = z.first_reaching(r);
      ASSERT_GE(z.high_water(t), r) << name;
      ASSERT_LT(z.high_water(t - seconds{1}), r) << name;
    }
  }
}

TEST(TimeZone, ReadsTheRuleOfASlimFile) {
  const struct {
    const char* name;
    const char* rule;
    const char* time;
    int want;  // [s]
  } cases[] = {
      {"no DST", "JST-9", "2026-07-01T00:00:00Z", 9 * 3600},
      {"numeric names", "<+0545>-5:45", "2026-07-01T00:00:00Z", 5 * 3600 + 45 * 60},
      {"summer", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-07-01T00:00:00Z", 7200},
      {"winter", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-12-01T00:00:00Z", 3600},
      {"last second of winter", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T00:59:59Z", 3600},
      {"first second of summer", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-03-29T01:00:00Z", 7200},
      {"southern summer", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-01T00:00:00Z", 11 * 3600},
      {"hour above 24", "EET-2EEST,M3.4.4/50,M10.4.4/50", "2026-03-28T00:00:00Z", 3 * 3600},
      {"negative hour", "<-02>2<-01>,M3.5.0/-1,M10.5.0/0", "2026-03-29T01:00:00Z", -3600},
      {"Julian day skips 29 February", "AAA0BBB,J60/0,J300/0", "2028-02-29T12:00:00Z", 0},
      {"Julian day 60 is 1 March", "AAA0BBB,J60/0,J300/0", "2028-03-01T00:00:00Z", 3600},
      {"zero-based day counts it", "AAA0BBB,59/0,300/0", "2028-02-29T00:00:00Z", 3600},
  };
  for (const auto& c : cases) {
    const auto z = TimeZone::parse("Test/Zone", slim_file(c.rule));
    ASSERT_TRUE(z.ok()) << c.name << ": " << z.error().message;
    EXPECT_EQ(z->offset_at(at(c.time)), seconds{c.want}) << c.name;
  }
}

TEST(TimeZone, RefusesDamagedFiles) {
  const std::string good = zone_bytes("Europe/Berlin");
  ASSERT_GT(good.size(), 100U);
  for (std::size_t n = 0; n < good.size() - 1; n += 7) {
    const auto z = TimeZone::parse("Europe/Berlin", std::string_view(good).substr(0, n));
    // A cut inside the footer may leave a shorter rule that is valid; everything else is refused.
    if (n < good.rfind('\n', good.size() - 2)) {
      ASSERT_FALSE(z.ok()) << n;
      EXPECT_EQ(z.error().code, Code::Malformed);
    }
  }
  std::mt19937 random(3);
  for (int i = 0; i < 5000; ++i) {  // flipped bytes: any answer, no crash, no endless loop
    std::string bad = good;
    for (int k = 0; k < 4; ++k) bad[random() % bad.size()] = static_cast<char>(random());
    (void)TimeZone::parse("Europe/Berlin", bad).ok();
  }
  for (const char* rule : {"CET-1CEST", "CE-1", "CET", "CET-1CEST,M13.1.0,M10.5.0",
                           "CET-1CEST,M3.5.0", "<CET-1", "CET-1CEST,M3.5.0,M10.5.0x"}) {
    EXPECT_FALSE(TimeZone::parse("Test/Zone", slim_file(rule)).ok()) << rule;
  }
  EXPECT_FALSE(TimeZone::parse("zone.tab", "# not a zone").ok());
}

TEST(TimeZone, NamesStayInsideTheDirectory) {
  for (const char* good : {"UTC", "Europe/Berlin", "Etc/GMT+5", "America/Argentina/Buenos_Aires"}) {
    EXPECT_TRUE(is_zone_name(good)) << good;
  }
  for (const char* bad : {"", "/etc/passwd", "../../etc/passwd", "Europe/../x", "Europe//Berlin",
                          "Europe/", "a b", "zone.tab"}) {
    EXPECT_FALSE(is_zone_name(bad)) << bad;
  }
  EXPECT_FALSE(is_zone_name(std::string(65, 'a')));
}

TEST(TimeZone, SuggestsTheNearestName) {
  const std::vector<std::string> known = {"America/New_York", "Asia/Kolkata", "Europe/Berlin",
                                          "UTC"};
  const struct {
    const char* name;
    const char* want;
  } cases[] = {{"europe/berlin", "Europe/Berlin"},
               {"Berlin", "Europe/Berlin"},
               {"Europe/Berln", "Europe/Berlin"},
               {"New York", "America/New_York"},
               {"utc", "UTC"},
               {"Mars/Olympus_Mons", ""}};
  for (const auto& c : cases) EXPECT_EQ(suggest_zone(c.name, known), c.want) << c.name;
}

}  // namespace
}  // namespace millrace::logic
