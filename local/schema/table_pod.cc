#include "local/schema/tables.h"

namespace millrace::schema {

// Pods, where they may run, and how they are. Source of names, types and keys: Kubernetes 1.34,
// /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kPodTable = R"(
@ core.v1
Pod -- Containers that run together on one node.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec PodSpec -- What is wanted.
 status PodStatus -- How it is; written by the system.
PodSpec -- What a pod is to run, and how.
 volumes [Volume] merge=name retain map=name -- Volumes that the containers may mount.
 initContainers [Container] merge=name map=name -- Containers that run before the others, one after the other.
 containers! [Container] merge=name map=name -- Containers that run side by side.
 ephemeralContainers [EphemeralContainer] merge=name map=name -- Containers added to a running pod to look into it.
 restartPolicy string:RestartPolicy enum=Always|Never|OnFailure ="Always" -- When containers start again: Always, OnFailure or Never.
 terminationGracePeriodSeconds int64? =30 -- Seconds between TERM and KILL.
 activeDeadlineSeconds int64? -- Seconds after which it is ended, whatever it does.
 dnsPolicy string:DNSPolicy enum=ClusterFirst|ClusterFirstWithHostNet|Default|None ="ClusterFirst" -- How names are looked up.
 nodeSelector {string} atomic -- Labels that a node must have.
 serviceAccountName string -- Service account that the pod runs as.
 serviceAccount string -- Old name of serviceAccountName.
 automountServiceAccountToken bool? -- Whether pods get a token of the account as a file.
 nodeName string -- Node that the pod runs on.
 hostNetwork bool -- Use the network of the node.
 hostPID bool -- Use the process numbers of the node.
 hostIPC bool -- Use the shared memory of the node.
 shareProcessNamespace bool? -- Let the containers see each other's processes.
 securityContext PodSecurityContext? ={} -- Users, groups and privileges.
 imagePullSecrets [LocalObjectReference] merge=name map=name -- Secrets for pulling images.
 hostname string -- Its host name.
 subdomain string -- Domain of the pod's host name.
 affinity Affinity? -- Nodes and neighbours that are wanted or avoided.
 schedulerName string ="default-scheduler" -- Who chooses the node.
 tolerations [Toleration] -- Taints that the pod bears.
 hostAliases [HostAlias] merge=ip map=ip -- More lines for the hosts file.
 priorityClassName string -- Name of the pod's priority.
 priority int32? -- The pod's priority; higher comes first.
 dnsConfig PodDNSConfig? -- Details of name lookup.
 readinessGates [PodReadinessGate] -- Conditions that must hold before the pod is ready.
 runtimeClassName string? -- Name of the runtime that runs the pod.
 enableServiceLinks bool? -- Whether Services show up as environment variables.
 preemptionPolicy string:PreemptionPolicy? enum=Never|PreemptLowerPriority -- Whether the pod may push out others.
 overhead {quantity}:ResourceList -- Resources that the runtime itself takes.
 topologySpreadConstraints [TopologySpreadConstraint] merge=topologyKey map=topologyKey,whenUnsatisfiable -- How pods are spread over zones and nodes.
 setHostnameAsFQDN bool? -- Use the full name as host name.
 os PodOS? -- Operating system that the pod is made for.
 hostUsers bool? -- Use the user numbers of the node.
 schedulingGates [PodSchedulingGate] merge=name map=name -- What must be done before the pod is given a node.
 resourceClaims [PodResourceClaim] merge=name retain map=name -- Claims of devices.
 resources ResourceRequirements? -- Resources it needs and may use.
 hostnameOverride string? -- Host name to use instead of the usual one.
PodSecurityContext -- Users, groups and privileges of a pod.
 seLinuxOptions SELinuxOptions? -- SELinux label.
 windowsOptions WindowsSecurityContextOptions? -- Settings for Windows.
 runAsUser int64? -- User number.
 runAsGroup int64? -- Group number.
 runAsNonRoot bool? -- Refuse to run as user 0.
 supplementalGroups [int64] -- More group numbers.
 supplementalGroupsPolicy string:SupplementalGroupsPolicy? enum=Merge|Strict -- Whether groups of the image count too.
 fsGroup int64? -- Group that owns the volumes.
 sysctls [Sysctl] -- Kernel settings.
 fsGroupChangePolicy string:PodFSGroupChangePolicy? enum=Always|OnRootMismatch -- When the owner of files in volumes is changed.
 seccompProfile SeccompProfile? -- Filter of system calls.
 appArmorProfile AppArmorProfile? -- AppArmor profile.
 seLinuxChangePolicy string:PodSELinuxChangePolicy? -- How volumes get their SELinux label.
Sysctl -- A kernel setting.
 name! string -- Its name.
 value! string -- Its value.
Affinity -- Nodes and neighbours that are wanted or avoided.
 nodeAffinity NodeAffinity? -- Which nodes are wanted.
 podAffinity PodAffinity? -- Which neighbours are wanted.
 podAntiAffinity PodAntiAffinity? -- Which neighbours are avoided.
NodeAffinity -- Nodes that are wanted.
 requiredDuringSchedulingIgnoredDuringExecution NodeSelector? -- What must hold when the node is chosen.
 preferredDuringSchedulingIgnoredDuringExecution [PreferredSchedulingTerm] -- What should hold when the node is chosen.
NodeSelector atomic -- A choice of nodes; one of the terms must hold.
 nodeSelectorTerms! [NodeSelectorTerm] -- Terms of which one must hold.
NodeSelectorTerm atomic -- Conditions on a node; all must hold.
 matchExpressions [NodeSelectorRequirement] -- Conditions on labels; all must hold.
 matchFields [NodeSelectorRequirement] -- Conditions on fields; all must hold.
NodeSelectorRequirement -- A condition on a label or field of a node.
 key! string -- Its key.
 operator! string:NodeSelectorOperator enum=DoesNotExist|Exists|Gt|In|Lt|NotIn -- How key and values are compared.
 values [string] -- Values to compare with.
PreferredSchedulingTerm -- Nodes that are preferred, and how much.
 weight! int32 -- How much it counts, from 1 to 100.
 preference! NodeSelectorTerm -- What is preferred.
PodAffinity -- Neighbours that are wanted.
 requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm] -- What must hold when the node is chosen.
 preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm] -- What should hold when the node is chosen.
