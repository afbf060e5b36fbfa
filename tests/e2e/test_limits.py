"""The limit of open files: raised by the operator itself, and told when it cannot be enough."""
import re
import pathlib

from harness.objects import API, run, step_states
from harness.ports import free_ports

CROWD = 150


def limited(operator, soft, hard):
    """Starts it under these limits of open files."""
    operator.command = ["prlimit", f"--nofile={soft}:{hard}", *operator.command]
    return operator.start()


def files_of(operator):
    """(soft, hard) of the process."""
    line = re.search(r"^Max open files\s+(\d+)\s+(\d+)", pathlib.Path(f"/proc/{operator.process.pid}/limits").read_text(), re.MULTILINE)
    return int(line[1]), int(line[2])


def complaints(operator):
    return [line for line in operator.log() if "limit of open files" in line.get("msg", line.get("message", ""))]


def test_a_low_soft_limit_does_not_keep_calls_from_running_at_once(kube, start_operator, web, hold):
    operator = limited(start_operator(kube, start=False, config={"http": {"allow": ["127.0.0.0/8"]}}), 64, 8192)
    assert files_of(operator) == (8192, 8192) and not complaints(operator)
    web.answer("/x", hold=hold)
    kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "g"}, "spec": {
        "steps": [{"name": "x", "matrix": {"params": {"n": list(range(CROWD))}}, "http": {"url": f"{web.url}/x", "body": {"n": "{{ matrix.n }}"}}}]}})
    kube.wait_condition("pipeline", "g", "Ready")
    kube.create(run("r", "g"))
    web.wait("/x", CROWD, timeout=60)  # none has an answer yet
    hold.set()
    assert step_states(kube.wait_completed("r", "Succeeded"))["x"] == "Succeeded"


def test_a_hard_limit_below_what_the_configuration_may_need_is_told(kube, start_operator):
    port = free_ports(1)
    config = {"http": {"maxConcurrent": 3000}, "webhook": {"address": f"127.0.0.1:{port}"}}
    operator = limited(start_operator(kube, start=False, config=config), 256, 4096)
    assert files_of(operator) == (4096, 4096)
    [line] = complaints(operator)
    assert line["level"] == "warn" and line["limit"] == 4096 and line["needed"] > 5000 and "http.maxConcurrent" in str(line)
