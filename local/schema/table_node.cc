#include "local/schema/tables.h"

namespace millrace::schema {

// Nodes. Source of names, types and keys: Kubernetes 1.34, /openapi/v3 and the tags of
// k8s.io/api; a test of the contract suite compares them.
const std::string_view kNodeTable = R"(
@ core.v1
Node
 kind string
 apiVersion string
 metadata ObjectMeta
 spec NodeSpec
 status NodeStatus
NodeSpec
 podCIDR string
 podCIDRs [string] merge set
 providerID string
 unschedulable bool
 taints [Taint]
 configSource NodeConfigSource?
 externalID string
Taint
 key! string
 value string
 effect! string:TaintEffect enum=NoExecute|NoSchedule|PreferNoSchedule
 timeAdded time?
NodeConfigSource
 configMap ConfigMapNodeConfigSource?
ConfigMapNodeConfigSource
 namespace! string
 name! string
 uid string:types.UID
 resourceVersion string
 kubeletConfigKey! string
NodeStatus
 capacity {quantity}:ResourceList
 allocatable {quantity}:ResourceList
 phase string:NodePhase enum=Pending|Running|Terminated
 conditions [NodeCondition] merge=type map=type
 addresses [NodeAddress] merge=type map=type
 daemonEndpoints NodeDaemonEndpoints
 nodeInfo NodeSystemInfo
 images [ContainerImage]
 volumesInUse [string:UniqueVolumeName]
 volumesAttached [AttachedVolume]
 config NodeConfigStatus?
 runtimeHandlers [NodeRuntimeHandler]
 features NodeFeatures?
NodeCondition
 type! string:NodeConditionType
 status! string:ConditionStatus
 lastHeartbeatTime time
 lastTransitionTime time
 reason string
 message string
NodeAddress
 type! string:NodeAddressType
 address! string
NodeDaemonEndpoints
 kubeletEndpoint DaemonEndpoint
DaemonEndpoint
 Port! int32
NodeSystemInfo
 machineID! string
 systemUUID! string
 bootID! string
 kernelVersion! string
 osImage! string
 containerRuntimeVersion! string
 kubeletVersion! string
 kubeProxyVersion! string
 operatingSystem! string
 architecture! string
 swap NodeSwapStatus?
NodeSwapStatus
 capacity int64?
ContainerImage
 names [string] always
 sizeBytes int64
AttachedVolume
 name! string:UniqueVolumeName
 devicePath! string
NodeConfigStatus
 assigned NodeConfigSource?
 active NodeConfigSource?
 lastKnownGood NodeConfigSource?
 error string
NodeRuntimeHandler
 name string always
 features NodeRuntimeHandlerFeatures?
NodeRuntimeHandlerFeatures
 recursiveReadOnlyMounts bool?
 userNamespaces bool?
NodeFeatures
 supplementalGroupsPolicy bool?
)";

}  // namespace millrace::schema