PodAffinityTerm -- Pods near to or far from which to run.
 labelSelector LabelSelector? -- Labels by which objects are chosen.
 namespaces [string] -- Namespaces to look into.
 topologyKey! string -- Label of the node that tells the places apart.
 namespaceSelector LabelSelector? -- Labels of namespaces to look into.
 matchLabelKeys [string] -- Labels whose values must equal the pod's own.
 mismatchLabelKeys [string] -- Labels whose values must differ from the pod's own.
WeightedPodAffinityTerm -- Neighbours that are preferred, and how much.
 weight! int32 -- How much it counts, from 1 to 100.
 podAffinityTerm! PodAffinityTerm -- Which pods it is about.
PodAntiAffinity -- Neighbours that are avoided.
 requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm] -- What must hold when the node is chosen.
 preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm] -- What should hold when the node is chosen.
Toleration -- Taints that a pod bears.
 key string -- Its key.
 operator string:TolerationOperator enum=Equal|Exists -- How key and values are compared.
 value string -- Its value.
 effect string:TaintEffect enum=NoExecute|NoSchedule|PreferNoSchedule -- What the taint does.
 tolerationSeconds int64? -- Seconds the taint is borne.
HostAlias -- A line of the hosts file.
 ip! string -- The address.
 hostnames [string] -- Names of the address.
