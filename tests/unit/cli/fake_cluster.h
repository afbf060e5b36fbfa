/// A cluster in memory for the commands: objects as JSON, and what was asked of it.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "operator/cli/cluster.h"

namespace millrace::cli {

/// What a command changed, or would have.
struct Change {
  std::string verb;  ///< "create", "patch" or "dry-run"
  std::string what;  ///< "pipelineruns/x"
  std::string body;
};

/// Objects outlive the connections that commands make to it.
struct FakeServer {
  std::map<std::string, std::string> objects;  ///< "pipelineruns/x" → JSON, all in "default"
  std::map<std::string, std::string> logs;     ///< "pod/container" → text
  std::map<std::string, std::string> raw;      ///< path → answer
  std::map<std::string, Error> refusals;       ///< "pipelines/x" → what a write of it meets
  std::string user = "ann";
  std::vector<Change> changes;
  std::vector<client::LogOptions> log_options;
  std::vector<std::string> followed;  ///< runs
  FollowOptions follow_options;
  ClusterChoice choice;  ///< of the last connection
  bool connected = false;

  /// Put an object, written as JSON; its kind tells where.
  void add(const std::string& json);
};

/// A connection to it.
std::unique_ptr<Cluster> connect_to(FakeServer& server, const ClusterChoice& choice);

}  // namespace millrace::cli
