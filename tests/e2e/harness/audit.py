"""Reads the API server's audit log: who called what. Lines are written before the caller has its answer."""
import collections
import dataclasses
import json
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
        return self.verb in ("create", "update", "patch", "delete", "deletecollection")


class AuditLog:
    """The log from the moment this object was made (or of `mark()`) on."""

    def __init__(self, cluster):
        self.path = cluster.audit_log
        self.mark()

    def mark(self):
        """Forgets what came before now."""
        self.offset = self.path.stat().st_size if self.path.exists() else 0

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
        """How often each (verb, resource) was called."""
        return collections.Counter((call.verb, call.resource) for call in self.calls(**filters))

    def wait(self, test, timeout=10.0, **filters):
        """Waits until `test(calls)` is true; returns the calls."""
        deadline = time.monotonic() + timeout
        while not test(found := self.calls(**filters)):
            assert time.monotonic() < deadline, "calls so far:\n" + "\n".join(map(str, found))
            time.sleep(0.05)
        return found
