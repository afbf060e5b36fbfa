#include "kubeclient/client/typed.h"
#include "operator/cli/run_tree.h"
#include "operator/cli/session.h"
#include "operator/cli/why.h"

namespace millrace::cli {
namespace {

constexpr int kPageSize = 500;

std::vector<crds::PipelineRun> runs_of(Session& session, const std::string& pipeline) {
  auto listed = client::list_all<crds::PipelineRun>(session.reader(), session.ns(), kPageSize, {},
                                                    session.call());
  std::vector<crds::PipelineRun> runs;
  if (!listed.ok()) return runs;
  for (crds::PipelineRun& run : listed->items) {
    if (run.spec.ref_pipeline == pipeline) runs.push_back(std::move(run));
  }
  return runs;
}

int show_run(Session& session, const crds::PipelineRun& stored) {
  const crds::PipelineRun run = session.restored(stored);
  session.env().out << describe_run(run, session.graph(run),
                                    session.events_about({run.metadata.uid}), session.now(),
                                    session.look());
  return kSuccess;
}

int show_pipeline(Session& session, const crds::Pipeline& pipeline) {
  session.env().out << describe_pipeline(
      pipeline, graph_of(pipeline.spec), runs_of(session, pipeline.metadata.name),
      session.events_about({pipeline.metadata.uid}), session.now(), session.look());
  return kSuccess;
}

/// "run/x", "runs x": what is said about the kind of a name.
struct Named {
  enum class Kind { Any, Run, Pipeline } kind = Kind::Any;
  std::string name;
};

Named named(std::vector<std::string> words) {
  if (words.size() == 1) {
    const std::size_t slash = words[0].find('/');
    if (slash == std::string::npos) return {Named::Kind::Any, words[0]};
    words = {words[0].substr(0, slash), words[0].substr(slash + 1)};
  }
  const std::string& kind = words[0];
  if (kind.starts_with("pipelinerun") || kind == "run" || kind == "runs" || kind == "plr") {
    return {Named::Kind::Run, words[1]};
  }
  if (kind.starts_with("pipeline") || kind == "pl") return {Named::Kind::Pipeline, words[1]};
  return {};
}

/// What is known of the Jobs and pods of `run`; what may not be read is left out.
WhyFacts facts_of(Session& session, const crds::PipelineRun& run) {
  WhyFacts facts;
  client::ListOptions own;
  own.label_selector = "millrace.dev/run-uid=" + run.metadata.uid;
  auto jobs =
      client::list_all<api::Job>(session.reader(), run.metadata.ns, kPageSize, own, session.call());
  auto pods =
      client::list_all<api::Pod>(session.reader(), run.metadata.ns, kPageSize, own, session.call());
  if (jobs.ok()) facts.jobs = std::move(jobs->items);
  if (pods.ok()) facts.pods = std::move(pods->items);
  std::vector<std::string> uids{run.metadata.uid};
  for (const api::Job& job : facts.jobs) uids.push_back(job.metadata.uid);
  for (const api::Pod& pod : facts.pods) uids.push_back(pod.metadata.uid);
  facts.events = session.events_about(uids);
  return facts;
}

}  // namespace

int describe(Session& session) {
  const auto& words = session.args().words;
  if (words.empty() || words.size() > 2) return session.usage("give one RUN or PIPELINE");
  const Named what = named(words);
  if (what.name.empty()) {
    return session.usage("\"" + words[0] + "\" is neither run nor pipeline");
  }
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  if (what.kind == Named::Kind::Run) {
    const auto run = session.run(what.name);
    return run.ok() ? show_run(session, *run) : session.fail_with(run.error().message);
  }
  const auto pipeline = session.pipeline(what.name);
  if (what.kind == Named::Kind::Pipeline) {
    return pipeline.ok() ? show_pipeline(session, *pipeline)
                         : session.fail_with(pipeline.error().message);
  }
  const auto run = session.run(what.name);
  if (run.ok()) {
    if (pipeline.ok()) {
      session.env().err << "note: there is a pipeline of that name too; see: " << session.program()
                        << " describe pipeline/" << what.name << "\n";
    }
    return show_run(session, *run);
  }
  if (pipeline.ok()) return show_pipeline(session, *pipeline);
  if (run.error().code != Code::NotFound) return session.fail_with(run.error().message);
  if (pipeline.error().code != Code::NotFound) return session.fail_with(pipeline.error().message);
  return session.fail_with(run.error().message + ", and no such pipeline");
}

int why(Session& session) {
  const auto& words = session.args().words;
  if (words.empty() || words.size() > 2) {
    return session.usage("give one RUN, and maybe one STEP of it");
  }
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  auto run = session.run(words[0]);
  if (!run.ok()) return session.fail_with(run.error().message);
  *run = session.restored(*std::move(run));
  const auto graph = session.graph(*run);
  const std::string step = words.size() == 2 ? words[1] : "";
  if (!step.empty()) {
    std::vector<std::string> names;
    bool known = false;
    for (const StepLine& line : step_lines(graph, run->status)) {
      known = known || line.state.name == step;
      names.push_back(line.state.name);
    }
    if (!known) {
      return session.fail_with("there is no step \"" + step + "\" in this run; there are: " +
                               one_line(joined(names, "none yet"), 500));
    }
  }
  session.env().out << why_text(*run, graph, facts_of(session, *run), step, session.now(),
                                session.look());
  return kSuccess;
}

}  // namespace millrace::cli
