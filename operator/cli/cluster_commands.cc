#include "operator/cli/cluster_commands.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <functional>
#include <map>

#include "operator/cli/session.h"

namespace millrace::cli {
namespace {

using Body = int (*)(Session&);

const std::map<std::string, Body>& bodies() {
  static const std::map<std::string, Body> all = {
      {"start", start},       {"get", get},
      {"describe", describe}, {"logs", logs},
      {"why", why},           {"cancel", cancel},
      {"retry", retry},       {"approve", approve},
      {"import", import},     {"deliveries", deliveries}};
  return all;
}

/// Declares the commands.
class Declaration {
 public:
  Declaration(CLI::App& root, ClusterArguments& args) : root_(root), args_(args) {}

  void add_start() {
    CLI::App& app = command(
        "start",
        "Start a run of a pipeline\n"
        "Params get the types that the pipeline declares; values of lists and objects are JSON. "
        "With --follow the exit code is 0 when the run succeeded, 1 when it failed, 3 when it was "
        "cancelled, timed out or was left with Ctrl-C; it goes on then.",
        "  millrace start nightly -p day=2026-11-21 -p 'tables=[\"a\", \"b\"]' --follow\n"
        "  millrace start nightly --params-file params.yaml -o name\n");
    words(app, "PIPELINE", "Name of the pipeline.");
    app.add_option("--param,-p", args_.parameters,
                   "A param of the run; may be given several times.")
        ->type_name("NAME=VALUE")
        ->allow_extra_args(false);
    app.add_option("--params-file", args_.params_file,
                   "YAML or JSON map of params; -p wins over it. - is standard input.")
        ->type_name("FILE");
    app.add_option("--name", args_.name,
                   "Name of the run; if not given, one is made of the pipeline's.")
        ->type_name("NAME");
    app.add_option("--retries", args_.retries, "Attempts after the first, when an attempt fails.")
        ->type_name("N")
        ->check(CLI::Range(0, 1000));
    app.add_option("--timeout", args_.timeout, "Longest time of one attempt, as in 90s.")
        ->type_name("DURATION");
    app.add_flag("--follow,-f", args_.follow, "Show progress and logs until the run ends.");
    output(app, "name|yaml|json", "Print the created run so.");
    color(app);
  }

  void add_get() {
    CLI::App& app = command("get", "List runs or pipelines",
                            "  millrace get\n"
                            "  millrace get runs -A -o wide\n"
                            "  millrace get pipelines nightly -o yaml\n"
                            "  millrace get runs --watch\n");
    words(app, "runs|pipelines", "What to list, and maybe the NAME of one; runs if not given.");
    flag_all_namespaces(app);
    app.add_option("--selector,-l", args_.selector, "Label selector, as in team=a.")
        ->type_name("SELECTOR");
    app.add_flag("--watch,-w", args_.watch, "Print a row for each change until Ctrl-C.");
    output(app, "wide|yaml|json|name", "Format; a table if not given.");
    color(app);
  }

  void add_describe() {
    CLI::App& app = command(
        "describe",
        "Show all there is to say about a run or a pipeline\n"
        "Of a run: its steps with states, times and reasons, outputs, failed attempts, conditions, "
        "events. Of a pipeline: its params, graph, schedule, triggers, last runs.",
        "  millrace describe nightly-x7k2p\n"
        "  millrace describe pipeline/nightly\n");
    words(app, "RUN|PIPELINE", "Its name, or run/NAME, or pipeline/NAME.");
    color(app);
  }

  void add_logs() {
    CLI::App& app = command(
        "logs",
        "Print the logs of a run's steps\n"
        "All steps in their order, each line after its [step]; with STEP that one alone. Of an "
        "HTTP step, its request and answer are shown.",
        "  millrace logs nightly-x7k2p\n"
        "  millrace logs -f nightly-x7k2p\n"
        "  millrace logs nightly-x7k2p load --attempt 1 --tail 100\n");
    words(app, "RUN [STEP]", "Name of the run, and maybe of one step of it.");
    app.add_flag("--follow,-f", args_.follow,
                 "Go on until the run ends, with steps as they start.");
    app.add_option("--attempt", args_.attempt, "Logs of this attempt; the latest if not given.")
        ->type_name("N")
        ->check(CLI::Range(1, 100000));
    app.add_flag("--timestamps", args_.timestamps, "Print the time of each line.");
    app.add_option("--tail", args_.tail, "Last lines of each log only.")
        ->type_name("N")
        ->check(CLI::Range(0LL, 1000000000LL));
    app.add_option("--since", args_.since, "Lines that are not older only, as in 5m.")
        ->type_name("DURATION");
    color(app);
  }

  void add_why() {
    CLI::App& app = command(
        "why",
        "Say what each step of a run waits or waited for, and how long\n"
        "Dependencies, conditions, concurrency, quota, node, image, approval, backoff, queue.",
        "  millrace why nightly-x7k2p\n"
        "  millrace why nightly-x7k2p load\n");
    words(app, "RUN [STEP]", "Name of the run, and maybe of one step of it.");
    color(app);
  }

