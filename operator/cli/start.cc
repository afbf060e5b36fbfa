#include <istream>
#include <iterator>

#include "controllers/logic/check.h"
#include "kubeclient/base/duration.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/codec/yaml.h"
#include "operator/cli/log_text.h"
#include "operator/cli/params.h"
#include "operator/cli/session.h"

namespace millrace::cli {
namespace {

using codec::Value;

/// Of metadata.generateName [bytes]: five random ones follow, and a Job's name grows out of it.
constexpr std::size_t kMostPrefix = 56;

/// The content of --params-file: one map.
Result<Value> params_of_file(const std::string& file, const Environment& env) {
  if (file.empty()) return Value();
  std::string text;
  if (file == "-") {
    text.assign(std::istreambuf_iterator<char>(env.in), {});
  } else {
    MR_ASSIGN(text, env.read_file(file));
  }
  const std::string name = file == "-" ? "<stdin>" : file;
  MR_ASSIGN(const auto documents, codec::parse_yaml_documents(text, name));
  if (documents.size() != 1 || !documents.front().value.is_object()) {
    return fail(Code::Invalid, name + ": expected one map of params, as in `who: me`");
  }
  return documents.front().value;
}

Result<Value> body_of(const crds::Pipeline& pipeline, const ClusterArguments& args, Value params) {
  const std::string& name = pipeline.metadata.name;
  Value metadata = Value::object({{"namespace", pipeline.metadata.ns}});
  if (args.name.empty()) {
    metadata["generateName"] = name.substr(0, kMostPrefix) + "-";
  } else {
    metadata["name"] = args.name;
  }
  Value spec = Value::object({{"refPipeline", name}});
  if (!params.empty()) spec["params"] = std::move(params);
  if (args.retries >= 0) spec["maxRetryCount"] = args.retries;
  if (!args.timeout.empty()) {
    const auto timeout = parse_duration(args.timeout);
    if (!timeout.ok() || *timeout < Duration::zero()) {
      return fail(Code::Invalid,
                  "--timeout \"" + args.timeout + "\": expected a duration such as 90s or 1h30m");
    }
    spec["timeout"] = format_duration(*timeout);
  }
  return Value::object({{"apiVersion", crds::PipelineRun::kResource.api_version()},
                        {"kind", crds::PipelineRun::kResource.kind},
                        {"metadata", std::move(metadata)},
                        {"spec", std::move(spec)}});
}

void warn_of_state(const Session& session, const crds::Pipeline& pipeline) {
  const api::Condition* ready = api::find_condition(pipeline.status.conditions, "Ready");
  if (ready == nullptr || (ready->status == "True" && ready->reason == logic::kReadyReason)) return;
  const bool refused = ready->reason == logic::kRefused || ready->reason == logic::kQuotaExceeded;
  session.env().err << (refused ? "warning: the API server would not take the run's objects: "
                                : "warning: the pipeline is not ready: ")
                    << printable(ready->message) << "\n";
}

}  // namespace

int start(Session& session) {
  const ClusterArguments& args = session.args();
  const Environment& env = session.env();
  if (args.words.size() != 1) return session.usage("give one PIPELINE");
  if (args.follow && !args.output.empty()) {
    return session.usage("--follow and --output cannot be had together; leave one out");
  }
  if (const int failed = session.connect(); failed != kSuccess) return failed;
  const auto base = params_of_file(args.params_file, env);
  if (!base.ok()) return session.fail_with("--params-file: " + base.error().message);
  const auto pipeline = session.pipeline(args.words.front());
  if (!pipeline.ok()) return session.fail_with(pipeline.error().message);
  ParamValues params = read_params(pipeline->spec.params, args.parameters, *base);
  for (const std::string& problem : params.problems) {
    env.err << session.path() << ": " << problem << "\n";
  }
  if (!params.problems.empty()) return kFailure;
  const auto body = body_of(*pipeline, args, std::move(params.values));
  if (!body.ok()) return session.usage(body.error().message);
  warn_of_state(session, *pipeline);
  const auto text = session.writer().create_text(crds::PipelineRun::kResource, session.ns(),
                                                 body->dump(), session.call());
  if (!text.ok()) return session.fail_with(text.error().message);
  const auto run = codec::decode<crds::PipelineRun>(*text);
  if (!run.ok()) return session.fail_with(run.error().message);
  if (!args.output.empty()) {
    const auto shown = render_object(*text, args.output, crds::PipelineRun::kResource);
    if (!shown.ok()) return session.fail_with(shown.error().message);
    env.out << *shown;
    return kSuccess;
  }
  if (args.follow) {
    FollowOptions options;
    options.look = session.look();
    options.containers = containers_of(graph_of(pipeline->spec));
    return session.cluster().follow(*run, options);
  }
  env.out << run->metadata.name << " started; see how it goes with: " << session.program()
          << " logs -f " << run->metadata.name << "\n";
  return kSuccess;
}

}  // namespace millrace::cli