PodDNSConfig -- Details of name lookup.
 nameservers [string] -- Addresses of the name servers.
 searches [string] -- Domains to search.
 options [PodDNSConfigOption] -- Options by name.
PodDNSConfigOption -- An option of name lookup.
 name string -- Its name.
 value string? -- Its value.
PodReadinessGate -- A condition that must hold before the pod is ready.
 conditionType! string:PodConditionType -- Type of the condition.
TopologySpreadConstraint -- How pods are spread over places.
 maxSkew! int32 -- Most that places may differ by.
 topologyKey! string -- Label of the node that tells the places apart.
 whenUnsatisfiable! string:UnsatisfiableConstraintAction enum=DoNotSchedule|ScheduleAnyway -- DoNotSchedule or ScheduleAnyway.
 labelSelector LabelSelector? -- Labels by which objects are chosen.
 minDomains int32? -- Fewest places there should be.
 nodeAffinityPolicy string:NodeInclusionPolicy? enum=Honor|Ignore -- Whether the pod's wishes on nodes count.
 nodeTaintsPolicy string:NodeInclusionPolicy? enum=Honor|Ignore -- Whether taints of nodes count.
 matchLabelKeys [string] -- Labels whose values must equal the pod's own.
PodOS -- The operating system a pod is made for.
 name! string:OSName -- Its name.
PodSchedulingGate -- Something that must be done before the pod is given a node.
 name! string -- Its name.
PodResourceClaim -- A device claim of a pod.
 name! string -- Its name.
 resourceClaimName string? -- Name of the claim.
 resourceClaimTemplateName string? -- Name of the template of the claim.
PodStatus -- How a pod is.
 observedGeneration int64 -- Generation of the spec that this is about.
 phase string:PodPhase enum=Failed|Pending|Running|Succeeded|Unknown -- How far it is.
 conditions [PodCondition] merge=type map=type -- What holds of it.
 message string -- Why, for people.
 reason string -- Why, as one word for programs.
 nominatedNodeName string -- Node where it may run once others have made room.
 hostIP string -- Address of the node.
 hostIPs [HostIP] merge=ip -- Addresses of the node.
 podIP string -- Its address.
 podIPs [PodIP] merge=ip map=ip -- Its addresses.
 startTime time? -- When it started.
 initContainerStatuses [ContainerStatus] -- How the init containers are.
 containerStatuses [ContainerStatus] -- How the containers are.
 qosClass string:PodQOSClass enum=BestEffort|Burstable|Guaranteed -- How safe its resources are: Guaranteed, Burstable or BestEffort.
 ephemeralContainerStatuses [ContainerStatus] -- How the added containers are.
 resize string:PodResizeStatus -- How far a change of resources is.
 resourceClaimStatuses [PodResourceClaimStatus] merge=name retain map=name -- How the device claims are.
 extendedResourceClaimStatus PodExtendedResourceClaimStatus? -- The claim made for extended resources.
PodCondition -- Something that holds of it, or does not.
 type! string:PodConditionType -- Which kind it is.
 observedGeneration int64 -- Generation of the spec that this is about.
 status! string:ConditionStatus -- How it is; written by the system.
 lastProbeTime time -- When it was last looked at.
 lastTransitionTime time -- When the status last changed.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
HostIP -- An address of the node.
 ip! string -- The address.
PodIP -- An address of the pod.
 ip! string -- The address.