  void add_edits() {
    CLI::App& cancel_app = command("cancel",
                                   "Cancel runs\n"
                                   "Their pods get TERM, their grace period, then KILL; `finally` "
                                   "steps run.",
                                   "  millrace cancel nightly-x7k2p\n");
    words(cancel_app, "RUN...", "Names of the runs.");

    CLI::App& retry_app = command(
        "retry",
        "Run an ended run again, without the steps that succeeded\n"
        "Prints which steps are reused and which run again, then starts a new run with the same "
        "params.",
        "  millrace retry nightly-x7k2p --dry-run\n"
        "  millrace retry nightly-x7k2p\n");
    words(retry_app, "RUN", "Name of a run that failed or was cancelled.");
    retry_app.add_flag("--dry-run", args_.dry_run, "Print the plan only.");
    color(retry_app);

    CLI::App& approve_app = command(
        "approve",
        "Decide about an approval step of a run\n"
        "You decide as the user that the server knows you as. Without STEP the only one that waits "
        "is meant; several are listed.",
        "  millrace approve nightly-x7k2p\n"
        "  millrace approve nightly-x7k2p deploy --reject --comment 'not on Fridays'\n");
    words(approve_app, "RUN [STEP]", "Name of the run, and maybe of the step.");
    approve_app.add_flag("--reject", args_.reject, "Reject instead; the step fails.");
    approve_app.add_option("--comment", args_.comment, "Why; shown with the decision.")
        ->type_name("TEXT");
  }

  void add_import() {
    CLI::App& app = command(
        "import",
        "Turn a file of conveyor-belt or of the pipeline-operator into ours\n"
        "The result goes to standard output with comments and layout kept; what changes in meaning "
        "is said line by line on standard error. The exit code is 1 when the file has errors.",
        "  millrace import conveyor-belt.yaml > pipeline.yaml\n"
        "  millrace import old-pipeline.yaml --apply\n");
    words(app, "FILE", "YAML; - is standard input.");
    app.add_flag("--apply", args_.apply, "Apply the result to the cluster instead of printing it.");
    output(app, "yaml", "Format.");
  }

  void add_deliveries() {
    CLI::App& app = command(
        "deliveries",
        "Show the webhook deliveries that the operator remembers\n"
        "Each with its verdict, reason and run. They are asked of the operator through the API "
        "server's proxy, or at --address.",
        "  millrace deliveries\n"
        "  millrace deliveries nightly --address 127.0.0.1:8080 -o json\n");
    words(app, "[PIPELINE]", "Of this pipeline only.");
    app.add_option("--address", args_.address,
                   "The operator's metrics address, asked directly: HOST:PORT.")
        ->type_name("ADDRESS");
    flag_all_namespaces(app);
    output(app, "yaml|json", "Format; a table if not given.");
    color(app);
  }

 private:
  CLI::App& command(const char* name, const char* text, const char* examples) {
    CLI::App* app = root_.add_subcommand(name, text);
    app->footer(examples);
    app->set_help_flag("-h,--help", "Show this help.");
    add_cluster_flags(*app, args_.choice);
    return *app;
  }
  void words(CLI::App& app, const char* value, const char* help) {
    app.add_option(kWords, args_.words, help)->type_name(value);
  }
  void output(CLI::App& app, const char* formats, const char* help) {
    std::vector<std::string> choices;
    std::string rest = formats;
    for (std::size_t end = 0; end != std::string::npos;) {
      end = rest.find('|');
      choices.push_back(rest.substr(0, end));
      if (end != std::string::npos) rest.erase(0, end + 1);
    }
    app.add_option("--output,-o", args_.output, help)
        ->type_name(formats)
        ->check(CLI::IsMember(choices));
  }
  void color(CLI::App& app) {
    app.add_option("--color", args_.color,
                   "Colours and symbols; auto: on a terminal, unless NO_COLOR is set.")
        ->type_name("auto|always|never")
        ->check(CLI::IsMember({"auto", "always", "never"}))
        ->default_str("auto");
  }
  void flag_all_namespaces(CLI::App& app) {
    app.add_flag("--all-namespaces,-A", args_.all_namespaces, "Of all namespaces.");
  }

  CLI::App& root_;
  ClusterArguments& args_;
};

}  // namespace

void add_cluster_flags(CLI::App& app, ClusterChoice& choice) {
  app.add_option("--namespace,-n", choice.ns, "Namespace; that of the context if not given.")
      ->type_name("NAME");
  app.add_option("--context", choice.context, "Context of the kubeconfig.")->type_name("NAME");
  app.add_option("--kubeconfig", choice.kubeconfig,
                 "Kubeconfig file; $KUBECONFIG or ~/.kube/config if not given.")
      ->type_name("FILE");
}

void add_cluster_commands(CLI::App& root, ClusterArguments& args) {
  Declaration declaration(root, args);
  declaration.add_start();
  declaration.add_get();
  declaration.add_describe();
  declaration.add_logs();
  declaration.add_why();
  declaration.add_edits();
  declaration.add_import();
  declaration.add_deliveries();
}

bool is_cluster_command(const std::string& name) { return bodies().contains(name); }

int run_cluster_command(const std::string& name, const std::string& path, ClusterArguments& args,
                        const Environment& environment) {
  Session session(path, args, environment);
  for (const std::string& word : args.words) {
    if (word.empty()) return session.usage("an argument is empty");
  }
  return bodies().at(name)(session);
}

}  // namespace millrace::cli
