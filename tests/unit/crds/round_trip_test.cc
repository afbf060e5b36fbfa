#include <gtest/gtest.h>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/controller_revision.h"
#include "kubeclient/api/deployment.h"
#include "kubeclient/api/event.h"
#include "kubeclient/api/job.h"
#include "kubeclient/api/lease.h"
#include "kubeclient/api/pod.h"
#include "kubeclient/codec/json_reader.h"
#include "kubeclient/codec/json_writer.h"
#include "tests/support/random_value.h"

namespace millrace {
namespace {

template <class T>
class RoundTrip : public testing::Test {};
using Kinds =
    testing::Types<crds::Pipeline, crds::PipelineRun, api::Pod, api::Job, api::Deployment,
                   api::Service, api::ControllerRevision, api::Lease, api::Event, api::Status>;
TYPED_TEST_SUITE(RoundTrip, Kinds);

TYPED_TEST(RoundTrip, WhatIsWrittenReadsBackEqual) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    const auto value = test::RandomValue(seed).make<TypeParam>();
    const std::string text = codec::encode(value);
    const auto back = codec::decode<TypeParam>(text);
    ASSERT_TRUE(back.ok()) << "seed " << seed << ": " << back.error().message << "\n" << text;
    ASSERT_TRUE(*back == value) << "seed " << seed << "\n" << text << "\n" << codec::encode(*back);
  }
}

TYPED_TEST(RoundTrip, DamagedTextGivesAValueOrAnErrorAndNothingElse) {
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    test::RandomValue random(seed);
    std::string text = codec::encode(random.make<TypeParam>());
    for (auto n = 1 + random.below(4); n > 0 && !text.empty(); --n) {
      const auto at = static_cast<std::size_t>(random.below(text.size()));
      switch (random.below(4)) {
        case 0:
          text[at] = static_cast<char>(random.below(256));
          break;
        case 1:
          text.erase(at, 1 + random.below(8));
          break;
        case 2:
          text.insert(at, text.substr(at / 2, random.below(16)));
          break;
        default:
          text.insert(at, 1, "{}[]\",:0-e\\"[random.below(11)]);
      }
    }
    const auto decoded = codec::decode<TypeParam>(text);
    if (!decoded.ok()) {
      ++refused;
      EXPECT_EQ(decoded.error().code, Code::Malformed) << "seed " << seed;
      EXPECT_FALSE(decoded.error().message.empty()) << "seed " << seed;
    }
    TypeParam out{};
    codec::JsonReader strict(codec::JsonReader::Mode::Strict);
    (void)strict.read(text, out);
    (void)codec::Value::parse(text).ok();
  }
  EXPECT_GT(refused, 30);
}

}  // namespace
}  // namespace millrace
