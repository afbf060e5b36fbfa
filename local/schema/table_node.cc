#include "local/schema/tables.h"

namespace millrace::schema {

// Nodes. Source of names, types and keys: Kubernetes 1.34, /openapi/v3 and the tags of
// k8s.io/api; a test of the contract suite compares them.
const std::string_view kNodeTable = R"(
@ core.v1
Node -- A machine that runs pods.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec NodeSpec -- What is wanted.
 status NodeStatus -- How it is; written by the system.
NodeSpec -- What a node is given.
 podCIDR string -- Addresses for its pods.
 podCIDRs [string] merge set -- Address ranges for its pods.
 providerID string -- Identity at the provider.
 unschedulable bool -- Take no new pods.
 taints [Taint] -- What keeps pods away.
 configSource NodeConfigSource? -- No longer used.
 externalID string -- No longer used.
Taint -- Something that keeps pods away from a node.
 key! string -- Its key.
 value string -- Its value.
 effect! string:TaintEffect enum=NoExecute|NoSchedule|PreferNoSchedule -- What the taint does.
 timeAdded time? -- When it was added.
NodeConfigSource -- No longer used.
 configMap ConfigMapNodeConfigSource? -- Entries of a ConfigMap as files.
ConfigMapNodeConfigSource -- No longer used.
 namespace! string -- Namespace it is in.
 name! string -- Its name.
 uid string:types.UID -- Identity of the object, never used again.
 resourceVersion string -- Version of what is stored; changes with each write.
 kubeletConfigKey! string -- Key of the configuration.
NodeStatus -- How a node is.
 capacity {quantity}:ResourceList -- All its resources.
 allocatable {quantity}:ResourceList -- Resources for pods.
 phase string:NodePhase enum=Pending|Running|Terminated -- How far it is.
 conditions [NodeCondition] merge=type map=type -- What holds of it.
 addresses [NodeAddress] merge=type map=type -- Its addresses.
 daemonEndpoints NodeDaemonEndpoints -- Ports of its daemons.
 nodeInfo NodeSystemInfo -- What it is made of.
 images [ContainerImage] -- Images that are on it.
 volumesInUse [string:UniqueVolumeName] -- Volumes that its pods use.
 volumesAttached [AttachedVolume] -- Volumes attached to it.
 config NodeConfigStatus? -- State of the configuration.
 runtimeHandlers [NodeRuntimeHandler] -- Runtimes it has.
 features NodeFeatures? -- What it can do.
NodeCondition -- Something that holds of it, or does not.
 type! string:NodeConditionType -- Which kind it is.
 status! string:ConditionStatus -- How it is; written by the system.
 lastHeartbeatTime time -- When it last reported.
 lastTransitionTime time -- When the status last changed.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
NodeAddress -- An address of a node.
 type! string:NodeAddressType -- Which kind it is.
 address! string -- The address.
NodeDaemonEndpoints -- Ports of the daemons of a node.
 kubeletEndpoint DaemonEndpoint -- Where its kubelet listens.
DaemonEndpoint -- The port of a daemon.
 Port! int32 -- Number of the port.
NodeSystemInfo -- What a node is made of.
 machineID! string -- Identity of the machine.
 systemUUID! string -- Identity of the hardware.
 bootID! string -- Identity of this boot.
 kernelVersion! string -- Version of the kernel.
 osImage! string -- Operating system.
 containerRuntimeVersion! string -- What runs containers.
 kubeletVersion! string -- Version of the kubelet.
 kubeProxyVersion! string -- No longer used.
 operatingSystem! string -- Operating system, as one word.
 architecture! string -- Kind of processor.
 swap NodeSwapStatus? -- Its swap.
NodeSwapStatus -- The swap of a node.
 capacity int64? -- All its resources.
ContainerImage -- An image that is on a node.
 names [string] always -- Its names.
 sizeBytes int64 -- Its size in bytes.
AttachedVolume -- A volume attached to a node.
 name! string:UniqueVolumeName -- Its name.
 devicePath! string -- Path of the device.
NodeConfigStatus -- No longer used.
 assigned NodeConfigSource? -- What was assigned.
 active NodeConfigSource? -- What is under way; of a Job, how many pods are.
 lastKnownGood NodeConfigSource? -- What last worked.
 error string -- What went wrong.
NodeRuntimeHandler -- A runtime of a node.
 name string always -- Its name.
 features NodeRuntimeHandlerFeatures? -- What it can do.
NodeRuntimeHandlerFeatures -- What a runtime can do.
 recursiveReadOnlyMounts bool? -- Whether it can make mounts below read only.
 userNamespaces bool? -- Whether it can separate user numbers.
NodeFeatures -- What a node can do.
 supplementalGroupsPolicy bool? -- Whether groups of the image count too.
)";

}  // namespace millrace::schema
