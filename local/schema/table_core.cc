#include "local/schema/tables.h"

namespace millrace::schema {

// Services, configuration, accounts, namespaces and events. Source of names, types and keys:
// Kubernetes 1.34, /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares
// them.
const std::string_view kCoreTable = R"(
@ core.v1
LocalObjectReference atomic -- Another object of the same namespace, by name.
 name string -- Its name.
Service -- A name and address for a set of pods.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec ServiceSpec -- What is wanted.
 status ServiceStatus -- How it is; written by the system.
ServiceSpec -- Which pods, and how they are reached.
 ports [ServicePort] merge=port map=port,protocol -- Its ports.
 selector {string} atomic -- Labels by which it finds its objects.
 clusterIP string -- Address inside the cluster; None for none.
 clusterIPs [string] -- All its addresses inside the cluster.
 type string:ServiceType enum=ClusterIP|ExternalName|LoadBalancer|NodePort ="ClusterIP" -- Which kind it is.
 externalIPs [string] -- Addresses of nodes that take its traffic too.
 sessionAffinity string:ServiceAffinity enum=ClientIP|None ="None" -- Whether a client stays with a pod: ClientIP or None.
 loadBalancerIP string -- Address wished for; deprecated.
 loadBalancerSourceRanges [string] -- Address ranges of the clients allowed.
 externalName string -- Name outside the cluster that it stands for.
 externalTrafficPolicy string:ServiceExternalTrafficPolicy enum=Cluster|Local -- Where traffic from outside goes: Cluster or Local.
 healthCheckNodePort int32 -- Port of the nodes for health checks.
 publishNotReadyAddresses bool -- List pods that are not ready too.
 sessionAffinityConfig SessionAffinityConfig? -- Details of session affinity.
 ipFamilies [string:IPFamily] -- IPv4, IPv6 or both.
 ipFamilyPolicy string:IPFamilyPolicy? enum=PreferDualStack|RequireDualStack|SingleStack -- Whether both families are wanted.
 allocateLoadBalancerNodePorts bool? -- Whether nodes open ports for the load balancer.
 loadBalancerClass string? -- Who provides the load balancer.
 internalTrafficPolicy string:ServiceInternalTrafficPolicy? enum=Cluster|Local -- Where traffic from inside goes: Cluster or Local.
 trafficDistribution string? -- Whether near pods are preferred.
ServicePort -- A port of a Service.
 name string -- Its name.
 protocol string:Protocol enum=SCTP|TCP|UDP ="TCP" -- TCP, UDP or SCTP.
 appProtocol string? -- What is spoken on the port.
 port! int32 -- Number or name of the port.
 targetPort intorstring -- Number or name of the pods' port.
 nodePort int32 -- Port of the nodes.
SessionAffinityConfig -- Details of session affinity.
 clientIP ClientIPConfig? -- Affinity by the client's address.
ClientIPConfig -- How long a client stays with a pod.
 timeoutSeconds int32? -- Seconds that a client stays with a pod.
ServiceStatus -- How a Service is.
 loadBalancer LoadBalancerStatus -- How the load balancer is.
 conditions [Condition] merge=type map=type -- What holds of it.
LoadBalancerStatus -- How a load balancer is.
 ingress [LoadBalancerIngress] -- Addresses of the load balancer.
LoadBalancerIngress -- An address of a load balancer.
 ip string -- The address.
 hostname string -- Its host name.
 ipMode string:LoadBalancerIPMode? -- How traffic to the address is treated.
 ports [PortStatus] -- Its ports.
PortStatus -- How a port of a load balancer is.
 port! int32 -- Number or name of the port.
 protocol! string:Protocol enum=SCTP|TCP|UDP -- TCP, UDP or SCTP.
 error string? -- What went wrong.
ConfigMap -- Configuration for pods, as text by key.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 immutable bool? -- Whether the content can no longer change.
 data {string} -- The content.
 binaryData {bytes} -- Content that is no text, in base64.
Secret -- Confidential data for pods, by key.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 immutable bool? -- Whether the content can no longer change.
 data {bytes} -- The content.
 stringData {string} -- Content as plain text; moved into data when stored.
 type string:SecretType ="Opaque" -- Which kind it is.
Namespace -- A room for names of objects.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 spec NamespaceSpec -- What is wanted.
 status NamespaceStatus -- How it is; written by the system.
NamespaceSpec -- Who must agree before a namespace goes.
 finalizers [string:FinalizerName] -- Who must agree before it goes.
NamespaceStatus -- How a namespace is.
 phase string:NamespacePhase enum=Active|Terminating ="Active" -- How far it is.
 conditions [NamespaceCondition] merge=type map=type -- What holds of it.
NamespaceCondition -- Something that holds of it, or does not.
 type! string:NamespaceConditionType -- Which kind it is.
 status! string:ConditionStatus -- How it is; written by the system.
 lastTransitionTime time -- When the status last changed.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
ServiceAccount -- Who pods act as towards the API server.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata ObjectMeta -- Name, labels and the like.
 secrets [ObjectReference] merge=name map=name -- Secrets that pods of the account may use.
 imagePullSecrets [LocalObjectReference] -- Secrets for pulling images.
 automountServiceAccountToken bool? -- Whether pods get a token of the account as a file.
ObjectReference atomic -- An object, or a part of it.
 kind string -- Kind of the object.
 namespace string -- Namespace it is in.
 name string -- Its name.
 uid string:types.UID -- Identity of the object, never used again.
 apiVersion string -- Group and version of the object's type.
 resourceVersion string -- Version of what is stored; changes with each write.
 fieldPath string -- Path of the field.
Event -- Something that happened to an object.
 kind string -- Kind of the object.
 apiVersion string -- Group and version of the object's type.
 metadata! ObjectMeta -- Name, labels and the like.
 involvedObject! ObjectReference -- What it is about.
 reason string -- Why, as one word for programs.
 message string -- Why, for people.
 source EventSource -- Who saw it.
 firstTimestamp time -- When it was first seen.
 lastTimestamp time -- When it was last seen.
 count int32 -- How often it was seen.
 type string -- Which kind it is.
 eventTime microtime -- When it was first seen, to the microsecond.
 series EventSeries? -- Data of a repeated event.
 action string -- What is done.
 related ObjectReference? -- A second object it is about.
 reportingComponent string always -- Who reports it.
 reportingInstance string always -- Which instance reports it.
EventSource -- Who saw an event.
 component string -- Name of the component.
 host string -- Name or address to ask; the pod's own when absent.
EventSeries -- How often an event was repeated.
 count int32 -- How often it was seen.
 lastObservedTime microtime -- When it was last seen.
)";

}  // namespace millrace::schema
