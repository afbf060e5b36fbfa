"""One `millrace local` server of a test: its commands, kubectl against it, and the processes that belong to it."""
import http.client
import json
import os
import pathlib
import signal
import ssl
import subprocess
import time
import urllib.parse

import yaml


class LocalServer:
    """The commands of one data folder."""

    def __init__(self, millrace, data):
        self.millrace = millrace
        self.data = pathlib.Path(data)

    # --- commands ---

    def command(self, *words, timeout=60, **more):
        """`millrace local WORD...` on this folder; its CompletedProcess."""
        return subprocess.run([self.millrace, "local", words[0], "--data", str(self.data), *map(str, words[1:])],
                              capture_output=True, text=True, timeout=timeout, env=self.environment(), **more)

    def start(self, *words):
        """The same in the background: a Popen with pipes."""
        return subprocess.Popen([self.millrace, "local", words[0], "--data", str(self.data), *map(str, words[1:])],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment())

    def up(self):
        done = self.command("up")
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def down(self):
        done = self.command("down")
        assert done.returncode == 0, done.stdout + done.stderr

    def environment(self):
        kept = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG", "TMPDIR")}
        return {**kept, "KUBECONFIG": str(self.data / "kubeconfig"), "NO_COLOR": "1"}

    def status(self):
        """What `status --output json` says."""
        done = self.command("status", "--output", "json")
        return json.loads(done.stdout)

    def pid(self):
        return self.status()["pid"]

    def kill(self):
        """kill -9 of the server's process, and of no other; waits until it is gone."""
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not pathlib.Path(f"/proc/{pid}/status").exists() or
                 "State:\tZ" in pathlib.Path(f"/proc/{pid}/status").read_text(), "the server's end")

    def end_by_id(self):
        """Whatever a failed test left: by id, and only what works on this folder."""
        for pid in left_behind(self.data):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    # --- kubectl and HTTP ---

    def kubectl(self, *words, stdin=None, check=True, timeout=60):
        command = ["kubectl", *map(str, words)]
        done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout, env=self.environment())
        if check:
            assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
        return done.stdout if check else done

    def apply(self, *objects):
        """`kubectl apply` of YAML text or objects."""
        text = objects[0] if isinstance(objects[0], str) else yaml.safe_dump_all(objects)
        return self.kubectl("apply", "-f", "-", stdin=text)

    def get(self, kind, name, *words):
        return json.loads(self.kubectl("get", kind, name, "-o", "json", *words))

    def connection(self):
        """An HTTPS connection to the server, and the headers that let one in."""
        config = yaml.safe_load((self.data / "kubeconfig").read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        at = urllib.parse.urlsplit(cluster["server"])
        if "certificate-authority-data" in cluster:
            import base64
            tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
        else:
            tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
        return (http.client.HTTPSConnection(at.hostname, at.port, context=tls, timeout=30),
                {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json", "Accept": "application/json"})

    def request(self, method, path, body=None, headers=None):
        """One request; status and text of the answer."""
        connection, own = self.connection()
        try:
            connection.request(method, path, json.dumps(body) if isinstance(body, dict) else body, {**own, **(headers or {})})
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()


def wait_for(test, what, timeout=30.0):
    """Waits until `test()` gives something true, which is returned."""
    deadline = time.monotonic() + timeout
    while not (found := test()):
        assert time.monotonic() < deadline, f"{what}: not within {timeout:g} s"
        time.sleep(0.02)
    return found


def left_behind(data):
    """Processes that work for this data folder: by their arguments or their environment."""
    found = []
    for place in pathlib.Path("/proc").iterdir():
        if not place.name.isdigit() or int(place.name) == os.getpid():
            continue
        try:
            text = (place / "cmdline").read_bytes() + b"\0" + (place / "environ").read_bytes()
            if b"State:\tZ" in (place / "status").read_bytes():
                continue
        except OSError:
            continue
        if str(data).encode() in text and b"pytest" not in text.split(b"\0")[0]:
            found.append(int(place.name))
    return found


def pipeline(name, *commands, **more):
    """A batch pipeline of containers that run these shell commands in turn."""
    processors = [{"name": f"step{n}", "image": "busybox:1.36", "command": ["sh", "-c", command]} for n, command in enumerate(commands)]
    return {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": name}, "spec": {"batchJob": {"processors": processors, **more}}}


def run(name, of, **spec):
    return {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": name}, "spec": {"refPipeline": of, **spec}}


def job(name, command, **spec):
    pod = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox:1.36", "command": ["sh", "-c", command]}]}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": pod}, **spec}}
