/// Question: what does it cost to make the JSON patch that writes a run's status, and to read the
/// answer, without any network? An API server needs milliseconds for it: a hundredth is our share.
#include <benchmark/benchmark.h>

#include <string>

#include "bench/micro/allocations.h"
#include "controllers/shell/act.h"
#include "crds/pipeline_run.h"
#include "kubeclient/codec/json_writer.h"

namespace millrace::shell {
namespace {

/// Answers with the object that a test server would have stored.
class Echo final : public client::Reader, public client::Writer, public WriteObserver {
 public:
  explicit Echo(std::string answer) : answer_(std::move(answer)) {}
  Result<std::string> get_text(const api::ApiResource&, const ObjectKey&,
                               const client::CallOptions&) override {
    return answer_;
  }
  Result<std::string> list_text(const api::ApiResource&, const std::string&,
                                const client::ListOptions&, const client::CallOptions&) override {
    return answer_;
  }
  Result<std::unique_ptr<client::ByteStream>> watch(const api::ApiResource&, const std::string&,
                                                    const client::WatchOptions&,
                                                    const client::CallOptions&) override {
    return fail(Code::Invalid, "not served");
  }
  Result<std::string> create_text(const api::ApiResource&, const std::string&, std::string_view,
                                  const client::CallOptions&) override {
    return answer_;
  }
  Result<std::string> replace_text(const api::ApiResource&, const ObjectKey&, std::string_view,
                                   const std::string&, const client::CallOptions&) override {
    return answer_;
  }
  Result<std::string> patch_text(const api::ApiResource&, const ObjectKey&, client::PatchType,
                                 std::string_view body, const client::PatchOptions&,
                                 const client::CallOptions&) override {
    bytes = body.size();
    return answer_;
  }
  Result<std::string> delete_text(const api::ApiResource&, const ObjectKey&,
                                  const client::DeleteOptions&,
                                  const client::CallOptions&) override {
    return answer_;
  }
  std::optional<Version> wrote(const api::ApiResource&, const std::string&) override {
    return Version{"812346", 1};  // as a cache that has read it
  }

  std::size_t bytes = 0;  ///< of the last patch

 private:
  std::string answer_;
};

crds::PipelineRun run_of(int steps) {
  crds::PipelineRun run;
  run.metadata.ns = "team-a";
  run.metadata.name = "nightly-run-6920f3c0";
  run.metadata.uid = "5f2b5c1e-1111-4000-8000-000000100000";
  run.metadata.resource_version = "812345";
  const Time at{std::chrono::seconds(1'795'000'000)};
  run.status.observed_generation = 1;
  run.status.pipeline_revision = "nightly-6a0d4a3700";
  run.status.start_time = at;
  run.status.steps = "0/" + std::to_string(steps);
  for (int i = 0; i < steps; ++i) {
    crds::StepState& state = run.status.step_states.emplace_back();
    state.name = "step-" + std::to_string(i);
    state.state = crds::StepPhase::Succeeded;
    state.attempt = 1;
    state.exit_code = 0;
    state.started_at = state.finished_at = at;
    state.job_name = run.metadata.name + "-step-" + std::to_string(i) + "-2936db862a";
    state.pod_name = state.job_name + "-6ef20";
  }
  return run;
}

void write_status(benchmark::State& state) {
  const crds::PipelineRun run = run_of(static_cast<int>(state.range(0)));
  Echo server(codec::encode(run));
  Actor actor(server, server, server);
  const bench::AllocationCount count;
  for (auto _ : state) {
    const auto done =
        actor.write_status(crds::PipelineRun::kResource, {run.metadata.ns, run.metadata.name},
                           run.metadata.resource_version, codec::encode(run.status), {});
    if (!done.ok()) state.SkipWithError("not written");
  }
  count.report(state);
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(server.bytes));
}
BENCHMARK(write_status)->Arg(3)->Arg(200)->Arg(2000);

/// The status alone, as text.
void encode_status(benchmark::State& state) {
  const crds::PipelineRun run = run_of(static_cast<int>(state.range(0)));
  std::size_t bytes = 0;
  const bench::AllocationCount count;
  for (auto _ : state) {
    const std::string text = codec::encode(run.status);
    bytes = text.size();
    benchmark::DoNotOptimize(text.data());
  }
  count.report(state);
  state.SetItemsProcessed(state.iterations());
  state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(bytes));
}
BENCHMARK(encode_status)->Arg(3)->Arg(200)->Arg(2000);

}  // namespace
}  // namespace millrace::shell
