"""Fixtures of the chaos suite; README.md in this folder explains how to write a scenario."""
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "tests/e2e")]

from api import PATIENCE  # noqa: E402
from arena import Arena  # noqa: E402
from harness import Cluster, Kube  # noqa: E402
from harness.binary import millrace_binary  # noqa: E402
from harness.controlplane import wait_ready  # noqa: E402

SEEDS = "MILLRACE_CHAOS_SEEDS"  # a-b: each scenario once with each of them
FIXED = range(1, 21)  # the seeds of --all; the first of them is what one run takes
SESSION = "MILLRACE_CHAOS_SESSION"  # set by the first process of a session for its workers


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, action="append", help="play each scenario with this seed (may be given several times)")
    parser.addoption("--all", action="store_true", help=f"with the seeds {FIXED[0]} to {FIXED[-1]}")


def seeds(config):
    if chosen := config.getoption("--seed"):
        return chosen
    if spoken := os.environ.get(SEEDS):
        first, _, last = spoken.partition("-")
        return list(range(int(first), int(last or first) + 1))
    return list(FIXED) if config.getoption("--all") else [FIXED[0]]


def pytest_generate_tests(metafunc):
    if "arena" in metafunc.fixturenames:
        metafunc.parametrize("seed", seeds(metafunc.config), ids=lambda seed: f"seed{seed}")


def pytest_configure(config):
    if SESSION not in os.environ:
        os.environ[SESSION] = tempfile.mkdtemp(prefix="millrace-chaos-")
        config.millrace_owner = True
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what follows is not left out


def end_operators(session):
    """Of workers that were cut off: their kubeconfigs lie in the session's own folder."""
    for folder in pathlib.Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0") if folder.name.isdigit() else []
            if b"operator" in words and any(word.startswith(f"{session}/".encode()) for word in words):
                os.kill(int(folder.name), signal.SIGKILL)
        except (FileNotFoundError, ProcessLookupError):
            continue


def pytest_unconfigure(config):
    if getattr(config, "millrace_owner", False):
        session = pathlib.Path(os.environ.pop(SESSION))
        end_operators(session)
        for port in session.glob("*/cluster-*.port"):  # of workers that were cut off
            Cluster(port.with_suffix(""), real=False).down()
        shutil.rmtree(session, ignore_errors=True)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed and (arena := getattr(item, "millrace_arena", None)):
        report.sections.append(("to see it again", f"scripts/test chaos -- -k '{item.originalname}' --seed {arena.seed}"))
        for operator in arena.operators:
            report.sections.append((f"log of {operator.log_path}", operator.tail(30)))
        for name in ("apiserver", "controller-manager", "scheduler", "kwok"):
            log = arena.cluster.directory / f"{name}.log"
            report.sections.append((f"log of {name}", "\n".join(log.read_text(errors="replace").splitlines()[-12:]) if log.exists() else "none"))
    return report


def pytest_runtest_logreport(report):
    """Failures are also written down as they happen: twenty rounds take an hour, and pytest shows them at the end."""
    folder = os.environ.get("MILLRACE_TEST_RESULTS")
    if report.failed and folder and "PYTEST_XDIST_WORKER" not in os.environ:
        with open(pathlib.Path(folder) / "chaos-failures.txt", "a") as log:
            log.write("\n".join([f"=== {report.nodeid} ({report.when})", report.longreprtext, *(f"--- {name}\n{text}" for name, text in report.sections), ""]))


class Grounds:
    """The cluster of one worker: faults that hit the control plane hit nobody else. Made anew when a scenario has broken it, and when
    the namespaces of so many have gathered in it."""

    PLAYS = 20

    def __init__(self, folder):
        self._folder, self._count, self._cluster, self._played = folder, 0, None, 0

    def cluster(self):
        if self._cluster is None:
            self._count += 1
            cluster = Cluster(self._folder / f"cluster-{self._count}", real=False)
            cluster.up()
            kube = Kube(cluster, "default", PATIENCE)
            kube.kubectl("apply", "-f", str(ROOT / "manifests/crds"))
            for plural in ("pipelines", "pipelineruns"):
                kube.wait_condition("crd", f"{plural}.millrace.dev", "Established")
            self._cluster, self._played = cluster, 0
        return self._cluster

    def check(self):
        """Whether the next scenario can use it too."""
        self._played += 1
        if self._played == self.PLAYS:
            return self.down()
        try:
            wait_ready(self._cluster)
            if Kube(self._cluster, "default").get("node", "kwok-0") is None:
                raise AssertionError("no node")
        except (AssertionError, OSError):
            self.down()

    def down(self):
        if self._cluster:
            self._cluster.down()
            self._cluster = None


@pytest.fixture(scope="session")
def grounds(tmp_path_factory):
    made = Grounds(pathlib.Path(os.environ[SESSION]) / os.environ.get("PYTEST_XDIST_WORKER", "alone"))
    made._folder.mkdir()
    yield made
    made.down()


@pytest.fixture(scope="session")
def millrace():
    return millrace_binary()


@pytest.fixture
def arena(grounds, millrace, request, seed, tmp_path):
    """The scenario's own namespace, with everything that goes with it; `arena.rng` has the seed."""
    results = pathlib.Path(os.environ.get("MILLRACE_TEST_RESULTS") or os.environ[SESSION]) / "chaos"
    made = Arena(grounds.cluster(), request.node.originalname + "".join(
        f"-{value}" for key, value in request.node.callspec.params.items() if key != "seed"), seed, millrace, results, tmp_path)
    request.node.millrace_arena = made
    print(f"seed {seed}")
    yield made
    made.close()
    grounds.check()