ContainerStatus -- How a container is.
 name! string -- Its name.
 state ContainerState -- How it is now.
 lastState ContainerState -- How it was before.
 ready! bool -- Whether it is ready; of a Job, how many pods are.
 restartCount! int32 -- How often it was restarted.
 image! string -- Image of the program.
 imageID! string -- Identity of the image.
 containerID string -- Identity of the container.
 started bool? -- Whether its startup probe succeeded.
 allocatedResources {quantity}:ResourceList -- Resources set aside for it.
 resources ResourceRequirements? -- Resources it needs and may use.
 volumeMounts [VolumeMountStatus] merge=mountPath map=mountPath -- Where volumes show up.
 user ContainerUser? -- Who to act as.
 allocatedResourcesStatus [ResourceStatus] merge=name map=name -- How the devices set aside are.
 stopSignal string:Signal? enum=SIGABRT|SIGALRM|SIGBUS|SIGCHLD|SIGCLD|SIGCONT|SIGFPE|SIGHUP|SIGILL|SIGINT|SIGIO|SIGIOT|SIGKILL|SIGPIPE|SIGPOLL|SIGPROF|SIGPWR|SIGQUIT|SIGRTMAX|SIGRTMAX-1|SIGRTMAX-10|SIGRTMAX-11|SIGRTMAX-12|SIGRTMAX-13|SIGRTMAX-14|SIGRTMAX-2|SIGRTMAX-3|SIGRTMAX-4|SIGRTMAX-5|SIGRTMAX-6|SIGRTMAX-7|SIGRTMAX-8|SIGRTMAX-9|SIGRTMIN|SIGRTMIN+1|SIGRTMIN+10|SIGRTMIN+11|SIGRTMIN+12|SIGRTMIN+13|SIGRTMIN+14|SIGRTMIN+15|SIGRTMIN+2|SIGRTMIN+3|SIGRTMIN+4|SIGRTMIN+5|SIGRTMIN+6|SIGRTMIN+7|SIGRTMIN+8|SIGRTMIN+9|SIGSEGV|SIGSTKFLT|SIGSTOP|SIGSYS|SIGTERM|SIGTRAP|SIGTSTP|SIGTTIN|SIGTTOU|SIGURG|SIGUSR1|SIGUSR2|SIGVTALRM|SIGWINCH|SIGXCPU|SIGXFSZ -- Signal that asks it to end.
ContainerState -- How a container is: waiting, running or terminated.
 waiting ContainerStateWaiting? -- It does not run yet.
 running ContainerStateRunning? -- It runs.
 terminated ContainerStateTerminated? -- It ended.
ContainerStateWaiting -- Why a container does not run yet.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
ContainerStateRunning -- Since when a container runs.
 startedAt time -- When it started.
ContainerStateTerminated -- How a container ended.
 exitCode! int32 -- What the program returned.
 signal int32 -- Signal that ended it.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
 startedAt time -- When it started.
 finishedAt time -- When it ended.
 containerID string -- Identity of the container.
VolumeMountStatus -- How a mount is.
 name! string -- Its name.
 mountPath! string -- Where it shows up.
 readOnly bool -- Mount it read only.
 recursiveReadOnly string:RecursiveReadOnlyMode? -- Whether mounts below are read only too.
ContainerUser -- Who a container runs as.
 linux LinuxContainerUser? -- Numbers on Linux.
LinuxContainerUser -- User and group numbers of a container.
 uid! int64 -- Identity of the object, never used again.
 gid! int64 -- Group number.
 supplementalGroups [int64] -- More group numbers.
ResourceStatus -- How the devices of a container are.
 name! string:ResourceName -- Its name.
 resources [ResourceHealth] map=resourceID -- Resources it needs and may use.
ResourceHealth -- Whether a device is healthy.
 resourceID! string:ResourceID -- Identity of the device.
 health string:ResourceHealthStatus -- Whether it is healthy.
PodResourceClaimStatus -- How a device claim of a pod is.
 name! string -- Its name.
 resourceClaimName string? -- Name of the claim.
PodExtendedResourceClaimStatus -- The claim made for extended resources.
 requestMappings! [ContainerExtendedResourceRequest] -- Which container uses which request.
 resourceClaimName! string -- Name of the claim.
ContainerExtendedResourceRequest -- Which container uses which extended resource.
 containerName! string -- Name of the container.
 resourceName! string -- Name of the resource.
 requestName! string -- Name of the request.
)";

}  // namespace millrace::schema
