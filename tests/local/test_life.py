"""Up, down, status, restarts: what was acknowledged stays, what belongs to it does not outlive it."""
import json
import os
import pathlib
import subprocess
import threading

import pytest

from server import job, left_behind, pipeline, run, wait_for


def steps(server, name):
    """The step states of a run; one empty one before there are any."""
    return server.get("pipelinerun", name).get("status", {}).get("stepStates") or [{}]


def test_up_serves_kubectl_and_down_leaves_nothing(local):
    said = local.up()
    assert "KUBECONFIG" in said or "kubeconfig" in said
    assert "Active" in local.kubectl("get", "namespaces")
    assert local.status()["running"] is True
    local.down()
    assert local.status()["running"] is False
    assert left_behind(local.data) == []


def test_up_twice_and_down_twice_are_fine(up):
    pid = up.pid()
    assert up.command("up").returncode == 0 and up.pid() == pid
    up.down()
    assert up.command("down").returncode == 0


def test_what_was_there_is_there_after_a_restart(up):
    up.apply(pipeline("hello", "echo hi"), run("hello-1", "hello"))
    up.kubectl("wait", "--for=condition=Succeeded", "pipelinerun/hello-1", "--timeout=30s")
    before = up.get("pipelinerun", "hello-1")
    up.down()
    up.up()
    assert up.get("pipelinerun", "hello-1") == before
    assert "hi" in up.kubectl("logs", "-l", "millrace.dev/run=hello-1", "-c", "build-step-step0")


def test_the_port_and_the_token_stay_the_same_over_restarts(up):
    config = (up.data / "kubeconfig").read_text()
    up.down()
    up.up()
    assert (up.data / "kubeconfig").read_text() == config


def test_secrets_on_disk_are_for_their_owner_only(up):
    for path in up.data.rglob("*"):
        if path.is_file() and path.name in ("kubeconfig", "token") or path.suffix in (".key", ".db"):
            assert path.stat().st_mode & 0o077 == 0, path
    assert up.data.stat().st_mode & 0o077 == 0


def test_it_listens_on_loopback_only(up):
    pid = up.pid()
    inodes = set()
    for descriptor in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        try:
            target = os.readlink(descriptor)
        except OSError:
            continue
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    listening = []
    for table in ("tcp", "tcp6"):
        for line in pathlib.Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and words[9] in inodes:
                listening.append(words[1])
    assert listening and all(address.startswith("0100007F:") for address in listening), listening


def test_kill_9_leaves_no_process_and_the_run_goes_on_after_the_next_start(up, tmp_path):
    """Children that ignore TERM and leave their session, and their children too."""
    stubborn = "trap '' TERM; (setsid sh -c 'trap \"\" TERM; while :; do read x; done < /dev/zero' &) ; "
    gate = tmp_path / "gate"
    up.apply(pipeline("p", "echo one", f"{stubborn} while ! [ -e {gate} ]; do sleep 0.05; done; echo two"), run("r", "p"))
    wait_for(lambda: {"name": "step1", "state": "Running"}.items() <= steps(up, "r")[-1].items(), "the second step runs")
    assert len(left_behind(up.data)) > 1
    up.kill()
    wait_for(lambda: not left_behind(up.data), "no process left", timeout=10)
    gate.touch()
    up.up()
    up.kubectl("wait", "--for=condition=Succeeded", "pipelinerun/r", "--timeout=30s")
    states = {state["name"]: state["state"] for state in up.get("pipelinerun", "r")["status"]["stepStates"]}
    assert states == {"step0": "Succeeded", "step1": "Succeeded"}


def test_down_ends_pods_and_the_next_start_takes_runs_up_again(up, tmp_path):
    gate = tmp_path / "gate"
    up.apply(pipeline("p", f"while ! [ -e {gate} ]; do sleep 0.05; done"), run("r", "p"))
    wait_for(lambda: up.kubectl("get", "pods", "--no-headers", check=False).stdout.count("Running"), "a running pod")
    up.down()
    assert left_behind(up.data) == []
    gate.touch()
    up.up()
    up.kubectl("wait", "--for=condition=Succeeded", "pipelinerun/r", "--timeout=30s")


