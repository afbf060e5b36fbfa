#include "local/schema/tables.h"

namespace millrace::schema {

// Containers and what hangs on them. Source of names, types and keys: Kubernetes 1.34, /openapi/v3
// and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kContainerTable = R"(
@ core.v1
ObjectFieldSelector atomic
 apiVersion string ="v1"
 fieldPath! string
ResourceFieldSelector atomic
 containerName string
 resource! string
 divisor quantity
Container
 name! string
 image string
 command [string]
 args [string]
 workingDir string
 ports [ContainerPort] merge=containerPort map=containerPort,protocol
 envFrom [EnvFromSource]
 env [EnvVar] merge=name map=name
 resources ResourceRequirements
 resizePolicy [ContainerResizePolicy]
 restartPolicy string:ContainerRestartPolicy?
 restartPolicyRules [ContainerRestartRule]
 volumeMounts [VolumeMount] merge=mountPath map=mountPath
 volumeDevices [VolumeDevice] merge=devicePath map=devicePath
 livenessProbe Probe?
 readinessProbe Probe?
 startupProbe Probe?
 lifecycle Lifecycle?
 terminationMessagePath string ="/dev/termination-log"
 terminationMessagePolicy string:TerminationMessagePolicy enum=FallbackToLogsOnError|File ="File"
 imagePullPolicy string:PullPolicy enum=Always|IfNotPresent|Never
 securityContext SecurityContext?
 stdin bool
 stdinOnce bool
 tty bool
ContainerPort
 name string
 hostPort int32
 containerPort! int32
 protocol string:Protocol enum=SCTP|TCP|UDP ="TCP"
 hostIP string
EnvFromSource
 prefix string
 configMapRef ConfigMapEnvSource?
 secretRef SecretEnvSource?
ConfigMapEnvSource
 name string
 optional bool?
SecretEnvSource
 name string
 optional bool?
EnvVar
 name! string
 value string
 valueFrom EnvVarSource?
EnvVarSource
 fieldRef ObjectFieldSelector?
 resourceFieldRef ResourceFieldSelector?
 configMapKeyRef ConfigMapKeySelector?
 secretKeyRef SecretKeySelector?
 fileKeyRef FileKeySelector?
ConfigMapKeySelector atomic
 name string
 key! string
 optional bool?
SecretKeySelector atomic
 name string
 key! string
 optional bool?
FileKeySelector atomic
 volumeName! string
 path! string
 key! string
 optional bool? =false
ResourceRequirements
 limits {quantity}:ResourceList
 requests {quantity}:ResourceList
 claims [ResourceClaim] map=name
ResourceClaim
 name! string
 request string
ContainerResizePolicy
 resourceName! string:ResourceName
 restartPolicy! string:ResourceResizeRestartPolicy
ContainerRestartRule
 action! string:ContainerRestartRuleAction omit
 exitCodes ContainerRestartRuleOnExitCodes?
ContainerRestartRuleOnExitCodes
 operator! string:ContainerRestartRuleOnExitCodesOperator omit
 values [int32] set
VolumeMount
 name! string
 readOnly bool
 recursiveReadOnly string:RecursiveReadOnlyMode?
 mountPath! string
 subPath string
 mountPropagation string:MountPropagationMode? enum=Bidirectional|HostToContainer|None
 subPathExpr string
VolumeDevice
 name! string
 devicePath! string
Probe
 exec ExecAction?
 httpGet HTTPGetAction?
 tcpSocket TCPSocketAction?
 grpc GRPCAction?
 initialDelaySeconds int32
 timeoutSeconds int32 =1
 periodSeconds int32 =10
 successThreshold int32 =1
 failureThreshold int32 =3
 terminationGracePeriodSeconds int64?
ExecAction
 command [string]
HTTPGetAction
 path string ="/"
 port! intorstring
 host string
 scheme string:URIScheme enum=HTTP|HTTPS ="HTTP"
 httpHeaders [HTTPHeader]
HTTPHeader
 name! string
 value! string
TCPSocketAction
 port! intorstring
 host string
GRPCAction
 port! int32
 service string? =""
Lifecycle
 postStart LifecycleHandler?
 preStop LifecycleHandler?
 stopSignal string:Signal? enum=SIGABRT|SIGALRM|SIGBUS|SIGCHLD|SIGCLD|SIGCONT|SIGFPE|SIGHUP|SIGILL|SIGINT|SIGIO|SIGIOT|SIGKILL|SIGPIPE|SIGPOLL|SIGPROF|SIGPWR|SIGQUIT|SIGRTMAX|SIGRTMAX-1|SIGRTMAX-10|SIGRTMAX-11|SIGRTMAX-12|SIGRTMAX-13|SIGRTMAX-14|SIGRTMAX-2|SIGRTMAX-3|SIGRTMAX-4|SIGRTMAX-5|SIGRTMAX-6|SIGRTMAX-7|SIGRTMAX-8|SIGRTMAX-9|SIGRTMIN|SIGRTMIN+1|SIGRTMIN+10|SIGRTMIN+11|SIGRTMIN+12|SIGRTMIN+13|SIGRTMIN+14|SIGRTMIN+15|SIGRTMIN+2|SIGRTMIN+3|SIGRTMIN+4|SIGRTMIN+5|SIGRTMIN+6|SIGRTMIN+7|SIGRTMIN+8|SIGRTMIN+9|SIGSEGV|SIGSTKFLT|SIGSTOP|SIGSYS|SIGTERM|SIGTRAP|SIGTSTP|SIGTTIN|SIGTTOU|SIGURG|SIGUSR1|SIGUSR2|SIGVTALRM|SIGWINCH|SIGXCPU|SIGXFSZ
LifecycleHandler
 exec ExecAction?
 httpGet HTTPGetAction?
 tcpSocket TCPSocketAction?
 sleep SleepAction?
SleepAction
 seconds! int64
SecurityContext
 capabilities Capabilities?
 privileged bool?
 seLinuxOptions SELinuxOptions?
 windowsOptions WindowsSecurityContextOptions?
 runAsUser int64?
 runAsGroup int64?
 runAsNonRoot bool?
 readOnlyRootFilesystem bool?
 allowPrivilegeEscalation bool?
 procMount string:ProcMountType? enum=Default|Unmasked
 seccompProfile SeccompProfile?
 appArmorProfile AppArmorProfile?
Capabilities
 add [string:Capability]
 drop [string:Capability]
SELinuxOptions
 user string
 role string
 type string
 level string
WindowsSecurityContextOptions
 gmsaCredentialSpecName string?
 gmsaCredentialSpec string?
 runAsUserName string?
 hostProcess bool?
SeccompProfile
 type! string:SeccompProfileType enum=Localhost|RuntimeDefault|Unconfined
 localhostProfile string?
AppArmorProfile
 type! string:AppArmorProfileType enum=Localhost|RuntimeDefault|Unconfined
 localhostProfile string?
EphemeralContainer
 name! string
 image string
 command [string]
 args [string]
 workingDir string
 ports [ContainerPort] merge=containerPort map=containerPort,protocol
 envFrom [EnvFromSource]
 env [EnvVar] merge=name map=name
 resources ResourceRequirements
 resizePolicy [ContainerResizePolicy]
 restartPolicy string:ContainerRestartPolicy?
 restartPolicyRules [ContainerRestartRule]
 volumeMounts [VolumeMount] merge=mountPath map=mountPath
 volumeDevices [VolumeDevice] merge=devicePath map=devicePath
 livenessProbe Probe?
 readinessProbe Probe?
 startupProbe Probe?
 lifecycle Lifecycle?
 terminationMessagePath string ="/dev/termination-log"
 terminationMessagePolicy string:TerminationMessagePolicy enum=FallbackToLogsOnError|File ="File"
 imagePullPolicy string:PullPolicy enum=Always|IfNotPresent|Never
 securityContext SecurityContext?
 stdin bool
 stdinOnce bool
 tty bool
 targetContainerName string
)";

}  // namespace millrace::schema
