/// Counters, gauges and histograms, written out as Prometheus text.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "kubeclient/base/guarded.h"

namespace millrace {

/// Label names with their values; keep values bounded (never a run's or a pod's name).
using MetricLabels = std::vector<std::pair<std::string, std::string>>;

/// A value that only grows. Safe from any thread.
class Counter {
 public:
  void add(std::uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> value_{0};
};

/// A value that goes up and down. Safe from any thread.
class Gauge {
 public:
  void set(std::int64_t n) { value_.store(n, std::memory_order_relaxed); }
  void add(std::int64_t n) { value_.fetch_add(n, std::memory_order_relaxed); }
  std::int64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::int64_t> value_{0};
};

/// Observations in fixed buckets [s]. Safe from any thread.
class Histogram {
 public:
  /// `bounds` ascending; one more bucket, +Inf, follows them.
  explicit Histogram(std::vector<double> bounds);
  void observe(double seconds);
  const std::vector<double>& bounds() const { return bounds_; }
  std::uint64_t bucket(std::size_t i) const { return counts_[i].load(std::memory_order_relaxed); }
  double sum() const;

 private:
  std::vector<double> bounds_;
  std::vector<std::atomic<std::uint64_t>> counts_;
  std::atomic<std::uint64_t> sum_micros_{0};
};

/// Buckets from 1 ms to 60 s, for latencies.
std::vector<double> latency_buckets();

/// Own all metrics of a process. References handed out live as long as the registry.
/// The same name and labels give the same object again. Safe from any thread.
class MetricsRegistry {
 public:
  Counter& counter(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Gauge& gauge(std::string_view name, std::string_view help, const MetricLabels& labels = {});
  Histogram& histogram(std::string_view name, std::string_view help,
                       const MetricLabels& labels = {},
                       const std::vector<double>& bounds = latency_buckets());
  /// A gauge computed when the metrics are read. `read` may be called from any thread.
  void computed(std::string_view name, std::string_view help, const MetricLabels& labels,
                std::function<double()> read);

  /// Everything in the Prometheus text format 0.0.4, families sorted by name.
  std::string text() const;

 private:
  enum class Kind { Counter, Gauge, Histogram, Computed };
  struct Series {
    MetricLabels labels;
    std::unique_ptr<Counter> counter;
    std::unique_ptr<Gauge> gauge;
    std::unique_ptr<Histogram> histogram;
    std::function<double()> computed;
  };
  struct Family {
    Kind kind;
    std::string help;
    std::vector<std::unique_ptr<Series>> series;
  };
  using Families = std::map<std::string, Family, std::less<>>;

  static Series& find_or_add(Families& families, std::string_view name, std::string_view help,
                             Kind kind, const MetricLabels& labels);

  Guarded<Families> families_;
};

}  // namespace millrace
