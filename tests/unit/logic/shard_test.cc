#include "controllers/logic/shard.h"

#include <gtest/gtest.h>

#include <array>

namespace millrace::logic {
namespace {

crds::PipelineRun run(const std::string& uid) {
  crds::PipelineRun out;
  out.metadata.ns = "ns";
  out.metadata.name = "r";
  out.metadata.uid = uid;
  out.spec.ref_pipeline = "p";
  return out;
}

TEST(ShardName, PutsTogetherWhoDecidesByLookingAtOthers) {
  crds::Pipeline plain, grouped, stream;
  grouped.spec.concurrency.emplace();
  stream.spec.stream_job.emplace();
  EXPECT_EQ(shard_name(run("u"), &plain), "u");
  EXPECT_EQ(shard_name(run("u"), nullptr), "u");
  EXPECT_EQ(shard_name(run("u"), &grouped), "ns");
  EXPECT_EQ(shard_name(run("u"), &stream), "ns/p");
  crds::PipelineRun joined = run("u");
  joined.status.concurrency_group = "g";
  EXPECT_EQ(shard_name(joined, &plain), "ns") << "the Pipeline was edited since";
  crds::PipelineRun left_over = run("u");
  left_over.status.cluster.emplace().deployment_names = {"p-web"};
  EXPECT_EQ(shard_name(left_over, nullptr), "ns/p") << "its Pipeline is gone";
}

TEST(ShardName, OfARunThatHasStartedStaysWhenItsPipelineIsEdited) {
  crds::Pipeline grouped, stream;
  grouped.spec.concurrency.emplace();
  stream.spec.stream_job.emplace();
  crds::PipelineRun started = run("u");
  started.status.start_time = Time{};
  EXPECT_EQ(shard_name(started, &grouped), "u");
  EXPECT_EQ(shard_name(started, &stream), "u");
  started.status.concurrency_group = "g";
  EXPECT_EQ(shard_name(started, nullptr), "ns");
  started.status.concurrency_group.clear();
  started.status.cluster.emplace().deployment_names = {"p-web"};
  EXPECT_EQ(shard_name(started, &grouped), "ns/p");
}

TEST(ShardOf, IsTheSameInAllReleases) {
  // Changing these makes replicas of two releases own the same runs during a rollout.
  EXPECT_EQ(shard_of("", 16), 11);
  EXPECT_EQ(shard_of("ns", 16), 7);
  EXPECT_EQ(shard_of("4f1b8f6e-6d4c-4f7e-9a8e-0d9a3c0c2f11", 16), 3);
}

TEST(ShardOf, SpreadsUids) {
  std::array<int, 3> count{};
  for (int i = 0; i < 3000; ++i) {
    ++count[static_cast<std::size_t>(
        shard_of("4f1b8f6e-6d4c-4f7e-9a8e-0000000" + std::to_string(10000 + i), 3))];
  }
  for (const int each : count) EXPECT_NEAR(each, 1000, 100);
}

}  // namespace
}  // namespace millrace::logic
