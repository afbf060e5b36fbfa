"""What the end-to-end tests stand on: clusters, kubectl, the operator as a process, the audit log. See ../README.md."""
from harness.audit import AuditLog, Call, ProxyAudit
from harness.cluster import Cluster
from harness.kube import Kube
from harness.local import LocalCluster
from harness.nginx import Nginx
from harness.operator import Operator
from harness.proxy import FaultProxy, Request
from harness.web import Web

__all__ = ["AuditLog", "Call", "Cluster", "FaultProxy", "Kube", "LocalCluster", "Nginx", "Operator", "ProxyAudit", "Request", "Web"]
