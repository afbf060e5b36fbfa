#include "local/schema/tables.h"

namespace millrace::schema {

// Bodies that are no objects of a served kind. Source of names and types: Kubernetes 1.34,
// k8s.io/api and k8s.io/apimachinery.
const std::string_view kRequestTable = R"(
@ meta.v1
DeleteOptions -- How an object is to be deleted.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 gracePeriodSeconds int64? -- Seconds it is given to end.
 preconditions Preconditions? -- What must hold, or nothing is done.
 orphanDependents bool? -- Whether what belongs to it stays; deprecated.
 propagationPolicy string? -- Orphan, Background or Foreground.
 dryRun [string] -- All: change nothing.
 ignoreStoreReadErrorWithClusterBreakingPotential bool? -- Delete also what cannot be read.
Preconditions -- What must hold of an object.
 uid string? -- Identity it must have.
 resourceVersion string? -- Version it must have.
@ authorization.v1
SelfSubjectAccessReview -- A question whether the asker may do something.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec SelfSubjectAccessReviewSpec -- What is asked.
SelfSubjectAccessReviewSpec -- What is asked; one of these.
 resourceAttributes ResourceAttributes? -- A verb on a resource.
 nonResourceAttributes NonResourceAttributes? -- A verb on a path.
ResourceAttributes -- A verb on a resource.
 namespace string -- Namespace it is in.
 verb string -- What is done.
 group string -- Group of the resource.
 version string -- Version of the resource.
 resource string -- The resource, in plural.
 subresource string -- Part of the resource.
 name string -- Its name; empty for all.
NonResourceAttributes -- A verb on a path.
 path string -- The path.
 verb string -- What is done.
SelfSubjectRulesReview -- A question what the asker may do in a namespace.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec SelfSubjectRulesReviewSpec -- What is asked.
SelfSubjectRulesReviewSpec -- Where.
 namespace string -- The namespace.
@ authentication.v1
SelfSubjectReview -- A question who the asker is.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
)";

}  // namespace millrace::schema
