"""Runs begun by webhook: who may, what is refused and how, the same delivery twice, and what is remembered of it."""
import concurrent.futures
import contextlib
import hashlib
import hmac
import http.client
import json
import socket
import ssl
import subprocess
import time

import pytest

from harness.kube import condition_of
from harness.objects import API
from harness.ports import free_ports
from harness.web import send

LARGE = 8 << 20


@pytest.fixture
def hooks(kube, start_operator):
    """Function `hooks(**webhook settings)` → base URL; `hooks.operator` is the operator then."""
    def start(**settings):
        port = free_ports(1)
        start.operator = start_operator(kube, config={"webhook": {"address": f"127.0.0.1:{port}", **settings}, "http": {"allow": ["127.0.0.0/8"]}})
        return f"http://127.0.0.1:{port}/webhook"
    return start


def pipeline(web, name="hook", params=(), trigger=None, body=None, **spec):
    return {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": name}, "spec": {
        "params": list(params), "triggers": [{"type": "webhook", **(trigger or {})}],
        "steps": [{"name": "tell", "http": {"url": f"{web.url}/tell", "method": "POST", **({"body": body} if body else {})}}], **spec}}


def apply(kube, *items):
    kube.apply(list(items))
    kube.wait_condition("pipeline", items[-1]["metadata"]["name"], "Ready")


def secret(name, **values):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}


def run_of(reply):
    assert reply.status == 202, reply
    return reply.headers["x-millrace-run"].partition("/")[2]


def refused(reply, status):
    assert reply.status == status, reply
    said = reply.json()
    assert set(said) == {"message", "error", "statusCode"} and said["statusCode"] == status
    return said["message"]


def test_a_run_exists_when_202_is_said_and_knows_body_headers_and_query(kube, hooks, web):
    base = hooks()
    apply(kube, pipeline(web, params=[{"name": "ref"}, {"name": "who"}], trigger={"params": {
        "ref": "trigger.body.ref", "who": "{{ trigger.headers.x-user | default('nobody') }}"}},
        body={"ref": "{{ params.ref }}", "who": "{{ params.who }}", "deep": "{{ trigger.body.list[1].k }}", "q": "{{ trigger.query.q }}"}))
    reply = send(f"{base}/{kube.namespace}/hook?q=a%20b", {"ref": "main", "list": [1, {"k": 2.5}]}, headers={"X-User": "ann", "Cookie": "c=1"})
    run = kube.get("pipelinerun", run_of(reply))
    assert reply.headers["x-millrace-run"] == f"{kube.namespace}/{run['metadata']['name']}"
    assert reply.headers["location"].endswith(f"/namespaces/{kube.namespace}/pipelineruns/{run['metadata']['name']}")
    assert "cookie" not in run["spec"]["trigger"]["headers"]
    kube.wait_run(run["metadata"]["name"])
    assert web.seen("/tell")[0].json() == {"ref": "main", "who": "ann", "deep": 2.5, "q": "a b"}


def test_the_same_delivery_again_is_the_same_run_at_once_later_and_after_a_crash(kube, hooks, web):
    base = hooks()
    apply(kube, pipeline(web))
    again = {"X-GitHub-Delivery": "d-1"}
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: send(f"{base}/hook", {"n": 1}, headers=again), range(8)))
    [name] = {run_of(reply) for reply in replies}
    kube.wait_run(name)
    assert run_of(send(f"{base}/hook", {"n": 1}, headers=again)) == name
    hooks.operator.kill()
    hooks.operator.start()
    assert run_of(send(f"{base}/hook", {"n": 1}, headers=again)) == name
    other = run_of(send(f"{base}/hook", {"n": 1}, headers={"X-GitHub-Delivery": "d-2"}))
    kube.wait_run(other)
    assert len(kube.list("pipelinerun")) == 2 and web.count("/tell") == 2


def test_a_delivery_is_remembered_after_its_run_was_deleted(kube, hooks, web):
    base = hooks()
    apply(kube, pipeline(web))
    name = run_of(send(f"{base}/hook", headers={"X-Delivery-ID": "d-1"}))
    kube.wait_run(name)
    kube.delete("pipelinerun", name)
    kube.wait_gone("pipelinerun", name)
    assert run_of(send(f"{base}/hook", headers={"X-Delivery-ID": "d-1"})) == name
    assert kube.get("pipelinerun", name) is None and web.count("/tell") == 1


def test_a_bearer_token_is_asked_for_and_a_new_one_counts_within_seconds(kube, hooks, web):
    base = hooks()
    apply(kube, secret("keys", token="open-sesame"), pipeline(web, trigger={"bearerTokenFrom": {"name": "keys", "key": "token"}}))
    refused(send(f"{base}/hook"), 401)
    refused(send(f"{base}/hook", headers={"Authorization": "Bearer wrong"}), 403)
    kube.wait_run(run_of(send(f"{base}/hook", headers={"Authorization": "Bearer open-sesame"})))
    kube.patch("secret", "keys", {"stringData": {"token": "new"}})
    until = time.monotonic() + 5  # "at once": the Secret is read again at most once a second
    while (reply := send(f"{base}/hook", headers={"Authorization": "Bearer new"})).status == 403 and time.monotonic() < until:
        time.sleep(0.1)
    run = kube.get("pipelinerun", run_of(reply))
    stored = json.dumps(run)
    assert "open-sesame" not in stored and "authorization" not in run["spec"]["trigger"]["headers"]


