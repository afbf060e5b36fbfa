#include "kubeclient/base/metrics.h"

#include <array>
#include <cmath>
#include <cstdio>

#include "kubeclient/base/result.h"

namespace millrace {
namespace {

std::string number(double value) {
  if (std::isinf(value)) return value > 0 ? "+Inf" : "-Inf";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.9g", value);
  return text.data();
}

std::string escape(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  return out;
}

/// `{a="1",le="0.5"}`, or nothing for no labels.
std::string label_text(const MetricLabels& labels, std::string_view le = {}) {
  if (labels.empty() && le.empty()) return {};
  std::string out = "{";
  for (const auto& [key, value] : labels) {
    if (out.size() > 1) out += ',';
    out += key + "=\"" + escape(value) + '"';
  }
  if (!le.empty()) {
    if (out.size() > 1) out += ',';
    out += "le=\"" + std::string(le) + '"';
  }
  return out + '}';
}

}  // namespace

Histogram::Histogram(std::vector<double> bounds)
    : bounds_(std::move(bounds)), counts_(bounds_.size() + 1) {}

void Histogram::observe(double seconds) {
  std::size_t i = 0;
  while (i < bounds_.size() && seconds > bounds_[i]) ++i;
  counts_[i].fetch_add(1, std::memory_order_relaxed);
  if (seconds > 0) {
    sum_micros_.fetch_add(static_cast<std::uint64_t>(seconds * 1e6), std::memory_order_relaxed);
  }
}

double Histogram::sum() const {
  return static_cast<double>(sum_micros_.load(std::memory_order_relaxed)) / 1e6;
}

std::vector<double> latency_buckets() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

MetricsRegistry::Series& MetricsRegistry::find_or_add(Families& families, std::string_view name,
                                                      std::string_view help, Kind kind,
                                                      const MetricLabels& labels) {
  auto it = families.find(name);
  if (it == families.end()) {
    it = families.emplace(std::string(name), Family{kind, std::string(help), {}}).first;
  }
  MR_CHECK(it->second.kind == kind);
  for (const auto& series : it->second.series) {
    if (series->labels == labels) return *series;
  }
  it->second.series.push_back(std::make_unique<Series>());
  it->second.series.back()->labels = labels;
  return *it->second.series.back();
}

Counter& MetricsRegistry::counter(std::string_view name, std::string_view help,
                                  const MetricLabels& labels) {
  auto families = families_.lock();
  Series& series = find_or_add(*families, name, help, Kind::Counter, labels);
  if (!series.counter) series.counter = std::make_unique<Counter>();
  return *series.counter;
}

Gauge& MetricsRegistry::gauge(std::string_view name, std::string_view help,
                              const MetricLabels& labels) {
  auto families = families_.lock();
  Series& series = find_or_add(*families, name, help, Kind::Gauge, labels);
  if (!series.gauge) series.gauge = std::make_unique<Gauge>();
  return *series.gauge;
}

Histogram& MetricsRegistry::histogram(std::string_view name, std::string_view help,
                                      const MetricLabels& labels,
                                      const std::vector<double>& bounds) {
  auto families = families_.lock();
  Series& series = find_or_add(*families, name, help, Kind::Histogram, labels);
  if (!series.histogram) series.histogram = std::make_unique<Histogram>(bounds);
  return *series.histogram;
}

void MetricsRegistry::computed(std::string_view name, std::string_view help,
                               const MetricLabels& labels, std::function<double()> read) {
  auto families = families_.lock();
  find_or_add(*families, name, help, Kind::Computed, labels).computed = std::move(read);
}

std::string MetricsRegistry::text() const {
  // Computed gauges may lock: read them before taking our own lock. A series is never removed.
  std::vector<const Series*> computed;
  {
    const auto families = families_.lock();
    for (const auto& [name, family] : *families) {
      for (const auto& s : family.series) {
        if (s->computed) computed.push_back(s.get());
      }
    }
  }
  std::map<const Series*, double> values;
  for (const Series* s : computed) values[s] = s->computed();

  std::string out;
  const auto families = families_.lock();
  for (const auto& [name, family] : *families) {
    out += "# HELP " + name + ' ' + family.help + "\n# TYPE " + name + ' ';
    out += family.kind == Kind::Counter     ? "counter\n"
           : family.kind == Kind::Histogram ? "histogram\n"
                                            : "gauge\n";
    for (const auto& s : family.series) {
      const std::string labels = label_text(s->labels);
      if (s->counter) out += name + labels + ' ' + std::to_string(s->counter->value()) + '\n';
      if (s->gauge) out += name + labels + ' ' + std::to_string(s->gauge->value()) + '\n';
      if (const auto it = values.find(s.get()); it != values.end()) {
        out += name + labels + ' ' + number(it->second) + '\n';
      }
      if (!s->histogram) continue;
      std::uint64_t total = 0;
      const auto& bounds = s->histogram->bounds();
      for (std::size_t i = 0; i <= bounds.size(); ++i) {
        total += s->histogram->bucket(i);
        const std::string le = i < bounds.size() ? number(bounds[i]) : "+Inf";
        out += name + "_bucket" + label_text(s->labels, le) + ' ' + std::to_string(total) + '\n';
      }
      out += name + "_sum" + labels + ' ' + number(s->histogram->sum()) + '\n';
      out += name + "_count" + labels + ' ' + std::to_string(total) + '\n';
    }
  }
  return out;
}

}  // namespace millrace
