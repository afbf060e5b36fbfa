#include "local/executor/deployment_controller.h"

#include "kubeclient/base/log.h"
#include "kubeclient/runtime/controller.h"
#include "kubeclient/runtime/work_queue.h"

namespace millrace::executor {
namespace {

using codec::Value;

constexpr const char* kByOwner = "owner";
constexpr Duration kDrain = std::chrono::milliseconds(200);

const api::OwnerReference* owner_of(const PodObject& pod) {
  const api::OwnerReference* owner = pod.metadata.controller_ref();
  return owner != nullptr && owner->kind == "Deployment" ? owner : nullptr;
}

}  // namespace

struct DeploymentController::Impl final : runtime::Reconciler {
  Impl(client::Reader& reader, client::Writer& w, runtime::Informer<PodObject>& p,
       const runtime::Env& e)
      : writer(w),
        pods(p),
        env(e),
        deployments(reader, {}, e),
        queue({.name = "deployment"}, e.clock, e.metrics),
        controller({.name = "deployment", .workers = 1}, queue, *this, e) {}

  Result<runtime::Outcome> reconcile(const ObjectKey& key,
                                     const runtime::ReconcileContext& context) override;
  Result<void> act(const DeploymentObject& deployment, const DeploymentPlan& plan,
                   const client::CallOptions& options);

  client::Writer& writer;
  runtime::Informer<PodObject>& pods;
  runtime::Env env;
  runtime::Informer<DeploymentObject> deployments;
  runtime::WorkQueue queue;
  runtime::Controller controller;
};

Result<runtime::Outcome> DeploymentController::Impl::reconcile(
    const ObjectKey& key, const runtime::ReconcileContext& context) {
  // Neither list is complete before that; another event or the retry comes after it.
  if (!pods.has_synced() || !deployments.has_synced()) {
    return runtime::Outcome(runtime::RequeueAfter{std::chrono::milliseconds(20)});
  }
  const auto deployment = deployments.store().get(key);
  if (!deployment) return runtime::Outcome(runtime::Done{});
  const auto owned = pods.store().by_index(kByOwner, deployment->metadata.uid);
  DeploymentInput input{deployment.get(), {}, env.clock.now()};
  for (const auto& pod : owned) input.pods.push_back(pod.get());
  const DeploymentPlan plan = plan_deployment(input);
  MR_TRY(act(*deployment, plan, {.stop = context.stop}));
  if (plan.recheck) return runtime::Outcome(runtime::RequeueAfter{*plan.recheck});
  return runtime::Outcome(runtime::Done{});
}

Result<void> DeploymentController::Impl::act(const DeploymentObject& deployment,
                                             const DeploymentPlan& plan,
                                             const client::CallOptions& options) {
  const ObjectKey key = api::key_of(deployment.metadata);
  for (const PodObject* pod : plan.remove) {
    const auto removed = writer.delete_text(
        PodObject::kResource, api::key_of(pod->metadata),
        {.uid = pod->metadata.uid, .resource_version = {}, .grace_seconds = {}}, options);
    const bool gone = !removed.ok() && (removed.error().code == Code::NotFound ||
                                        removed.error().code == Code::Conflict);
    if (!gone) MR_TRY(removed);
  }
  for (const Value& body : plan.create) {
    const auto made = writer.create_text(PodObject::kResource, key.ns, body.dump(), options);
    if (made.ok()) {
      (void)pods.observe_text(*made);
    } else if (made.error().code != Code::AlreadyExists) {  // then the cache lags
      return fail(made.error());
    }
  }
  if (!plan.status) return {};
  const Value body = Value::object(
      {{"metadata", Value::object({{"uid", deployment.metadata.uid}})}, {"status", *plan.status}});
  const auto written = writer.patch_text(DeploymentObject::kResource, key, client::PatchType::Merge,
                                         body.dump(), {.subresource = "status"}, options);
  if (!written.ok() && written.error().code == Code::NotFound) return {};
  MR_TRY(written);
  MR_TRY(deployments.observe_text(*written));
  return {};
}

DeploymentController::DeploymentController(client::Reader& reader, client::Writer& writer,
                                           runtime::Informer<PodObject>& pods,
                                           const runtime::Env& env)
    : impl_(std::make_unique<Impl>(reader, writer, pods, env)) {
  pods.add_index(kByOwner, [](const PodObject& pod) -> std::vector<std::string> {
    const api::OwnerReference* owner = owner_of(pod);
    if (owner == nullptr) return {};
    return {owner->uid};
  });
  impl_->deployments.on_change([raw = impl_.get()](const auto& old, const auto& now) {
    const auto& any = now ? now : old;
    raw->queue.add(api::key_of(any->metadata));
  });
}

DeploymentController::~DeploymentController() = default;

void DeploymentController::pod_changed(const runtime::Ref<PodObject>& old,
                                       const runtime::Ref<PodObject>& now) {
  const PodObject& pod = now ? *now : *old;
  const api::OwnerReference* owner = owner_of(pod);
  if (owner != nullptr) impl_->queue.add({pod.metadata.ns, owner->name});
}

void DeploymentController::start() {
  impl_->deployments.start();
  impl_->controller.start();
}

void DeploymentController::stop() {
  impl_->controller.stop(impl_->env.clock.steady() + kDrain);
  impl_->deployments.stop();
}

}  // namespace millrace::executor
