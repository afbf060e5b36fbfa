#include "local/schema/tables.h"

namespace millrace::schema {

// Pods, where they may run, and how they are. Source of names, types and keys: Kubernetes 1.34,
// /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kPodTable = R"(
@ core.v1
Pod
 kind string
 apiVersion string
 metadata ObjectMeta
 spec PodSpec
 status PodStatus
PodSpec
 volumes [Volume] merge=name retain map=name
 initContainers [Container] merge=name map=name
 containers! [Container] merge=name map=name
 ephemeralContainers [EphemeralContainer] merge=name map=name
 restartPolicy string:RestartPolicy enum=Always|Never|OnFailure ="Always"
 terminationGracePeriodSeconds int64? =30
 activeDeadlineSeconds int64?
 dnsPolicy string:DNSPolicy enum=ClusterFirst|ClusterFirstWithHostNet|Default|None ="ClusterFirst"
 nodeSelector {string} atomic
 serviceAccountName string
 serviceAccount string
 automountServiceAccountToken bool?
 nodeName string
 hostNetwork bool
 hostPID bool
 hostIPC bool
 shareProcessNamespace bool?
 securityContext PodSecurityContext? ={}
 imagePullSecrets [LocalObjectReference] merge=name map=name
 hostname string
 subdomain string
 affinity Affinity?
 schedulerName string ="default-scheduler"
 tolerations [Toleration]
 hostAliases [HostAlias] merge=ip map=ip
 priorityClassName string
 priority int32?
 dnsConfig PodDNSConfig?
 readinessGates [PodReadinessGate]
 runtimeClassName string?
 enableServiceLinks bool?
 preemptionPolicy string:PreemptionPolicy? enum=Never|PreemptLowerPriority
 overhead {quantity}:ResourceList
 topologySpreadConstraints [TopologySpreadConstraint] merge=topologyKey map=topologyKey,whenUnsatisfiable
 setHostnameAsFQDN bool?
 os PodOS?
 hostUsers bool?
 schedulingGates [PodSchedulingGate] merge=name map=name
 resourceClaims [PodResourceClaim] merge=name retain map=name
 resources ResourceRequirements?
 hostnameOverride string?
PodSecurityContext
 seLinuxOptions SELinuxOptions?
 windowsOptions WindowsSecurityContextOptions?
 runAsUser int64?
 runAsGroup int64?
 runAsNonRoot bool?
 supplementalGroups [int64]
 supplementalGroupsPolicy string:SupplementalGroupsPolicy? enum=Merge|Strict
 fsGroup int64?
 sysctls [Sysctl]
 fsGroupChangePolicy string:PodFSGroupChangePolicy? enum=Always|OnRootMismatch
 seccompProfile SeccompProfile?
 appArmorProfile AppArmorProfile?
 seLinuxChangePolicy string:PodSELinuxChangePolicy?
Sysctl
 name! string
 value! string
Affinity
 nodeAffinity NodeAffinity?
 podAffinity PodAffinity?
 podAntiAffinity PodAntiAffinity?
NodeAffinity
 requiredDuringSchedulingIgnoredDuringExecution NodeSelector?
 preferredDuringSchedulingIgnoredDuringExecution [PreferredSchedulingTerm]
NodeSelector atomic
 nodeSelectorTerms! [NodeSelectorTerm]
NodeSelectorTerm atomic
 matchExpressions [NodeSelectorRequirement]
 matchFields [NodeSelectorRequirement]
NodeSelectorRequirement
 key! string
 operator! string:NodeSelectorOperator enum=DoesNotExist|Exists|Gt|In|Lt|NotIn
 values [string]
PreferredSchedulingTerm
 weight! int32
 preference! NodeSelectorTerm
PodAffinity
 requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm]
 preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm]
PodAffinityTerm
 labelSelector LabelSelector?
 namespaces [string]
 topologyKey! string
 namespaceSelector LabelSelector?
 matchLabelKeys [string]
 mismatchLabelKeys [string]
WeightedPodAffinityTerm
 weight! int32
 podAffinityTerm! PodAffinityTerm
PodAntiAffinity
 requiredDuringSchedulingIgnoredDuringExecution [PodAffinityTerm]
 preferredDuringSchedulingIgnoredDuringExecution [WeightedPodAffinityTerm]
Toleration
 key string
 operator string:TolerationOperator enum=Equal|Exists
 value string
 effect string:TaintEffect enum=NoExecute|NoSchedule|PreferNoSchedule
 tolerationSeconds int64?
HostAlias
 ip! string
 hostnames [string]
PodDNSConfig
 nameservers [string]
 searches [string]
 options [PodDNSConfigOption]
PodDNSConfigOption
 name string
 value string?
PodReadinessGate
 conditionType! string:PodConditionType
