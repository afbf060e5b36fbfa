"""Webhooks in local mode, and what else of the network it gives: calls of HTTP steps to loopback, and how many files may be open."""
import http.client
import http.server
import json
import os
import pathlib
import re
import resource
import socket
import threading
import urllib.parse

import pytest

from server import wait_for
from test_commands import end_of, graph, shell


def post(url, body=None, **headers):
    """(status, headers, body) of a POST, as curl would make it."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=30)
    try:
        connection.request("POST", where.path, body=json.dumps(body), headers={"Content-Type": "application/json", **headers})
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read().decode()
    finally:
        connection.close()


def hooked(name="hook"):
    return graph(name, shell("say", "echo for {{ params.ref }}"), params=[{"name": "ref"}], triggers=[{"type": "webhook", "params": {"ref": "trigger.body.ref"}}])


def deliver(server, path="hook", ref="main", **headers):
    status, answer, body = post(f"{server.status()['webhooks']}/{path}", {"ref": ref}, **headers)
    assert status == 202, (status, body)
    return answer["X-Millrace-Run"].partition("/")[2]


def ready(server, name="hook"):
    wait_for(lambda: any(c["type"] == "Ready" and c["status"] == "True" for c in server.get("pl", name).get("status", {}).get("conditions", [])),
             f"pipeline {name} being ready")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# --- webhooks ---


def test_up_takes_webhooks_and_says_where(local):
    said = local.up()
    url = local.status()["webhooks"]
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/webhook", url) and f"{url}/NAME" in said
    assert f"{url}/NAME" in local.command("status").stdout
    local.apply(hooked())
    ready(local)
    name = deliver(local)
    assert end_of(local, name)["status"] == "True" and local.get("plr", name)["spec"]["trigger"]["type"] == "webhook"
    assert "for main" in local.kubectl("logs", "-l", f"pipeline-run={name}")
    assert end_of(local, deliver(local, "default/hook"))["status"] == "True"
    assert post(f"{url}/none", {})[0] == 404


def test_the_same_delivery_is_one_run_over_restarts_and_kills_and_the_port_stays(local):
    local.up()
    local.apply(hooked())
    ready(local)
    url = local.status()["webhooks"]
    once = {"X-Delivery-ID": "d-1"}
    name = deliver(local, **once)
    end_of(local, name)
    local.kill()
    local.up()
    assert local.status()["webhooks"] == url and deliver(local, **once) == name
    local.down()
    local.up()
    assert local.status()["webhooks"] == url and deliver(local, **once) == name
    assert len(json.loads(local.kubectl("get", "plr", "-o", "json"))["items"]) == 1


def test_a_token_of_a_secret_is_asked_for(up):
    item = hooked()
    item["spec"]["triggers"][0]["bearerTokenFrom"] = {"name": "keys", "key": "token"}
    up.apply({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": {"token": "open"}}, item)
    ready(up)
    url = f"{up.status()['webhooks']}/hook"
    assert [post(url, {"ref": "x"}, **headers)[0] for headers in ({}, {"Authorization": "Bearer shut"}, {"Authorization": "Bearer open"})] == [401, 403, 202]


def test_the_address_can_be_chosen_and_none_be_taken(local, tmp_path):
    port = free_port()
    assert local.command("up", "--webhook-address", f"127.0.0.1:{port}").returncode == 0
    assert local.status()["webhooks"] == f"http://127.0.0.1:{port}/webhook"
    local.down()
    assert local.command("up", "--webhook-address", "0").returncode == 0
    assert "webhooks" not in local.status() and "webhooks" not in local.command("status").stdout
    local.down()
    other = free_port()
    (tmp_path / "config.yaml").write_text(f"webhook: {{address: '127.0.0.1:{other}'}}\n")
    assert local.command("up", "--config", tmp_path / "config.yaml").returncode == 0
    assert local.status()["webhooks"] == f"http://127.0.0.1:{other}/webhook"


def test_a_port_that_is_taken_is_an_error_when_it_was_asked_for_and_else_another_is_used(local):
    local.up()
    before = local.status()["webhooks"]
    local.down()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", urllib.parse.urlsplit(before).port))
        taken.listen()
        done = local.command("up", "--webhook-address", f"127.0.0.1:{taken.getsockname()[1]}")
        assert done.returncode == 1 and "webhooks" in done.stderr and "--webhook-address" in done.stderr, done.stderr
        local.up()
        assert local.status()["webhooks"] not in ("", before)


@pytest.mark.parametrize("address", ["nonsense", "127.0.0.1:99999", "::1:80"])
def test_an_address_that_is_none_is_refused(local, address):
    done = local.command("up", "--webhook-address", address)
    assert done.returncode == 2 and "--webhook-address" in done.stderr


def test_an_address_on_the_network_is_warned_of(local):
    done = local.command("up", "--webhook-address", f":{free_port()}")
    assert done.returncode == 0 and "webhooks" in done.stderr and "network" in done.stderr, done.stderr


# --- calls ---


@pytest.fixture
def service():
    """The URL of a service of this machine."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_):
            pass
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


