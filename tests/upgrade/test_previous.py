"""Two builds take turns: what the previous one (file `previous`) began, today's ends, and the other way round, as in an upgrade and
when it is rolled back. The first is killed after each of its writes in turn."""
import pathlib

import pytest

import builds
from harness import Operator
from harness.killer import Killer
from scenarios import SCENARIOS, all_ended, outline

HERE = pathlib.Path(__file__).resolve().parent
LOOPBACK = {"http": {"allow": ["127.0.0.0/8"]}}


@pytest.fixture(scope="session")
def previous():
    """The previous build's program. A clone without the history cannot make it, and says so."""
    ref = (HERE / "previous").read_text().strip()
    if not (commit := builds.commit_of(ref)):
        pytest.skip(f"tests/upgrade/previous names {ref}, which this clone does not have (git fetch --unshallow); "
                    "upgrade from and rollback to the previous build are NOT tested here")
    return builds.build(commit) / "millrace"


@pytest.fixture
def operator_of(crds, tmp_path, fault_proxy):
    """Function: (program, name) → its operator, not started; ended with the test."""
    made = []

    def make(program, name):
        made.append(Operator(program, crds, tmp_path / "operators", name, config=LOOPBACK, kubeconfig=fault_proxy.kubeconfig))
        return made[-1]
    yield make
    for each in made:
        each.kill()
        assert not each.sanitizer_reports()


@pytest.mark.slow
@pytest.mark.timeout(1500)
@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if each.name in ("batch", "graph")], ids=lambda each: each.name)
@pytest.mark.parametrize("order", ["upgrade", "rollback"])
def test_a_run_begun_by_one_build_is_ended_by_the_other(crds, web, fault_proxy, operator_of, previous, millrace, scenario, order):
    kube = crds
    web.answer("/ask", 200, {"n": 7})
    older, newer = operator_of(previous, "previous"), operator_of(millrace, "today")
    first, second = (older, newer) if order == "upgrade" else (newer, older)
    killer = Killer(fault_proxy, first)

    def go(n):
        """One run that the first build begins, and the second ends when the first has died at write n."""
        killer.arm(n, "after")
        first.start()
        kube.apply(scenario.items(n, web.url))
        while not (killer.struck.wait(0.05) or all_ended(kube)):
            assert first.alive() or killer.struck.is_set(), first.tail()
        struck = killer.disarm()
        if struck:
            second.start()
            kube.wait_completed(f"r-{n}", timeout=90)
            kube.wait_list("job", "", lambda _: all_ended(kube), "the ends of all", timeout=60)
            assert second.stop() == 0
        else:
            assert first.stop() == 0
        item = kube.get("pipelinerun", f"r-{n}")
        return struck, outline(item, kube.list("job"), kube.list("pod"))

    struck, want = go(0)
    assert not struck and want["completed"] == "True" and want["jobs"]
    n = 0
    while struck or n == 0:
        n += 1
        struck, got = go(n)
        assert got == want, f"killed after write {n} of {killer.writes}"
        assert n < scenario.most
    assert n >= 8, f"the writes of an undisturbed run: {killer.writes}"
    names = [each["metadata"]["name"] for each in kube.list("pipelinerun")]
    assert len([name for name in names if "-sub-" in name]) == (n + 1 if scenario.name == "graph" else 0), names
