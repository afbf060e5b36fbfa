"""kubectl, and a small API client for what a test polls: the first for acts of a user, the second for waiting."""
import contextlib
import http.client
import json
import ssl
import subprocess
import time
import urllib.parse

import yaml

# kind (singular, plural or short) → API prefix and plural, for get, list and watch without a kubectl process.
_RESOURCES = {
    ("pod", "pods", "po"): ("/api/v1", "pods"),
    ("service", "services", "svc"): ("/api/v1", "services"),
    ("configmap", "configmaps", "cm"): ("/api/v1", "configmaps"),
    ("secret", "secrets"): ("/api/v1", "secrets"),
    ("serviceaccount", "serviceaccounts", "sa"): ("/api/v1", "serviceaccounts"),
    ("resourcequota", "resourcequotas"): ("/api/v1", "resourcequotas"),
    ("node", "nodes"): ("/api/v1", "nodes"),
    ("namespace", "namespaces", "ns"): ("/api/v1", "namespaces"),
    ("event", "events"): ("/apis/events.k8s.io/v1", "events"),
    ("job", "jobs"): ("/apis/batch/v1", "jobs"),
    ("deployment", "deployments", "deploy"): ("/apis/apps/v1", "deployments"),
    ("replicaset", "replicasets", "rs"): ("/apis/apps/v1", "replicasets"),
    ("controllerrevision", "controllerrevisions"): ("/apis/apps/v1", "controllerrevisions"),
    ("lease", "leases"): ("/apis/coordination.k8s.io/v1", "leases"),
    ("crd", "customresourcedefinition"): ("/apis/apiextensions.k8s.io/v1", "customresourcedefinitions"),
    ("pipeline", "pipelines", "pl"): ("/apis/millrace.dev/v1", "pipelines"),
    ("pipelinerun", "pipelineruns", "plr"): ("/apis/millrace.dev/v1", "pipelineruns"),
}
_BY_KIND = {name: place for names, place in _RESOURCES.items() for name in names}
_CLUSTER_SCOPED = {"nodes", "namespaces", "customresourcedefinitions"}
# Longest time until the cluster's garbage collector has deleted what lost its owner [s]: it looks for new kinds only
# twice a minute.
GC_TIME = 90.0


class KubectlError(AssertionError):
    """kubectl said no; `stderr` is what it said."""

    def __init__(self, command, stdout, stderr):
        super().__init__(f"{' '.join(command)}\n{stdout}{stderr}")
        self.stderr = stderr