def test_a_signature_of_the_body_is_asked_for(kube, hooks, web):
    base = hooks()
    apply(kube, secret("keys", key="k"), pipeline(web, trigger={"hmacFrom": {"name": "keys", "key": "key"}, "signatureHeader": "X-Sign"}))
    body = json.dumps({"a": "ä"}).encode()
    good = hmac.new(b"k", body, hashlib.sha256).hexdigest()
    refused(send(f"{base}/hook", body), 401)
    refused(send(f"{base}/hook", body, headers={"X-Sign": "sha256=" + good[:-1] + ("0" if good[-1] != "0" else "1")}), 403)
    refused(send(f"{base}/hook", body + b" ", headers={"X-Sign": good}), 403)
    refused(send(f"{base}/hook", body, headers={"X-Sign": "nonsense"}), 403)
    assert kube.list("pipelinerun") == []
    for value in (good, f"sha256={good}"):
        kube.wait_run(run_of(send(f"{base}/hook", body, headers={"X-Sign": value})))


def test_a_secret_that_is_not_there_is_503_and_never_open(kube, hooks, web):
    base = hooks()
    apply(kube, pipeline(web, trigger={"bearerTokenFrom": {"name": "none", "key": "token"}}))
    reply = send(f"{base}/hook", headers={"Authorization": "Bearer "})
    assert reply.status in (401, 503)
    reply = send(f"{base}/hook", headers={"Authorization": "Bearer x"})
    refused(reply, 503)
    assert int(reply.headers["retry-after"]) > 0
    assert kube.list("pipelinerun") == []


def test_what_cannot_be_is_refused_with_the_status_that_says_why(kube, hooks, web):
    base = hooks(maxBodyBytes=1000)
    manual = pipeline(web, "manual")
    del manual["spec"]["triggers"]
    apply(kube, manual, pipeline(web, params=[{"name": "ref"}], trigger={"params": {"ref": "trigger.body.ref"}}))
    refused(send(f"{base}/none"), 404)
    refused(send(f"{base}/manual"), 404)
    refused(send(f"{base}/elsewhere/hook"), 404)
    refused(send(f"{base}/hook", b"{", headers={"Content-Type": "application/json"}), 400)
    refused(send(f"{base}/hook", {"ref": "x"}, headers={"X-Callback-URL": "http://127.0.0.1/"}), 400)
    refused(send(f"{base}/hook", {"ref": "x"}, headers={"X-Delivery-ID": "x" * 300}), 400)
    assert "ref" in refused(send(f"{base}/hook", {"other": "x"}), 422)
    refused(send(f"{base}/hook", {"ref": "x" * 1000}), 413)
    assert kube.list("pipelinerun") == []
    kube.wait_run(run_of(send(f"{base}/hook", {"ref": "x"})))


def test_a_large_body_is_refused_before_it_is_taken(kube, hooks, web):
    base = hooks()
    apply(kube, pipeline(web))
    host, port = base.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"POST /webhook/hook HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 413 ")
    before = hooks.operator.resident_bytes()
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"POST /webhook/hook HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(LARGE >> 16):
                client.sendall(b"10000\r\n" + b"z" * 65536 + b"\r\n")
        except OSError:
            pass  # cut short, as it should be
    assert hooks.operator.resident_bytes() - before < LARGE / 2
    kube.wait_run(run_of(send(f"{base}/hook")))


