#include "local/schema/tables.h"

namespace millrace::schema {

// Types of all kinds, and those of small groups. Source of names, types and keys: Kubernetes 1.34,
// /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kMetaTable = R"(
@ meta.v1
ObjectMeta
 name string
 generateName string
 namespace string
 selfLink string
 uid string:types.UID
 resourceVersion string
 generation int64
 creationTimestamp time omit
 deletionTimestamp time?
 deletionGracePeriodSeconds int64?
 labels {string}
 annotations {string}
 ownerReferences [OwnerReference] merge=uid map=uid
 finalizers [string] merge set
 managedFields [ManagedFieldsEntry]
OwnerReference atomic
 apiVersion! string
 kind! string
 name! string
 uid! string:types.UID
 controller bool?
 blockOwnerDeletion bool?
ManagedFieldsEntry
 manager string
 operation string:ManagedFieldsOperationType
 apiVersion string
 time time?
 fieldsType string
 fieldsV1 raw:FieldsV1?
 subresource string
LabelSelector atomic
 matchLabels {string}
 matchExpressions [LabelSelectorRequirement]
LabelSelectorRequirement
 key! string
 operator! string:LabelSelectorOperator
 values [string]
Condition
 type! string
 status! string:ConditionStatus
 observedGeneration int64
 lastTransitionTime! time
 reason! string
 message! string
@ coordination.v1
Lease
 kind string
 apiVersion string
 metadata ObjectMeta
 spec LeaseSpec
LeaseSpec
 holderIdentity string?
 leaseDurationSeconds int32?
 acquireTime microtime?
 renewTime microtime?
 leaseTransitions int32?
 strategy string:CoordinatedLeaseStrategy?
 preferredHolder string?
@ events.v1
Event
 kind string
 apiVersion string
 metadata ObjectMeta
 eventTime! microtime
 series EventSeries?
 reportingController string
 reportingInstance string
 action string
 reason string
 regarding ObjectReference
 related ObjectReference?
 note string
 type string
 deprecatedSource EventSource
 deprecatedFirstTimestamp time
 deprecatedLastTimestamp time
 deprecatedCount int32
EventSeries
 count! int32
 lastObservedTime! microtime
)";

}  // namespace millrace::schema