def test_kill_9_in_a_write_loop_loses_nothing_acknowledged(up):
    acknowledged, stop = [], threading.Event()

    def write(worker):
        n = 0
        while not stop.is_set():
            name = f"w{worker}-{n}"
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"n": str(n)}}
            try:
                status, _ = up.request("POST", "/api/v1/namespaces/default/configmaps", body)
            except OSError:
                return
            if status == 201:
                acknowledged.append(name)
            n += 1

    for round_ in range(3):
        stop.clear()
        writers = [threading.Thread(target=write, args=(f"{round_}-{worker}",)) for worker in range(4)]
        for thread in writers:
            thread.start()
        count = len(acknowledged)
        wait_for(lambda: len(acknowledged) > count + 60, "some writes")
        up.kill()
        stop.set()
        for thread in writers:
            thread.join()
        up.up()
        status, text = up.request("GET", "/api/v1/namespaces/default/configmaps")
        assert status == 200
        there = {item["metadata"]["name"] for item in json.loads(text)["items"]}
        assert set(acknowledged) <= there


def test_a_damaged_database_is_named_and_kept(local):
    local.up()
    local.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kept"}})
    local.down()
    database = next(path for path in local.data.rglob("*") if path.is_file() and path.read_bytes()[:15] == b"SQLite format 3")
    good = database.read_bytes()
    bad = b"garbage!" * 12 + good[96:]
    database.write_bytes(bad)
    done = local.command("up")
    assert done.returncode == 1 and str(database) in done.stderr
    assert database.read_bytes() == bad, "a file we cannot read is not ours to change"
    database.write_bytes(good)
    local.up()
    assert "kept" in local.kubectl("get", "configmap", "kept")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a tmpfs needs root")
def test_a_full_disk_refuses_writes_and_loses_nothing(millrace, tmp_path):
    from server import LocalServer
    place = tmp_path / "small"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], check=True)
    server = LocalServer(millrace, place / "data")
    try:
        server.up()
        written, refusal = [], None
        for n in range(400):
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"c-{n}"}, "data": {"x": os.urandom(16000).hex()}}
            status, text = server.request("POST", "/api/v1/namespaces/default/configmaps", body)
            if status != 201:
                refusal = (status, json.loads(text))
                break
            written.append(f"c-{n}")
        assert refusal and refusal[0] in (500, 503, 507), "the disk never got full"
        assert "disk" in refusal[1]["message"] or "space" in refusal[1]["message"] or "full" in refusal[1]["message"]
        status, text = server.request("GET", "/api/v1/namespaces/default/configmaps/" + written[0])
        assert status == 200, "reads go on"
        subprocess.run(["mount", "-o", "remount,size=30m", str(place)], check=True)
        body["metadata"]["name"] = "after"
        status, text = server.request("POST", "/api/v1/namespaces/default/configmaps", body)
        assert status == 201, text
        server.kill()
        server.up()
        status, text = server.request("GET", "/api/v1/namespaces/default/configmaps")
        there = {item["metadata"]["name"] for item in json.loads(text)["items"]}
        assert {*written, "after"} <= there
    finally:
        server.command("down")
        server.end_by_id()
        subprocess.run(["umount", "-l", str(place)], check=False)


def test_a_second_server_on_the_same_folder_is_refused_or_reported(up):
    done = up.command("up", "--foreground")
    assert done.returncode != 0 and str(up.pid()) in done.stdout + done.stderr


def test_a_folder_that_cannot_be_written_is_named(millrace, tmp_path):
    from server import LocalServer
    blocked = tmp_path / "file"
    blocked.write_text("")
    done = LocalServer(millrace, blocked / "data").command("up")
    assert done.returncode == 1 and str(blocked) in done.stderr
