"""Objects of every kind, as small as the real server accepts and with much in them."""
import copy

MINIMAL = {
    "configmaps": {},
    "secrets": {},
    "serviceaccounts": {},
    "services": {"spec": {"ports": [{"port": 80}]}},
    "pods": {"spec": {"containers": [{"name": "a", "image": "busybox"}]}},
    "jobs": {"spec": {"template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "busybox"}]}}}},
    "deployments": {"spec": {"selector": {"matchLabels": {"app": "a"}},
                             "template": {"metadata": {"labels": {"app": "a"}},
                                          "spec": {"containers": [{"name": "a", "image": "busybox"}]}}}},
    "controllerrevisions": {"revision": 1, "data": {"spec": {"a": 1, "b": ["x", 1.5]}}},
    "leases": {},
    "events": {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "@NS"}},
    "pipelines": {"spec": {"batchJob": {"input": {"apiServer": {"url": "u"}}, "outputs": [{"name": "files", "ftp": {"topic": "t"}}]}}},
    "pipelineruns": {"spec": {"refPipeline": "feed"}},
}
VERSIONS = {"jobs": ("batch/v1", "Job"), "deployments": ("apps/v1", "Deployment"),
            "controllerrevisions": ("apps/v1", "ControllerRevision"), "leases": ("coordination.k8s.io/v1", "Lease"),
            "events.events.k8s.io": ("events.k8s.io/v1", "Event"), "events": ("v1", "Event"), "pods": ("v1", "Pod"),
            "services": ("v1", "Service"), "configmaps": ("v1", "ConfigMap"), "secrets": ("v1", "Secret"),
            "serviceaccounts": ("v1", "ServiceAccount"), "namespaces": ("v1", "Namespace"), "nodes": ("v1", "Node"),
            "pipelines": ("millrace.dev/v1", "Pipeline"), "pipelineruns": ("millrace.dev/v1", "PipelineRun")}
KINDS = list(MINIMAL)

_POD = {
    "initContainers": [{"name": "first", "image": "busybox:1.36", "command": ["sh", "-c", "true"],
                        "volumeMounts": [{"name": "work", "mountPath": "/work"}]}],
    "containers": [
        {"name": "main", "image": "busybox", "imagePullPolicy": "IfNotPresent", "args": ["a", "b"], "workingDir": "/w",
         "ports": [{"containerPort": 8080, "name": "web"}, {"containerPort": 53, "protocol": "UDP"}],
         "env": [{"name": "A", "value": "1"}, {"name": "EMPTY"},
                 {"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
                 {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
                 {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k", "optional": True}}},
                 {"name": "R", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}],
         "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}, {"secretRef": {"name": "s"}}],
         "resources": {"limits": {"cpu": "500m", "memory": "64Mi"}, "requests": {"memory": "32Mi"}},
         "livenessProbe": {"httpGet": {"port": 8080}}, "readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
         "startupProbe": {"tcpSocket": {"port": "web"}},
         "lifecycle": {"preStop": {"exec": {"command": ["true"]}}},
         "volumeMounts": [{"name": "work", "mountPath": "/work"}, {"name": "conf", "mountPath": "/conf", "readOnly": True}],
         "securityContext": {"runAsUser": 0, "allowPrivilegeEscalation": False}},
        {"name": "side", "image": "registry.example/side@sha256:" + "0" * 64},
    ],
    "volumes": [{"name": "work", "emptyDir": {}}, {"name": "conf", "configMap": {"name": "c", "items": [{"key": "k", "path": "p"}]}},
                {"name": "sec", "secret": {"secretName": "s"}},
                {"name": "all", "projected": {"sources": [{"configMap": {"name": "c"}}, {"secret": {"name": "s"}},
                                                          {"downwardAPI": {"items": [{"path": "labels", "fieldRef": {
                                                              "fieldPath": "metadata.labels"}}]}}]}},
                {"name": "host", "hostPath": {"path": "/tmp"}},
                {"name": "down", "downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}],
    "nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "k", "operator": "Exists"}], "terminationGracePeriodSeconds": 5,
    "activeDeadlineSeconds": 100, "imagePullSecrets": [{"name": "pull"}], "hostname": "h", "serviceAccountName": "default",
    "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}]}}},
    "securityContext": {"runAsNonRoot": False, "fsGroup": 1000},
}

FULL = {
    "configmaps": {"data": {"a": "1", "b.txt": "lines\nof text\n"}, "binaryData": {"c": "AAEC/w=="}},
    "secrets": {"type": "Opaque", "data": {"a": "cGFzcw=="}, "stringData": {"b": "plain", "a": "wins"}},
    "serviceaccounts": {"secrets": [{"name": "s"}], "imagePullSecrets": [{"name": "pull"}], "automountServiceAccountToken": False},
    "services": {"spec": {"clusterIP": "None", "selector": {"app": "a"}, "sessionAffinity": "ClientIP", "ports": [
        {"name": "web", "port": 80, "targetPort": "http"}, {"name": "dns", "port": 53, "protocol": "UDP"}]}},
    "pods": {"spec": {**_POD, "restartPolicy": "OnFailure"}},
    "jobs": {"spec": {"parallelism": 2, "completions": 4, "completionMode": "Indexed", "backoffLimit": 3,
                      "activeDeadlineSeconds": 60, "ttlSecondsAfterFinished": 10, "suspend": True,
                      "managedBy": "millrace.dev/job-controller",
                      "podFailurePolicy": {"rules": [{"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}}]},
                      "template": {"metadata": {"annotations": {"note": "x"}}, "spec": {**_POD, "restartPolicy": "Never"}}}},
    "deployments": {"spec": {"replicas": 3, "minReadySeconds": 5, "revisionHistoryLimit": 2, "paused": True,
                             "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}},
                             "selector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["a", "b"]}]},
                             "template": {"metadata": {"labels": {"app": "a"}},
                                          "spec": {key: item for key, item in _POD.items() if key != "activeDeadlineSeconds"}}}},
    "controllerrevisions": {"revision": 7, "data": {"kind": "X", "nested": {"big": 9007199254740993, "float": 1.0, "none": None}}},
    "leases": {"spec": {"holderIdentity": "me", "leaseDurationSeconds": 15, "leaseTransitions": 2,
                        "acquireTime": "2020-01-01T00:00:00.000000Z", "renewTime": "2020-01-01T00:00:01.500000Z"}},
    "events": {"involvedObject": {"kind": "Pod", "name": "p", "namespace": "@NS", "apiVersion": "v1", "uid": "u1", "fieldPath": "spec.containers{a}"},
               "reason": "Started", "message": "it runs", "type": "Normal", "count": 3, "source": {"component": "test"},
               "firstTimestamp": "2020-01-01T00:00:00Z", "lastTimestamp": "2020-01-01T00:00:09Z"},
    "pipelines": {"spec": {
        "batchJob": {"input": {"elasticSearch": {"url": "http://e", "queryTemplate": "{}"}}, "processors": [
            {"name": "clean", "image": "demo/cleaner", "env": [{"name": "A", "value": "b"}]}],
            "outputs": [{"name": "files", "ftp": {"topic": "t"}}]},
        "strategy": {"cronExpression": "0/5 * * * *", "suspend": True, "successfulJobsHistoryLimit": 1}}},
    "pipelineruns": {"spec": {"refPipeline": "feed", "maxRetryCount": 2, "timeout": "1h", "cancel": False}},
}


def sample(plural, name, body=None, **metadata):
    """A whole object; `body` is what stands beside metadata (default: the minimal one)."""
    version, kind = VERSIONS[plural]
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata},
            **copy.deepcopy(MINIMAL[plural] if body is None else body)}


def pod(name, spec=None, **metadata):
    return sample("pods", name, {"spec": {**MINIMAL["pods"]["spec"], **(spec or {})}}, **metadata)


def job(name, spec=None, **metadata):
    return sample("jobs", name, {"spec": {**MINIMAL["jobs"]["spec"], **(spec or {})}}, **metadata)


def config(name, data=None, **metadata):
    return sample("configmaps", name, {"data": data} if data is not None else {}, **metadata)
