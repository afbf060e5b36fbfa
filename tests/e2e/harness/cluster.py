"""Starts and stops test clusters through tests/cluster/cluster, shared by all pytest workers of one session."""
import fcntl
import os
import pathlib
import subprocess

from harness.ports import free_ports

ROOT = pathlib.Path(__file__).resolve().parents[3]
RECIPE = ROOT / "tests/cluster/cluster"


class Cluster:
    """One control plane with simulated pods, or (real) one with containers that truly run."""

    def __init__(self, directory, real):
        self.directory = pathlib.Path(directory)
        self.real = real
        self.kubeconfig = self.directory / "kubeconfig"
        self.audit_log = self.directory / "audit.log"

    @staticmethod
    def obstacle():
        """Why the real node cannot run on this machine, or None."""
        done = subprocess.run([RECIPE, "check-real"], capture_output=True, text=True)
        return None if done.returncode == 0 else done.stderr.strip().removeprefix("cluster: ")

    def environment(self):
        """Environment in which the recipe and kubectl mean this cluster."""
        return {**os.environ, "CLUSTER_DIR": str(self.directory), "CLUSTER_PORT": self._port(), "CLUSTER_AUDIT": "1",
                "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(self.directory / "kubectl-cache")}

    def _port(self):
        path = self.directory.with_suffix(".port")
        if not path.exists():
            path.write_text(str(free_ports(7)))
        return path.read_text()

    def up(self):
        """Starts the cluster unless another worker has; any process may call it."""
        with self.lock("up"):
            done = subprocess.run([RECIPE, "up", *(["--real"] if self.real else [])], env=self.environment(),
                                  capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"the test cluster did not start:\n{done.stderr}")
        for line in done.stdout.splitlines():
            if line.startswith("export PATH="):  # the kubectl of the cluster's own version goes first
                os.environ["PATH"] = line.removeprefix("export PATH=").split(":")[0] + ":" + os.environ["PATH"]
        return self

    def down(self):
        if self.directory.exists():
            subprocess.run([RECIPE, "down"], env=self.environment(), check=False)

    def lock(self, name):
        """A lock between the workers of this session, as a context manager."""
        return _FileLock(self.directory.with_suffix(f".{name}.lock"))

    def once(self, name, action):
        """Runs `action` in one worker only; the others wait until it is done."""
        done = self.directory / f".done-{name}"
        with self.lock(name):
            if not done.exists():
                action()
                done.touch()


class _FileLock:
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.file = open(self.path, "w")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def __exit__(self, *_):
        self.file.close()
