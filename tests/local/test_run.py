"""`millrace local run`: exit codes, what it prints, and that it cleans up after itself."""
import signal
import time

import pytest
import yaml

from server import left_behind, pipeline, run, wait_for


@pytest.fixture
def file(tmp_path):
    """Writes objects into a file and gives its path."""
    def write(*objects, name="pipeline.yaml"):
        path = tmp_path / name
        path.write_text("---\n".join(map(yaml.safe_dump, objects)))
        return path
    return write


def test_a_pipeline_alone_gets_a_run_and_its_logs_are_shown(local, file):
    done = local.command("run", file(pipeline("hello", "echo one > /workspace/x; echo first", "cat /workspace/x; echo second >&2")))
    assert done.returncode == 0, done.stdout + done.stderr
    shown = done.stdout + done.stderr
    for word in ("step0", "step1", "first", "one", "second", "Succeeded"):
        assert word in shown, shown
    assert left_behind(local.data) == []


def test_adapter_images_run_by_the_command_that_stands_for_them(local, file, tmp_path):
    adapter = tmp_path / "adapter.sh"
    adapter.write_text('echo "adapter got $*"; echo data > /workspace/taken\n')
    config = tmp_path / "millrace.yaml"
    config.write_text(yaml.safe_dump({"adapterImages": {"inputApiServer": "adapter:1", "outputFtp": "adapter:1"},
                                      "imageCommands": {"adapter:1": ["sh", str(adapter)]}}))
    whole = {"apiVersion": "millrace.dev/v1", "kind": "Pipeline", "metadata": {"name": "whole"}, "spec": {"batchJob": {
        "input": {"apiServer": {"url": "http://a.example"}},
        "processors": [{"name": "middle", "image": "x", "command": ["cat", "/workspace/taken"]}],
        "outputs": [{"name": "out", "ftp": {"topic": "stock"}}]}}}
    done = local.command("run", file(whole), "--config", config)
    shown = done.stdout + done.stderr
    assert done.returncode == 0, shown
    assert "adapter got" in shown and "http://a.example" in shown and "stock" in shown, shown


def test_a_failed_step_is_exit_code_1_and_the_reason_is_the_last_word(local, file):
    done = local.command("run", file(pipeline("bad", "echo before", "echo why >&2; exit 7", "echo never")))
    shown = done.stdout + done.stderr
    assert done.returncode == 1 and "why" in shown and "7" in shown and "never" not in shown, shown


def test_the_run_of_the_file_is_used(local, file):
    done = local.command("run", file(pipeline("p", "false"), run("mine", "p", maxRetryCount=1)))
    assert done.returncode == 1 and "mine" in done.stdout + done.stderr
    local.up()
    assert local.get("pipelinerun", "mine")["status"]["retryStatus"]["retryCount"] == 1


def test_it_can_be_repeated(local, file):
    path = file(pipeline("p", "true"))
    assert [local.command("run", path).returncode for _ in range(3)] == [0, 0, 0]
    local.up()
    assert len(local.kubectl("get", "plr", "--no-headers").splitlines()) == 3


def test_a_server_that_is_up_is_used(up, file):
    done = up.command("run", file(pipeline("p", "echo through the server")))
    assert done.returncode == 0 and "through the server" in done.stdout + done.stderr
    assert "Succeeded" in up.kubectl("get", "plr")


@pytest.mark.parametrize("text, says", [
    ("", "pipeline.yaml"), ("apiVersion: v1\nkind: [", "pipeline.yaml"),
    ("apiVersion: millrace.dev/v1\nkind: Pipeline\nmetadata: {name: p}\nspec: {batchJob: {procesors: []}}", "processors"),
    ("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}", "Pipeline")])
def test_files_that_cannot_be_run_say_why(local, tmp_path, text, says):
    path = tmp_path / "pipeline.yaml"
    path.write_text(text)
    done = local.command("run", path)
    assert done.returncode in (1, 2) and says in done.stderr, done.stdout + done.stderr


def test_a_file_that_is_not_there_is_named(local):
    done = local.command("run", "no-such-file.yaml")
    assert done.returncode in (1, 2) and "no-such-file.yaml" in done.stderr


def test_ctrl_c_cancels_the_run_and_leaves_no_process(local, file):
    running = local.start("run", file(pipeline("p", "echo started; trap '' TERM; sleep 1000")))
    lines = []
    while "started" not in "".join(lines):
        lines.append(running.stdout.readline())
        assert lines[-1], "".join(lines) + running.stderr.read()
    running.send_signal(signal.SIGINT)
    begun = time.monotonic()
    running.send_signal(signal.SIGINT) if running.poll() is not None else None
    wait_for(lambda: running.poll() is not None, "the end", timeout=45)
    assert running.returncode == 3, "".join(lines) + running.stdout.read() + running.stderr.read()
    assert time.monotonic() - begun < 45
    assert left_behind(local.data) == []


def test_kill_9_of_a_run_leaves_no_process(local, file):
    running = local.start("run", file(pipeline("p", "echo started; trap '' TERM; while :; do sleep 0.1; done")))
    while "started" not in running.stdout.readline():
        assert running.poll() is None
    running.kill()
    running.wait()
    wait_for(lambda: not left_behind(local.data), "no process left", timeout=10)
