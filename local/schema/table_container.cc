#include "local/schema/tables.h"

namespace millrace::schema {

// Containers and what hangs on them. Source of names, types and keys: Kubernetes 1.34, /openapi/v3
// and the tags of k8s.io/api; a test of the contract suite compares them.
const std::string_view kContainerTable = R"(
@ core.v1
ObjectFieldSelector atomic -- A field of the pod.
 apiVersion string ="v1" -- Group and version of the object's type.
 fieldPath! string -- Path of the field.
ResourceFieldSelector atomic -- An amount of a container's resources.
 containerName string -- Name of the container.
 resource! string -- Name of the resource.
 divisor quantity -- Unit in which the amount is told.
Container -- A program that runs in a pod.
 name! string -- Its name.
 image string -- Image of the program.
 command [string] -- Program and arguments to run instead of the image's.
 args [string] -- Arguments of the program.
 workingDir string -- Folder the program starts in.
 ports [ContainerPort] merge=containerPort map=containerPort,protocol -- Its ports.
 envFrom [EnvFromSource] -- Sources whose entries all become environment variables.
 env [EnvVar] merge=name map=name -- Environment variables.
 resources ResourceRequirements -- Resources it needs and may use.
 resizePolicy [ContainerResizePolicy] -- What a change of resources does.
 restartPolicy string:ContainerRestartPolicy? -- When containers start again: Always, OnFailure or Never.
 restartPolicyRules [ContainerRestartRule] -- Exceptions from the restart policy, by exit code.
 volumeMounts [VolumeMount] merge=mountPath map=mountPath -- Where volumes show up.
 volumeDevices [VolumeDevice] merge=devicePath map=devicePath -- Where raw block volumes show up.
 livenessProbe Probe? -- A check that restarts the container when it fails.
 readinessProbe Probe? -- A check that takes the pod out of Services when it fails.
 startupProbe Probe? -- A check that holds back the others until it succeeds.
 lifecycle Lifecycle? -- What to do after the start and before the end.
 terminationMessagePath string ="/dev/termination-log" -- File that tells why the program ended.
 terminationMessagePolicy string:TerminationMessagePolicy enum=FallbackToLogsOnError|File ="File" -- Where that message comes from.
 imagePullPolicy string:PullPolicy enum=Always|IfNotPresent|Never -- When the image is pulled: Always, IfNotPresent or Never.
 securityContext SecurityContext? -- Users, groups and privileges.
 stdin bool -- Keep an input open.
 stdinOnce bool -- Close the input after the first client.
 tty bool -- Give it a terminal; needs stdin.
ContainerPort -- A port that a container listens on.
 name string -- Its name.
 hostPort int32 -- Port of the node.
 containerPort! int32 -- Port of the container.
 protocol string:Protocol enum=SCTP|TCP|UDP ="TCP" -- TCP, UDP or SCTP.
 hostIP string -- Address of the node.
EnvFromSource -- A source whose entries become environment variables.
 prefix string -- Put before each name.
 configMapRef ConfigMapEnvSource? -- A ConfigMap.
 secretRef SecretEnvSource? -- Secret to authenticate with.
ConfigMapEnvSource -- A ConfigMap whose entries become variables.
 name string -- Its name.
 optional bool? -- Whether it may be missing.
SecretEnvSource -- A Secret whose entries become variables.
 name string -- Its name.
 optional bool? -- Whether it may be missing.
EnvVar -- An environment variable.
 name! string -- Its name.
 value string -- Its value.
 valueFrom EnvVarSource? -- Where the value comes from.
EnvVarSource -- Where the value of a variable comes from; one of these.
 fieldRef ObjectFieldSelector? -- A field of the pod.
 resourceFieldRef ResourceFieldSelector? -- An amount of a container's resources.
 configMapKeyRef ConfigMapKeySelector? -- An entry of a ConfigMap.
 secretKeyRef SecretKeySelector? -- An entry of a Secret.
 fileKeyRef FileKeySelector? -- An entry of a file in a volume.
ConfigMapKeySelector atomic -- An entry of a ConfigMap.
 name string -- Its name.
 key! string -- Its key.
 optional bool? -- Whether it may be missing.
SecretKeySelector atomic -- An entry of a Secret.
 name string -- Its name.
 key! string -- Its key.
 optional bool? -- Whether it may be missing.
FileKeySelector atomic -- An entry of a file of variables in a volume.
 volumeName! string -- Name of the volume.
 path! string -- Path below the folder, or of the request.
 key! string -- Its key.
 optional bool? =false -- Whether it may be missing.
ResourceRequirements -- What a container is promised and may use.
 limits {quantity}:ResourceList -- Most it may use.
 requests {quantity}:ResourceList -- What it is promised.
 claims [ResourceClaim] map=name -- Device claims that are used.
ResourceClaim -- A device claim that a container uses.
 name! string -- Its name.
 request string -- Name of a request in the claim.
ContainerResizePolicy -- What a change of one resource does.
 resourceName! string:ResourceName -- Name of the resource.
 restartPolicy! string:ResourceResizeRestartPolicy -- When containers start again: Always, OnFailure or Never.
ContainerRestartRule -- An exception from the restart policy.
 action! string:ContainerRestartRuleAction omit -- What is done.
 exitCodes ContainerRestartRuleOnExitCodes? -- Exit codes that it is about.
ContainerRestartRuleOnExitCodes -- Exit codes that a rule is about.
 operator! string:ContainerRestartRuleOnExitCodesOperator omit -- How key and values are compared.
 values [int32] set -- Values to compare with.
VolumeMount -- Where a volume shows up in a container.
 name! string -- Its name.
 readOnly bool -- Mount it read only.
 recursiveReadOnly string:RecursiveReadOnlyMode? -- Whether mounts below are read only too.
 mountPath! string -- Where it shows up.
 subPath string -- Part of the volume to mount.
 mountPropagation string:MountPropagationMode? enum=Bidirectional|HostToContainer|None -- Whether mounts made later are passed on.
 subPathExpr string -- Part of the volume to mount, with variables.
VolumeDevice -- Where a raw block volume shows up in a container.
 name! string -- Its name.
 devicePath! string -- Path of the device.
Probe -- A check of a container, repeated.
 exec ExecAction? -- Run a program in the container.
 httpGet HTTPGetAction? -- Ask for a page.
 tcpSocket TCPSocketAction? -- Open a connection.
 grpc GRPCAction? -- Ask the gRPC health service.
 initialDelaySeconds int32 -- Seconds to wait before the first check.
 timeoutSeconds int32 =1 -- Seconds one check may take.
 periodSeconds int32 =10 -- Seconds between checks.
 successThreshold int32 =1 -- Successes in a row that count as well.
 failureThreshold int32 =3 -- Failures in a row that count as failed.
 terminationGracePeriodSeconds int64? -- Seconds between TERM and KILL.
ExecAction -- A program to run in the container.
 command [string] -- Program and arguments to run instead of the image's.
HTTPGetAction -- A page to ask for.
 path string ="/" -- Path below the folder, or of the request.
 port! intorstring -- Number or name of the port.
 host string -- Name or address to ask; the pod's own when absent.
 scheme string:URIScheme enum=HTTP|HTTPS ="HTTP" -- HTTP or HTTPS.
 httpHeaders [HTTPHeader] -- Headers to send.
HTTPHeader -- A header to send.
 name! string -- Its name.
 value! string -- Its value.
TCPSocketAction -- A connection to open.
 port! intorstring -- Number or name of the port.
 host string -- Name or address to ask; the pod's own when absent.
GRPCAction -- A health service to ask.
 port! int32 -- Number or name of the port.
 service string? ="" -- Name of the service to ask about.
Lifecycle -- What to do after the start and before the end.
 postStart LifecycleHandler? -- Done right after the start.
 preStop LifecycleHandler? -- Done before the end.
 stopSignal string:Signal? enum=SIGABRT|SIGALRM|SIGBUS|SIGCHLD|SIGCLD|SIGCONT|SIGFPE|SIGHUP|SIGILL|SIGINT|SIGIO|SIGIOT|SIGKILL|SIGPIPE|SIGPOLL|SIGPROF|SIGPWR|SIGQUIT|SIGRTMAX|SIGRTMAX-1|SIGRTMAX-10|SIGRTMAX-11|SIGRTMAX-12|SIGRTMAX-13|SIGRTMAX-14|SIGRTMAX-2|SIGRTMAX-3|SIGRTMAX-4|SIGRTMAX-5|SIGRTMAX-6|SIGRTMAX-7|SIGRTMAX-8|SIGRTMAX-9|SIGRTMIN|SIGRTMIN+1|SIGRTMIN+10|SIGRTMIN+11|SIGRTMIN+12|SIGRTMIN+13|SIGRTMIN+14|SIGRTMIN+15|SIGRTMIN+2|SIGRTMIN+3|SIGRTMIN+4|SIGRTMIN+5|SIGRTMIN+6|SIGRTMIN+7|SIGRTMIN+8|SIGRTMIN+9|SIGSEGV|SIGSTKFLT|SIGSTOP|SIGSYS|SIGTERM|SIGTRAP|SIGTSTP|SIGTTIN|SIGTTOU|SIGURG|SIGUSR1|SIGUSR2|SIGVTALRM|SIGWINCH|SIGXCPU|SIGXFSZ -- Signal that asks it to end.
LifecycleHandler -- What to do; one of these.
 exec ExecAction? -- Run a program in the container.
 httpGet HTTPGetAction? -- Ask for a page.
 tcpSocket TCPSocketAction? -- Open a connection.
 sleep SleepAction? -- Wait for some seconds.
SleepAction -- A pause.
 seconds! int64 -- How many seconds.
SecurityContext -- User, group and privileges of a container.
 capabilities Capabilities? -- Capabilities to add and drop.
 privileged bool? -- Run with the rights of the node's root.
 seLinuxOptions SELinuxOptions? -- SELinux label.
 windowsOptions WindowsSecurityContextOptions? -- Settings for Windows.
 runAsUser int64? -- User number.
 runAsGroup int64? -- Group number.
 runAsNonRoot bool? -- Refuse to run as user 0.
 readOnlyRootFilesystem bool? -- Make the image's files read only.
 allowPrivilegeEscalation bool? -- Whether a process may gain more rights than its parent.
 procMount string:ProcMountType? enum=Default|Unmasked -- How /proc is shown.
 seccompProfile SeccompProfile? -- Filter of system calls.
 appArmorProfile AppArmorProfile? -- AppArmor profile.
Capabilities -- Capabilities to add and drop.
 add [string:Capability] -- What to add.
 drop [string:Capability] -- What to drop.
SELinuxOptions -- An SELinux label.
 user string -- Who to act as.
 role string -- SELinux role.
 type string -- Which kind it is.
 level string -- SELinux level.
WindowsSecurityContextOptions -- Settings for Windows.
 gmsaCredentialSpecName string? -- Name of the GMSA credentials.
 gmsaCredentialSpec string? -- The GMSA credentials themselves.
 runAsUserName string? -- User name.
 hostProcess bool? -- Run as a process of the node.
SeccompProfile -- A filter of system calls.
 type! string:SeccompProfileType enum=Localhost|RuntimeDefault|Unconfined -- Which kind it is.
 localhostProfile string? -- Profile that is on the node.
AppArmorProfile -- An AppArmor profile.
 type! string:AppArmorProfileType enum=Localhost|RuntimeDefault|Unconfined -- Which kind it is.
 localhostProfile string? -- Profile that is on the node.
EphemeralContainer -- A container added to a running pod to look into it.
 name! string -- Its name.
 image string -- Image of the program.
 command [string] -- Program and arguments to run instead of the image's.
 args [string] -- Arguments of the program.
 workingDir string -- Folder the program starts in.
 ports [ContainerPort] merge=containerPort map=containerPort,protocol -- Its ports.
 envFrom [EnvFromSource] -- Sources whose entries all become environment variables.
 env [EnvVar] merge=name map=name -- Environment variables.
 resources ResourceRequirements -- Resources it needs and may use.
 resizePolicy [ContainerResizePolicy] -- What a change of resources does.
 restartPolicy string:ContainerRestartPolicy? -- When containers start again: Always, OnFailure or Never.
 restartPolicyRules [ContainerRestartRule] -- Exceptions from the restart policy, by exit code.
 volumeMounts [VolumeMount] merge=mountPath map=mountPath -- Where volumes show up.
 volumeDevices [VolumeDevice] merge=devicePath map=devicePath -- Where raw block volumes show up.
 livenessProbe Probe? -- A check that restarts the container when it fails.
 readinessProbe Probe? -- A check that takes the pod out of Services when it fails.
 startupProbe Probe? -- A check that holds back the others until it succeeds.
 lifecycle Lifecycle? -- What to do after the start and before the end.
 terminationMessagePath string ="/dev/termination-log" -- File that tells why the program ended.
 terminationMessagePolicy string:TerminationMessagePolicy enum=FallbackToLogsOnError|File ="File" -- Where that message comes from.
 imagePullPolicy string:PullPolicy enum=Always|IfNotPresent|Never -- When the image is pulled: Always, IfNotPresent or Never.
 securityContext SecurityContext? -- Users, groups and privileges.
 stdin bool -- Keep an input open.
 stdinOnce bool -- Close the input after the first client.
 tty bool -- Give it a terminal; needs stdin.
 targetContainerName string -- Container whose processes it sees.
)";

}  // namespace millrace::schema
