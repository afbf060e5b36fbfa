#include "local/mode/local_mode.h"

#include <gtest/gtest.h>

#include "kubeclient/base/log.h"
#include "kubeclient/base/metrics.h"
#include "local/mode/data_dir.h"
#include "local/mode/run_files.h"
#include "tests/support/temporary_folder.h"

namespace millrace::mode {
namespace {

using std::chrono::seconds;

constexpr const char* kPipeline = R"(
apiVersion: millrace.dev/v1
kind: Pipeline
metadata: {name: p}
spec:
  batchJob:
    processors:
      - {name: one, image: any, command: [sh, -c, "echo first > /workspace/x; echo said"]}
      - {name: two, image: any, command: [sh, -c, "cat /workspace/x; exit CODE"]}
)";

/// One process's worth of local mode, with the process runtime.
class LocalModeTest : public testing::Test {
 protected:
  LocalModeTest() : helpers_(Helpers::fork_off().value()) {}

  std::unique_ptr<LocalMode> start(std::optional<std::string> listen = {}) {
    ModeOptions options;
    options.data_dir = folder_.path();
    options.listen = std::move(listen);
    options.runtime = executor::Runtime::Process;
    auto started = LocalMode::start(options, *helpers_, env_);
    if (!started.ok()) throw BugError(started.error().message);
    return *std::move(started);
  }

  RunResult run(LocalMode& mode, int exit_code, const RunOptions& options = {}) {
    std::string text = kPipeline;
    text.replace(text.find("CODE"), 4, std::to_string(exit_code));
    auto& api = mode.client();
    const auto plan = plan_run({{"f.yaml", text}}, "");
    if (!plan.ok()) throw BugError(plan.error().message);
    printed_.clear();
    return run_all(
        *plan, options,
        {.reader = api,
         .writer = api,
         .open_log = [&api](
                         const ObjectKey& pod, const client::LogOptions& log,
                         const client::CallOptions& call) { return api.pod_logs(pod, log, call); },
         .env = env_,
         .print = [this](std::string_view t) { printed_ += t; },
         .complain = [this](std::string_view t) { complained_ += t; }});
  }

  bool printed(std::string_view text) const { return printed_.find(text) != std::string::npos; }

  // Before everything that has threads.
  std::unique_ptr<Helpers> helpers_;
  const support::TemporaryFolder folder_;
  const SystemClock clock_;
  const Logger log_{stderr_sink(), LogLevel::Off};
  const runtime::SystemPause pause_;
  MetricsRegistry metrics_;
  const runtime::Env env_{clock_, pause_, metrics_, log_};
  std::string printed_;
  std::string complained_;
};

TEST_F(LocalModeTest, RunsAPipelineAndShowsItsLogs) {
  const auto mode = start();
  EXPECT_EQ(run(*mode, 0), RunResult::Succeeded) << printed_ << complained_;
  EXPECT_TRUE(printed("one | said\n") && printed("two | first\n")) << printed_;
  EXPECT_TRUE(printed("✔ one") && printed("✔ two") && printed("Succeeded")) << printed_;
  EXPECT_LT(printed_.find("said"), printed_.find("✔ one")) << printed_;
}

TEST_F(LocalModeTest, AFailedRunIsAFailure) {
  const auto mode = start();
  EXPECT_EQ(run(*mode, 3), RunResult::Failed);
  EXPECT_TRUE(printed("✘ two") && printed("exit code 3")) << printed_;
}

TEST_F(LocalModeTest, RunsAreThereAfterARestartAndTheKubeconfigStays) {
  std::string before;
  {
    const auto mode = start("127.0.0.1:0");
    ASSERT_EQ(run(*mode, 0), RunResult::Succeeded) << printed_;
    before = mode->address();
    mode->stop();
  }
  const std::string config = read_file_or_empty(folder_.path() + "/kubeconfig").value();
  EXPECT_NE(config.find(before), std::string::npos);
  helpers_.reset();
  helpers_ = Helpers::fork_off().value();
  const auto mode = start(before);
  EXPECT_EQ(read_file_or_empty(folder_.path() + "/kubeconfig").value(), config);
  const auto runs =
      mode->client().list_text(crds::PipelineRun::kResource, "default", {}, {}).value();
  EXPECT_NE(runs.find("\"refPipeline\":\"p\""), std::string::npos);
}

TEST_F(LocalModeTest, TimeOverCancelsTheRun) {
  const auto mode = start();
  std::string text = kPipeline;
  text.replace(text.find("exit CODE"), 9, "exec sleep 600");
  const auto plan = plan_run({{"f.yaml", text}}, "").value();
  auto& api = mode->client();
  RunOptions options;
  options.timeout = std::chrono::milliseconds(200);
  const RunResult result = run_all(
      plan, options,
      {.reader = api,
       .writer = api,
       .open_log = [&api](const ObjectKey& pod, const client::LogOptions& log,
                          const client::CallOptions& call) { return api.pod_logs(pod, log, call); },
       .env = env_,
       .print = [this](std::string_view t) { printed_ += t; },
       .complain = [this](std::string_view t) { complained_ += t; }});
  EXPECT_EQ(result, RunResult::Stopped) << printed_;
  EXPECT_TRUE(printed("the time is over")) << printed_;
}

TEST_F(LocalModeTest, RefusalsNameTheFileAndTheField) {
  const auto mode = start();
  const auto plan = plan_run({{"f.yaml",
                               "apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: p}\n"
                               "spec: {batchJob: {}, streamJob: {microServices: []}}\n"}},
                             "")
                        .value();
  auto& api = mode->client();
  const RunResult result =
      run_all(plan, {},
              {.reader = api,
               .writer = api,
               .open_log = [](const auto&, const auto&, const auto&)
                   -> Result<std::unique_ptr<client::ByteStream>> { return fail(Code::Bug, ""); },
               .env = env_,
               .print = [this](std::string_view t) { printed_ += t; },
               .complain = [this](std::string_view t) { complained_ += t; }});
  EXPECT_EQ(result, RunResult::Failed);
  EXPECT_TRUE(complained_.starts_with("f.yaml:1: Pipeline \"p\": ")) << complained_;
}

}  // namespace
}  // namespace millrace::mode
