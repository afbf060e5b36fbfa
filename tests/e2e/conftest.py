"""Fixtures of the end-to-end tests; README.md in this folder explains how to use them."""
import contextlib
import itertools
import os
import pathlib
import re
import shutil
import sys
import tempfile
import threading

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import harness.nginx  # noqa: E402
from harness import AuditLog, Cluster, FaultProxy, Kube, LocalCluster, Nginx, Operator, ProxyAudit, Web  # noqa: E402
from harness.binary import millrace_binary  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
KEEP = "MILLRACE_E2E_KEEP"  # a folder: clusters live there and stay up after the session
SESSION = "MILLRACE_E2E_SESSION"  # set by the first process of a session for its workers


def pytest_configure(config):
    if SESSION not in os.environ:
        kept = os.environ.get(KEEP)
        if kept:
            pathlib.Path(kept).mkdir(parents=True, exist_ok=True)
        os.environ[SESSION] = kept or tempfile.mkdtemp(prefix="millrace-e2e-")
        config.millrace_owner = True


def pytest_unconfigure(config):
    if getattr(config, "millrace_owner", False):
        session = os.environ.pop(SESSION)
        if not os.environ.get(KEEP):
            for cluster in clusters(session).values():
                cluster.down()
            shutil.rmtree(session, ignore_errors=True)


def clusters(session):
    return {"sim": Cluster(pathlib.Path(session) / "sim", real=False),
            "real": Cluster(pathlib.Path(session) / "real", real=True)}


def pytest_addoption(parser):
    parser.addoption("--all", action="store_true", help="also run the tests marked slow")
    parser.addoption("--mode", choices=("cluster", "local"), default="cluster", help="what runs the pods: a test cluster, or millrace local")


def is_local(config):
    return config.getoption("--mode") == "local"


def pytest_collection_modifyitems(config, items):
    if is_local(config):
        # A variant for the cluster's own Job controller is no test where there is none.
        absent = [item for item in items if getattr(item, "callspec", None) and item.callspec.params.get("job_controller") == "kubernetes"]
        if absent:
            config.hook.pytest_deselected(items=absent)
            items[:] = [item for item in items if item not in absent]
        for item in items:
            if marker := item.get_closest_marker("cluster_only"):
                item.add_marker(pytest.mark.skip(reason=f"not in local mode: {marker.args[0]}"))
    if not config.getoption("--all"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="slow; scripts/test --all runs it"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        for operator in getattr(item, "millrace_operators", []):
            report.sections.append((f"log of {operator.log_path}", operator.tail(80)))
        if local := getattr(item, "millrace_local", None):
            report.sections.append((f"log of {local.log_path}", local.tail(60)))
    return report


# --- clusters ---


def find_kubectl():
    """The one that was built with the test cluster, else any."""
    built = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "millrace/cluster-bin/kubectl"
    for path in filter(None, [os.environ.get("KUBEBUILDER_ASSETS") and os.environ["KUBEBUILDER_ASSETS"] + "/kubectl", str(built), shutil.which("kubectl")]):
        if os.access(path, os.X_OK):
            return pathlib.Path(path)
    raise RuntimeError("no kubectl: tests/cluster/cluster build makes one")


@contextlib.contextmanager
def local_cluster(binary, directory, real=False):
    """Local mode of its own, which must end well and leave nothing behind. `real`: its containers truly run."""
    cluster = LocalCluster(binary, directory, find_kubectl(), real)
    try:
        yield cluster.up()
    finally:
        problems = cluster.down()
    assert not problems, "\n".join(problems)


@pytest.fixture(scope="session")
def sim(request, tmp_path_factory):
    """The cluster whose pods are simulated; what they do: tests/cluster/kwok-stages.yaml. In local mode: a server per worker."""
    if is_local(request.config):
        with local_cluster(request.getfixturevalue("millrace"), tmp_path_factory.mktemp("local")) as cluster:
            yield cluster
        return
    yield clusters(os.environ[SESSION])["sim"].up()


@pytest.fixture(scope="session")
def real(request):
    """The cluster with a real node; skips, with the reason, where this machine cannot run one."""
    assert not is_local(request.config), "in local mode every test has a server of its own"
    if obstacle := Cluster.obstacle():
        pytest.skip(f"no real node on this machine: {obstacle}")
    return clusters(os.environ[SESSION])["real"].up()


_numbers = itertools.count(1)


def _namespace(cluster, request):
    """A namespace of the test's own, with its default service account there."""
    short = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:40].strip("-")
    name = f"{short}-{os.getpid() % 10000}-{next(_numbers)}"
    kube = Kube(cluster, name)
    kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    kube.wait("serviceaccount", "default", lambda _: True, "being there")
    return kube