TopologySpreadConstraint
 maxSkew! int32
 topologyKey! string
 whenUnsatisfiable! string:UnsatisfiableConstraintAction enum=DoNotSchedule|ScheduleAnyway
 labelSelector LabelSelector?
 minDomains int32?
 nodeAffinityPolicy string:NodeInclusionPolicy? enum=Honor|Ignore
 nodeTaintsPolicy string:NodeInclusionPolicy? enum=Honor|Ignore
 matchLabelKeys [string]
PodOS
 name! string:OSName
PodSchedulingGate
 name! string
PodResourceClaim
 name! string
 resourceClaimName string?
 resourceClaimTemplateName string?
PodStatus
 observedGeneration int64
 phase string:PodPhase enum=Failed|Pending|Running|Succeeded|Unknown
 conditions [PodCondition] merge=type map=type
 message string
 reason string
 nominatedNodeName string
 hostIP string
 hostIPs [HostIP] merge=ip
 podIP string
 podIPs [PodIP] merge=ip map=ip
 startTime time?
 initContainerStatuses [ContainerStatus]
 containerStatuses [ContainerStatus]
 qosClass string:PodQOSClass enum=BestEffort|Burstable|Guaranteed
 ephemeralContainerStatuses [ContainerStatus]
 resize string:PodResizeStatus
 resourceClaimStatuses [PodResourceClaimStatus] merge=name retain map=name
 extendedResourceClaimStatus PodExtendedResourceClaimStatus?
PodCondition
 type! string:PodConditionType
 observedGeneration int64
 status! string:ConditionStatus
 lastProbeTime time
 lastTransitionTime time
 reason string
 message string
HostIP
 ip! string
PodIP
 ip! string
ContainerStatus
 name! string
 state ContainerState
 lastState ContainerState
 ready! bool
 restartCount! int32
 image! string
 imageID! string
 containerID string
 started bool?
 allocatedResources {quantity}:ResourceList
 resources ResourceRequirements?
 volumeMounts [VolumeMountStatus] merge=mountPath map=mountPath
 user ContainerUser?
 allocatedResourcesStatus [ResourceStatus] merge=name map=name
 stopSignal string:Signal? enum=SIGABRT|SIGALRM|SIGBUS|SIGCHLD|SIGCLD|SIGCONT|SIGFPE|SIGHUP|SIGILL|SIGINT|SIGIO|SIGIOT|SIGKILL|SIGPIPE|SIGPOLL|SIGPROF|SIGPWR|SIGQUIT|SIGRTMAX|SIGRTMAX-1|SIGRTMAX-10|SIGRTMAX-11|SIGRTMAX-12|SIGRTMAX-13|SIGRTMAX-14|SIGRTMAX-2|SIGRTMAX-3|SIGRTMAX-4|SIGRTMAX-5|SIGRTMAX-6|SIGRTMAX-7|SIGRTMAX-8|SIGRTMAX-9|SIGRTMIN|SIGRTMIN+1|SIGRTMIN+10|SIGRTMIN+11|SIGRTMIN+12|SIGRTMIN+13|SIGRTMIN+14|SIGRTMIN+15|SIGRTMIN+2|SIGRTMIN+3|SIGRTMIN+4|SIGRTMIN+5|SIGRTMIN+6|SIGRTMIN+7|SIGRTMIN+8|SIGRTMIN+9|SIGSEGV|SIGSTKFLT|SIGSTOP|SIGSYS|SIGTERM|SIGTRAP|SIGTSTP|SIGTTIN|SIGTTOU|SIGURG|SIGUSR1|SIGUSR2|SIGVTALRM|SIGWINCH|SIGXCPU|SIGXFSZ
ContainerState
 waiting ContainerStateWaiting?
 running ContainerStateRunning?
 terminated ContainerStateTerminated?
ContainerStateWaiting
 reason string
 message string
ContainerStateRunning
 startedAt time
ContainerStateTerminated
 exitCode! int32
 signal int32
 reason string
 message string
 startedAt time
 finishedAt time
 containerID string
VolumeMountStatus
 name! string
 mountPath! string
 readOnly bool
 recursiveReadOnly string:RecursiveReadOnlyMode?
ContainerUser
 linux LinuxContainerUser?
LinuxContainerUser
 uid! int64
 gid! int64
 supplementalGroups [int64]
ResourceStatus
 name! string:ResourceName
 resources [ResourceHealth] map=resourceID
ResourceHealth
 resourceID! string:ResourceID
 health string:ResourceHealthStatus
PodResourceClaimStatus
 name! string
 resourceClaimName string?
PodExtendedResourceClaimStatus
 requestMappings! [ContainerExtendedResourceRequest]
 resourceClaimName! string
ContainerExtendedResourceRequest
 containerName! string
 resourceName! string
 requestName! string
)";

}  // namespace millrace::schema
