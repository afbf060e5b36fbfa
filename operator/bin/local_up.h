/// `millrace local up`, and what the commands of local mode share.
#pragma once

#include <memory>

#include "kubeclient/base/result.h"
#include "kubeclient/client/client.h"
#include "local/mode/data_dir.h"
#include "local/mode/local_mode.h"
#include "operator/cli/cli.h"

namespace millrace::bin {

/// The folder the options mean, as an absolute path.
Result<mode::DataDir> data_dir(const cli::LocalOptions& options, const cli::Environment& env);
mode::ModeOptions mode_options(const cli::LocalOptions& options, const mode::DataDir& dir);

/// A client of a server that runs, by its kubeconfig.
class ServerClient {
 public:
  static Result<std::unique_ptr<ServerClient>> connect(const mode::DataDir& dir,
                                                       const Clock& clock);
  ~ServerClient();
  client::Client& client();

 private:
  struct Impl;
  explicit ServerClient(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Wait until the server of the folder is ready; none when it is gone, or not ready in time.
std::optional<mode::Owner> wait_for_server(const mode::DataDir& dir, Duration most);

int local_up(const cli::LocalOptions& options, const cli::Environment& env);

}  // namespace millrace::bin
