"""Reads the API server's audit log: who called what. Lines are written before the caller has its answer."""
import collections
import dataclasses
import json
import os
import time


@dataclasses.dataclass(frozen=True)
class Call:
    """One finished request."""
    verb: str
    resource: str  # "pods", "pipelineruns/status"
    namespace: str
    name: str
    code: int
    user_agent: str
    uri: str
    time: str

    @property
    def writes(self):
        return self.verb in ("create", "update", "patch", "delete", "deletecollection") and not self.dry_run

    @property
    def dry_run(self):
        """Asked the server's opinion, and stored nothing."""
        return "dryRun=All" in self.uri


def end_of_lines(path):
    """The offset after the last line that was written to its end."""
    with open(path, "rb") as log:
        at = log.seek(0, os.SEEK_END)
        while at > 0:
            start = max(0, at - 2**16)
            log.seek(start)
            found = log.read(at - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            at = start
    return 0


class AuditLog:
    """The log from the moment this object was made (or of `mark()`) on."""

    def __init__(self, cluster):
        self.path = cluster.audit_log
        self.mark()

    def mark(self):
        """Forgets what came before now. A line that is being written is of a call that has no answer yet, and counts."""
        self.offset = end_of_lines(self.path) if self.path.exists() else 0

    def calls(self, user_agent="millrace/", namespace=None, writes_only=False):
        """Calls by programs whose user agent begins so, in the order they ended; long watches only when they end."""
        found = []
        with open(self.path, "rb") as log:
            log.seek(self.offset)
            for line in log:
                if not line.endswith(b"\n"):
                    break  # being written
                entry = json.loads(line)
                if not entry.get("userAgent", "").startswith(user_agent) or entry["stage"] not in ("ResponseComplete", "Panic"):
                    continue
                target = entry.get("objectRef", {})
                subresource = target.get("subresource")
                call = Call(entry["verb"], target.get("resource", "") + (f"/{subresource}" if subresource else ""),
                            target.get("namespace", ""), target.get("name", ""), entry.get("responseStatus", {}).get("code", 0),
                            entry["userAgent"], entry["requestURI"], entry["stageTimestamp"])
                if namespace in (None, call.namespace) and (call.writes or not writes_only):
                    found.append(call)
        return found

    def count(self, **filters):
        """How often each (verb, resource) was called, dry runs not counted."""
        return collections.Counter((call.verb, call.resource) for call in self.calls(**filters) if not call.dry_run)

    def wait(self, test, timeout=10.0, **filters):
        """Waits until `test(calls)` is true; returns the calls."""
        deadline = time.monotonic() + timeout
        while not test(found := self.calls(**filters)):
            assert time.monotonic() < deadline, "calls so far:\n" + "\n".join(map(str, found))
            time.sleep(0.05)
        return found


class ProxyAudit(AuditLog):
    """The same questions, answered by a FaultProxy that the operator's calls go through (local mode has no audit log)."""

    VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch"}

    def __init__(self, proxy):
        self.proxy = proxy
        self.mark()

    def mark(self):
        self.offset = len(self.proxy.requests)

    def calls(self, user_agent="millrace/", namespace=None, writes_only=False):
        assert user_agent == "millrace/", "only the operator goes through the proxy"
        found = [self._call(request) for request in self.proxy.requests[self.offset:]]
        return [call for call in found if namespace in (None, call.namespace) and (call.writes or not writes_only)]

    def _call(self, request):
        path, _, query = request.path.partition("?")
        parts = path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = ""
        if len(parts) > 2 and parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        resource, name, subresource = [*parts, "", "", ""][:3]
        verb = self.VERBS.get(request.method) or (
            "deletecollection" if request.method == "DELETE" and not name else "delete" if request.method == "DELETE" else
            "watch" if "watch=" in query else "get" if name else "list")
        return Call(verb, resource + (f"/{subresource}" if subresource else ""), namespace, name, 0, "millrace/", request.path, "")
