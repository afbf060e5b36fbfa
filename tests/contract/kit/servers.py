"""Starts and stops the two servers of a session; all pytest workers share them."""
import dataclasses
import fcntl
import json
import os
import pathlib
import signal
import socket
import ssl
import subprocess
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[3]
RECIPE = ROOT / "tests/cluster/cluster"
# What this admission plugin adds to pods is about nodes that are lost; local mode has one, which is never.
ADMISSION_OFF = "DefaultTolerationSeconds"


@dataclasses.dataclass(frozen=True)
class Server:
    """One API server: `kind` is "embedded" or "real"."""
    kind: str
    host: str
    port: int
    token: str
    ca: str
    kubeconfig: str
    kubectl: str
    cache: str

    @property
    def url(self):
        return f"https://{self.host}:{self.port}"

    def compact(self, version):
        """Makes the server forget what was before `version` (the real one: in etcd; its caches keep what they have)."""
        if self.kind == "embedded":
            os.kill(int((pathlib.Path(self.kubeconfig).parent / "pid").read_text()), signal.SIGUSR1)
            return
        etcd = f"http://127.0.0.1:{self.port + 1}/v3/kv/compaction"
        body = json.dumps({"revision": version, "physical": False}).encode()
        with urllib.request.urlopen(urllib.request.Request(etcd, data=body), timeout=10) as answer:
            assert answer.status == 200

    def environment(self):
        return {**os.environ, "KUBECONFIG": self.kubeconfig, "KUBECACHEDIR": self.cache}


def kinds():
    """The servers that were asked for: MILLRACE_CONTRACT = embedded, real, or both."""
    wanted = os.environ.get("MILLRACE_CONTRACT") or "both"
    assert wanted in ("embedded", "real", "both"), f"MILLRACE_CONTRACT={wanted}: wanted embedded, real or both"
    return ["embedded", "real"] if wanted == "both" else [wanted]


