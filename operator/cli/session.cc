#include "operator/cli/session.h"

#include <algorithm>

#include "controllers/logic/retry_of.h"
#include "controllers/logic/revision.h"
#include "kubeclient/client/typed.h"
#include "kubeclient/codec/value.h"
#include "kubeclient/codec/yaml.h"
#include "operator/cli/command_tree.h"

namespace millrace::cli {
namespace {

constexpr int kPageSize = 500;
/// Names offered for one that is not there.
constexpr std::size_t kMostNames = 10;

template <class T>
Result<T> read_named(Session& session, const std::string& name, const std::string& what) {
  auto found = client::get<T>(session.reader(), session.key(name), session.call());
  if (found.ok() || found.error().code != Code::NotFound) {
    return std::move(found).with(what + " " + name);
  }
  std::string message = "there is no " + what + " \"" + name + "\" in namespace " + session.ns();
  const auto all =
      client::list<T>(session.reader(), session.ns(), {.limit = kPageSize}, session.call());
  std::vector<std::string> names;
  if (all.ok()) {
    for (const T& item : all->items) names.push_back(item.metadata.name);
  }
  const std::string meant = suggest(name, names);
  if (!meant.empty()) {
    message += "; did you mean " + meant + "?";
  } else if (!names.empty() && names.size() <= kMostNames) {
    message += "; there are: " + joined(names);
  } else if (all.ok() && names.empty()) {
    message += ", nor any other; is it the right namespace (-n)?";
  }
  return fail(Code::NotFound, message);
}

}  // namespace

Look Session::look() const {
  if (args_.color == "always") return Look::Fancy;
  const auto no_color = env_.variable("NO_COLOR");
  const bool wanted = args_.color == "auto" && env_.terminal && (!no_color || no_color->empty()) &&
                      env_.variable("TERM").value_or("") != "dumb";
  return wanted ? Look::Fancy : Look::Plain;
}

int Session::connect() {
  auto connected = env_.connect(args_.choice);
  if (!connected.ok()) return fail_with(connected.error().message);
  cluster_ = *std::move(connected);
  return kSuccess;
}

Result<crds::PipelineRun> Session::run(const std::string& name) {
  return read_named<crds::PipelineRun>(*this, name, "run");
}

crds::PipelineRun Session::restored(crds::PipelineRun run) {
  if (!run.status.archive) return run;
  for (const std::string& name : run.status.archive->revisions) {
    const auto object =
        client::get<api::ControllerRevision>(reader(), {run.metadata.ns, name}, call());
    if (object.ok()) logic::restore_steps(run, *object);
  }
  return run;
}

Result<crds::Pipeline> Session::pipeline(const std::string& name) {
  return read_named<crds::Pipeline>(*this, name, "pipeline");
}

Result<crds::PipelineSpec> Session::spec_of(const crds::PipelineRun& run) {
  if (!run.status.pipeline_revision.empty()) {
    auto object = client::get<api::ControllerRevision>(
        reader(), {run.metadata.ns, run.status.pipeline_revision}, call());
    if (object.ok()) {
      auto revision = logic::read_revision(*object);
      if (revision.ok()) return std::move(revision->frozen.spec);
    }
  }
  MR_ASSIGN(auto pipeline, client::get<crds::Pipeline>(
                               reader(), {run.metadata.ns, run.spec.ref_pipeline}, call()));
  return std::move(pipeline.spec);
}

std::vector<GraphStep> Session::graph(const crds::PipelineRun& run) {
  const auto spec = spec_of(run);
  return spec.ok() ? graph_of(*spec) : std::vector<GraphStep>{};
}

std::vector<api::Event> Session::events_about(const std::vector<std::string>& uids) {
  // The server selects by one UID at a time; one list of the namespace is cheaper than many.
  client::ListOptions options;
  if (uids.size() == 1) options.field_selector = "regarding.uid=" + uids.front();
  auto listed = client::list_all<api::Event>(reader(), ns(), kPageSize, options, call());
  if (!listed.ok()) return {};
  std::vector<api::Event> events;
  for (api::Event& event : listed->items) {
    if (std::find(uids.begin(), uids.end(), event.regarding.uid) != uids.end()) {
      events.push_back(std::move(event));
    }
  }
  return events;
}

int Session::usage(const std::string& message) const {
  env_.err << path_ << ": " << message << "\nRun '" << path_ << " --help' for how to use it.\n";
  return kUsage;
}

int Session::fail_with(const std::string& message) const {
  env_.err << path_ << ": " << message << "\n";
  return kFailure;
}

Result<std::string> render_object(const std::string& json, const std::string& format,
                                  const api::ApiResource& resource) {
  MR_ASSIGN(codec::Value object, codec::Value::parse(json));
  codec::Value* metadata = object.find("metadata");
  if (metadata != nullptr) metadata->erase("managedFields");
  if (format == "name") {
    const codec::Value* name = object.at_path({"metadata", "name"});
    std::string kind(resource.kind);
    std::transform(kind.begin(), kind.end(), kind.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return kind + "." + std::string(resource.group) + "/" +
           (name == nullptr ? "" : name->as_string()) + "\n";
  }
  return format == "json" ? object.pretty() + "\n" : codec::to_yaml(object);
}

}  // namespace millrace::cli
