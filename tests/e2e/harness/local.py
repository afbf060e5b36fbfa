"""Local mode in the cluster's place: `millrace local up` of a test's own, with a stand-in for podman (engine.py). See ../README.md."""
import base64
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import yaml

ENGINE = pathlib.Path(__file__).with_name("engine.py")


class LocalCluster:
    """One embedded API server with its executor, without an operator: tests start theirs. The face of `Cluster`."""

    def __init__(self, binary, directory, kubectl, real=False):
        self.binary = binary
        self.directory = pathlib.Path(directory)
        self.real = real
        self.data = self.directory / "data"
        self.kubeconfig = self.directory / "kubeconfig"
        self.log_path = self.directory / "local.log"
        self._kubectl = kubectl
        self._once = set()
        self.process = None

    def environment(self):
        """Environment in which kubectl means this server."""
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.directory / "kubectl-cache"),
                "PATH": f"{self._kubectl.parent}:{os.environ['PATH']}"}

    def up(self):
        engine, programs = self.directory / "engine", self.directory / "bin"
        (engine / "containers").mkdir(parents=True, exist_ok=True)
        programs.mkdir(exist_ok=True)
        script = programs / "podman"
        script.write_text(f"#!/bin/sh\nexec {sys.executable} -I {ENGINE} {engine} \"$@\"\n")
        script.chmod(0o755)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [str(self.binary), "local", "up", "--foreground", "--no-operator", "--data", str(self.data), "--runtime", "podman"],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"})
        written, deadline = self.data / "kubeconfig", time.monotonic() + 20
        while "millrace local is up" not in self.log_path.read_text(errors="replace"):
            assert self.process.poll() is None, f"millrace local up ended with {self.process.returncode}:\n{self.tail()}"
            assert time.monotonic() < deadline, f"millrace local up is not ready after 20 s:\n{self.tail()}"
            time.sleep(0.01)
        config = yaml.safe_load(written.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
        (self.directory / "ca.crt").write_text(authority)
        (engine / "settings.json").write_text(json.dumps({"flavour": "images" if self.real else "simulated", "server": cluster["server"], "authority": authority, "token": user["token"]}))
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": cluster["server"], "certificate-authority": str(self.directory / "ca.crt")}}],
            "users": [{"name": "admin", "user": {"token": user["token"]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}]}))
        return self

    def down(self):
        """Ends it; returns what was wrong with the end, and what it left behind."""
        problems = []
        if self.process is None:
            return problems
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                if (code := self.process.wait(20)) != 0:
                    problems.append(f"millrace local up ended with {code} on TERM:\n{self.tail()}")
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()
                problems.append(f"millrace local up did not end within 20 s of TERM:\n{self.tail()}")
        else:
            problems.append(f"millrace local up had ended before, with {self.process.returncode}:\n{self.tail()}")
        if left := self.orphans():
            problems.append(f"processes of pods were left behind: {left}")
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        return problems

    def orphans(self):
        """Processes of this server's pods that still run, by the mark the executor puts on them."""
        path = self.data / "pods" / "instance"
        if not path.exists():
            return []
        mark = f"MILLRACE_INSTANCE={path.read_text().strip()}".encode()
        found = []
        for folder in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.append(int(folder.name))
        return found

    def tail(self, lines=40):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def once(self, name, action):
        if name not in self._once:
            self._once.add(name)
            action()
