#include "controllers/logic/names.h"

#include <gtest/gtest.h>

#include <set>

#include "controllers/logic/labels.h"

namespace millrace::logic {
namespace {

const std::string kLong(120, 'a');

TEST(Names, StayWithinTheirLimits) {
  const struct {
    const char* name;
    std::string got;
    std::size_t limit;
  } cases[] = {
      {"short Job", job_name("r", "u", "batch", 1), 57},
      {"long Job", job_name(kLong, "u", "batch", 1000), 57},
      {"pod of a long Job", pod_name(job_name(kLong, "u", "batch", 1), "ju"), 63},
      {"label", label_value(kLong), 63},
      {"Deployment", deployment_name(kLong, "reader"), 63},
      {"revision", revision_name(std::string(250, 'p'), "u", "{}"), 253},
      {"cut at a dot", label_value(std::string(53, 'a') + "....." + kLong), 63},
  };
  for (const auto& c : cases) {
    EXPECT_LE(c.got.size(), c.limit) << c.name;
    EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c.got.front()))) << c.name << c.got;
    EXPECT_TRUE(std::isalnum(static_cast<unsigned char>(c.got.back()))) << c.name << c.got;
    EXPECT_EQ(c.got.find(".-"), std::string::npos) << c.name << c.got;
  }
}

TEST(Names, HaveTheShapeThatTheSpecAsksFor) {
  const std::string job = job_name("nightly", "uid", "batch", 1);
  EXPECT_EQ(job.substr(0, 14), "nightly-build-");
  EXPECT_EQ(job.size(), 20u);
  EXPECT_EQ(pod_name(job, "x").substr(0, 21), job + "-");
  EXPECT_EQ(pod_name(job, "x").size(), 26u);
  EXPECT_EQ(deployment_name("live", "reader"), "live-deploy-reader");
  EXPECT_EQ(container_name("clean"), "build-step-clean");
}

TEST(Names, DifferWheneverTheirOwnersDo) {
  std::set<std::string> names;
  std::size_t count = 0;
  for (const char* run : {"r", "r2"}) {
    for (const char* uid : {"u1", "u2"}) {
      for (int attempt = 1; attempt <= 5; ++attempt) {
        names.insert(job_name(run, uid, "batch", attempt));
        ++count;
      }
    }
  }
  EXPECT_EQ(names.size(), count);
  EXPECT_EQ(job_name("r", "u1", "batch", 1), job_name("r", "u1", "batch", 1));
  EXPECT_NE(job_name(kLong + "1", "u", "batch", 1).substr(0, 44),
            job_name(kLong + "2", "u", "batch", 1).substr(0, 44))
      << "long names that differ only at the end";
}

TEST(Labels, WhatIsInherited) {
  EXPECT_EQ(inherited_labels({{"team", "x"},
                              {"controller-uid", "evil"},
                              {"batch.kubernetes.io/job-name", "evil"},
                              {"millrace.dev/run", "evil"}}),
            (std::map<std::string, std::string>{{"team", "x"}}));
  EXPECT_EQ(inherited_annotations({{"note", "x"},
                                   {"kubectl.kubernetes.io/last-applied-configuration", "{}"},
                                   {"millrace.dev/stop", "evil"}}),
            (std::map<std::string, std::string>{{"note", "x"}}));
  EXPECT_EQ(workload_labels({{"pipeline", "evil"}, {"team", "x"}}, "p", "r", "app"),
            (std::map<std::string, std::string>{
                {"k8s-app", "app"}, {"pipeline", "p"}, {"pipeline-run", "r"}, {"team", "x"}}));
}

TEST(Labels, Finalizers) {
  EXPECT_TRUE(is_our_finalizer("finalizer.ljchen.net"));
  EXPECT_TRUE(is_our_finalizer("millrace.dev/x"));
  EXPECT_FALSE(is_our_finalizer("foregroundDeletion"));
}

}  // namespace
}  // namespace millrace::logic