class Kube:
    """One namespace of one cluster, as a user sees it. `patience`: how long it waits for a state unless told otherwise [s]."""

    def __init__(self, cluster, namespace, patience=30.0):
        self.patience = patience
        self.cluster = cluster
        self.namespace = namespace
        config = json.loads(cluster.kubeconfig.read_text())
        self._server = urllib.parse.urlsplit(config["clusters"][0]["cluster"]["server"])
        self._tls = ssl.create_default_context(cafile=config["clusters"][0]["cluster"]["certificate-authority"])
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "Accept": "application/json",
                         "User-Agent": "millrace-tests-harness"}

    # --- kubectl ---

    def kubectl(self, *words, stdin=None, check=True):
        """Runs kubectl in this namespace; returns its output, or raises KubectlError."""
        command = ["kubectl", "-n", self.namespace, *map(str, words)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, env=self.cluster.environment(), timeout=3 * self.patience)
        if check and done.returncode != 0:
            raise KubectlError(command, done.stdout, done.stderr)
        return done.stdout

    def apply(self, what, *words):
        """`kubectl apply` of YAML text, of one object, or of a list of objects. More `words`: flags."""
        return self.kubectl("apply", *words, "-f", "-", stdin=_as_yaml(what))

    def create(self, what, *words):
        """`kubectl create`, as apply."""
        return self.kubectl("create", *words, "-f", "-", stdin=_as_yaml(what))

    def refused(self, what, verb="apply"):
        """Applies what must be refused; returns the server's words."""
        try:
            out = self.kubectl(verb, "-f", "-", stdin=_as_yaml(what))
        except KubectlError as error:
            return error.stderr
        raise AssertionError(f"this was to be refused, but: {out}")

    def delete(self, kind, name, *words):
        return self.kubectl("delete", kind, name, *words)

    def patch(self, kind, name, change):
        """Merge patch."""
        return self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def logs(self, name, *words):
        return self.kubectl("logs", name, *words)

    # --- reading ---

    def get(self, kind, name):
        """The object, or None."""
        status, body = self._call(self.path(kind) + f"/{name}")
        if status == 404:
            return None
        assert status == 200, body
        return json.loads(body)

    def list(self, kind, selector=""):
        """The objects with these labels (a selector as for kubectl -l), in no order to rely on."""
        status, body = self._call(self.path(kind) + "?" + urllib.parse.urlencode({"labelSelector": selector}))
        assert status == 200, body
        answer = json.loads(body)
        kind = {"apiVersion": answer["apiVersion"], "kind": answer["kind"].removesuffix("List")}  # items of a list do not say it
        return [{**kind, **item} for item in answer["items"]]

    # --- waiting: always for a state and with a deadline, never for a time ---

    def wait(self, kind, name, test, what="", timeout=None):
        """Waits until `test(object)` is true and returns the object. Sees every state the server shows, by a watch."""
        timeout = self.patience if timeout is None else timeout
        last = None
        for last in self._watch(kind, timeout, f"metadata.name={name}"):
            if last is not None and test(last):
                return last
        raise AssertionError(f"{kind} {self.namespace}/{name} did not get to: {what or 'the state waited for'} in {timeout:g} s; "
                             f"last seen:\n{_brief(last)}")

    def wait_gone(self, kind, name, timeout=30.0):
        """Waits until the object does not exist."""
        deadline = time.monotonic() + timeout
        while (last := self.get(kind, name)) is not None:
            assert time.monotonic() < deadline, f"{kind} {name} still there after {timeout:g} s:\n{_brief(last)}"
            with contextlib.suppress(StopIteration):
                next(event for event in self._watch(kind, min(2.0, timeout), f"metadata.name={name}") if event is None)

    def wait_list(self, kind, selector, test, what="", timeout=30.0):
        """Waits until `test(objects)` is true of all objects with these labels; returns them."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.list(kind, selector)
            if test(found):
                return found
            left = deadline - time.monotonic()
            assert left > 0, (f"{kind} with {selector!r} in {self.namespace} did not get to: {what or 'the state waited for'} in "
                              f"{timeout:g} s; last seen:\n" + "\n".join(map(_brief, found)))
            seen = {item["metadata"]["uid"]: item["metadata"]["resourceVersion"] for item in found}
            for event in self._watch(kind, min(left, 2.0), "", selector):
                if event is None or seen.get(event["metadata"]["uid"]) != event["metadata"]["resourceVersion"]:
                    break  # something changed: list again

    def wait_completed(self, name, reason=None, timeout=30.0):
        """Waits until a PipelineRun has ended for good, and that it ended with this reason; returns it."""
        ended = self.wait_condition("pipelinerun", name, "Completed", timeout=timeout)
        got = condition_of(ended, "Succeeded")
        assert reason in (None, got["reason"]), f"run {name} ended with {got['reason']} instead of {reason}:\n{_brief(ended)}"
        return ended

    def wait_condition(self, kind, name, condition, status="True", reason=None, timeout=None):
        """Waits for a condition of `status.conditions`, with that reason if one is given."""
        def test(item):
            found = condition_of(item, condition)
            return found is not None and found["status"] == status and reason in (None, found.get("reason"))
        return self.wait(kind, name, test, f"condition {condition}={status}" + (f" ({reason})" if reason else ""), timeout)

    def wait_run(self, name, succeeded="True", timeout=30.0):
        """Waits until a PipelineRun has ended, and that it ended so (True, False); returns it."""
        run = self.wait("pipelinerun", name, lambda item: (condition_of(item, "Succeeded") or {}).get("status") in ("True", "False"),
                        "an end", timeout)
        got = condition_of(run, "Succeeded")
        assert got["status"] == succeeded, f"run {name} ended with Succeeded={got['status']}:\n{_brief(run)}"
        return run

    # --- inside ---

    def path(self, kind):
        """Where objects of that kind are, in this namespace."""
        prefix, plural = _BY_KIND[kind.lower()]
        return f"{prefix}/{plural}" if plural in _CLUSTER_SCOPED else f"{prefix}/namespaces/{self.namespace}/{plural}"

    def _connect(self, timeout):
        return http.client.HTTPSConnection(self._server.hostname, self._server.port, context=self._tls, timeout=timeout)

    def _call(self, path):
        deadline = time.monotonic() + 30
        while True:
            connection = self._connect(30)
            try:
                connection.request("GET", path, headers=self._headers)
                answer = connection.getresponse()
                status, body = answer.status, answer.read().decode()
            finally:
                connection.close()
            if status != 429 or time.monotonic() > deadline:  # 429: a kind whose definition has just changed
                return status, body
            time.sleep(0.05)

    def _watch(self, kind, timeout, field_selector="", label_selector=""):
        """Yields objects as they are and as they change (None: deleted), until the time is over."""
        deadline = time.monotonic() + timeout
        query = urllib.parse.urlencode({"watch": 1, "fieldSelector": field_selector, "labelSelector": label_selector})
        while (left := deadline - time.monotonic()) > 0:
            connection = self._connect(left)
            try:
                connection.request("GET", f"{self.path(kind)}?{query}", headers=self._headers)
                answer = connection.getresponse()
                if answer.status == 404:  # the kind itself is not there yet
                    time.sleep(0.1)
                    continue
                while line := answer.readline():
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    if event["type"] != "BOOKMARK":
                        yield None if event["type"] == "DELETED" else event["object"]
                    connection.sock.settimeout(max(0.01, deadline - time.monotonic()))
            except (TimeoutError, OSError, http.client.HTTPException):
                time.sleep(0.02)
            finally:
                connection.close()


def condition_of(item, kind):
    """The condition of that type, or None."""
    return next((entry for entry in (item.get("status") or {}).get("conditions") or [] if entry["type"] == kind), None)


def _as_yaml(what):
    if isinstance(what, str):
        return what
    # JSON is YAML, and leaves no doubt whether `y` is a text.
    return "\n---\n".join(map(json.dumps, what if isinstance(what, list) else [what]))


def _brief(item):
    if not item:
        return "  (no object)"
    shown = {"name": item["metadata"]["name"], "spec": item.get("spec"), "status": item.get("status")}
    return yaml.safe_dump(shown, sort_keys=False)[:6000]