def _own_server(request, tmp_path, real=False):
    """In local mode: a namespace in a server of the test's own."""
    with local_cluster(request.getfixturevalue("millrace"), tmp_path / "local", real) as cluster:
        request.node.millrace_local = cluster
        yield _namespace(cluster, request)


@pytest.fixture
def kube(request, tmp_path):
    """A fresh namespace in the simulated cluster; in local mode, in a server of its own."""
    if is_local(request.config):
        yield from _own_server(request, tmp_path)
    else:
        yield _namespace(request.getfixturevalue("sim"), request)


@pytest.fixture
def real_kube(request, tmp_path):
    """A fresh namespace in the real cluster, its pods are ended afterwards; in local mode, in a server of its own."""
    if is_local(request.config):
        yield from _own_server(request, tmp_path, real=True)
        return
    kube = _namespace(request.getfixturevalue("real"), request)
    yield kube
    kube.kubectl("delete", "namespace", kube.namespace, "--wait=false")


# --- the operator ---


@pytest.fixture(scope="session")
def millrace():
    return millrace_binary()


def install_crds(kube):
    if isinstance(kube.cluster, LocalCluster):
        return  # the embedded server knows our kinds by itself

    def action():
        kube.kubectl("apply", "-f", str(ROOT / "manifests/crds"))
        for plural in ("pipelines", "pipelineruns"):
            kube.wait_condition("crd", f"{plural}.millrace.dev", "Established")
    kube.cluster.once("crds", action)


@pytest.fixture
def crds(kube):
    """The namespace of `kube`, with the CRDs there, for tests that need no operator."""
    install_crds(kube)
    return kube


@pytest.fixture
def start_operator(millrace, request):
    """Function `start_operator(kube, start=True, **options)` → a ready Operator (options: harness/operator.py).
    At the end of the test each is stopped, must end with 0 unless it was killed, and its log must hold no sanitizer report."""
    request.node.millrace_operators = []
    folder = pathlib.Path(os.environ.get("MILLRACE_TEST_RESULTS") or pathlib.Path(os.environ[SESSION]) / "results")
    folder = folder / "operators" / re.sub(r"[^A-Za-z0-9]+", "-", request.node.name)[:80]

    def make(kube, start=True, **options):
        install_crds(kube)
        if is_local(request.config) and "audit" in request.fixturenames:  # counted on the way there
            options.setdefault("kubeconfig", request.getfixturevalue("audit").proxy.kubeconfig)
        made = request.node.millrace_operators
        options.setdefault("name", f"operator-{kube.namespace}-{len(made) + 1}")
        operator = Operator(millrace, kube, folder, **options)
        made.append(operator)
        return operator.start() if start else operator

    yield make
    problems = []
    for operator in request.node.millrace_operators:
        try:
            if operator.alive() and (code := operator.stop()) != 0:
                problems.append(f"{operator.log_path}: ended with {code} on TERM")
        except AssertionError as error:
            problems.append(str(error))
        problems += [f"{operator.log_path}: {line}" for line in operator.sanitizer_reports()]
    assert not problems, "\n".join(problems)


@pytest.fixture(params=["millrace", "kubernetes"])
def job_controller(request):
    """Both Job controllers, one after the other: start_operator(kube, config={"jobController": job_controller})."""
    return request.param


@pytest.fixture
def audit(kube, request, tmp_path):
    """The simulated cluster's audit log from here on; count with namespace=kube.namespace. In local mode: what went through a proxy."""
    if is_local(request.config):
        proxy = FaultProxy(kube.cluster, tmp_path / "audit")
        yield ProxyAudit(proxy)
        proxy.close()
    else:
        yield AuditLog(kube.cluster)


@pytest.fixture
def fault_proxy(kube, tmp_path):
    """A proxy in front of the simulated cluster's API server; give its kubeconfig to start_operator."""
    proxy = FaultProxy(kube.cluster, tmp_path)
    yield proxy
    proxy.close()


@pytest.fixture
def web():
    """A real HTTP server, on loopback: harness/web.py."""
    server = Web()
    yield server
    server.close()


@pytest.fixture
def nginx(tmp_path):
    """Function `nginx(server, outside)` → a running nginx: harness/nginx.py. Skips where it is not installed."""
    if not harness.nginx.program():
        pytest.skip("nginx is not on this machine; scripts/setup installs it")
    made = []

    def start(server="", outside=""):
        made.append(Nginx(tmp_path / f"nginx-{len(made)}", server, outside))
        return made[-1]
    yield start
    for each in made:
        each.close()


@pytest.fixture
def hold():
    """An event for `web.answer(path, hold=hold)`; set at the end, whatever the test did."""
    event = threading.Event()
    yield event
    event.set()
