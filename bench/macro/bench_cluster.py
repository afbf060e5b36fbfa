"""What the parts of bench/macro/run share: a test cluster, and the operator on it."""
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/e2e"))
sys.dont_write_bytecode = True
import costs  # noqa: E402
import pipelines  # noqa: E402
import recorder  # noqa: E402
from measurements import OPTIONS, keep, say  # noqa: E402
from harness.audit import end_of_lines  # noqa: E402
from harness.ports import free_ports  # noqa: E402

KINDS = ("inputElasticSearch", "inputApiServer", "outputApi", "outputFtp", "outputAs2", "outputKafka", "outputEmail")


def prefer(pid):
    """With --priority: before everything else on the machine, whatever session that belongs to."""
    if OPTIONS.priority:
        try:
            pathlib.Path(f"/proc/{pid}/autogroup").write_text("-19")
        except OSError as error:
            raise RuntimeError(f"--priority: {error}") from error


def cpu_of(pid):
    """User and system time of a process [s]."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Cluster:
    """A test cluster with simulated pods and our resource definitions."""

    def __init__(self, **settings):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="millrace-bench-"))
        self.env = {**os.environ, "CLUSTER_DIR": str(self.dir / "cluster"), "CLUSTER_PORT": str(free_ports(7)), **settings}
        self.kubeconfig = self.dir / "cluster/kubeconfig"
        self.audit_log = self.dir / "cluster/audit.log"
        self.operator = None
        self.operator_flags = []
        self.namespaces = 0

    def __enter__(self):
        try:
            self.up()
        except BaseException:
            self.__exit__()
            raise
        return self

    def up(self):
        for _ in range(2):  # on a machine that stalls, the API server may miss its minute
            lines = subprocess.run([ROOT / "tests/cluster/cluster", "up"], env=self.env, capture_output=True, text=True)
            if lines.returncode == 0:
                break
        else:
            raise RuntimeError(f"no test cluster: {lines.stderr[:1000]}")
        for line in lines.stdout.splitlines():
            name, value = line.removeprefix("export ").split("=", 1)
            self.env[name] = value.replace("$PATH", os.environ["PATH"])
        for pid in self.pids().values():
            prefer(pid)
        self.kubectl("apply", "-f", ROOT / "manifests/crds")
        for left in reversed(range(20)):  # kubectl fails on a definition that has no conditions yet
            try:
                self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd/pipelines.millrace.dev",
                             "crd/pipelineruns.millrace.dev")
                break
            except RuntimeError:
                if not left:
                    raise
                time.sleep(0.2)

    def __exit__(self, *_):
        impatience = signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C would leave half a cluster
        try:
            if self.operator:
                self.operator.stop()
            subprocess.run([ROOT / "tests/cluster/cluster", "down"], env=self.env, check=False, capture_output=True, start_new_session=True)
            shutil.rmtree(self.dir, ignore_errors=True)
        finally:
            signal.signal(signal.SIGINT, impatience)

    def hold(self):
        """With --hold: leaves everything as it is until a key is pressed."""
        if OPTIONS.hold:
            say(f"held; KUBECONFIG={self.kubeconfig} operator {self.operator and self.operator.process.pid}; Enter goes on")
            sys.stdin.readline()

    def pids(self):
        """Of the control plane's programs, by name."""
        return {path.stem: int(path.read_text().split()[0]) for path in (self.dir / "cluster").glob("*.pid")}

    def cpu(self):
        """Processor time of the control plane's programs so far, each and together [s]."""
        each = {f"{name}_cpu_s": cpu_of(pid) for name, pid in self.pids().items()}
        return {**each, "cluster_cpu_s": sum(each.values())}

    def kubectl(self, *words):
        done = subprocess.run(["kubectl", "--kubeconfig", self.kubeconfig, *words], env=self.env, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {' '.join(map(str, words))}: {done.stderr}")
        return done.stdout

    def namespace(self, name=None):
        """A new one, ready for pods."""
        self.namespaces += 1
        name = name or f"bench-{self.namespaces}"
        self.kubectl("create", "namespace", name)
        for _ in range(200):
            if "default" in self.kubectl("-n", name, "get", "serviceaccounts", "-o", "name"):
                return name
            time.sleep(0.05)
        raise RuntimeError(f"namespace {name} got no service account")

    def file(self, name, content):
        path = self.dir / name
        path.write_text(json.dumps(content))
        return path

    def apply(self, namespace, pipeline):
        """Makes a pipeline, and returns its uid. It is ready when an operator runs."""
        name = pipeline["metadata"]["name"]
        self.kubectl("-n", namespace, "apply", "-f", self.file(f"{name}-pipeline.json", pipeline))
        if self.operator:
            self.kubectl("-n", namespace, "wait", "--for=condition=Ready", "--timeout=30s", f"pipeline/{name}")
        return self.kubectl("-n", namespace, "get", f"pipeline/{name}", "-o", "jsonpath={.metadata.uid}")

    def record(self, pipeline):
        """What the operator writes for one run alone; with CLUSTER_AUDIT="bodies:recorded"."""
        self.namespace(recorder.NAMESPACE)
        uid = self.apply(recorder.NAMESPACE, pipeline)
        run = self.file("recorded-run.json", pipelines.run_of(pipeline["metadata"]["name"]))
        words = ("--namespace", recorder.NAMESPACE, "--template", run, "--runs", 1, "--prefix", "taken", "--timeout", 3600)
        return self.record_run(lambda: self.load(*words), uid, pipeline)

    def record_run(self, make, uid, pipeline):
        time.sleep(1)
        offset = end_of_lines(self.audit_log)
        make()
        time.sleep(2)
        return recorder.Recorded(recorder.read(self.audit_log, offset), uid, pipelines.needs_of(pipeline["spec"]))

    def start_operator(self, **config):
        self.operator = Operator(self, config)
        return self.operator

    def stop_operator(self):
        self.operator.stop()
        self.operator = None

    def load(self, *words):
        """One measurement of load."""
        if self.operator:
            words += ("--controller-pid", self.operator.process.pid)
        return self.measure(["load", *words])

    def measure(self, words):
        words = [OPTIONS.build / "bin" / words[0], "--kubeconfig", self.kubeconfig, "-o", "json", *words[1:]]
        before = self.counters()
        done = subprocess.run(list(map(str, words)), capture_output=True, text=True)
        after = self.counters()
        if done.returncode != 0:
            raise RuntimeError(f"{words[0].name} {' '.join(map(str, words[5:]))}: {done.stderr}")
        result = {**json.loads(done.stdout), **{name: value - before[name] for name, value in after.items()}}
        keep(result)
        return result

    def counters(self):
        """What only grows: etcd's work, the control plane's processor time, the bytes of the operator's connections."""
        found = {**self.cpu(), **costs.etcd(int(self.env["CLUSTER_PORT"]) + 1)}
        return {**found, **costs.connections(self.operator.process.pid)} if self.operator else found

    def count_calls(self, namespace, action):
        """The operator's calls about the namespace during `action`; with CLUSTER_AUDIT."""
        time.sleep(2)
        offset = end_of_lines(self.audit_log)
        action()
        time.sleep(2)
        with open(self.audit_log, "rb") as log:
            log.seek(offset)
            found = costs.Audit(log, "(operator)", namespace)
        keep(found.report())
        return found


class Operator:
    """The release operator, as a process."""

    def __init__(self, cluster, settings):
        config = cluster.dir / "config.yaml"
        config.write_text(json.dumps({"adapterImages": {kind: pipelines.ADAPTER for kind in KINDS}, **settings}))  # JSON is YAML
        self.port = free_ports(1)
        self.log = open(cluster.dir / "operator.log", "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [OPTIONS.build / "bin/millrace", "operator", "--kubeconfig", cluster.kubeconfig, "--config", config, "--metrics-address",
             f"127.0.0.1:{self.port}", "--leader-elect=false", *cluster.operator_flags], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True)
        prefer(self.process.pid)
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() - self.started > 120:
                self.stop()
                raise RuntimeError("the operator did not get ready:\n" + (cluster.dir / "operator.log").read_text()[-3000:])
            time.sleep(0.005)
        self.start_seconds = time.monotonic() - self.started

    def ready(self):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=1) as answer:
                return answer.status == 200
        except OSError:
            return False

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def forget_peak(self):
        """The peak of its memory counts from here on."""
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def memory(self):
        """(resident, of that anonymous, peak) [MiB]."""
        fields = dict(line.split(":", 1) for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines())
        return tuple(int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "RssAnon", "VmHWM"))

    def cpu_seconds(self):
        """Processor time of all threads, from the scheduler's own count (nanoseconds) [s]."""
        total = 0
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
        return total / 1e9

    def idle_percent(self, seconds):
        """Processor time while nothing happens [% of one processor]."""
        before, start = self.cpu_seconds(), time.monotonic()
        time.sleep(seconds)
        return 100 * (self.cpu_seconds() - before) / (time.monotonic() - start)
