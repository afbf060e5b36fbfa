#include "local/schema/tables.h"

namespace millrace::schema {

// Services, configuration, accounts, namespaces and events. Source of names, types and keys:
// Kubernetes 1.34, /openapi/v3 and the tags of k8s.io/api; a test of the contract suite compares
// them.
const std::string_view kCoreTable = R"(
@ core.v1
LocalObjectReference atomic
 name string
Service
 kind string
 apiVersion string
 metadata ObjectMeta
 spec ServiceSpec
 status ServiceStatus
ServiceSpec
 ports [ServicePort] merge=port map=port,protocol
 selector {string} atomic
 clusterIP string
 clusterIPs [string]
 type string:ServiceType enum=ClusterIP|ExternalName|LoadBalancer|NodePort ="ClusterIP"
 externalIPs [string]
 sessionAffinity string:ServiceAffinity enum=ClientIP|None ="None"
 loadBalancerIP string
 loadBalancerSourceRanges [string]
 externalName string
 externalTrafficPolicy string:ServiceExternalTrafficPolicy enum=Cluster|Local
 healthCheckNodePort int32
 publishNotReadyAddresses bool
 sessionAffinityConfig SessionAffinityConfig?
 ipFamilies [string:IPFamily]
 ipFamilyPolicy string:IPFamilyPolicy? enum=PreferDualStack|RequireDualStack|SingleStack
 allocateLoadBalancerNodePorts bool?
 loadBalancerClass string?
 internalTrafficPolicy string:ServiceInternalTrafficPolicy? enum=Cluster|Local
 trafficDistribution string?
ServicePort
 name string
 protocol string:Protocol enum=SCTP|TCP|UDP ="TCP"
 appProtocol string?
 port! int32
 targetPort intorstring
 nodePort int32
SessionAffinityConfig
 clientIP ClientIPConfig?
ClientIPConfig
 timeoutSeconds int32?
ServiceStatus
 loadBalancer LoadBalancerStatus
 conditions [Condition] merge=type map=type
LoadBalancerStatus
 ingress [LoadBalancerIngress]
LoadBalancerIngress
 ip string
 hostname string
 ipMode string:LoadBalancerIPMode?
 ports [PortStatus]
PortStatus
 port! int32
 protocol! string:Protocol enum=SCTP|TCP|UDP
 error string?
ConfigMap
 kind string
 apiVersion string
 metadata ObjectMeta
 immutable bool?
 data {string}
 binaryData {bytes}
Secret
 kind string
 apiVersion string
 metadata ObjectMeta
 immutable bool?
 data {bytes}
 stringData {string}
 type string:SecretType ="Opaque"
Namespace
 kind string
 apiVersion string
 metadata ObjectMeta
 spec NamespaceSpec
 status NamespaceStatus
NamespaceSpec
 finalizers [string:FinalizerName]
NamespaceStatus
 phase string:NamespacePhase enum=Active|Terminating ="Active"
 conditions [NamespaceCondition] merge=type map=type
NamespaceCondition
 type! string:NamespaceConditionType
 status! string:ConditionStatus
 lastTransitionTime time
 reason string
 message string
ServiceAccount
 kind string
 apiVersion string
 metadata ObjectMeta
 secrets [ObjectReference] merge=name map=name
 imagePullSecrets [LocalObjectReference]
 automountServiceAccountToken bool?
ObjectReference atomic
 kind string
 namespace string
 name string
 uid string:types.UID
 apiVersion string
 resourceVersion string
 fieldPath string
Event
 kind string
 apiVersion string
 metadata! ObjectMeta
 involvedObject! ObjectReference
 reason string
 message string
 source EventSource
 firstTimestamp time
 lastTimestamp time
 count int32
 type string
 eventTime microtime
 series EventSeries?
 action string
 related ObjectReference?
 reportingComponent string always
 reportingInstance string always
EventSource
 component string
 host string
EventSeries
 count int32
 lastObservedTime microtime
)";

}  // namespace millrace::schema
