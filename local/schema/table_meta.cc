#include "local/schema/tables.h"

namespace millrace::schema {

// Types of all kinds, and those of small groups. Source of names, types and keys: Kubernetes 1.34,
// /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kMetaTable = R"(
@ meta.v1
ObjectMeta -- What every object has besides its content.
 name string -- Name of the object; unique among those of its kind in the namespace.
 generateName string -- Beginning of a name that the server completes.
 namespace string -- Namespace it is in.
 selfLink string -- No longer used.
 uid string:types.UID -- Identity of the object, never used again.
 resourceVersion string -- Version of what is stored; changes with each write.
 generation int64 -- Counts the changes of what is wanted.
 creationTimestamp time omit -- When it was created.
 deletionTimestamp time? -- When it is to be gone; set once its deletion was asked for.
 deletionGracePeriodSeconds int64? -- Seconds it is given to end.
 labels {string} -- Pairs by which objects are found.
 annotations {string} -- Pairs for tools and people.
 ownerReferences [OwnerReference] merge=uid map=uid -- Objects it belongs to; it goes when all of them are gone.
 finalizers [string] merge set -- Who must agree before it goes.
 managedFields [ManagedFieldsEntry] -- Who owns which field.
OwnerReference atomic -- An object that another one belongs to.
 apiVersion! string -- Group and version of the object's type.
 kind! string -- Kind of the object.
 name! string -- Its name.
 uid! string:types.UID -- Identity of the object, never used again.
 controller bool? -- Whether this owner is the one in charge.
 blockOwnerDeletion bool? -- Whether the owner waits for it in a foreground deletion.
ManagedFieldsEntry -- Fields that one manager owns.
 manager string -- Who wrote.
 operation string:ManagedFieldsOperationType -- Apply or Update.
 apiVersion string -- Group and version of the object's type.
 time time? -- When it last changed.
 fieldsType string -- Form of the field set.
 fieldsV1 raw:FieldsV1? -- The fields, as a tree.
 subresource string -- Part of the object that was written.
LabelSelector atomic -- A choice of objects by labels; all parts must hold.
 matchLabels {string} -- Labels that must be there with these values.
 matchExpressions [LabelSelectorRequirement] -- Conditions on labels; all must hold.
LabelSelectorRequirement -- A condition on one label.
 key! string -- Its key.
 operator! string:LabelSelectorOperator -- How key and values are compared.
 values [string] -- Values to compare with.
Condition -- Something that holds of an object, or does not.
 type! string -- Which kind it is.
 status! string:ConditionStatus -- How it is; written by the system.
 observedGeneration int64 -- Generation of the spec that this is about.
 lastTransitionTime! time -- When the status last changed.
 reason! string -- Why, as one word for programs.
 message! string -- Why, for people.
@ coordination.v1
Lease -- A claim that is valid for a while, as for a leader.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec LeaseSpec -- What is wanted.
LeaseSpec -- Who has a lease, and for how long.
 holderIdentity string? -- Who has it.
 leaseDurationSeconds int32? -- Seconds it is valid after a renewal.
 acquireTime microtime? -- When it was taken.
 renewTime microtime? -- When it was last renewed.
 leaseTransitions int32? -- How often it changed hands.
 strategy string:CoordinatedLeaseStrategy? -- How the old is replaced by the new.
 preferredHolder string? -- Who should have it.
@ events.v1
Event -- Something that happened to an object.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 eventTime! microtime -- When it was first seen, to the microsecond.
 series EventSeries? -- Data of a repeated event.
 reportingController string -- Who reports it.
 reportingInstance string -- Which instance reports it.
 action string -- What is done.
 reason string -- Why, as one word for programs.
 regarding ObjectReference -- What it is about.
 related ObjectReference? -- A second object it is about.
 note string -- What happened, for people.
 type string -- Which kind it is.
 deprecatedSource EventSource -- For old clients.
 deprecatedFirstTimestamp time -- For old clients.
 deprecatedLastTimestamp time -- For old clients.
 deprecatedCount int32 -- For old clients.
EventSeries -- How often an event was repeated.
 count! int32 -- How often it was seen.
 lastObservedTime! microtime -- When it was last seen.
)";

}  // namespace millrace::schema
