"""Faults of the control plane itself: its processes are paused, killed and started again, and etcd's history is thrown away.
Only for a cluster that nobody else uses at the time."""
import base64
import contextlib
import json
import os
import pathlib
import signal
import ssl
import subprocess
import time
import urllib.request


class Component:
    """One process of a test cluster ("apiserver", "etcd", "kubelet", ...), by the file in which the recipe keeps its pid."""

    def __init__(self, cluster, name):
        self.cluster = cluster
        self.name = name
        self._pid_file = cluster.directory / f"{name}.pid"
        self._command = None
        self._child = None  # what we started ourselves, to be reaped

    def pid(self):
        """Its pid, or None when it does not run."""
        try:
            pid, started = self._pid_file.read_text().split()
        except (OSError, ValueError):
            return None
        return int(pid) if _started(int(pid)) == started else None

    def pause(self):
        os.kill(self.pid(), signal.SIGSTOP)

    def resume(self):
        os.kill(self.pid(), signal.SIGCONT)

    def end(self, how=signal.SIGKILL, patience=10.0):
        """Ends it by a signal, after `patience` [s] by KILL, as a kubelet does; waits until it is gone."""
        pid = self.pid()
        self._command = [word.decode() for word in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]]
        os.kill(pid, how)
        deadline = time.monotonic() + patience
        while self.pid():
            if time.monotonic() > deadline:
                assert how != signal.SIGKILL, f"{self.name} does not end"
                return self.end()
            if self._child:
                self._child.poll()
            time.sleep(0.01)

    def start(self):
        """Starts it again, as it was. One that ends at once is started again, for a while: the kernel may still be closing the
        sockets of one that was killed, and its port is in use until then."""
        folder = self.cluster.directory
        for left in reversed(range(20)):
            with open(folder / f"{self.name}.log", "ab") as log:
                self._child = subprocess.Popen(self._command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                               start_new_session=True)
            try:
                code = self._child.wait(0.5)
            except subprocess.TimeoutExpired:
                break
            assert left, f"{self.name} ends at once with {code}; its log says why"
        self._pid_file.write_text(f"{self._child.pid} {_started(self._child.pid)}")

    @contextlib.contextmanager
    def paused(self):
        self.pause()
        try:
            yield
        finally:
            self.resume()


def _started(pid):
    """Start time of a process that is no zombie, else None; tells a process from a later one with its pid."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    except OSError:
        return None
    return None if fields[0] in "ZX" else fields[19]


def wait_ready(cluster, timeout=150.0):
    """Waits until the API server says that it is ready."""
    config = json.loads(cluster.kubeconfig.read_text())
    target = config["clusters"][0]["cluster"]
    tls = ssl.create_default_context(cafile=target["certificate-authority"])
    request = urllib.request.Request(target["server"] + "/readyz", headers={
        "Authorization": f"Bearer {config['users'][0]['user']['token']}"})
    deadline = time.monotonic() + timeout
    while True:
        try:
            with urllib.request.urlopen(request, context=tls, timeout=30):
                return
        except OSError as error:
            assert time.monotonic() < deadline, f"the API server is not ready: {error}"
            time.sleep(0.05)


class Etcd(Component):
    """etcd, with what its JSON gateway can do."""

    def __init__(self, cluster):
        super().__init__(cluster, "etcd")

    def compact(self):
        """Throws away all history up to now; returns the revision."""
        key = base64.b64encode(b"/").decode()
        revision = int(self._call("range", {"key": key, "limit": 1})["header"]["revision"])
        self._call("compaction", {"revision": revision, "physical": True})
        return revision

    def move_on(self, revisions=10, timeout=60.0):
        """Makes revisions that say nothing to anybody, as soon as it takes writes."""
        key, deadline = base64.b64encode(b"/millrace-tests").decode(), time.monotonic() + timeout
        while revisions:
            try:
                self._call("put", {"key": key, "value": key})
                revisions -= 1
            except OSError as error:
                assert time.monotonic() < deadline, f"etcd takes no writes: {error}"
                time.sleep(0.05)

    def _call(self, what, body):
        command = pathlib.Path(f"/proc/{self.pid()}/cmdline").read_bytes().decode().split("\0")
        url = command[command.index("--listen-client-urls") + 1]
        path = "kv/compaction" if what == "compaction" else f"kv/{what}"
        request = urllib.request.Request(f"{url}/v3/{path}", data=json.dumps(body).encode(),
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
