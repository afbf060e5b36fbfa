#include "operator/cli/local.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <istream>
#include <iterator>
#include <ostream>

#include "crds/validate.h"
#include "kubeclient/base/duration.h"
#include "operator/cli/checks.h"
#include "operator/cli/config_file.h"
#include "operator/cli/operator_options.h"
#include "operator/cli/params.h"

namespace millrace::cli {
namespace {

CLI::App* add(CLI::App& parent, const char* name, const char* text, const char* examples) {
  CLI::App* app = parent.add_subcommand(name, text);
  app->footer(examples);
  app->set_help_flag("-h,--help", "Show this help.");
  return app;
}

void add_data(CLI::App& app, LocalArguments& args) {
  app.add_option("--data", args.options.data_dir,
                 "Folder that holds everything of it; $MILLRACE_DATA, else "
                 "~/.local/state/millrace, if not given.")
      ->type_name("DIR");
}

void add_engine(CLI::App& app, LocalArguments& args) {
  app.add_option(
         "--runtime", args.runtime,
         "What runs containers. process: plain processes of yours, images are ignored. auto "
         "takes podman or docker where one works, else process.")
      ->type_name("auto|process|podman|docker")
      ->check(CLI::IsMember({"auto", "process", "podman", "docker"}))
      ->default_str("auto");
  app.add_option("--parallelism", args.options.parallelism,
                 "Pods that run at once; the others wait. 0: twice the processors, at least 4.")
      ->type_name("N")
      ->check(CLI::Range(0, 10000));
  app.add_option("--config", args.config_file,
                 "Configuration: adapter images. See config/millrace.yaml.")
      ->type_name("FILE");
  app.add_option("--log-level", args.log_level, "Least level of log lines.")
      ->type_name("debug|info|warn|error|off")
      ->check(CLI::IsMember({"debug", "info", "warn", "error", "off"}));
}

int usage(const Environment& env, const std::string& path, const std::string& message) {
  env.err << path << ": " << message << "\nRun '" << path << " --help' for how to use it.\n";
  return kUsage;
}

LocalRuntime runtime_of(const std::string& text) {
  if (text == "process") return LocalRuntime::Process;
  if (text == "podman") return LocalRuntime::Podman;
  return text == "docker" ? LocalRuntime::Docker : LocalRuntime::Auto;
}

/// The first of `parameters` that is not NAME=VALUE, as a complaint; or nothing.
std::string check_parameters(const std::vector<std::string>& parameters) {
  for (const std::string& parameter : parameters) {
    const std::size_t equals = parameter.find('=');
    if (equals == std::string::npos || equals == 0) {
      return "-p \"" + parameter + "\": expected NAME=VALUE";
    }
  }
  return "";
}

/// What was read.
struct Manifests {
  std::vector<crds::Pipeline> pipelines;
  std::vector<crds::PipelineRun> runs;
};

/// Give the run of these files its params, by the declarations of its pipeline. The complaints.
std::vector<std::string> read_parameters(const Manifests& files, LocalArguments& args) {
  const std::string& wanted = args.options.pipeline;
  std::vector<const crds::PipelineRun*> runs;
  for (const crds::PipelineRun& run : files.runs) {
    if (wanted.empty() || run.spec.ref_pipeline == wanted) runs.push_back(&run);
  }
  const bool given = !args.parameters.empty();
  if (given && runs.size() > 1) return {"-p: the files hold several runs; write params into them"};
  const std::string name = runs.empty() ? wanted : runs.front()->spec.ref_pipeline;
  const crds::Pipeline* pipeline = nullptr;
  for (const crds::Pipeline& candidate : files.pipelines) {
    if (name.empty() || candidate.metadata.name == name) pipeline = &candidate;
  }
  if (pipeline == nullptr) {
    if (!given) return {};
    return {"-p: the pipeline " + name + " is not in the files, so its params are not known"};
  }
  if (runs.size() > 1 || (name.empty() && files.pipelines.size() > 1)) return {};
  codec::Value own;
  if (!runs.empty()) {
    for (const auto& [key, value] : runs.front()->spec.params) own[key] = value;
  }
  ParamValues values = read_params(pipeline->spec.params, args.parameters, own);
  if (given) args.options.params = std::move(values.values);
  return values.problems;
}

Result<std::string> content_of(const std::string& file, const Environment& env) {
  if (file != "-") return env.read_file(file);
  return std::string(std::istreambuf_iterator<char>(env.in), {});
}

/// Read the files and check what is ours in them, without a server.
bool read_files(const std::string& path, LocalArguments& args, const Environment& env,
                Manifests& manifests) {
  const crds::DeeperChecks deeper = deeper_checks(env, nullptr);
  bool good = true;
  for (const std::string& file : args.files) {
    auto text = content_of(file, env);
    if (!text.ok()) {
      env.err << path << ": " << text.error().message << "\n";
      good = false;
      continue;
    }
    const std::string name = file == "-" ? "<stdin>" : file;
    crds::Report report = crds::check_manifest(*text, name, deeper);
    for (const crds::Finding& finding : report.findings) {
      if (finding.severity != crds::Severity::Note) env.err << crds::to_string(finding) << "\n";
    }
    good = good && report.ok();
    for (auto& pipeline : report.pipelines) manifests.pipelines.push_back(std::move(pipeline));
    for (auto& run : report.runs) manifests.runs.push_back(std::move(run));
    args.options.files.push_back({name, *std::move(text)});
  }
  return good;
}

/// kSuccess, or the exit code after a complaint.
int read_webhook_address(const std::string& path, LocalArguments& args, const Environment& env) {
  if (!args.webhook_address) return kSuccess;
  const auto address = parse_listen_address(*args.webhook_address);
  if (!address.ok()) return usage(env, path, "--webhook-address: " + address.error().message);
  args.options.webhook_address = *address ? *args.webhook_address : "";
  return kSuccess;
}

/// kSuccess, or the exit code after a complaint.
int read_config(const std::string& path, LocalArguments& args, const Environment& env) {
  if (args.config_file.empty()) return kSuccess;
  const auto text = env.read_file(args.config_file);
  if (!text.ok()) {
    env.err << path << ": --config: " << text.error().message << "\n";
    return kFailure;
  }
  auto config = parse_config(*text, args.config_file);
  if (!config.ok()) {
    env.err << config.error().message << "\n";
    return kFailure;
  }
  args.options.config = *std::move(config);
  return kSuccess;
}

int start_run(const std::string& path, LocalArguments& args, const Environment& env) {
  if (args.files.empty()) {
    return usage(env, path, "give at least one FILE, or - for standard input");
  }
  const std::string wrong = check_parameters(args.parameters);
  if (!wrong.empty()) return usage(env, path, wrong);
  if (!args.timeout.empty()) {
    const auto timeout = parse_duration(args.timeout);
    if (!timeout.ok() || *timeout <= Duration::zero()) {
      return usage(env, path,
                   "--timeout \"" + args.timeout + "\": expected a duration such as 90s or 1h30m");
    }
    args.options.timeout = *timeout;
  }
  Manifests manifests;
  if (!read_files(path, args, env, manifests)) return kFailure;
  const auto problems = read_parameters(manifests, args);
  for (const std::string& problem : problems) env.err << path << ": " << problem << "\n";
  if (!problems.empty()) return kFailure;
  return env.local.run(args.options);
}

}  // namespace

void add_local(CLI::App& root, LocalArguments& args) {
  CLI::App* group = add(root, "local",
                        "Run pipelines on this machine, without a cluster\n"
                        "A small Kubernetes API server, the operator and a runner of containers in "
                        "one process. kubectl works against it unmodified.",
                        "  millrace local run pipeline.yaml\n"
                        "  millrace local up && export KUBECONFIG=$(millrace local kubeconfig "
                        "--path)\n");
  CLI::App* up = add(*group, "up",
                     "Start the server in the background\n"
                     "It is ready when the command returns. What ran when it ended goes on.",
                     "  millrace local up\n"
                     "  millrace local up --data ./state --listen 127.0.0.1:6443\n");
  add_data(*up, args);
  up->add_option("--listen", args.options.listen,
                 "Where to listen: ADDRESS:PORT. If not given, 127.0.0.1 and the port of the last "
                 "time, or any free one. Other addresses than loopback open it to the network: "
                 "whoever has the token can run programs as you.")
      ->type_name("ADDRESS");
  up->add_option("--webhook-address", args.webhook_address,
                 "Where to take webhooks: [ADDRESS]:PORT; 0 alone takes none. If not given, "
                 "webhook.address of the configuration, else 127.0.0.1 and the port of the last "
                 "time, or any free one.")
      ->type_name("ADDRESS");
  up->add_flag("--foreground", args.options.foreground, "Stay in the terminal; Ctrl-C ends it.");
  up->add_flag("--no-operator", args.options.no_operator,
               "Start the API server and what runs pods, without the operator: for working on the "
               "operator, which is then started with `millrace operator --kubeconfig`.");
  add_engine(*up, args);

  CLI::App* down = add(*group, "down",
                       "Stop the server\n"
                       "Its pods are stopped too; the next start takes their runs up again. No "
                       "error when none is running.",
                       "  millrace local down\n");
  add_data(*down, args);

  CLI::App* status = add(*group, "status",
                         "Say whether the server runs\n"
                         "The exit code is 0 when it does, 1 when it does not.",
                         "  millrace local status -o json\n");
  add_data(*status, args);
  status->add_option("--output,-o", args.output, "Format.")
      ->type_name("text|json")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");

  CLI::App* kubeconfig = add(*group, "kubeconfig",
                             "Print the kubeconfig of the server\n"
                             "Your own ~/.kube/config is never touched.",
                             "  export KUBECONFIG=$(millrace local kubeconfig --path)\n"
                             "  millrace local kubeconfig > local.yaml\n");
  add_data(*kubeconfig, args);
  kubeconfig->add_flag("--path", args.options.path_only, "Print where it is instead.");

  CLI::App* run =
      add(*group, "run",
          "Run a pipeline from files and show how it goes\n"
          "Everything in the files is applied. A PipelineRun in them is run, else a run "
          "is made of their Pipeline. Uses the server of `millrace local up` if it "
          "runs, else does the work itself, and keeps it for a later one.\n"
          "The exit code is 0 when the run succeeded, 1 when it failed, 2 for a wrong "
          "command line, 3 when it timed out or was cancelled. Ctrl-C cancels the run, "
          "a second one leaves at once.",
          "  millrace local run pipeline.yaml\n"
          "  millrace local run pipelines.yaml config.yaml --pipeline nightly "
          "--timeout 10m\n");
  run->add_option("FILE", args.files, "YAML or JSON; - is standard input.")->type_name("FILE");
  run->add_option("--param,-p", args.parameters, "A param of the run; lists and objects are JSON.")
      ->type_name("NAME=VALUE")
      ->allow_extra_args(false);
  run->add_option("--pipeline", args.options.pipeline,
                  "Which pipeline to run, when the files hold several.")
      ->type_name("NAME");
  run->add_option("--timeout", args.timeout, "Cancel the run after this time, as in 90s.")
      ->type_name("DURATION");
  add_data(*run, args);
  add_engine(*run, args);
}

int run_local(const std::string& name, const std::string& path, LocalArguments& args,
              const Environment& env) {
  LocalOptions& options = args.options;
  options.runtime = runtime_of(args.runtime);
  options.json = args.output == "json";
  if (!args.log_level.empty()) {
    const auto level = parse_log_level(args.log_level);
    if (!level.ok()) return usage(env, path, "--log-level: " + level.error().message);
    options.log_level = *level;
  }
  for (const auto read : {read_config, read_webhook_address}) {
    if (const int code = read(path, args, env); code != kSuccess) return code;
  }
  if (name == "up") return env.local.up(options);
  if (name == "down") return env.local.down(options);
  if (name == "status") return env.local.status(options);
  if (name == "kubeconfig") return env.local.kubeconfig(options);
  return start_run(path, args, env);
}

}  // namespace millrace::cli
