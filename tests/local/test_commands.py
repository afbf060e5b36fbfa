"""start, get, describe, logs, why, cancel, retry, approve, import and validate against a local server, as a user types them."""
import json
import os
import pathlib
import subprocess

import pytest
import yaml

from server import pipeline, run, wait_for


class Commands:
    """`millrace COMMAND` with the kubeconfig of a local server."""

    def __init__(self, server):
        self.server = server

    def __call__(self, *words, stdin=None, program=None, timeout=60):
        return subprocess.run([program or self.server.millrace, *map(str, words)], input=stdin, capture_output=True, text=True,
                              timeout=timeout, env=self.server.environment())

    def good(self, *words, **more):
        done = self(*words, **more)
        assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
        return done.stdout


@pytest.fixture
def millrace_(up):
    return Commands(up)


def graph(name, *steps, **more):
    return {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": name}, "spec": {"steps": list(steps), **more}}


def shell(name, command, *after, **more):
    made = {"name": name, "container": {"image": "busybox:1.36", "command": ["sh", "-c", command]}, **more}
    return {**made, "dependsOn": list(after)} if after else made


def with_params(name, command):
    return graph(name, shell("only", command), params=[{"name": "who", "default": "you"}, {"name": "count", "type": "integer", "default": 1, "enum": [1, 2]}])


def end_of(server, name):
    """Waits for the run's end; its Succeeded condition."""
    def ended():
        conditions = {c["type"]: c for c in server.get("plr", name).get("status", {}).get("conditions", [])}
        return conditions["Succeeded"] if conditions.get("Completed", {}).get("status") == "True" else None
    return wait_for(ended, f"the end of {name}")


def test_start_follow_shows_progress_and_gives_the_result(millrace_, up):
    up.apply(pipeline("good", "echo one", "echo two"), pipeline("bad", "echo before; exit 3"))
    done = millrace_("start", "good", "--follow")
    assert done.returncode == 0 and "one" in done.stdout and "two" in done.stdout and "Succeeded" in done.stdout, done.stdout + done.stderr
    done = millrace_("start", "bad", "--follow")
    assert done.returncode == 1 and "exit code 3" in done.stdout, done.stdout + done.stderr


def test_start_types_params_and_refuses_wrong_ones(millrace_, up, tmp_path):
    up.apply(with_params("p", "true"))
    name = millrace_.good("start", "p", "-p", "count=2", "-p", "who=me=you", "-o", "name").strip()
    assert name.startswith("pipelinerun.millrace.dev/p-")
    assert up.get("plr", name.split("/")[1])["spec"]["params"] == {"count": 2, "who": "me=you"}
    file = tmp_path / "params.yaml"
    file.write_text("count: 1\n")
    assert yaml.safe_load(millrace_.good("start", "p", "--params-file", file, "--name", "mine", "-o", "yaml"))["spec"]["params"] == {"count": 1}
    for words, says in ((("count=x",), "not of type integer"), (("count=3",), "must be one of: 1, 2"), (("coutn=1",), "did you mean count?")):
        done = millrace_("start", "p", "-p", *words)
        assert done.returncode == 1 and says in done.stderr, done.stderr


def test_local_run_takes_params(local, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump(with_params("p", "true")))
    done = local.command("run", file, "-p", "count=2")
    assert done.returncode == 0, done.stdout + done.stderr
    local.up()
    assert [item["spec"]["params"] for item in json.loads(local.kubectl("get", "plr", "-o", "json"))["items"]] == [{"count": 2}]
    done = local.command("run", file, "-p", "count=x")
    assert done.returncode == 1 and "not of type integer" in done.stderr


def test_get_lists_like_kubectl(millrace_, up):
    up.apply(pipeline("p", "true"), run("r", "p"))
    end_of(up, "r")
    table = millrace_.good("get").splitlines()
    assert table[0].split() == ["NAME", "PIPELINE", "STATUS", "STEPS", "RETRIES", "STARTED", "DURATION"]
    assert table[1].split()[:4] == ["r", "p", "Succeeded", "1/1"]
    assert millrace_.good("get", "runs", "-A").split()[0] == "NAMESPACE"
    assert millrace_.good("get", "pl", "-o", "name") == "pipeline.millrace.dev/p\n"
    assert json.loads(millrace_.good("get", "run", "r", "-o", "json"))["spec"] == {"refPipeline": "p"}
    assert len(yaml.safe_load(millrace_.good("get", "runs", "-o", "yaml"))["items"]) == 1
    assert "\x1b" not in millrace_.good("get") and "\x1b[32m" in millrace_.good("get", "--color", "always")
    assert millrace_("get", "runs", "x").returncode == 1


def test_get_watch_prints_a_row_per_change(millrace_, up):
    up.apply(pipeline("p", "true"))
    watching = subprocess.Popen([up.millrace, "get", "--watch"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=up.environment())
    try:
        up.apply(run("r", "p"))
        lines = []
        while not any("Succeeded" in line for line in lines):
            lines.append(watching.stdout.readline())
            assert lines[-1], watching.stderr.read()
    finally:
        watching.terminate()
        assert watching.wait(timeout=20) == 0


def test_describe_shows_steps_events_and_the_pipeline(millrace_, up):
    up.apply(pipeline("p", "true", "echo no >&2; exit 4", "true"), run("r", "p"))
    end_of(up, "r")
    text = millrace_.good("describe", "r")
    for word in ("Pipeline:     p", "step0", "Succeeded", "step1", "exit code 4", "Conditions:", "Completed"):
        assert word in text, text
    text = millrace_.good("describe", "pipeline/p")
    for word in ("ready", "Last runs:", "step2", "Fail"):
        assert word in text, text


def test_logs_of_all_steps_of_one_and_of_an_earlier_attempt(millrace_, up):
    up.apply(pipeline("p", "echo a1; echo a2", "echo b1; exit 1"), run("r", "p", maxRetryCount=1))
    end_of(up, "r")
    assert millrace_.good("logs", "r", "step1") == "b1\n"
    assert "[step1] b1\n" in millrace_.good("logs", "r")
    assert millrace_.good("logs", "r", "step0", "--attempt", "1", "--tail", "1") == "a2\n"
    assert millrace_.good("logs", "-f", "r", "step1").endswith("b1\n")
    done = millrace_("logs", "r", "nope")
    assert done.returncode == 1 and "no step" in done.stderr


def test_logs_follow_goes_on_until_the_end(millrace_, up):
    up.apply(pipeline("p", "echo one; sleep 0.3; echo two", "echo three"), run("r", "p"))
    assert millrace_.good("logs", "-f", "r").splitlines() == ["[step0] one", "[step0] two", "[step1] three"]


def test_why_tells_what_steps_wait_for(millrace_, up):
    up.apply(pipeline("p", "sleep 100", "true"), run("r", "p"))
    wait_for(lambda: "Running" in up.kubectl("get", "plr", "r"), "the run")
    text = wait_for(lambda: (text := millrace_.good("why", "r")) and "waits for dependency" in text and text, "a dependency")
    assert "step0 (Running" in text, text
    up.apply(run("lost", "nowhere"))
    wait_for(lambda: "PipelineNotFound" in millrace_.good("why", "lost"), "the reason")
    millrace_.good("cancel", "r")


def test_cancel_ends_runs(millrace_, up):
    up.apply(pipeline("p", "sleep 100"), run("r", "p"))
    assert millrace_.good("cancel", "r") == "r is being cancelled\n"
    assert end_of(up, "r")["reason"] == "Cancelled"
    assert millrace_.good("cancel", "r") == "r has ended already\n"


def test_retry_prints_the_plan_and_refuses_what_has_not_failed(millrace_, up):
    up.apply(pipeline("p", "true", "exit 1"), run("r", "p"), pipeline("good", "true"), run("fine", "good"))
    end_of(up, "r")
    plan = millrace_.good("retry", "r", "--dry-run")
    assert [line.split()[:2] for line in plan.splitlines()[1:]] == [["step0", "reused"], ["step1", "runs"]], plan
    assert len(up.kubectl("get", "plr", "--no-headers").splitlines()) == 2
    end_of(up, "fine")
    done = millrace_("retry", "fine")
    assert done.returncode == 1 and "succeeded" in done.stderr


def test_import_converts_and_applies(millrace_, up, tmp_path):
    belt = tmp_path / "belt.yaml"
    belt.write_text("apiVersion: conveyor-belt.simonemms.com/v1alpha1 # old\nkind: Pipeline\nmetadata: {name: belt}\n"
                    "spec:\n  stages: [one]  # only\n  jobs: [{name: a, stage: one, action: {http: {url: 'http://x.invalid/'}}}]\n"
                    "  triggers: [{type: webhook}]\n")
    done = millrace_("import", belt)
    assert done.returncode == 0 and done.stdout.startswith("apiVersion: millrace.dev/v1 # old\n") and "# only" in done.stdout, done.stderr
    assert "note:" in done.stderr
    assert millrace_.good("import", belt, "--apply") == "pipeline.millrace.dev/belt\n"
    assert up.get("pipeline", "belt")["spec"]["stages"] == ["one"]
    belt.write_text(belt.read_text().replace("webhook", "cron"))
    done = millrace_("import", belt)
    assert done.returncode == 1 and "unknown trigger: cron" in done.stderr and done.stdout == ""


def test_validate_server_stores_nothing(millrace_, up, tmp_path):
    file = tmp_path / "p.yaml"
    file.write_text(yaml.safe_dump(pipeline("p", "true")))
    assert "without errors" in millrace_.good("validate", "--server", file)
    assert up.kubectl("get", "pipelines", "-o", "name") == ""


def test_as_kubectl_plugin_it_has_that_name(millrace_, up, millrace):
    link = pathlib.Path(millrace).with_name("kubectl-millrace")
    assert os.readlink(link) == "millrace"
    assert "Usage:\n  kubectl millrace start PIPELINE" in millrace_.good("start", "--help", program=str(link))
    up.apply(pipeline("p", "true"), run("r", "p"))
    environment = {**up.environment(), "PATH": f"{link.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["kubectl", "millrace", "get"], capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0 and "r " in done.stdout, done.stderr


# --- graphs ---

def test_a_graph_is_described_with_its_dependencies_and_logs(millrace_, up):
    up.apply(graph("g", shell("a", "echo in a"), shell("b", "echo in b", "a"), shell("c", "echo in c", "a"), **{"finally": [shell("f", "echo in f")]}))
    done = millrace_("start", "g", "--name", "r", "--follow")
    assert done.returncode == 0, done.stdout + done.stderr
    assert millrace_.good("logs", "r") == "[a] in a\n[b] in b\n[c] in c\n[f] in f\n"
    text = millrace_.good("describe", "r")
    steps = text.split("Steps:")[1]
    rows = {line.split()[0]: line for line in steps.splitlines() if line.strip()}
    assert "finally" in rows and "Succeeded" in rows["b"] and rows["b"].rstrip().endswith("a"), text
    assert all(word in millrace_.good("why", "r") for word in ("a ", "b ", "took"))


def test_approve_and_reject(millrace_, up):
    ask = {"name": "ask", "approval": {"message": "deploy?"}}
    up.apply(graph("g", ask, shell("go", "echo gone", "ask")), run("yes", "g"), run("no", "g"))
    for name in ("yes", "no"):
        wait_for(lambda: "waits for approval" in millrace_.good("why", name), "the approval")
    assert "approved as" in millrace_.good("approve", "yes", "--comment", "fine")
    assert end_of(up, "yes")["status"] == "True"
    assert up.get("plr", "yes")["spec"]["approvals"][0]["comment"] == "fine"
    assert "rejected as" in millrace_.good("approve", "no", "ask", "--reject")
    assert end_of(up, "no")["status"] == "False"
    assert millrace_("approve", "yes").returncode == 1


def test_retry_of_a_graph_takes_over_what_succeeded(millrace_, up, tmp_path):
    flag = tmp_path / "flag"
    up.apply(graph("g", shell("a", "echo once"), shell("b", f"test -e {flag}", "a")), run("r", "g"))
    assert end_of(up, "r")["status"] == "False"
    flag.touch()
    text = millrace_.good("retry", "r")
    assert "a      reused" in text and "b      runs again" in text, text
    again = text.split()[-2]
    assert end_of(up, again)["status"] == "True"
    assert up.get("plr", again)["spec"]["retryOf"] == "r"
