"""The operator as a process: started outside the cluster, watched through its log and its metrics address, killed at will."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

from harness.ports import free_ports

ADAPTER = "millrace.test/adapter:1"
ADAPTER_IMAGES = {name: ADAPTER for name in ("inputElasticSearch", "inputApiServer", "outputApi", "outputFtp", "outputAs2",
                                             "outputKafka", "outputEmail")}


class Operator:
    """One `millrace operator`. `config` is the content of its --config file; by default every adapter image is set."""

    def __init__(self, binary, kube, directory, name="operator", *, namespaces=None, config=None, args=(), env=None,
                 kubeconfig=None, workers=None, log_level="debug", leader_elect=False, patience=20.0):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.log_path = self.directory / f"{name}.log"
        self.config_path = self.directory / f"{name}.yaml"
        self.config_path.write_text(config if isinstance(config, str) else json.dumps(
            {"adapterImages": ADAPTER_IMAGES, **(config or {})}))  # JSON is YAML
        self.process = None
        self.patience = patience  # [s] with what it does when it starts and ends
        self._port = free_ports(1)
        self._env = {**os.environ, **(env or {})}
        self.command = [str(binary), "operator", "--kubeconfig", str(kubeconfig or kube.cluster.kubeconfig),
                        "--config", str(self.config_path), "--metrics-address", f"127.0.0.1:{self._port}",
                        f"--leader-elect={'true' if leader_elect else 'false'}", "--log-level", log_level]
        for namespace in [kube.namespace] if namespaces is None else namespaces:
            self.command += ["--namespace", namespace]
        if workers is not None:
            self.command += ["--workers", str(workers)]
        self.command += map(str, args)

    # --- life ---

    def start(self, ready=True):
        """Starts the process (again) and waits for /readyz, unless told not to."""
        assert self.process is None or self.process.poll() is not None, "the operator runs already"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env,
                                            start_new_session=True)
        if ready:
            self.wait_ready()
        return self

    def wait_ready(self):
        deadline = time.monotonic() + self.patience
        while self.http("/readyz")[0] != 200:
            assert self.alive(), f"the operator ended with {self.process.returncode} instead of getting ready:\n{self.tail()}"
            assert time.monotonic() < deadline, f"the operator is not ready after {self.patience:g} s:\n{self.tail()}"
            time.sleep(0.02)

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        """kill -9, as from a node that dies."""
        if self.alive():
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def stop(self):
        """TERM, as Kubernetes does it; returns the exit code. Fails when the operator does not end in time."""
        if not self.alive():
            return self.process.returncode if self.process else None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the operator did not end within {self.patience:g} s of TERM:\n{self.tail()}") from None

    def wait_exit(self, timeout=20.0):
        """Waits until it ends by itself; returns the exit code."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the operator still runs after {timeout:g} s:\n{self.tail()}") from None

    def pause(self):
        """SIGSTOP: the process is there and does nothing, as on a frozen machine."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    # --- what it says ---

    def http(self, path):
        """(status, body) of its metrics address; status 0 while nothing listens there."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def metrics(self):
        """Samples of /metrics: 'name{labels}' → value."""
        status, body = self.http("/metrics")
        assert status == 200, f"/metrics answered {status}"
        return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1])
                for line in body.splitlines() if line and not line.startswith("#")}

    def metric(self, name, **labels):
        """Sum of all samples of a metric that have these labels."""
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        return sum(value for sample, value in self.metrics().items()
                   if re.split(r"[{ ]", sample)[0] == name and all(pair in sample for pair in wanted))

    def log(self):
        """Log lines so far, as objects; a line that is not JSON is {'raw': line}."""
        lines = []
        for line in self.log_path.read_text(errors="replace").splitlines() if self.log_path.exists() else []:
            try:
                lines.append(json.loads(line))
            except ValueError:
                lines.append({"raw": line})
        return lines

    def wait_log(self, test, what, timeout=20.0):
        """Waits for a log line for which `test(line)` is true; returns it."""
        deadline = time.monotonic() + timeout
        while True:
            if found := next((line for line in self.log() if test(line)), None):
                return found
            assert time.monotonic() < deadline, f"no log line: {what}; the log's end:\n{self.tail()}"
            time.sleep(0.02)

    def tail(self, lines=40):
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def cpu_seconds(self):
        """Processor time used so far, user and system [s]."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def sanitizer_reports(self):
        """Lines by which address, undefined or thread sanitizer, or a failed check, says that the program is wrong."""
        pattern = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|terminate called")
        text = self.log_path.read_text(errors="replace") if self.log_path.exists() else ""
        return [line for line in text.splitlines() if pattern.search(line)]
