/// Keeps the pods of Deployments: gather, plan, act.
#pragma once

#include <memory>

#include "kubeclient/client/client.h"
#include "kubeclient/runtime/env.h"
#include "kubeclient/runtime/informer.h"
#include "local/executor/deployment.h"

namespace millrace::executor {

/// One worker thread and an informer on Deployments.
class DeploymentController {
 public:
  /// Adds an index to `pods`, which must not have been started.
  DeploymentController(client::Reader& reader, client::Writer& writer,
                       runtime::Informer<PodObject>& pods, const runtime::Env& env);
  ~DeploymentController();
  DeploymentController(const DeploymentController&) = delete;
  DeploymentController& operator=(const DeploymentController&) = delete;

  /// For the pods' informer; any thread.
  void pod_changed(const runtime::Ref<PodObject>& old, const runtime::Ref<PodObject>& now);
  void start();
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace millrace::executor
