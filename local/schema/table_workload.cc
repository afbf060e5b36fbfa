#include "local/schema/tables.h"

namespace millrace::schema {

// Jobs, Deployments and what belongs to them. Source of names, types and keys: Kubernetes 1.34,
// /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kWorkloadTable = R"(
@ batch.v1
Job
 kind string
 apiVersion string
 metadata ObjectMeta
 spec JobSpec
 status JobStatus
JobSpec
 parallelism int32?
 completions int32?
 activeDeadlineSeconds int64?
 podFailurePolicy PodFailurePolicy?
 successPolicy SuccessPolicy?
 backoffLimit int32?
 backoffLimitPerIndex int32?
 maxFailedIndexes int32?
 selector LabelSelector?
 manualSelector bool? =false
 template! PodTemplateSpec
 ttlSecondsAfterFinished int32?
 completionMode string:CompletionMode? enum=Indexed|NonIndexed ="NonIndexed"
 suspend bool? =false
 podReplacementPolicy string:PodReplacementPolicy? enum=Failed|TerminatingOrFailed
 managedBy string?
PodFailurePolicy
 rules! [PodFailurePolicyRule]
PodFailurePolicyRule
 action! string:PodFailurePolicyAction enum=Count|FailIndex|FailJob|Ignore
 onExitCodes PodFailurePolicyOnExitCodesRequirement?
 onPodConditions [PodFailurePolicyOnPodConditionsPattern]
PodFailurePolicyOnExitCodesRequirement
 containerName string?
 operator! string:PodFailurePolicyOnExitCodesOperator enum=In|NotIn
 values! [int32] set
PodFailurePolicyOnPodConditionsPattern
 type! string:PodConditionType
 status! string:ConditionStatus ="True"
SuccessPolicy
 rules! [SuccessPolicyRule]
SuccessPolicyRule
 succeededIndexes string?
 succeededCount int32?
@ core.v1
PodTemplateSpec
 metadata ObjectMeta
 spec PodSpec
@ batch.v1
JobStatus
 conditions [JobCondition] merge=type
 startTime time?
 completionTime time?
 active int32
 succeeded int32
 failed int32
 terminating int32?
 completedIndexes string
 failedIndexes string?
 uncountedTerminatedPods UncountedTerminatedPods?
 ready int32?
JobCondition
 type! string:JobConditionType
 status! string:ConditionStatus
 lastProbeTime time
 lastTransitionTime time
 reason string
 message string
UncountedTerminatedPods
 succeeded [string:types.UID] set
 failed [string:types.UID] set
@ apps.v1
Deployment
 kind string
 apiVersion string
 metadata ObjectMeta
 spec DeploymentSpec
 status DeploymentStatus
DeploymentSpec
 replicas int32? =1
 selector! LabelSelector?
 template! PodTemplateSpec
 strategy DeploymentStrategy retain
 minReadySeconds int32
 revisionHistoryLimit int32? =10
 paused bool
 progressDeadlineSeconds int32? =600
DeploymentStrategy
 type string:DeploymentStrategyType enum=Recreate|RollingUpdate ="RollingUpdate"
 rollingUpdate RollingUpdateDeployment?
RollingUpdateDeployment
 maxUnavailable intorstring? ="25%"
 maxSurge intorstring? ="25%"
DeploymentStatus
 observedGeneration int64
 replicas int32
 updatedReplicas int32
 readyReplicas int32
 availableReplicas int32
 unavailableReplicas int32
 terminatingReplicas int32?
 conditions [DeploymentCondition] merge=type map=type
 collisionCount int32?
DeploymentCondition
 type! string:DeploymentConditionType
 status! string:ConditionStatus
 lastUpdateTime time
 lastTransitionTime time
 reason string
 message string
ControllerRevision
 kind string
 apiVersion string
 metadata ObjectMeta
 data raw
 revision! int64
@ autoscaling.v1
Scale
 kind string
 apiVersion string
 metadata ObjectMeta
 spec ScaleSpec
 status ScaleStatus
ScaleSpec
 replicas int32
ScaleStatus
 replicas! int32
 selector string
)";

}  // namespace millrace::schema
