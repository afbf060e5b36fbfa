/// Question: what does the next tick of a schedule cost? 1,000 schedules that fire in the same
/// minute are asked for it a few times each: 10 us would be a percent of a processor.
#include <benchmark/benchmark.h>

#include <fstream>
#include <iterator>
#include <string>

#include "controllers/logic/cron.h"
#include "controllers/logic/time_zone.h"

namespace millrace::logic {
namespace {

TimeZone zone_of(const std::string& name) {
  std::ifstream file("/usr/share/zoneinfo/" + name, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  return *TimeZone::parse(name, bytes);
}

void next_tick(benchmark::State& state, const std::string& expression, const std::string& zone) {
  const CronSchedule schedule = *CronSchedule::parse(expression);
  const TimeZone where = zone_of(zone);
  const Time start{std::chrono::seconds(1'795'000'000)};
  Time at = start;
  for (auto _ : state) {
    const auto next = schedule.next(at, where);
    at = next.value_or(start);
    benchmark::DoNotOptimize(at);
  }
}
BENCHMARK_CAPTURE(next_tick, each_minute_utc, "* * * * *", "Etc/UTC");
BENCHMARK_CAPTURE(next_tick, each_minute_berlin, "* * * * *", "Europe/Berlin");
BENCHMARK_CAPTURE(next_tick, workdays_berlin, "30 6 * * 1-5", "Europe/Berlin");
BENCHMARK_CAPTURE(next_tick, leap_day_berlin, "0 0 29 2 *", "Europe/Berlin");

void parse(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(CronSchedule::parse("30 6 * * 1-5").ok());
}
BENCHMARK(parse);

}  // namespace
}  // namespace millrace::logic
