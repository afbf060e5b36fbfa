#include "operator/cli/cli.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <istream>
#include <ostream>

#include "crds/custom_resource.h"
#include "kubeclient/base/duration.h"
#include "operator/cli/cluster_commands.h"
#include "operator/cli/command_tree.h"
#include "operator/cli/completion.h"
#include "operator/cli/config_file.h"
#include "operator/cli/local.h"
#include "operator/cli/preview.h"
#include "operator/cli/validate.h"
#include "operator/cli/version.h"

namespace millrace::cli {
namespace {

constexpr const char* kProgram = "millrace";
constexpr const char* kPlugin = "kubectl-millrace";  ///< how kubectl finds us

/// Everything the parser may fill in.
struct Arguments {
  OperatorOptions op;
  LocalArguments local;
  ClusterArguments cluster;
  std::string metrics_address = ":8080";
  std::string webhook_address;
  std::string log_level = "info";
  bool leader_elect = false;
  std::string lease_duration = "15s";
  std::string drain_timeout = "10s";
  ValidateRequest validate;
  PreviewRequest preview;
  std::string output = "text";
  std::string shell;
  bool version = false;
};

/// Examples stand in the footer of a CLI11 command, the summary is the first line of its
/// description.
void describe(CLI::App& app, const char* examples) {
  app.footer(examples);
  app.set_help_flag("-h,--help", "Show this help.");
}

void add_operator(CLI::App& root, Arguments& args) {
  CLI::App* app = root.add_subcommand(
      "operator",
      "Run the operator: watch pipelines and make their runs happen\n"
      "It works on the cluster of --kubeconfig. Without that flag it uses the service account of "
      "its pod when it runs in a cluster, else $KUBECONFIG or ~/.kube/config.\n"
      "It ends with TERM or INT: runs under way go on when it, or another one, starts.");
  describe(*app,
           "  millrace operator --kubeconfig ~/.kube/config\n"
           "  millrace operator --kubeconfig k.yaml --namespace team-a --namespace team-b\n"
           "  millrace operator --config /etc/millrace/millrace.yaml --metrics-address :8080\n");
  app->add_option("--kubeconfig", args.op.kubeconfig, "Kubeconfig file of the cluster.")
      ->type_name("FILE");
  app->add_option("--context", args.op.context,
                  "Context of the kubeconfig; its current one if "
                  "not given.")
      ->type_name("NAME");
  app->add_option("--namespace,-n", args.op.namespaces,
                  "Look after this namespace only; may be given several times. All if not given.")
      ->type_name("NAME")
      ->allow_extra_args(false)
      ->delimiter(',');
  app->add_option("--config", args.op.config_file,
                  "Configuration: adapter images, who runs Jobs. See config/millrace.yaml.")
      ->type_name("FILE");
  app->add_option("--workers", args.op.workers, "Objects of a kind that are worked on at a time.")
      ->type_name("N")
      ->check(CLI::Range(1, 64))
      ->default_str("4");
  app->add_option("--metrics-address", args.metrics_address,
                  "Where to serve /metrics, /healthz and /readyz: [ADDRESS]:PORT. Port 0 takes a "
                  "free one; 0 alone serves nothing.")
      ->type_name("ADDRESS")
      ->default_str(":8080");
  app->add_option("--webhook-address", args.webhook_address,
                  "Where to take webhooks: [ADDRESS]:PORT; 0 alone takes none. Beats "
                  "webhook.address of the configuration.")
      ->type_name("ADDRESS");
  app->add_flag("--leader-elect{true}", args.leader_elect,
                "Work only while holding the Lease millrace-operator, so that several operators "
                "may run. On by default in a cluster, off with --kubeconfig or --context; switch "
                "it off with --leader-elect=false.");
  app->add_option("--lease-namespace", args.op.lease_namespace, "Namespace of that Lease.")
      ->type_name("NAME")
      ->default_str("millrace-system");
  app->add_option("--lease-duration", args.lease_duration,
                  "How long others wait for a holder that is silent: 3s to 10m, whole seconds. It "
                  "renews three times as often.")
      ->type_name("DURATION")
      ->default_str("15s");
  app->add_option("--drain-timeout", args.drain_timeout,
                  "How long an end, or giving up a shard, waits for HTTP calls under way, and then "
                  "for its own work: 0s to 10m. A call that takes longer is sent again by whoever "
                  "comes next. The pod's terminationGracePeriodSeconds should be twice as long and "
                  "5 s more.")
      ->type_name("DURATION")
      ->default_str("10s");
  app->add_option("--shards", args.op.shards,
                  "Cut the runs into so many shards, each behind a Lease of its own, so that as "
                  "many operators share the work. Beats `shards` of the configuration; the same "
                  "in all of them.")
      ->type_name("N")
      ->check(CLI::Range(1, 16))
      ->default_str("1");
  app->add_option("--log-level", args.log_level, "Least level of log lines, which go to stderr.")
      ->type_name("debug|info|warn|error|off")
      ->default_str("info");
}

void add_commands(CLI::App& root, Arguments& args) {
  describe(root,
           "  millrace local run pipeline.yaml\n"
           "  millrace start nightly -p day=2026-11-21 --follow\n"
           "  millrace why nightly-x7k2p\n"
           "  millrace validate pipeline.yaml\n"
           "  millrace schedule preview '*/5 6-18 * * mon-fri' --time-zone Europe/Berlin\n"
           "  millrace operator --kubeconfig ~/.kube/config\n");
  root.add_flag("--version", args.version, "Show the version.");
  add_cluster_commands(root, args.cluster);
  add_local(root, args.local);
  add_operator(root, args);

  CLI::App* validate = root.add_subcommand(
      "validate",
      "Check pipelines and runs in files, with or without a cluster\n"
      "The rules are those of the API server and of the operator. What is wrong is printed as "
      "file:line:column: error: field: message; the exit code is 1 if there was any error. Objects "
      "of other kinds are skipped with a note.\n"
      "With --server the API server is asked as well: what admission, quota and policy say about "
      "them and about the objects of their runs, without storing anything.");
  describe(*validate,
           "  millrace validate pipeline.yaml run.yaml\n"
           "  kubectl kustomize overlays/prod | millrace validate -\n"
           "  millrace validate --config millrace.yaml pipelines/*.yaml\n"
           "  millrace validate --server -n team-a pipeline.yaml\n");
  validate->add_option("FILE", args.validate.files, "YAML or JSON; - is standard input.")
      ->type_name("FILE");
  validate
      ->add_option("--config", args.validate.config_file,
                   "The operator's configuration; pipelines whose adapter images it lacks are "
                   "errors.")
      ->type_name("FILE");
  validate->add_flag("--server", args.validate.server, "Ask the API server as well.");
  add_cluster_flags(*validate, args.validate.choice);

  CLI::App* definitions =
      root.add_subcommand("crds",
                          "Print the CustomResourceDefinitions of this version\n"
                          "They are what the folder manifests/crds holds. Apply them before an "
                          "operator of this version "
                          "starts.");
  describe(*definitions, "  millrace crds | kubectl apply -f -\n");

  CLI::App* preview_parent = root.add_subcommand("schedule", "Look at schedules without a cluster");
  describe(*preview_parent, "  millrace schedule preview '@every 90s'\n");
  CLI::App* preview = preview_parent->add_subcommand(
      "preview",
      "Print when a cron expression fires next, one time a line\n"
      "An expression has five fields (minute, hour, day of month, month, day of week) or is a "
      "descriptor such as @daily or @every 90s. Put it in quotes, or the shell will expand the "
      "stars.\n"
      "Times are RFC 3339 with the offset of the zone. An hour that daylight saving skips fires "
      "once, at its end; one that it repeats fires once, the first time.");
  describe(*preview,
           "  millrace schedule preview '0/5 * * * *'\n"
           "  millrace schedule preview '30 2 * * *' --time-zone Europe/Berlin --from "
           "2027-03-27T00:00:00Z --count 3\n");
  preview->add_option("EXPR", args.preview.expression, "The expression, in quotes.")
      ->type_name("EXPR");
  preview
      ->add_option("--time-zone,-z", args.preview.time_zone,
                   "Zone in which the expression is read, as in Europe/Berlin.")
      ->type_name("ZONE")
      ->default_str("UTC");
  preview
      ->add_option("--from", args.preview.from,
                   "Print ticks after this time, as in 2026-11-21T03:00:00Z.")
      ->type_name("TIME")
      ->default_str("now");
  preview->add_option("--count,-c", args.preview.count, "How many ticks.")
      ->type_name("N")
      ->check(CLI::Range(1, 10'000))
      ->default_str("10");

  CLI::App* version = root.add_subcommand("version", "Print the version");
  describe(*version, "  millrace version -o json\n");
  version->add_option("--output,-o", args.output, "Format.")
      ->type_name("text|json")
      ->check(CLI::IsMember({"text", "json"}))
      ->default_str("text");

  CLI::App* completion =
      root.add_subcommand("completion", "Print a script for completion in your shell");
  describe(*completion,
           "  source <(millrace completion bash)\n"
           "  millrace completion zsh > ~/.zfunc/_millrace\n"
           "  millrace completion fish | source\n");
  completion->add_option("SHELL", args.shell, "Your shell.")
      ->type_name("bash|zsh|fish")
      ->check(CLI::IsMember({"bash", "zsh", "fish"}));
}

Argument to_argument(const CLI::Option& option) {
  Argument argument;
  for (const std::string& name : option.get_lnames()) argument.names.push_back("--" + name);
  for (const std::string& name : option.get_snames()) argument.names.push_back("-" + name);
  if (option.get_items_expected_max() > 0 || option.get_positional()) {
    argument.value = option.get_type_name();
    // Checks append themselves to the type ("N:INT in [1 - 64]"); ours stands before the colon.
    argument.value = argument.value.substr(0, argument.value.find(':'));
  }
  argument.help = option.get_description();
  argument.default_text = option.get_default_str();
  argument.repeatable = option.get_items_expected_max() > 1;
  if (option.get_name() == kWords) {  // a list, of which most commands take one or two
    argument.repeatable = argument.value.ends_with("...");
    if (argument.repeatable) argument.value.resize(argument.value.size() - 3);
  }
  return argument;
}

/// `examples` as they are typed when the program is called `program`.
std::string examples_of(std::string examples, const std::string& program) {
  if (program == kProgram) return examples;
  const std::string ours = std::string(kProgram) + " ";
  for (std::size_t at = 0; (at = examples.find(ours, at)) != std::string::npos;) {
    const bool begins = at == 0 || examples[at - 1] == ' ' || examples[at - 1] == '(';
    if (begins) examples.replace(at, ours.size(), program + " ");
    at += begins ? program.size() + 1 : ours.size();
  }
  return examples;
}

Command to_command(const CLI::App& app, const std::string& program) {
  Command command;
  command.name = app.get_parent() == nullptr ? program : app.get_name();
  const std::string text = app.get_description();
  const std::size_t end = text.find('\n');
  command.summary = text.substr(0, end);
  if (end != std::string::npos) command.description = text.substr(end + 1);
  command.examples = examples_of(app.get_footer(), program);
  for (const CLI::Option* option : app.get_options()) {
    (option->get_positional() ? command.arguments : command.flags).push_back(to_argument(*option));
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    command.commands.push_back(to_command(*sub, program));
  }
  return command;
}

/// The deepest command that the line named, and the path to it.
struct Chosen {
  CLI::App* app;
  std::string path;
};

Chosen chosen(CLI::App& root) {
  Chosen result{&root, root.get_name()};
  for (;;) {
    const std::vector<CLI::App*> parsed = result.app->get_subcommands();
    if (parsed.empty()) return result;
    result.app = parsed.front();
    result.path += " " + result.app->get_name();
  }
}

/// Complain about the command line; the message ends without a newline.
int usage_error(const Environment& env, const std::string& path, const std::string& message) {
  env.err << path << ": " << message << "\nRun '" << path << " --help' for how to use it.\n";
  return kUsage;
}

int unknown_word(const Environment& env, const Chosen& where) {
  const std::vector<std::string> extras = where.app->remaining(true);
  const std::string wrong = extras.empty() ? "" : extras.front();
  const Command command = to_command(*where.app, kProgram);
  std::vector<std::string> names;
  std::string kind = "unexpected argument";
  std::string word = wrong;
  if (wrong.starts_with("-") && wrong != "-") {
    kind = "unknown flag";
    word = wrong.substr(0, wrong.find('='));
    for (const Argument& flag : command.flags) {
      names.insert(names.end(), flag.names.begin(), flag.names.end());
    }
  } else if (!command.commands.empty()) {
    kind = "unknown command";
    for (const Command& sub : command.commands) names.push_back(sub.name);
  }
  std::string message = kind + " \"" + word + "\"";
  const std::string meant = suggest(word, names);
  if (!meant.empty()) message += "; did you mean " + meant + "?";
  return usage_error(env, where.path, message);
}

/// The flags of `millrace operator` that are more than a value, and the configuration file.
int run_operator(const Environment& env, const std::string& path, const CLI::App& app,
                 Arguments& args) {
  auto address = parse_listen_address(args.metrics_address);
  if (!address.ok()) {
    return usage_error(env, path, "--metrics-address: " + address.error().message);
  }
  args.op.metrics = *std::move(address);
  const auto level = parse_log_level(args.log_level);
  if (!level.ok()) return usage_error(env, path, "--log-level: " + level.error().message);
  args.op.log_level = *level;
  auto& namespaces = args.op.namespaces;
  std::sort(namespaces.begin(), namespaces.end());
  namespaces.erase(std::unique(namespaces.begin(), namespaces.end()), namespaces.end());
  if (!namespaces.empty() && namespaces.front().empty()) {
    return usage_error(env, path, "--namespace: the name is empty; leave the flag out for all");
  }
  const bool in_cluster = args.op.kubeconfig.empty() && args.op.context.empty() &&
                          env.variable("KUBERNETES_SERVICE_HOST").has_value();
  args.op.leader_elect = app.count("--leader-elect") > 0 ? args.leader_elect : in_cluster;
  if (!args.op.config_file.empty()) {
    const auto text = env.read_file(args.op.config_file);
    if (!text.ok()) {
      env.err << path << ": --config: " << text.error().message << "\n";
      return kFailure;
    }
    auto config = parse_config(*text, args.op.config_file);
    if (!config.ok()) {
      env.err << config.error().message << "\n";
      return kFailure;
    }
    args.op.config = *std::move(config);
  }
  if (app.count("--shards") == 0 && args.op.leader_elect) args.op.shards = args.op.config.shards;
  if (args.op.shards > 1 && !args.op.leader_elect) {
    return usage_error(env, path, "--shards: needs --leader-elect");
  }
  const auto duration = parse_duration(args.lease_duration);
  const Duration lease = duration.value_or(Duration::zero());
  if (lease < std::chrono::seconds(3) || lease > std::chrono::minutes(10) ||
      lease % std::chrono::seconds(1) != Duration::zero()) {
    return usage_error(env, path,
                       "--lease-duration: \"" + args.lease_duration +
                           "\" is not a length of whole seconds from 3s to 10m");
  }
  args.op.lease_duration = lease;
  const auto drain = parse_duration(args.drain_timeout);
  if (!drain.ok() || *drain < Duration::zero() || *drain > std::chrono::minutes(10)) {
    return usage_error(
        env, path,
        "--drain-timeout: \"" + args.drain_timeout + "\" is not a length from 0s to 10m");
  }
  args.op.drain_timeout = *drain;
  if (app.count("--webhook-address") > 0) {
    const auto webhooks = parse_listen_address(args.webhook_address);
    if (!webhooks.ok()) {
      return usage_error(env, path, "--webhook-address: " + webhooks.error().message);
    }
    args.op.config.webhook.address = *webhooks ? args.webhook_address : "";
  }
  return env.run_operator(args.op);
}

int run_preview(const Environment& env, const std::string& path, const Arguments& args) {
  if (args.preview.expression.empty()) {
    return usage_error(env, path, "give an expression, as in '*/5 * * * *' (in quotes)");
  }
  const auto ticks = preview_schedule(args.preview, env);
  if (!ticks.ok()) {
    env.err << path << ": " << ticks.error().message << "\n";
    return kFailure;
  }
  if (ticks->empty()) env.err << path << ": the expression does not fire within five years\n";
  env.out << *ticks;
  return kSuccess;
}

int run_completion(const Environment& env, const std::string& path, const Command& root,
                   const Arguments& args) {
  if (args.shell.empty()) return usage_error(env, path, "give your shell: bash, zsh or fish");
  const Shell shell = args.shell == "bash"  ? Shell::Bash
                      : args.shell == "zsh" ? Shell::Zsh
                                            : Shell::Fish;
  env.out << completion_script(root, shell);
  return kSuccess;
}

int dispatch(const Environment& env, CLI::App& root, Arguments& args) {
  const Chosen command = chosen(root);
  const std::string name = command.app->get_name();
  if (args.version) {
    env.out << version_text();
    return kSuccess;
  }
  if (command.app == &root) {
    env.out << help_text(to_command(root, root.get_name()), root.get_name());
    return kSuccess;
  }
  if (name == "operator") return run_operator(env, command.path, *command.app, args);
  if (name == "crds") {
    env.out << crds::crd_yaml();
    return kSuccess;
  }
  if (name == "validate") {
    if (args.validate.files.empty()) {
      return usage_error(env, command.path, "give at least one FILE, or - for standard input");
    }
    return validate_files(args.validate, command.path, env);
  }
  if (is_cluster_command(name) && command.app->get_parent() == &root) {
    return run_cluster_command(name, command.path, args.cluster, env);
  }
  if (command.app->get_parent() != nullptr && command.app->get_parent()->get_name() == "local") {
    return run_local(name, command.path, args.local, env);
  }
  if (name == "preview") return run_preview(env, command.path, args);
  if (name == "completion")
    return run_completion(env, command.path, to_command(root, kProgram), args);
  if (name == "version") {
    env.out << (args.output == "json" ? version_json() : version_text());
    return kSuccess;
  }
  // Only groups of commands are left.
  std::string subs;
  for (const Command& sub : to_command(*command.app, kProgram).commands) subs += " " + sub.name;
  return usage_error(env, command.path, "which command? One of:" + subs);
}

/// What the user types to call us.
std::string program_of(std::string_view argv0) {
  const std::string_view name = argv0.substr(argv0.rfind('/') + 1);
  return name == kPlugin ? "kubectl millrace" : kProgram;
}

}  // namespace

int run(int argc, const char* const* argv, const Environment& environment) {
  CLI::App root("Run pipelines on Kubernetes", program_of(argc > 0 ? argv[0] : ""));
  Arguments args;
  add_commands(root, args);
  // One command: a pipeline that is called "import" or "get" is an argument.
  root.require_subcommand(0, 1);
  for (CLI::App* group : root.get_subcommands({})) group->require_subcommand(0, 1);
  try {
    root.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const Chosen command = chosen(root);
    environment.out << help_text(to_command(*command.app, root.get_name()), command.path);
    return kSuccess;
  } catch (const CLI::ExtrasError&) {
    return unknown_word(environment, chosen(root));
  } catch (const CLI::ParseError& error) {
    return usage_error(environment, chosen(root).path, error.what());
  }
  return dispatch(environment, root, args);
}

}  // namespace millrace::cli
