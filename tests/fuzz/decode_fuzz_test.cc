/// Whatever stands in a length of time, a cron expression, a JSON or a YAML text: reading ends, and
/// what was read is what writing it and reading it again gives.
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <iterator>
#include <string>

#include "controllers/logic/cron.h"
#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/json_writer.h"
#include "kubeclient/codec/yaml.h"
#include "tests/fuzz/mutator.h"

namespace millrace::fuzz {
namespace {

using codec::Value;
using std::chrono::seconds;

/// More of them by hand: MILLRACE_FUZZ_SEEDS=2000 build/dev/bin/decode_fuzz_test
std::uint64_t seeds() {
  const char* wanted = std::getenv("MILLRACE_FUZZ_SEEDS");
  return wanted == nullptr ? 30 : std::strtoull(wanted, nullptr, 10);
}

/// How many texts were read and how many refused; a test wants both.
struct Tally {
  std::size_t read = 0;
  std::size_t refused = 0;

  void expect_both() const {
    EXPECT_GT(read, seeds());
    EXPECT_GT(refused, seeds());
  }
};

template <std::size_t N>
std::string pick(Mutator& mutator, const char* const (&from)[N]) {
  return from[mutator.below(N)];
}

void damage_some(Mutator& mutator, std::string& text, std::size_t most) {
  for (std::size_t n = mutator.below(most + 1); n > 0; --n) mutator.damage(text);
}

/// Calls `one` with a mutator, many times a seed; stops at the first failure and says its seed.
template <class One>
void each(std::size_t times, const One& one) {
  for (std::uint64_t seed = 1; seed <= seeds(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Mutator mutator(seed);
    for (std::size_t n = 0; n < times; ++n) {
      one(mutator);
      if (testing::Test::HasFailure()) return;
    }
  }
}

// ---- Lengths of time

std::string duration_text(Mutator& mutator) {
  constexpr const char* kNumbers[] = {"0",
                                      "1",
                                      "90",
                                      "1.5",
                                      ".5",
                                      "5.",
                                      "007",
                                      "1e3",
                                      "",
                                      "292",
                                      "1.0000000001",
                                      "-3",
                                      "9223372036854775807",
                                      "99999999999999999999"};
  constexpr const char* kUnits[] = {"h", "m", "s", "ms", "us", "\xC2\xB5s", "ns", "d", "", " s"};
  constexpr const char* kSigns[] = {"", "", "", "-", "+", "--"};
  std::string text = pick(mutator, kSigns);
  for (std::size_t n = mutator.below(4) + 1; n > 0; --n) {
    text += pick(mutator, kNumbers) + pick(mutator, kUnits);
  }
  return text;
}

TEST(DurationFuzz, WhatIsReadReadsBackEqualAndTheRestIsRefusedWithAReason) {
  Tally tally;
  each(300, [&](Mutator& mutator) {
    std::string text = duration_text(mutator);
    if (mutator.chance(3)) damage_some(mutator, text, 3);
    SCOPED_TRACE(text);
    const auto read = parse_duration(text);
    if (!read.ok()) {
      ++tally.refused;
      EXPECT_EQ(read.error().code, Code::Invalid);
      EXPECT_FALSE(read.error().message.empty());
      return;
    }
    ++tally.read;
    const auto again = parse_duration(format_duration(*read));
    ASSERT_TRUE(again.ok()) << format_duration(*read);
    EXPECT_EQ(again->count(), read->count());
    EXPECT_FALSE(human_duration(*read).empty());
  });
  tally.expect_both();
}

TEST(DurationFuzz, EveryLengthIsWrittenSoThatItReadsBackEqual) {
  each(300, [](Mutator& mutator) {
    auto count = static_cast<std::int64_t>(std::uint64_t{mutator.below(SIZE_MAX)});
    count >>= mutator.below(64);  // of all sizes
    const Duration length{count};
    const auto read = parse_duration(format_duration(length));
    ASSERT_TRUE(read.ok()) << format_duration(length) << ": " << read.error().message;
    EXPECT_EQ(read->count(), count);
  });
}

// ---- Cron

std::string cron_field(Mutator& mutator) {
  constexpr const char* kValues[] = {"0",  "1",   "5",   "12",  "23", "28", "29", "30", "31", "59",
                                     "60", "jan", "FEB", "sun", "6",  "7",  "x",  "-1", "00", ""};
  std::string text;
  for (std::size_t n = mutator.below(3) + 1; n > 0; --n) {
    if (!text.empty()) text += ",";
    text += mutator.chance(3) ? "*" : mutator.chance(12) ? "?" : pick(mutator, kValues);
    if (mutator.chance(4)) text += "-" + pick(mutator, kValues);
    if (mutator.chance(4)) text += "/" + std::to_string(mutator.below(70));
  }
  return text;
}

std::string cron_text(Mutator& mutator) {
  constexpr const char* kDescriptors[] = {"@yearly", "@monthly", "@weekly", "@daily",
                                          "@hourly", "@reboot",  "@every"};
  if (mutator.chance(4)) return "@every " + duration_text(mutator);
  if (mutator.chance(8)) return pick(mutator, kDescriptors);
  std::string text;
  for (std::size_t n = mutator.chance(12) ? 4 : 5; n > 0; --n) {
    // Mostly plain fields, so that many expressions are good ones.
    text += (text.empty() ? "" : " ") +
            (mutator.chance(2) ? "*" : std::to_string(mutator.below(28) + 1));
    if (mutator.chance(3)) text = text.substr(0, text.rfind(' ') + 1) + cron_field(mutator);
  }
  return text;
}

TEST(CronFuzz, TicksGoForwardAndCountingThemIsWalkingThem) {
  Tally tally;
  const logic::TimeZone utc;
  each(60, [&](Mutator& mutator) {
    std::string text = cron_text(mutator);
    if (mutator.chance(4)) damage_some(mutator, text, 2);
    SCOPED_TRACE(text);
    const auto cron = logic::CronSchedule::parse(text);
    if (!cron.ok()) {
      ++tally.refused;
      EXPECT_EQ(cron.error().code, Code::Invalid);
      EXPECT_FALSE(cron.error().message.empty());
      return;
    }
    ++tally.read;
    const Time begin{seconds(1'700'000'000 + static_cast<int>(mutator.below(100'000'000)))};
    Time at = begin;
    std::size_t walked = 0;
    for (; walked < 20; ++walked) {
      const auto tick = cron->next(at, utc, begin);
      if (!tick) break;
      ASSERT_GT(*tick, at);
      EXPECT_EQ(tick->time_since_epoch() % seconds(1), Duration::zero());
      EXPECT_EQ(cron->next(*tick - seconds(1), utc, begin), tick);
      at = *tick;
    }
    const auto span = logic::ticks_between(*cron, utc, begin, begin, at, 7);
    EXPECT_EQ(span.latest.size() + static_cast<std::size_t>(span.older), walked);
    EXPECT_EQ(span.earliest, walked == 0 ? std::nullopt : cron->next(begin, utc, begin));
    if (walked > 0) {
      EXPECT_EQ(span.latest.back(), at);
    }
  });
  tally.expect_both();
}

// ---- Documents

constexpr const char* kPipeline = R"(apiVersion: millrace.dev/v1
kind: Pipeline
metadata: {name: demo, labels: {a: "b"}}
spec:
  params: [{name: p, type: integer, default: 3}, {name: q, enum: [x, y]}]
  concurrency: {group: "g-{{ params.p }}", limit: 2, onConflict: Queue}
  triggers: [{type: webhook, params: {q: trigger.body.q}}]
  steps:
    - &first
      name: one
      container: {image: "busybox:1.36", command: [sh, -c, 'echo "a=1" > x'], env: [{name: A, value: "1"}]}
      retry: {limit: 3, on: [Failed], backoff: {initial: 5s, factor: 2, max: 1m}}
    - {name: two, dependsOn: [one], when: steps.one.outputs.a > 0, timeout: 10m,
       http: {url: "https://example.org/{{ params.q }}", body: {k: [1, 2.5, null, true]}, headers: [{name: A, value: b}]}}
    - {name: three, approval: {message: "go?", expires: 24h}}
    - {name: four, wait: {duration: 90s}, matrix: {params: {r: [eu, us]}, maxParallel: 1}}
    - name: five
      manifest:
        object: {apiVersion: v1, kind: ConfigMap, metadata: {name: c}}
        success: |-
          object.data.text != '' &&
            true
  finally: [{name: last, pipeline: {name: other, params: {p: 1}}}]
)";

constexpr const char* kRun =
    R"({"apiVersion":"millrace.dev/v1","kind":"PipelineRun","metadata":{"name":"r-1",
"namespace":"default","uid":"u","creationTimestamp":"2026-11-21T10:00:00Z","ownerReferences":[{"apiVersion":
"millrace.dev/v1","kind":"Pipeline","name":"demo","uid":"p","controller":true}]},"spec":{"refPipeline":"demo",
"params":{"p":3,"q":"x","l":[1,2.5,"\u00e9\ud83d\ude00"],"o":{}},"maxRetryCount":2,"timeout":"1h","approvals":[
{"step":"three","decision":"Approve","by":"a"}]},"status":{"conditions":[{"type":"Succeeded","status":"Unknown",
"lastTransitionTime":"2026-11-21T10:00:01Z","reason":"Running","message":""}],"startTime":"2026-11-21T10:00:01Z",
"stepStates":[{"name":"one","state":"Running","attempt":2,"exitCode":-1,"outputs":{"a":"1"}}],"stepsCompleted":1}})";

std::string yaml_base(Mutator& mutator) {
  std::string text = kPipeline;
  if (mutator.chance(4)) text += "---\n" + std::string(kPipeline);
  if (mutator.chance(4)) text += "    - *first\n";
  return text;
}

TEST(YamlFuzz, EveryFileIsReadAndWrittenBackEqualOrRefusedWithItsPlace) {
  Tally tally;
  each(40, [&](Mutator& mutator) {
    std::string text = yaml_base(mutator);
    damage_some(mutator, text, 4);
    SCOPED_TRACE(text);
    const auto documents = codec::parse_yaml_documents(text, "f.yaml");
    if (!documents.ok()) {
      ++tally.refused;
      EXPECT_EQ(documents.error().code, Code::Invalid);
      EXPECT_TRUE(documents.error().message.starts_with("f.yaml:")) << documents.error().message;
      return;
    }
    ++tally.read;
    for (const codec::YamlDocument& document : *documents) {
      EXPECT_GT(document.line_of("spec.steps[1].http.url"), 0);
      const std::string written = codec::to_yaml(document.value);
      const auto again = codec::parse_yaml_documents(written);
      ASSERT_TRUE(again.ok()) << again.error().message << "\n" << written;
      if (document.value.is_null() || again->empty()) continue;
      EXPECT_TRUE(again->front().value == document.value) << written;
    }
  });
  tally.expect_both();
}

/// `text` as a T: leniently, as answers of servers are read, and strictly, as files of people are.
template <class T>
void read_as(const std::string& text, Tally& tally) {
  codec::JsonReader strict(codec::JsonReader::Mode::Strict);
  T from_file;
  for (const codec::FieldError& error : strict.read(text, from_file)) {
    EXPECT_FALSE(error.message.empty());
  }
  const auto read = codec::decode<T>(text);
  if (!read.ok()) {
    ++tally.refused;
    EXPECT_FALSE(read.error().message.empty());
    return;
  }
  ++tally.read;
  const std::string written = codec::encode(*read);
  const auto again = codec::decode<T>(written);
  ASSERT_TRUE(again.ok()) << again.error().message << "\n" << written;
  EXPECT_EQ(codec::encode(*again), written);
}

TEST(JsonFuzz, EveryTextIsReadAndWrittenBackEqualOrRefused) {
  Tally values;
  Tally pipelines;
  Tally runs;
  const Value pipeline = codec::parse_yaml_documents(kPipeline)->front().value;
  const Value run = *Value::parse(kRun);
  each(40, [&](Mutator& mutator) {
    const bool of_run = mutator.chance(2);
    Value document = of_run ? run : pipeline;
    for (std::size_t n = mutator.below(4); n > 0; --n) mutator.change(document);
    std::string text = mutator.chance(3) ? document.pretty() : document.dump();
    if (mutator.chance(2)) damage_some(mutator, text, 3);
    SCOPED_TRACE(text);
    of_run ? read_as<crds::PipelineRun>(text, runs) : read_as<crds::Pipeline>(text, pipelines);
    const auto value = Value::parse(text);
    if (!value.ok()) {
      ++values.refused;
      EXPECT_EQ(value.error().code, Code::Malformed);
      return;
    }
    ++values.read;
    for (const std::string& written : {value->dump(), value->pretty()}) {
      const auto again = Value::parse(written);
      ASSERT_TRUE(again.ok()) << again.error().message << "\n" << written;
      EXPECT_TRUE(*again == *value) << written;
    }
  });
  values.expect_both();
  pipelines.expect_both();
  runs.expect_both();
}

}  // namespace
}  // namespace millrace::fuzz
