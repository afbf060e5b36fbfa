"""What a load costs others: calls and bytes at the API server, bytes in etcd, bytes on an engine's connections."""
import collections
import json
import re
import subprocess
import urllib.request

# etcd's own counters: to its log on disk, keys put, and what the API server sent it.
ETCD = {"etcd_disk_wal_write_bytes_total": "etcd_wal_bytes", "etcd_mvcc_put_total": "etcd_puts",
        "etcd_network_client_grpc_received_bytes_total": "etcd_received_bytes"}


def metrics(address):
    """Values of a Prometheus page by name; samples with labels by the whole name."""
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line and line[0] != "#")}


def etcd(port):
    found = metrics(f"127.0.0.1:{port}")
    return {ours: found.get(theirs, 0.0) for theirs, ours in ETCD.items()}


def connections(pid):
    """TCP payload of a process's open connections so far: with TLS, watches and all."""
    lines = subprocess.run(["ss", "-tinpOH"], capture_output=True, text=True).stdout.splitlines()
    total = {"engine_sent_bytes": 0, "engine_received_bytes": 0}
    for line in lines:
        if f"pid={pid}," not in line:
            continue
        for theirs, ours in (("bytes_sent", "engine_sent_bytes"), ("bytes_received", "engine_received_bytes")):
            if at := re.search(rf"\b{theirs}:(\d+)", line):
                total[ours] += int(at.group(1))
    return total


def writes(address):
    """Writes that an operator has sent, but for its lease, by its own metrics."""
    pattern = re.compile(r'millrace_api_request_duration_seconds_count\{verb="(\w+)",resource="([^"]*)"\}')
    total = 0
    for name, value in metrics(address).items():
        at = pattern.fullmatch(name)
        if at and at.group(1) not in ("get", "list", "watch") and at.group(2) != "leases":
            total += int(value)
    return total


class Audit:
    """Calls of one client about one namespace, from the lines of an audit log.

    Bytes are those of the bodies, as JSON; only there when the log has bodies (CLUSTER_AUDIT="bodies:...")."""

    def __init__(self, lines, agent, namespace):
        self.calls, self.sent, self.answered = collections.Counter(), collections.Counter(), collections.Counter()
        self.events = 0
        for line in lines:
            entry = json.loads(line)
            target = entry.get("objectRef", {})
            if agent not in entry.get("userAgent", "") or entry["stage"] != "ResponseComplete" or target.get("namespace") != namespace:
                continue
            resource = "/".join(filter(None, (target["resource"], target.get("subresource"))))
            if resource == "events":
                self.events += 1
                continue
            key = f"{entry['verb']} {resource}"
            self.calls[key] += 1
            self.sent[key] += size(entry.get("requestObject"))
            self.answered[key] += size(entry.get("responseObject"))

    def report(self):
        return {"calls": dict(self.calls), "sent_bytes": dict(self.sent), "answered_bytes": dict(self.answered), "events": self.events}


def size(body):
    return len(json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode()) if body else 0