def start(folder, kind):
    """The server, started by the first worker that asks."""
    folder = pathlib.Path(folder)
    with open(folder / f"{kind}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = folder / f"{kind}.json"
        if (failed := folder / f"{kind}.failed").exists():
            raise RuntimeError(failed.read_text())
        if not known.exists():
            failed.write_text(f"the {kind} server did not start; the first test that asked for it says why")
            server = _start_embedded(folder / kind) if kind == "embedded" else _start_real(folder / kind)
            known.write_text(json.dumps(dataclasses.asdict(server)))
            failed.unlink()
        return Server(**json.loads(known.read_text()))


def stop(folder):
    """Ends both; returns what was wrong with the end of the embedded one."""
    folder, problems = pathlib.Path(folder), []
    if (folder / "real.json").exists():
        subprocess.run([RECIPE, "down"], env=_cluster_environment(folder / "real"), check=False)
    if (folder / "embedded.json").exists():
        problems = _stop_embedded(folder / "embedded")
    return problems


# --- the real one ---


def _cluster_environment(folder):
    port = folder.with_suffix(".port")
    if not port.exists():
        port.write_text(str(_free_ports(7)))
    return {**os.environ, "CLUSTER_DIR": str(folder), "CLUSTER_PORT": port.read_text(),
            "APISERVER_FLAGS": f"--disable-admission-plugins={ADMISSION_OFF}"}


def _free_ports(count):
    import random
    for base in random.sample(range(20000, 32000, 10), 200):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise RuntimeError(f"no {count} free ports in a row")


def _start_real(folder):
    environment = _cluster_environment(folder)
    done = subprocess.run([RECIPE, "up", "--api"], env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the real API server did not start:\n{done.stderr}")
    server = _server("real", folder / "kubeconfig", folder)
    subprocess.run([server.kubectl, "apply", "-f", ROOT / "manifests/crds"], env=server.environment(), check=True,
                   capture_output=True)
    subprocess.run([server.kubectl, "wait", "--for=condition=Established", "crd", "--all"], env=server.environment(),
                   check=True, capture_output=True)
    deadline = time.monotonic() + 30  # the OpenAPI document of a new CRD comes a little later than the kind itself
    while subprocess.run([server.kubectl, "explain", "pipelinerun.spec.cancel"], env=server.environment(),
                         capture_output=True).returncode != 0:
        assert time.monotonic() < deadline, "the real server does not publish the schemas of our kinds"
        time.sleep(0.1)
    return server


def _kubectl(folder):
    """The kubectl of the real server's own version, for both."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets and os.access(pathlib.Path(assets) / "kubectl", os.X_OK):
        return str(pathlib.Path(assets) / "kubectl")
    done = subprocess.run([RECIPE, "env"], env=_cluster_environment(folder), capture_output=True, text=True, check=True)
    line = next(line for line in done.stdout.splitlines() if line.startswith("export PATH="))
    return line.removeprefix("export PATH=").split(":")[0] + "/kubectl"


def _server(kind, kubeconfig, folder):
    config = json.loads(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    host, port = cluster["server"].removeprefix("https://").split(":")
    return Server(kind, host, int(port), user["token"], cluster["certificate-authority"], str(kubeconfig), _kubectl(folder),
                  str(folder / "kubectl-cache"))


# --- the embedded one ---


def _program():
    """MILLRACE_CONTRACT_SERVER, else the one of the dev build (with sanitizers)."""
    path = pathlib.Path(os.environ.get("MILLRACE_CONTRACT_SERVER") or ROOT / "build/dev/bin/contract_server")
    if not os.access(path, os.X_OK):
        raise RuntimeError(f"{path} is not there: build it (cmake --preset dev && cmake --build --preset dev -t contract_server)")
    return path


def _start_embedded(folder):
    folder.mkdir(parents=True)
    token = os.urandom(16).hex()
    (folder / "token").write_text(token)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=contract", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", folder / "server.key", "-out", folder / "server.crt"],
                   check=True, capture_output=True)
    with open(folder / "server.log", "ab") as log:
        process = subprocess.Popen([_program(), folder], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   start_new_session=True)
    (folder / "pid").write_text(str(process.pid))
    address, deadline = folder / "address", time.monotonic() + 20
    while not address.exists() or not address.read_text().endswith("\n"):
        said = (folder / "server.log").read_text(errors="replace")[-3000:]
        assert process.poll() is None, f"the embedded server ended with {process.returncode}:\n{said}"
        assert time.monotonic() < deadline, f"the embedded server does not listen after 20 s:\n{said}"
        time.sleep(0.02)
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "test",
        "clusters": [{"name": "test", "cluster": {"server": f"https://{address.read_text().strip()}",
                                                  "certificate-authority": str(folder / "server.crt")}}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}]}))
    context = ssl.create_default_context(cafile=str(folder / "server.crt"))  # fails early on a bad certificate
    with socket.create_connection(tuple(address.read_text().strip().rsplit(":", 1)), 5) as plain:
        with context.wrap_socket(plain, server_hostname="127.0.0.1"):
            pass
    return _server("embedded", kubeconfig, folder)


def _stop_embedded(folder):
    pid = int((folder / "pid").read_text())
    problems = []
    state = pathlib.Path(f"/proc/{pid}/stat")

    def alive():
        try:
            return state.read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
        except OSError:
            return False

    if not alive():
        problems.append("the embedded server had ended before it was told to")
    else:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 20
        while alive() and time.monotonic() < deadline:
            time.sleep(0.02)
        if alive():
            problems.append("the embedded server did not end within 20 s of TERM")
            os.kill(pid, signal.SIGKILL)
    log = (folder / "server.log").read_text(errors="replace")
    marks = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "WARNING: ThreadSanitizer", "terminate called",
             "check failed")
    problems += [line for line in log.splitlines() if any(mark in line for mark in marks)]
    if not log.rstrip().endswith("ended"):
        problems.append(f"the embedded server's log does not say that it ended well:\n{log[-2000:]}")
    return problems
