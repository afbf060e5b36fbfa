#include "local/schema/tables.h"

namespace millrace::schema {

// Jobs, Deployments and what belongs to them. Source of names, types and keys: Kubernetes 1.34,
// /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kWorkloadTable = R"(
@ batch.v1
Job -- Pods that run until enough of them have succeeded.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec JobSpec -- What is wanted.
 status JobStatus -- How it is; written by the system.
JobSpec -- What a Job is to run, and how often.
 parallelism int32? -- Pods that may run at once.
 completions int32? -- Pods that must succeed.
 activeDeadlineSeconds int64? -- Seconds after which it is ended, whatever it does.
 podFailurePolicy PodFailurePolicy? -- What failures of pods mean.
 successPolicy SuccessPolicy? -- When it has succeeded early.
 backoffLimit int32? -- Failures after which it has failed.
 backoffLimitPerIndex int32? -- Failures after which an index has failed.
 maxFailedIndexes int32? -- Failed indexes after which it has failed.
 selector LabelSelector? -- Labels by which it finds its objects.
 manualSelector bool? =false -- Whether the selector is given, not made.
 template! PodTemplateSpec -- The pods it makes.
 ttlSecondsAfterFinished int32? -- Seconds after its end when it is deleted.
 completionMode string:CompletionMode? enum=Indexed|NonIndexed ="NonIndexed" -- NonIndexed or Indexed.
 suspend bool? =false -- Run no pods for now.
 podReplacementPolicy string:PodReplacementPolicy? enum=Failed|TerminatingOrFailed -- When a pod that ends is replaced.
 managedBy string? -- Who runs it; the cluster's own controller when absent.
PodFailurePolicy -- What failures of pods mean; the first rule that fits counts.
 rules! [PodFailurePolicyRule] -- The rules, in order.
PodFailurePolicyRule -- What one kind of failure means.
 action! string:PodFailurePolicyAction enum=Count|FailIndex|FailJob|Ignore -- What is done.
 onExitCodes PodFailurePolicyOnExitCodesRequirement? -- Exit codes that it is about.
 onPodConditions [PodFailurePolicyOnPodConditionsPattern] -- Conditions of pods that it is about.
PodFailurePolicyOnExitCodesRequirement -- Exit codes that a rule is about.
 containerName string? -- Name of the container.
 operator! string:PodFailurePolicyOnExitCodesOperator enum=In|NotIn -- How key and values are compared.
 values! [int32] set -- Values to compare with.
PodFailurePolicyOnPodConditionsPattern -- A condition of pods that a rule is about.
 type! string:PodConditionType -- Which kind it is.
 status! string:ConditionStatus ="True" -- How it is; written by the system.
SuccessPolicy -- When a Job has succeeded early; one rule must hold.
 rules! [SuccessPolicyRule] -- The rules, in order.
SuccessPolicyRule -- Indexes that are enough.
 succeededIndexes string? -- Indexes that must have succeeded.
 succeededCount int32? -- How many indexes must have succeeded.
@ core.v1
PodTemplateSpec -- Pods to be made.
 metadata ObjectMeta -- Name, labels and the like.
 spec PodSpec -- What is wanted.
@ batch.v1
JobStatus -- How a Job goes.
 conditions [JobCondition] merge=type -- What holds of it.
 startTime time? -- When it started.
 completionTime time? -- When it succeeded.
 active int32 -- What is under way; of a Job, how many pods are.
 succeeded int32 -- Pods that succeeded.
 failed int32 -- Pods that failed.
 terminating int32? -- Pods that are ending.
 completedIndexes string -- Indexes that succeeded.
 failedIndexes string? -- Indexes that failed.
 uncountedTerminatedPods UncountedTerminatedPods? -- Pods that ended and are not counted yet.
 ready int32? -- Whether it is ready; of a Job, how many pods are.
JobCondition -- Something that holds of it, or does not.
 type! string:JobConditionType -- Which kind it is.
 status! string:ConditionStatus -- How it is; written by the system.
 lastProbeTime time -- When it was last looked at.
 lastTransitionTime time -- When the status last changed.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
UncountedTerminatedPods -- Pods that ended and are not counted yet.
 succeeded [string:types.UID] set -- Pods that succeeded.
 failed [string:types.UID] set -- Pods that failed.
@ apps.v1
Deployment -- Pods that are kept running, and replaced when their template changes.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec DeploymentSpec -- What is wanted.
 status DeploymentStatus -- How it is; written by the system.
DeploymentSpec -- Which pods, how many, and how they are replaced.
 replicas int32? =1 -- How many pods.
 selector! LabelSelector? -- Labels by which it finds its objects.
 template! PodTemplateSpec -- The pods it makes.
 strategy DeploymentStrategy retain -- How the old is replaced by the new.
 minReadySeconds int32 -- Seconds a pod must be ready to count as available.
 revisionHistoryLimit int32? =10 -- Old revisions that are kept.
 paused bool -- Change nothing for now.
 progressDeadlineSeconds int32? =600 -- Seconds without progress that count as failed.
DeploymentStrategy -- How old pods are replaced by new ones.
 type string:DeploymentStrategyType enum=Recreate|RollingUpdate ="RollingUpdate" -- Which kind it is.
 rollingUpdate RollingUpdateDeployment? -- Limits of a rolling update.
RollingUpdateDeployment -- Limits of a rolling update.
 maxUnavailable intorstring? ="25%" -- Pods that may be missing, as number or percentage.
 maxSurge intorstring? ="25%" -- Pods that may be too many, as number or percentage.
DeploymentStatus -- How a Deployment is.
 observedGeneration int64 -- Generation of the spec that this is about.
 replicas int32 -- How many pods.
 updatedReplicas int32 -- Pods of the newest template.
 readyReplicas int32 -- Pods that are ready.
 availableReplicas int32 -- Pods that have been ready for long enough.
 unavailableReplicas int32 -- Pods that are still missing.
 terminatingReplicas int32? -- Pods that are ending.
 conditions [DeploymentCondition] merge=type map=type -- What holds of it.
 collisionCount int32? -- Name clashes so far.
DeploymentCondition -- Something that holds of it, or does not.
 type! string:DeploymentConditionType -- Which kind it is.
 status! string:ConditionStatus -- How it is; written by the system.
 lastUpdateTime time -- When it was last looked at.
 lastTransitionTime time -- When the status last changed.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
ControllerRevision -- A state of another object, kept for later.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 data raw -- The content.
 revision! int64 -- Which revision it is.
@ autoscaling.v1
Scale -- How many pods an object has, for all kinds alike.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec ScaleSpec -- What is wanted.
 status ScaleStatus -- How it is; written by the system.
ScaleSpec -- How many pods are wanted.
 replicas int32 -- How many pods.
ScaleStatus -- How many pods there are.
 replicas! int32 -- How many pods.
 selector string -- Labels by which it finds its objects.
)";

}  // namespace millrace::schema
