/// The cluster as commands see it: an interface, so that tests run them without one.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "controllers/logic/trial.h"
#include "crds/pipeline_run.h"
#include "kubeclient/client/client.h"
#include "operator/cli/text.h"

namespace millrace::cli {

/// Which cluster and namespace: the flags every command has.
struct ClusterChoice {
  std::string kubeconfig;  ///< empty: $KUBECONFIG, a cluster around us, ~/.kube/config
  std::string context;     ///< empty: the current one
  std::string ns;          ///< empty: that of the context
  bool operator==(const ClusterChoice&) const = default;
};

/// What to show of a run while it goes on.
struct FollowOptions {
  Look look = Look::Plain;
  bool logs_only = false;  ///< no progress; lines begin with "[step]"
  std::string step = {};   ///< this one only; empty: all
  int attempt = 0;         ///< this one only; 0: any
  /// Step → containers of its pod, where it is not the one container named after the step.
  std::map<std::string, std::vector<std::string>> containers = {};
  bool timestamps = false;
  std::optional<std::int64_t> tail = {};  ///< lines of each container
  std::optional<Duration> since = {};
  /// What there is to say of a step without a log, once it has ended.
  std::function<std::string(const crds::StepState&)> summary = {};
};

/// One API server, with our credentials.
class Cluster {
 public:
  virtual ~Cluster() = default;
  virtual client::Reader& reader() = 0;
  virtual client::Writer& writer() = 0;
  /// The namespace that is meant where none is said.
  virtual const std::string& ns() const = 0;
  virtual Result<std::unique_ptr<client::ByteStream>> pod_logs(
      const ObjectKey& pod, const client::LogOptions& log, const client::CallOptions& options) = 0;
  /// GET of any path of the server.
  virtual Result<std::string> raw_get(const std::string& path) = 0;
  /// Show `run` until it ends or Ctrl-C; gives the exit code.
  virtual int follow(const crds::PipelineRun& run, const FollowOptions& options) = 0;
  /// Requested by Ctrl-C; for commands that watch.
  virtual std::stop_token stop() = 0;
};

/// Errors: Invalid, NotFound: there is no usable kubeconfig. Makes no call yet.
using Connect = std::function<Result<std::unique_ptr<Cluster>>(const ClusterChoice&)>;

/// Ask the server what it would say to the objects of a run of `pipeline`, which has a name and a
/// namespace; the seam for `validate --server`. Errors: Cancelled.
using TryPipeline = std::function<Result<logic::TrialReport>(
    Cluster&, const crds::Pipeline& pipeline, const logic::Config&)>;

}  // namespace millrace::cli
