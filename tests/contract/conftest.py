"""Plays each scenario on both servers and compares what they said; README.md in this folder explains how to write one."""
import concurrent.futures
import hashlib
import itertools
import json
import os
import pathlib
import re
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

from kit import differences, normal, servers  # noqa: E402
from kit.api import Api  # noqa: E402
from kit.samples import pod  # noqa: E402

KEEP = "MILLRACE_CONTRACT_KEEP"  # a folder: the servers live there and stay up after the session
SESSION = "MILLRACE_CONTRACT_SESSION"  # set by the first process of a session for its workers
RUN = "MILLRACE_CONTRACT_RUN"  # makes namespaces of this session unique


def pytest_addoption(parser):
    parser.addoption("--differences", metavar="FILE", help="append every difference that is not known to FILE, as JSON lines")
    parser.addoption("--transcript", action="store_true", help="print what the servers said, also where they agree")


def pytest_configure(config):
    if SESSION not in os.environ:
        servers.kinds()
        kept = os.environ.get(KEEP)
        if kept:
            pathlib.Path(kept).mkdir(parents=True, exist_ok=True)
        os.environ[SESSION] = kept or tempfile.mkdtemp(prefix="millrace-contract-")
        os.environ[RUN] = os.urandom(2).hex()
        config.millrace_owner = True


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session, exitstatus):
    if not getattr(session.config, "millrace_owner", False) or os.environ.get(KEEP):
        return
    problems = servers.stop(os.environ[SESSION])
    if problems:
        print("\n" + "\n".join(problems))
        session.exitstatus = 3
    if (kept := os.environ.get("MILLRACE_TEST_RESULTS")) and (log := pathlib.Path(os.environ[SESSION], "embedded/server.log")).exists():
        shutil.copy(log, pathlib.Path(kept, "contract-server.log"))
    shutil.rmtree(os.environ.pop(SESSION), ignore_errors=True)


_numbers = itertools.count(1)


@pytest.fixture
def api(request):
    """One `Api` per server; the scenario itself runs once for each and gets it as `api`."""
    short = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:30].strip("-")
    tag = hashlib.sha256(request.node.nodeid.encode()).hexdigest()[:5]
    name = f"{short}-{tag}-{os.environ[RUN]}-{next(_numbers)}"
    made = []
    for kind in servers.kinds():
        one = Api(servers.start(os.environ[SESSION], kind), name)
        one.made("namespaces", {"metadata": {"name": name}})
        if kind == "real":  # its pods would get a token of their account; local mode has none to give
            without_token(one)
        made.append(one)
    yield made
    for one in made:
        one.close()


def without_token(api):
    """The namespace's default account, before its controller makes it, or else corrected, as soon as admission knows."""
    with api.quiet():
        account = {"metadata": {"name": "default"}, "automountServiceAccountToken": False}
        if api.create("serviceaccounts", account).status == 201:
            return
        api.patch("serviceaccounts", "default", {"automountServiceAccountToken": False})
    api.until(lambda: "volumes" not in api.create("pods", pod("probe"), dryRun="All").ok["spec"])


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    if "api" not in pyfuncitem.fixturenames:
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    players = arguments.pop("api")

    def play(one):
        try:
            pyfuncitem.obj(**arguments, api=one)
        except (Exception, pytest.fail.Exception) as error:
            error.add_note(f"on the {one.server.kind} server, after:\n" + shown(one.transcript[-2:]))
            return error
        return None

    with concurrent.futures.ThreadPoolExecutor(len(players)) as pool:
        errors = [error for error in pool.map(play, players)]
    if pyfuncitem.config.getoption("--transcript"):
        for one in players:
            print(f"=== {one.server.kind}\n{shown(one.transcript)}")
    problems = compare(pyfuncitem, players) if len(players) == 2 else ""
    for error in errors:
        if error is not None:
            if problems:
                error.add_note(problems)
            raise error
    if problems:
        pytest.fail(problems, pytrace=False)
    return True


def compare(item, players):
    """What is wrong with the two transcripts, or nothing."""
    embedded, real = (one.transcript for one in players)
    found = []
    for number, (left, right) in enumerate(itertools.zip_longest(embedded, real, fillvalue={}), 1):
        what = (right or left).get("what", "")
        found += [(f"{number}. {what}: {path}", ours, theirs) for path, ours, theirs in normal.differences(left, right)]
    name = f"{pathlib.Path(item.path).stem}::{item.name.split('@')[0]}"  # xdist adds "@group"
    unknown, missing = differences.judge(name, found)
    if path := item.config.getoption("--differences"):
        with open(path, "a") as out:
            for place, ours, theirs in unknown:
                out.write(json.dumps([name, place, repr(ours), repr(theirs)]) + "\n")
    lines = [f"{place}\n    embedded: {brief(ours)}\n    real:     {brief(theirs)}" for place, ours, theirs in unknown[:25]]
    if len(unknown) > 25:
        lines.append(f"... and {len(unknown) - 25} more")
    lines += [f"differences.yaml names {line.at!r} here, and it does not occur: {line.reason}" for line in missing]
    return "the servers differ:\n" + "\n".join(lines) if lines else ""


def brief(value):
    text = repr(value) if value is normal.ABSENT else json.dumps(value)
    return text if len(text) <= 600 else text[:600] + "..."


def shown(transcript):
    return "\n".join(json.dumps(entry)[:3000] for entry in transcript)
