/// Question: what does one evaluation cost a reconcile? A step has about ten templates, and the
/// 2,000 steps of a large run are planned in 10 ms: an evaluation should stay below a microsecond
/// or two.
#include <benchmark/benchmark.h>

#include "controllers/expression/evaluate.h"

namespace millrace::expression {
namespace {

const codec::Value& steps_value() {
  static const codec::Value value = *codec::Value::parse(
      R"({"fetch":{"outputs":{"rows":"12","region":"eu"},"response":{"status":200,
          "body":{"items":[{"id":1,"name":"one"},{"id":2,"name":"two"}]}}}})");
  return value;
}

RootScope scope_of() {
  RootScope scope;
  scope.set("steps", steps_value());
  return scope;
}

void evaluate_text(benchmark::State& state, const std::string& text) {
  const RootScope scope = scope_of();
  const Template parsed = *Template::parse(text);
  for (auto _ : state) benchmark::DoNotOptimize(evaluate(parsed, scope).ok());
}
BENCHMARK_CAPTURE(evaluate_text, plain_text, "no expression at all");
BENCHMARK_CAPTURE(evaluate_text, path, "{{ steps.fetch.outputs.rows }}");
BENCHMARK_CAPTURE(evaluate_text, joined, "https://x/{{ steps.fetch.outputs.region }}/items");
BENCHMARK_CAPTURE(
    evaluate_text, condition,
    "{{ steps.fetch.outputs.rows | int > 0 && steps.fetch.outputs.region in ['eu'] }}");
BENCHMARK_CAPTURE(evaluate_text, to_json, "{{ steps.fetch.response.body | toJson }}");

void parse_text(benchmark::State& state, const std::string& text) {
  for (auto _ : state) benchmark::DoNotOptimize(Template::parse(text).ok());
}
BENCHMARK_CAPTURE(parse_text, path, "{{ steps.fetch.outputs.rows }}");
BENCHMARK_CAPTURE(
    parse_text, condition,
    "{{ steps.fetch.outputs.rows | int > 0 && steps.fetch.outputs.region in ['eu'] }}");

/// A container's body, as it is when a step begins.
void render_container(benchmark::State& state) {
  const RootScope scope = scope_of();
  const codec::Value body = *codec::Value::parse(
      R"({"image":"tool:1","command":["run","--rows","{{ steps.fetch.outputs.rows }}"],
          "env":[{"name":"REGION","value":"{{ steps.fetch.outputs.region }}"},
                 {"name":"PLAIN","value":"text"}]})");
  for (auto _ : state) benchmark::DoNotOptimize(render(body, scope).ok());
}
BENCHMARK(render_container);

}  // namespace
}  // namespace millrace::expression
