#include "controllers/logic/cron.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <ctime>
#include <random>
#include <set>
#include <string>

#include "kubeclient/base/time_format.h"
#include "tests/unit/logic/zones.h"

namespace millrace::logic {
namespace {

using std::chrono::floor;
using std::chrono::minutes;
using std::chrono::seconds;

Time at(const char* text) { return *parse_time(text); }

CronSchedule cron(std::string_view text) {
  auto parsed = CronSchedule::parse(text);
  EXPECT_TRUE(parsed.ok()) << text << ": " << (parsed.ok() ? "" : parsed.error().message);
  return parsed.ok() ? *parsed : CronSchedule();
}

/// The next `count` ticks, blank-separated; "never" when there is none.
std::string ticks(std::string_view expression, const TimeZone& zone, const char* from, int count) {
  const auto list = preview(expression, zone, at(from), count);
  if (!list.ok()) return list.error().message;
  std::string text;
  for (const Time t : *list) text += (text.empty() ? "" : " ") + format_time(t);
  return text.empty() ? "never" : text;
}

TEST(Cron, Parses) {
  const struct {
    const char* name;
    const char* expression;
    const char* from;
    const char* want;
  } cases[] = {
      {"every minute", "* * * * *", "2026-01-01T00:00:30Z",
       "2026-01-01T00:01:00Z 2026-01-01T00:02:00Z"},
      {"question mark is star", "? ? ? ? ?", "2026-01-01T00:00:30Z",
       "2026-01-01T00:01:00Z 2026-01-01T00:02:00Z"},
      {"n/step goes to the maximum", "50/5 * * * *", "2026-01-01T00:00:00Z",
       "2026-01-01T00:50:00Z 2026-01-01T00:55:00Z"},
      {"step beyond the field", "*/60 * * * *", "2026-01-01T00:00:00Z",
       "2026-01-01T01:00:00Z 2026-01-01T02:00:00Z"},
      {"list with ranges and steps", "1,10-20/5,58 3 * * *", "2026-01-01T03:01:00Z",
       "2026-01-01T03:10:00Z 2026-01-01T03:15:00Z"},
      {"month names, any case", "0 0 1 JAN,Jul *", "2026-01-01T00:00:00Z",
       "2026-07-01T00:00:00Z 2027-01-01T00:00:00Z"},
      {"day names as a range", "0 9 * * mon-Fri", "2026-11-20T09:00:00Z",
       "2026-11-23T09:00:00Z 2026-11-24T09:00:00Z"},
      {"Sunday is 0", "0 9 * * 0", "2026-11-20T09:00:00Z",
       "2026-11-22T09:00:00Z 2026-11-29T09:00:00Z"},
      {"either day field", "0 0 13 * 5", "2026-02-01T00:00:00Z",
       "2026-02-06T00:00:00Z 2026-02-13T00:00:00Z"},
      {"either day field, the date", "0 0 14 * 5", "2026-02-13T00:00:00Z",
       "2026-02-14T00:00:00Z 2026-02-20T00:00:00Z"},
      {"a star in a day field: both", "0 0 */2 * 5", "2026-02-01T00:00:00Z",
       "2026-02-13T00:00:00Z 2026-02-27T00:00:00Z"},
      {"a star in a list counts too", "0 0 13,*/31 * 5", "2026-02-01T00:00:00Z",
       "2026-02-13T00:00:00Z 2026-03-13T00:00:00Z"},
      {"blanks around and between", " 0\t0  1 1 * ", "2026-02-01T00:00:00Z",
       "2027-01-01T00:00:00Z 2028-01-01T00:00:00Z"},
      {"leading zeros", "05 08 * * *", "2026-02-01T00:00:00Z",
       "2026-02-01T08:05:00Z 2026-02-02T08:05:00Z"},
      {"leap day", "0 0 29 2 *", "2026-01-01T00:00:00Z",
       "2028-02-29T00:00:00Z 2032-02-29T00:00:00Z"},
      {"31st only", "0 0 31 * *", "2026-01-31T00:00:00Z",
       "2026-03-31T00:00:00Z 2026-05-31T00:00:00Z"},
      {"no such date", "0 0 30 2 *", "2026-01-01T00:00:00Z", "never"},
      {"no such date in these months", "0 0 31 4,6,9,11 *", "2026-01-01T00:00:00Z", "never"},
      {"over the year's end", "59 23 31 12 *", "2026-12-31T23:59:00Z",
       "2027-12-31T23:59:00Z 2028-12-31T23:59:00Z"},
      {"@yearly", "@yearly", "2026-01-01T00:00:00Z", "2027-01-01T00:00:00Z 2028-01-01T00:00:00Z"},
      {"@annually", "@annually", "2026-01-01T00:00:00Z",
       "2027-01-01T00:00:00Z 2028-01-01T00:00:00Z"},
      {"@monthly", "@monthly", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z 2026-03-01T00:00:00Z"},
      {"@weekly", "@weekly", "2026-11-21T00:00:00Z", "2026-11-22T00:00:00Z 2026-11-29T00:00:00Z"},
      {"@daily", "@daily", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z 2026-01-03T00:00:00Z"},
      {"@midnight", "@midnight", "2026-01-01T00:00:00Z",
       "2026-01-02T00:00:00Z 2026-01-03T00:00:00Z"},
      {"@hourly", "@hourly", "2026-01-01T00:00:00Z", "2026-01-01T01:00:00Z 2026-01-01T02:00:00Z"},
      {"@every counts from the anchor", "@every 1h30m", "2026-01-01T00:10:00Z",
       "2026-01-01T01:40:00Z 2026-01-01T03:10:00Z"},
      {"@every is cut to seconds", "@every 1900ms", "2026-01-01T00:00:00Z",
       "2026-01-01T00:00:01Z 2026-01-01T00:00:02Z"},
      {"the anchor's fraction is cut", "@every 10s", "2026-01-01T00:00:00.9Z",
       "2026-01-01T00:00:10Z 2026-01-01T00:00:20Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ticks(c.expression, TimeZone(), c.from, 2), c.want) << c.name;
  }
}

TEST(Cron, PO_4_FiresAtTheMultiplesAndReportsSixFields) {
  EXPECT_EQ(cron("0/5 * * * *"), cron("0-59/5 * * * *"));
  EXPECT_EQ(cron("0/5 * * * *"), cron("*/5 * * * *"));
  EXPECT_EQ(ticks("0/5 * * * *", TimeZone(), "2026-01-01T00:00:00Z", 3),
            "2026-01-01T00:05:00Z 2026-01-01T00:10:00Z 2026-01-01T00:15:00Z");
  const auto six = CronSchedule::parse("0 0/5 * * * *");
  ASSERT_FALSE(six.ok());
  EXPECT_EQ(six.error().message,
            "cron expression: \"0 0/5 * * * *\" has 6 fields, expected 5 (minute hour "
            "day-of-month month day-of-week); a field for seconds is not supported");
}

TEST(Cron, RefusesWithAReason) {
  const struct {
    const char* name;
    const char* expression;
    const char* part;  // of the message
  } cases[] = {
      {"empty", "", "it is empty"},
      {"blank", "  \t ", "it is empty"},
      {"one field", "5", "has 1 field, expected 5"},
      {"four fields", "* * * *", "has 4 fields, expected 5"},
      {"seven fields", "* * * * * * *", "has 7 fields"},
      {"minute too large", "60 * * * *", "minute: \"60\" is not 0-59"},
      {"hour too large", "0 24 * * *", "hour: \"24\" is not 0-23"},
      {"day zero", "0 0 0 * *", "day-of-month: \"0\" is not 1-31"},
      {"month 13", "0 0 1 13 *", "month: \"13\" is not 1-12 or jan-dec"},
      {"weekday 7", "0 0 * * 7", "day-of-week: \"7\" is not 0-6 or sun-sat; Sunday is 0 or sun"},
      {"weekday range to 7", "0 0 * * 5-7", "Sunday is 0 or sun"},
      {"range backwards", "0 0 * * fri-sun", "ends before it begins"},
      {"step zero", "*/0 * * * *", "the step in \"*/0\""},
      {"step missing", "*/ * * * *", "the step in \"*/\""},
      {"step a word", "*/x * * * *", "the step in \"*/x\""},
      {"two steps", "*/2/3 * * * *", "the step in"},
      {"empty item", "1,,2 * * * *", "an item of the list is empty"},
      {"trailing comma", "1, * * * *", "an item of the list is empty"},
      {"star with a range", "*-5 * * * *", "\"*\" is not 0-59"},
      {"negative", "-1 * * * *", "\"\" is not 0-59"},
      {"sign", "+1 * * * *", "\"+1\" is not 0-59"},
      {"huge", "99999999999999999999 * * * *", "is not 0-59"},
      {"L", "0 0 L * *", "L, W and # are not supported"},
      {"W", "0 0 15W * *", "L, W and # are not supported"},
      {"#", "0 0 * * 1#2", "L, W and # are not supported"},
      {"name in the wrong field", "0 0 mon * *", "day-of-month: \"mon\" is not 1-31"},
      {"zone prefix", "TZ=Europe/Berlin 0 0 * * *", "set strategy.timeZone"},
      {"zone prefix of cron", "CRON_TZ=UTC 0 0 * * *", "set strategy.timeZone"},
      {"unknown descriptor", "@fortnightly", "unknown descriptor \"@fortnightly\"; use @yearly"},
      {"descriptor in capitals", "@Daily", "unknown descriptor"},
      {"@reboot", "@reboot", "unknown descriptor"},
      {"@every alone", "@every", "@every takes one duration"},
      {"@every two", "@every 1h 30m", "@every takes one duration"},
      {"@every nonsense", "@every soon", "@every: \"soon\" is not a duration"},
      {"@every too short", "@every 999ms", "the shortest interval is 1s"},
      {"@every backwards", "@every -1h", "the shortest interval is 1s"},
  };
  for (const auto& c : cases) {
    const auto parsed = CronSchedule::parse(c.expression);
    ASSERT_FALSE(parsed.ok()) << c.name;
    EXPECT_EQ(parsed.error().code, Code::Invalid) << c.name;
    EXPECT_NE(parsed.error().message.find(c.part), std::string::npos)
        << c.name << ": " << parsed.error().message;
  }
}

TEST(Cron, DaylightSaving) {
  const struct {
    const char* name;
    const char* zone;
    const char* expression;
    const char* from;
    int count;
    const char* want;
  } cases[] = {
      {"skipped hour fires at its end", "Europe/Berlin", "30 2 * * *", "2026-03-28T01:30:00Z", 2,
       "2026-03-29T01:00:00Z 2026-03-30T00:30:00Z"},
      {"several ticks of a gap are one", "Europe/Berlin", "*/15 2 * * *", "2026-03-28T01:45:00Z", 2,
       "2026-03-29T01:00:00Z 2026-03-30T00:00:00Z"},
      {"a gap's ticks meet the tick at its end", "Europe/Berlin", "*/30 2,3 * * *",
       "2026-03-28T23:00:00Z", 3, "2026-03-29T01:00:00Z 2026-03-29T01:30:00Z 2026-03-30T00:00:00Z"},
      {"repeated hour fires once, the first time", "Europe/Berlin", "30 2 * * *",
       "2026-10-24T00:30:00Z", 2, "2026-10-25T00:30:00Z 2026-10-26T01:30:00Z"},
      {"short steps pause in the second pass", "Europe/Berlin", "*/30 * * * *",
       "2026-10-25T00:00:00Z", 3, "2026-10-25T00:30:00Z 2026-10-25T02:00:00Z 2026-10-25T02:30:00Z"},
      {"half an hour skipped", "Australia/Lord_Howe", "15 2 * * *", "2026-10-02T15:45:00Z", 2,
       "2026-10-03T15:30:00Z 2026-10-04T15:15:00Z"},
      {"half an hour repeated", "Australia/Lord_Howe", "45 1 * * *", "2026-04-04T00:00:00Z", 2,
       "2026-04-04T14:45:00Z 2026-04-05T15:15:00Z"},
      {"midnight does not exist", "America/Santiago", "0 0 * * *", "2026-09-05T04:00:00Z", 2,
       "2026-09-06T04:00:00Z 2026-09-07T03:00:00Z"},
      {"@every does not know clocks", "Europe/Berlin", "@every 1h", "2026-03-29T00:30:00Z", 2,
       "2026-03-29T01:30:00Z 2026-03-29T02:30:00Z"},
      {"New Year at UTC+14", "Pacific/Kiritimati", "0 0 1 1 *", "2026-06-01T00:00:00Z", 1,
       "2026-12-31T10:00:00Z"},
      {"after 2037, beyond the file's table", "Europe/Berlin", "0 12 1 7 *", "2040-01-01T00:00:00Z",
       1, "2040-07-01T10:00:00Z"},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(ticks(c.expression, zone(c.zone), c.from, c.count), c.want) << c.name;
  }
}

// --- An independent model: walk over the minutes of real time with the C library's wall clock. ---

struct RandomField {
  std::string text;
  std::set<int> values;
  bool star = false;
};

class RandomCron {
 public:
  explicit RandomCron(std::mt19937_64& random)
      : minute_(field(random, 0, 59, 4)),
        hour_(field(random, 0, 23, 2)),
        day_(field(random, 1, 31, 2)),
        month_(field(random, 1, 12, 1)),
        weekday_(field(random, 0, 6, 2)) {}

  std::string text() const {
    return minute_.text + ' ' + hour_.text + ' ' + day_.text + ' ' + month_.text + ' ' +
           weekday_.text;
  }
  bool matches(const std::tm& t) const {
    if (!minute_.values.contains(t.tm_min) || !hour_.values.contains(t.tm_hour) ||
        !month_.values.contains(t.tm_mon + 1)) {
      return false;
    }
    const bool day = day_.values.contains(t.tm_mday);
    const bool weekday = weekday_.values.contains(t.tm_wday);
    return day_.star || weekday_.star ? day && weekday : day || weekday;
  }

 private:
  /// A star, or up to `most` items of every shape; `most` small keeps months and days wide enough.
  static RandomField field(std::mt19937_64& random, int low, int high, int most) {
    const auto roll = [&](int a, int b) {
      return a + static_cast<int>(random() % static_cast<std::uint64_t>(b - a + 1));
    };
    RandomField f;
    const int items = roll(0, 2) == 0 ? 1 : roll(1, most);
    const bool all = roll(0, 1) == 0;
    for (int i = 0; i < items; ++i) {
      std::string item;
      int a = low, b = high, step = 1;
      const int shape = all && i == 0 ? 0 : roll(1, 5);
      if (shape <= 1) {
        item = roll(0, 4) == 0 ? "?" : "*";
        if (shape == 1) item += "/" + std::to_string(step = roll(1, 40));
        f.star = true;
      } else if (shape == 2) {
        a = b = roll(low, high);
        item = std::to_string(a);
      } else if (shape == 3) {
        a = roll(low, high);
        item = std::to_string(a) + "/" + std::to_string(step = roll(1, 20));
      } else {
        a = roll(low, high);
        b = roll(a, high);
        item = std::to_string(a) + "-" + std::to_string(b);
        if (shape == 5) item += "/" + std::to_string(step = roll(1, 9));
      }
      for (int v = a; v <= b; v += step) f.values.insert(v);
      f.text += (i > 0 ? "," : "") + item;
    }
    return f;
  }

  RandomField minute_, hour_, day_, month_, weekday_;
};

/// Ticks in (from, from + span] by the rules of docs/schedules.md, minute by minute. Both ends are
/// whole minutes, and every shift of the zones tested is one of whole minutes.
std::vector<Time> model(const RandomCron& expression, SysSeconds from, minutes span) {
  const auto wall = [](SysSeconds t) {  // the reading, as seconds of a clock without zone
    const std::time_t raw = t.time_since_epoch().count();
    std::tm local{};
    localtime_r(&raw, &local);
    return raw + local.tm_gmtoff;
  };
  const auto matches = [&](std::time_t reading) {
    std::tm t{};
    gmtime_r(&reading, &t);
    return expression.matches(t);
  };
  std::vector<Time> out;
  std::set<std::time_t> shown;  // readings of the last two days
  for (SysSeconds t = from - std::chrono::hours{48}; t <= from + span; t += minutes{1}) {
    const std::time_t now = wall(t);
    const std::time_t before = wall(t - minutes{1});
    bool fire = false;
    if (now > before + 60) {  // jumped ahead: the skipped readings and this one
      for (std::time_t r = before + 60; r <= now; r += 60) {
        fire = fire || matches(r);
        shown.insert(r);
      }
    } else {
      fire = shown.insert(now).second && matches(now);
    }
    if (fire && t > from) out.push_back(t);
  }
  return out;
}

TEST(Cron, AgreesWithTheModel) {
  const std::uint64_t seed = 20261121;
  std::mt19937_64 random(seed);
  const struct {
    const char* zone;
    const char* from;  // two days before something happens
  } cases[] = {
      {"UTC", "2028-02-27T00:00:00Z"},
      {"UTC", "2026-12-29T00:00:00Z"},
      {"Europe/Berlin", "2026-03-27T00:00:00Z"},
      {"Europe/Berlin", "2026-10-23T00:00:00Z"},
      {"Europe/Dublin", "2026-10-23T00:00:00Z"},
      {"America/New_York", "2026-03-06T00:00:00Z"},
      {"America/New_York", "2026-10-30T00:00:00Z"},
      {"America/Santiago", "2026-09-04T00:00:00Z"},
      {"America/Santiago", "2026-04-03T00:00:00Z"},
      {"America/Nuuk", "2026-03-27T00:00:00Z"},
      {"Australia/Lord_Howe", "2026-04-03T00:00:00Z"},
      {"Australia/Lord_Howe", "2026-10-02T00:00:00Z"},
      {"Australia/Sydney", "2026-10-02T00:00:00Z"},
      {"Pacific/Chatham", "2026-09-25T00:00:00Z"},
      {"Pacific/Kiritimati", "2026-12-29T00:00:00Z"},
      {"Pacific/Apia", "2011-12-28T00:00:00Z"},
      {"Africa/Casablanca", "2026-02-13T00:00:00Z"},
      {"Africa/Cairo", "2026-04-22T00:00:00Z"},
      {"Asia/Gaza", "2026-10-22T00:00:00Z"},
      {"Asia/Kolkata", "2026-02-27T00:00:00Z"},
      {"Europe/Berlin", "2041-03-29T00:00:00Z"},
  };
  for (const auto& c : cases) {
    const TimeZone z = zone(c.zone);
    setenv("TZ", (std::string(":") + c.zone).c_str(), 1);
    tzset();
    for (int i = 0; i < 25; ++i) {
      const RandomCron expression(random);
      const CronSchedule schedule = cron(expression.text());
      const SysSeconds from =
          floor<seconds>(at(c.from)) + minutes{static_cast<int>(random() % 1440)};
      const minutes span{5 * 1440};
      std::vector<Time> got;
      for (auto t = schedule.next(from, z); t && *t <= from + span; t = schedule.next(*t, z)) {
        got.push_back(*t);
      }
      ASSERT_EQ(got, model(expression, from, span))
          << "seed " << seed << ", " << c.zone << ", \"" << expression.text() << "\" from "
          << format_time(from);
      // From any instant in between, the next tick is the same one.
      const Time middle = from + seconds{static_cast<int>(random() % (5 * 86400))};
      const auto want = std::upper_bound(got.begin(), got.end(), middle);
      if (want == got.end()) continue;
      ASSERT_EQ(schedule.next(middle, z), *want) << expression.text();
    }
    unsetenv("TZ");
    tzset();
  }
}

TEST(Cron, TicksBetweenKeepsTheLatestAndCountsTheRest) {
  const struct {
    const char* name;
    const char* expression;
    const char* after;
    const char* until;
    std::size_t keep;
    std::int64_t older;
    std::size_t latest;
    const char* earliest;  // "" = none
  } cases[] = {
      {"none due", "0 0 * * *", "2026-01-01T00:00:00Z", "2026-01-01T23:59:59Z", 5, 0, 0, ""},
      {"an empty interval", "* * * * *", "2026-01-01T01:00:00Z", "2026-01-01T00:00:00Z", 5, 0, 0,
       ""},
      {"one, at the end", "0 0 * * *", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z", 5, 0, 1,
       "2026-01-02T00:00:00Z"},
      {"exactly as many as kept", "* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T00:05:00Z", 5, 0,
       5, "2026-01-01T00:01:00Z"},
      {"a thousand, five kept", "* * * * *", "2026-01-01T00:00:00Z", "2026-01-01T16:40:00Z", 5, 995,
       5, "2026-01-01T00:01:00Z"},
      {"rare ticks", "0 0 29 2 *", "2020-03-01T00:00:00Z", "2029-01-01T00:00:00Z", 1, 1, 1,
       "2024-02-29T00:00:00Z"},
      {"@every over years", "@every 1s", "2020-01-01T00:00:00Z", "2030-01-01T00:00:00Z", 3,
       kMostCounted, 3, "2020-01-01T00:00:01Z"},
      {"an absurd clock", "* * * * *", "2026-01-01T00:00:00Z", "9000-01-01T00:00:00Z", 2,
       kMostCounted, 2, "2026-01-01T00:01:00Z"},
  };
  for (const auto& c : cases) {
    const TickSpan span = ticks_between(cron(c.expression), TimeZone(), at(c.after), at(c.after),
                                        at(c.until), c.keep);
    EXPECT_EQ(span.older, c.older) << c.name;
    EXPECT_EQ(span.latest.size(), c.latest) << c.name;
    EXPECT_EQ(span.earliest ? format_time(*span.earliest) : "", c.earliest) << c.name;
  }
}

TEST(Cron, PreviewReportsABadExpression) {
  EXPECT_EQ(preview("* * *", TimeZone(), at("2026-01-01T00:00:00Z"), 3).error().code,
            Code::Invalid);
  EXPECT_TRUE(preview("* * * * *", TimeZone(), at("2026-01-01T00:00:00Z"), 0)->empty());
}

TEST(Cron, AThousandSchedulesTakeNoTime) {
  // Not a timing test: walks a year of ticks of 1,000 schedules, which a minute-by-minute search
  // could not do within the time limit of the test.
  std::mt19937_64 random(5);
  const TimeZone berlin = zone("Europe/Berlin");
  std::int64_t sum = 0;
  for (int i = 0; i < 1000; ++i) {
    const CronSchedule schedule = cron(RandomCron(random).text());
    Time t = at("2026-01-01T00:00:00Z");
    for (int k = 0; k < 365; ++k) {
      const auto next = schedule.next(t, berlin);
      if (!next) break;
      ASSERT_GT(*next, t);
      t = *next;
      ++sum;
    }
  }
  EXPECT_GT(sum, 100'000);
}

}  // namespace
}  // namespace millrace::logic
