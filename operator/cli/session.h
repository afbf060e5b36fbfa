/// What the bodies of the cluster commands share: the connection, reading runs and pipelines,
/// complaining.
#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "crds/pipeline.h"
#include "crds/pipeline_run.h"
#include "kubeclient/api/event.h"
#include "operator/cli/cluster_commands.h"
#include "operator/cli/graph.h"

namespace millrace::cli {

/// One command at work.
class Session {
 public:
  Session(std::string path, const ClusterArguments& args, const Environment& env)
      : path_(std::move(path)), args_(args), env_(env) {}

  const ClusterArguments& args() const { return args_; }
  const Environment& env() const { return env_; }
  const std::string& path() const { return path_; }
  /// "millrace", or "kubectl millrace".
  std::string program() const { return path_.substr(0, path_.rfind(' ')); }
  Look look() const;
  Time now() const { return env_.clock.now(); }

  /// Connect; kSuccess, or the exit code after a complaint.
  int connect();
  Cluster& cluster() { return *cluster_; }
  client::Reader& reader() { return cluster_->reader(); }
  client::Writer& writer() { return cluster_->writer(); }
  const std::string& ns() const { return cluster_->ns(); }
  ObjectKey key(const std::string& name) const { return {ns(), name}; }
  client::CallOptions call() { return {.stop = cluster_->stop()}; }

  /// Errors: NotFound says which runs there are; others as of the client.
  Result<crds::PipelineRun> run(const std::string& name);
  /// `run` with the step states that were archived, as far as they can be read.
  crds::PipelineRun restored(crds::PipelineRun run);
  Result<crds::Pipeline> pipeline(const std::string& name);
  /// The pipeline's spec as `run` uses it: of its revision, else of the pipeline as it is now.
  Result<crds::PipelineSpec> spec_of(const crds::PipelineRun& run);
  /// The graph of that; empty when neither can be read.
  std::vector<GraphStep> graph(const crds::PipelineRun& run);
  /// Events about any of these UIDs; none when they may not be read.
  std::vector<api::Event> events_about(const std::vector<std::string>& uids);

  /// The command line is wrong.
  int usage(const std::string& message) const;
  /// The work failed.
  int fail_with(const std::string& message) const;

 private:
  const std::string path_;
  const ClusterArguments& args_;
  const Environment& env_;
  std::unique_ptr<Cluster> cluster_;
};

/// Print an object as the server gave it, as `format` ("yaml", "json", "name"), without
/// managedFields. Errors: Malformed.
Result<std::string> render_object(const std::string& json, const std::string& format,
                                  const api::ApiResource& resource);

int start(Session& session);
int get(Session& session);
int describe(Session& session);
int logs(Session& session);
int why(Session& session);
int cancel(Session& session);
int retry(Session& session);
int approve(Session& session);
int import(Session& session);
int deliveries(Session& session);

}  // namespace millrace::cli
