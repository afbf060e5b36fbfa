"""Fixtures of the tests of local mode, as a user meets it: the command line, kubectl, and what is left behind."""
import os
import pathlib
import shutil
import subprocess

import pytest

from server import LocalServer, left_behind

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Where the machine has no kubectl of its own, the one that was built for the test cluster.
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
os.environ["PATH"] += f":{CACHE / 'millrace' / 'cluster-bin'}"


@pytest.fixture(scope="session")
def millrace():
    """The program under test: of MILLRACE_BINARY, else the release build."""
    path = pathlib.Path(os.environ.get("MILLRACE_BINARY") or ROOT / "build/release/bin/millrace")
    assert path.is_file(), f"{path} is missing; build it with: cmake --preset release && cmake --build --preset release"
    return str(path)


@pytest.fixture(scope="session", autouse=True)
def kubectl():
    found = shutil.which("kubectl")
    if not found:
        pytest.skip("kubectl is not on this machine")
    return found


@pytest.fixture
def data(tmp_path):
    return tmp_path / "data"


@pytest.fixture
def local(millrace, data):
    """A local server that is not up yet; whatever a test does with it, nothing of it is left."""
    server = LocalServer(millrace, data)
    yield server
    subprocess.run([millrace, "local", "down", "--data", str(data)], capture_output=True, timeout=60)
    server.end_by_id()
    rest = left_behind(data)
    assert not rest, f"processes are left: {rest}"


@pytest.fixture
def up(local):
    local.up()
    return local
