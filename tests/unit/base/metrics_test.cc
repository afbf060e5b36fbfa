#include "kubeclient/base/metrics.h"

#include <gtest/gtest.h>

#include <thread>

#include "kubeclient/base/result.h"

namespace millrace {
namespace {

TEST(Metrics, TextFormat) {
  MetricsRegistry registry;
  registry.counter("mr_b_total", "Things.", {{"verb", "get"}, {"code", "200"}}).add(3);
  registry.counter("mr_b_total", "Things.", {{"verb", "get"}, {"code", "404"}}).add();
  registry.gauge("mr_a", "Level.").set(-7);
  registry.computed("mr_c", "Computed.", {}, [] { return 1.5; });
  EXPECT_EQ(registry.text(),
            "# HELP mr_a Level.\n"
            "# TYPE mr_a gauge\n"
            "mr_a -7\n"
            "# HELP mr_b_total Things.\n"
            "# TYPE mr_b_total counter\n"
            "mr_b_total{verb=\"get\",code=\"200\"} 3\n"
            "mr_b_total{verb=\"get\",code=\"404\"} 1\n"
            "# HELP mr_c Computed.\n"
            "# TYPE mr_c gauge\n"
            "mr_c 1.5\n");
}

TEST(Metrics, HistogramCountsUpwards) {
  MetricsRegistry registry;
  Histogram& h = registry.histogram("mr_h_seconds", "Time.", {{"q", "x"}}, {0.1, 1});
  for (const double seconds : {0.05, 0.1, 0.5, 7.0, -1.0}) h.observe(seconds);
  EXPECT_EQ(registry.text(),
            "# HELP mr_h_seconds Time.\n"
            "# TYPE mr_h_seconds histogram\n"
            "mr_h_seconds_bucket{q=\"x\",le=\"0.1\"} 3\n"
            "mr_h_seconds_bucket{q=\"x\",le=\"1\"} 4\n"
            "mr_h_seconds_bucket{q=\"x\",le=\"+Inf\"} 5\n"
            "mr_h_seconds_sum{q=\"x\"} 7.65\n"
            "mr_h_seconds_count{q=\"x\"} 5\n");
}

TEST(Metrics, LabelValuesAreEscaped) {
  MetricsRegistry registry;
  registry.gauge("mr_g", "G.", {{"v", "a\"b\\c\nd"}}).set(1);
  EXPECT_NE(registry.text().find(R"(mr_g{v="a\"b\\c\nd"} 1)"), std::string::npos);
}

TEST(Metrics, SameNameAndLabelsAreTheSameObject) {
  MetricsRegistry registry;
  Counter& a = registry.counter("mr_x_total", "X.", {{"k", "1"}});
  EXPECT_EQ(&a, &registry.counter("mr_x_total", "X.", {{"k", "1"}}));
  EXPECT_NE(&a, &registry.counter("mr_x_total", "X.", {{"k", "2"}}));
  EXPECT_THROW(registry.gauge("mr_x_total", "X."), BugError);
}

TEST(Metrics, ComputedMayUseTheRegistry) {
  MetricsRegistry registry;
  Gauge& g = registry.gauge("mr_g", "G.");
  g.set(4);
  registry.computed("mr_c", "C.", {},
                    [&] { return static_cast<double>(registry.gauge("mr_g", "G.").value()); });
  EXPECT_NE(registry.text().find("mr_c 4\n"), std::string::npos);
}

TEST(Metrics, CountsFromManyThreads) {
  MetricsRegistry registry;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (int k = 0; k < 1000; ++k) {
          registry.counter("mr_n_total", "N.").add();
          registry.histogram("mr_h_seconds", "H.").observe(0.001);
          if (k % 250 == 0) (void)registry.text();
        }
      });
    }
  }
  EXPECT_EQ(registry.counter("mr_n_total", "N.").value(), 4000U);
  EXPECT_NE(registry.text().find("mr_h_seconds_count 4000\n"), std::string::npos);
}

}  // namespace
}  // namespace millrace