def test_http_steps_reach_services_of_this_machine_unless_the_configuration_says_no(local, service, tmp_path):
    item = graph("calls", {"name": "call", "http": {"url": service}})
    run = {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "one"}, "spec": {"refPipeline": "calls"}}
    local.up()
    local.apply(item, run)
    assert end_of(local, "one")["status"] == "True"
    local.down()
    (tmp_path / "config.yaml").write_text("http: {deny: [127.0.0.0/8, '::1']}\n")
    assert local.command("up", "--config", tmp_path / "config.yaml").returncode == 0
    run["metadata"]["name"] = "two"
    local.apply(run)
    end = end_of(local, "two")
    assert end["status"] == "False" and "http.deny" in end["message"] and "127.0.0.0/8" in end["message"]


def test_a_job_as_a_manifest_step_is_run_and_waited_for(up):
    def migration(name, code):
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": f"{name}-{{{{ run.name }}}}"}, "spec": {"backoffLimit": 0, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "main", "image": "busybox", "command": ["sh", "-c", f"exit {code}"]}]}}}}
        return {"name": name, "timeout": "60s", "manifest": {"object": job, "success": "object.status.succeeded | default(0) > 0",
                                                             "failure": "object.status.failed | default(0) > 0"}}
    up.apply(graph("m", migration("good", 0), migration("bad", 1)),
             {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "r"}, "spec": {"refPipeline": "m"}})
    assert end_of(up, "r")["status"] == "False"
    states = {each["name"]: (each["state"], each.get("reason")) for each in up.get("plr", "r")["status"]["stepStates"]}
    assert states == {"good": ("Succeeded", None), "bad": ("Failed", "ObjectFailed")}


# --- open files ---


def under(soft, hard):
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def files_of(pid):
    line = re.search(r"^Max open files\s+(\d+)\s+(\d+)", pathlib.Path(f"/proc/{pid}/limits").read_text(), re.MULTILINE)
    return int(line[1]), int(line[2])


def test_the_server_raises_its_limit_of_open_files_and_steps_keep_theirs(local):
    assert local.command("up", preexec_fn=under(200, 9000)).returncode == 0
    assert files_of(local.pid()) == (9000, 9000)
    local.apply(graph("g", shell("say", "ulimit -Sn; ulimit -Hn")),
                {"apiVersion": "millrace.dev/v1", "kind": "PipelineRun", "metadata": {"name": "r"}, "spec": {"refPipeline": "g"}})
    assert end_of(local, "r")["status"] == "True"
    assert local.kubectl("logs", "-l", "pipeline-run=r").split() == ["200", "9000"]
    assert "limit of open files" not in (local.data / "log").read_text()


def test_a_hard_limit_that_is_too_low_is_in_the_log(local):
    assert local.command("up", preexec_fn=under(200, 1000)).returncode == 0
    assert "limit of open files" in (local.data / "log").read_text() and os.path.exists(f"/proc/{local.pid()}")


def test_a_run_without_a_server_keeps_the_limits_of_its_steps_too(local, tmp_path):
    file = tmp_path / "p.json"
    file.write_text(json.dumps(graph("g", shell("say", "ulimit -Sn"))))
    done = local.command("run", file, preexec_fn=under(200, 9000))
    assert done.returncode == 0 and re.search(r"\b200\b", done.stdout), done.stdout + done.stderr