@pytest.mark.parametrize("size", [900, 17000], ids=["many", "one"])
def test_large_headers_are_refused(kube, hooks, web, size):
    base = hooks()
    apply(kube, pipeline(web))
    host, port = base.split("/")[2].split(":")
    with socket.create_connection((host, int(port)), timeout=20) as client:
        client.sendall(b"POST /webhook/hook HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * size) for i in range(20)) + b"\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 431 ")
    assert kube.list("pipelinerun") == []
    kube.wait_run(run_of(send(f"{base}/hook")))


def test_more_than_the_rate_is_429_with_a_time_to_come_back(kube, hooks, web):
    base = hooks(ratePerSecond=0.1, burst=2)
    apply(kube, pipeline(web), pipeline(web, "other"))
    first = send(f"{base}/hook", headers={"X-Delivery-ID": "d-1"})
    assert [first.status, send(f"{base}/hook").status] == [202, 202]
    reply = send(f"{base}/hook")
    refused(reply, 429)
    assert 1 <= int(reply.headers["retry-after"]) <= 10
    assert send(f"{base}/other").status == 202  # each pipeline by itself
    assert run_of(send(f"{base}/hook", headers={"X-Delivery-ID": "d-1"})) == run_of(first)  # and no new run is no new load


def test_without_the_api_server_it_is_503_and_the_same_delivery_works_later(kube, hooks, web, fault_proxy, start_operator):
    port = free_ports(1)
    start_operator(kube, kubeconfig=fault_proxy.kubeconfig, config={"webhook": {"address": f"127.0.0.1:{port}"}, "http": {"allow": ["127.0.0.0/8"]}})
    apply(kube, pipeline(web))
    fault_proxy.before = lambda request: (500, {}, "{}") if request.method == "POST" and "/pipelineruns" in request.path else None
    reply = send(f"http://127.0.0.1:{port}/webhook/hook", headers={"X-Delivery-ID": "d-1"}, timeout=60)
    refused(reply, 503)
    assert int(reply.headers["retry-after"]) > 0 and kube.list("pipelinerun") == []
    fault_proxy.before = lambda request: None
    kube.wait_run(run_of(send(f"http://127.0.0.1:{port}/webhook/hook", headers={"X-Delivery-ID": "d-1"})))


def test_deliveries_tells_what_became_of_each(kube, hooks, web, millrace):
    base = hooks()
    apply(kube, secret("keys", token="t"), pipeline(web, trigger={"bearerTokenFrom": {"name": "keys", "key": "token"}}))
    good = send(f"{base}/hook", headers={"Authorization": "Bearer t", "X-Delivery-ID": "d-1"})
    refused(send(f"{base}/hook", headers={"Authorization": "Bearer wrong-one", "X-Delivery-ID": "d-2"}), 403)
    status, body = hooks.operator.http("/deliveries")
    assert status == 200 and "wrong-one" not in body
    address = hooks.operator.command[hooks.operator.command.index("--metrics-address") + 1]
    done = subprocess.run([millrace, "deliveries", "hook", "--address", address, "-n", kube.namespace, "-o", "json"],
                          capture_output=True, text=True, timeout=20, env=kube.cluster.environment())
    assert done.returncode == 0, done.stderr
    text = json.dumps(json.loads(done.stdout))
    assert run_of(good) in text and "d-1" in text and "d-2" in text
    table = subprocess.run([millrace, "deliveries", "--address", address, "-n", kube.namespace], capture_output=True, text=True, timeout=20,
                           env=kube.cluster.environment()).stdout
    assert run_of(good) in table and len(table.splitlines()) >= 3
    assert hooks.operator.metric("millrace_webhook_deliveries_total") >= 2
    said = kube.wait_list("event", "", lambda found: any(each["reason"] == "WebhookRefused" for each in found), "an event WebhookRefused")
    assert all("wrong-one" not in json.dumps(each) for each in said)
    assert condition_of(kube.get("pipeline", "hook"), "Ready")["status"] == "True"


def certificate(folder, name):
    """Writes web.key and web.crt there; the certificate in PEM."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", folder / "new.key", "-out", folder / "new.crt"], check=True, capture_output=True)
    for ending in ("key", "crt"):
        (folder / f"new.{ending}").rename(folder / f"web.{ending}")
    return (folder / "web.crt").read_text()


def test_https_takes_a_new_certificate_without_a_restart_and_keeps_connections(kube, hooks, web, tmp_path):
    first = certificate(tmp_path, "first")
    base = hooks(certificateFile=str(tmp_path / "web.crt"), keyFile=str(tmp_path / "web.key"))
    apply(kube, pipeline(web))
    port = int(base.split("/")[2].split(":")[1])

    def connect(authority):
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=ssl.create_default_context(cadata=authority))
        connection.connect()
        return connection

    def post(connection):
        connection.request("POST", "/webhook/hook")
        answer = connection.getresponse()
        answer.read()
        return answer.status

    old = connect(first)
    assert post(old) == 202
    second = certificate(tmp_path, "second")
    until, fresh = time.monotonic() + 30, None
    while fresh is None:
        try:
            fresh = connect(second)
        except ssl.SSLError:
            assert time.monotonic() < until, "the new certificate was not taken"
            post(old)  # which stays usable, and would be closed when it is idle for long
            time.sleep(0.2)
    assert [post(fresh), post(old)] == [202, 202]
    with pytest.raises(ssl.SSLError):
        connect(first)
    with socket.create_connection(("127.0.0.1", port), timeout=20) as plain:
        plain.sendall(b"POST /webhook/hook HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"HTTPS" in plain.recv(4096)


def test_a_client_that_sends_slowly_is_let_go_and_others_are_served(kube, hooks, web):
    base = hooks()
    apply(kube, pipeline(web))
    host, port = base.split("/")[2].split(":")
    begun = time.monotonic()
    with contextlib.ExitStack() as slow:
        clients = [slow.enter_context(socket.create_connection((host, int(port)), timeout=60)) for _ in range(50)]
        for client in clients:
            client.sendall(b"POST /webhook/hook HTTP/1.1\r\nHost: x\r\nX-")
        kube.wait_run(run_of(send(f"{base}/hook")))
        for client in clients:  # a byte now and then does not help
            try:
                client.settimeout(0.01)
                while True:
                    client.sendall(b"y")
                    try:
                        if not client.recv(4096):
                            break
                    except TimeoutError:
                        time.sleep(0.5)
            except OSError:
                pass
            assert time.monotonic() - begun < 60
