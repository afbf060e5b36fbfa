"""HTTP steps against nginx, a server that was not written for us, and webhooks behind it: redirects, TLS, size, pace, limits, connections."""
import base64
import concurrent.futures
import http.client
import json
import ssl
import subprocess
import time

import pytest

from harness.kube import condition_of
from harness.objects import API, run, step_states
from harness.ports import free_ports

SECRET = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}}


@pytest.fixture
def engine(kube, start_operator):
    """A started operator that may call loopback."""
    return start_operator(kube, config={"http": {"allow": ["127.0.0.0/8"]}})


def step(name, url, **fields):
    """An HTTP step; fields of `http`, but for those of the step itself."""
    own = {key: fields.pop(key) for key in ("dependsOn", "timeout", "retry", "continueOnError", "outputs", "matrix") if key in fields}
    return {"name": name, "http": {"url": url, **fields}, **own}


def ended(kube, steps, reason="Succeeded", **spec):
    """Runs these steps to the end; the run."""
    kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "g"}, "spec": {"steps": steps, **spec}})
    kube.wait_condition("pipeline", "g", "Ready")
    kube.create(run("r", "g"))
    return kube.wait_completed("r", reason)


def state(item, name):
    return next(each for each in item["status"]["stepStates"] if each["name"] == name)


def secret_header(name):
    return {"headers": [{"name": "Authorization", "valueFrom": {"secretKeyRef": {"name": "keys", "key": name}}}]}


def with_secrets(kube, **values):
    kube.apply({**SECRET, "stringData": values})


# --- HTTP steps ---


def test_redirects_are_followed_as_their_status_says(kube, engine, nginx, web):
    server = nginx(f"location = /final {{ proxy_pass {web.url}/final; }} location = /chain {{ return 302 /r307; }} location = /loop {{ return 302 /loop; }} " +
                   " ".join(f"location = /r{status} {{ return {status} /final; }}" for status in (301, 302, 303, 307, 308)))
    done = ended(kube, [*(step(f"r{status}", f"{server.url}/r{status}", method="POST", body={"n": status}, continueOnError=True)
                          for status in (301, 302, 303, 307, 308)),
                        step("chain", f"{server.url}/chain"),
                        step("seen", f"{server.url}/r302", followRedirects=False, success="response.status == 302",
                             outputs={"to": "response.headers.location"}),
                        step("loop", f"{server.url}/loop", continueOnError=True)])
    assert {name for name, how in step_states(done).items() if how == "Failed"} == {"loop"}
    methods = sorted((each.method, each.json()["n"] if each.body else None) for each in web.seen("/final"))
    assert methods == [("GET", None)] * 4 + [("POST", 307), ("POST", 308)]  # 301 to 303 become GET; and the chain
    assert state(done, "seen")["outputs"]["to"].endswith("/final") and len(server.seen("/loop")) == 11


def test_a_redirect_to_another_port_takes_no_credentials_along_and_may_lead_to_tls(kube, engine, nginx):
    other = nginx('location = /there { return 200 "{}"; }')
    server = nginx(f"location = /plain {{ return 307 {other.url}/there; }} location = /tls {{ return 307 {other.secure_url}/there; }} "
                   "location = /same { return 307 /stays; } location = /stays { return 200 '{}'; }")
    with_secrets(kube, token="Bearer hidden-word", ca=other.authority)
    done = ended(kube, [step("plain", f"{server.url}/plain", **secret_header("token")), step("same", f"{server.url}/same", **secret_header("token")),
                        step("tls", f"{server.url}/tls", caFrom={"name": "keys", "key": "ca"}, **secret_header("token")),
                        step("untrusted", f"{server.url}/tls", continueOnError=True)])
    assert state(done, "untrusted")["state"] == "Failed"
    assert [each["authorization"] for path in ("/plain", "/tls", "/same", "/stays") for each in server.seen(path) if each["authorization"]] == [
        "Bearer hidden-word"] * 4
    assert sorted((each["authorization"], bool(each["tls"])) for each in other.seen("/there")) == [("", False), ("", True)]


def test_tls_is_checked_up_to_the_authority_that_was_given(kube, engine, nginx):
    server, stranger = nginx('location / { return 200 "{}"; }'), nginx()
    with_secrets(kube, ca=server.authority, wrong=stranger.authority, both=stranger.authority + server.authority, none="-----BEGIN NOTHING-----")
    done = ended(kube, [step(name, f"{server.secure_url}/{name}", caFrom={"name": "keys", "key": name}, continueOnError=True)
                        for name in ("ca", "wrong", "both", "none")] +
                 [step("system", f"{server.secure_url}/system", continueOnError=True),  # whom this machine trusts
                  step("name", f"https://localhost:{server.port + 1}/name", caFrom={"name": "keys", "key": "ca"}, continueOnError=True)])
    assert step_states(done) == {"ca": "Succeeded", "both": "Succeeded", **dict.fromkeys(("wrong", "none", "system", "name"), "Failed")}
    assert {(each["path"], each["tls"]) for each in server.seen()} == {("/ca", "TLSv1.3"), ("/both", "TLSv1.3")}
    assert "localhost" in json.dumps(state(done, "name"))  # the certificate is for the address only


def test_basic_auth_comes_from_a_secret(kube, engine, nginx):
    server = nginx('location / { auth_basic "here"; auth_basic_user_file {folder}/users; try_files /answer =404; }')
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "pa:ss"], check=True, capture_output=True, text=True).stdout.strip()
    (server.folder / "users").write_text(f"ann:{hashed}\n")
    (server.files / "answer").write_text('{"let": "in"}')

    def header(text):
        return "Basic " + base64.b64encode(text.encode()).decode()
    with_secrets(kube, good=header("ann:pa:ss"), wrong=header("ann:pass"))
    done = ended(kube, [step("good", f"{server.url}/", outputs={"let": "response.body.let"}, **secret_header("good")),
                        step("wrong", f"{server.url}/", continueOnError=True, **secret_header("wrong")),
                        step("none", f"{server.url}/", success="response.status == 401", outputs={"asks": "response.headers.www-authenticate"})])
    assert step_states(done) == {"good": "Succeeded", "wrong": "Failed", "none": "Succeeded"}
    assert state(done, "good")["outputs"] == {"let": "in"} and state(done, "none")["outputs"] == {"asks": 'Basic realm="here"'}
    assert state(done, "wrong")["reason"] == "HttpStatus" and header("ann:pa:ss") not in json.dumps(done) + engine.tail(2000)


def test_a_body_over_the_limit_fails_the_step_however_it_is_sent(kube, engine, nginx):
    server = nginx("gzip_types *; gzip_min_length 0; location /packed/ { gzip on; alias {folder}/files/; } location /slow/ { limit_rate 1k; alias {folder}/files/; }")
    (server.files / "long").write_bytes(b"x" * 70_000)
    (server.files / "bomb").write_bytes(b"\0" * 20_000_000)
    (server.files / "fits").write_bytes(b'"' + b"y" * 60_000 + b'"')
    before = engine.resident_bytes()
    done = ended(kube, [step("long", f"{server.url}/long", continueOnError=True), step("bomb", f"{server.url}/packed/bomb", continueOnError=True),
                        step("raised", f"{server.url}/long", maxResponseBytes=100_000), step("fits", f"{server.url}/packed/fits"),
                        step("slow", f"{server.url}/slow/long", timeout="1s", continueOnError=True)])
    assert step_states(done) == {"long": "Failed", "bomb": "Failed", "raised": "Succeeded", "fits": "Succeeded", "slow": "Failed"}
    assert all("exceeds 65536 bytes" in state(done, name)["message"] for name in ("long", "bomb"))
    assert state(done, "slow")["reason"] in ("StepTimeout", "TimedOut")
    assert engine.resident_bytes() - before < 15 << 20, "twenty megabytes were never held"


def test_a_limit_of_requests_is_waited_out_by_retries(kube, engine, nginx):
    """nginx lets one request a second through, and says 429 with Retry-After, 503 for another path."""
    server = nginx("""
      location = /few { limit_req zone=few; limit_req_status 429; add_header Retry-After 1 always; try_files /ok =404; }
      location = /down { add_header Retry-After 1 always; return 503; }""", "limit_req_zone $request_uri zone=few:1m rate=1r/s;")
    (server.files / "ok").write_text("{}")
    policy = {"limit": 8, "backoff": {"initial": "500ms", "factor": 1.5, "max": "2s"}, "on": ["Infrastructure"]}
    done = ended(kube, [*(step(f"few{i}", f"{server.url}/few", retry=policy) for i in range(3)),
                        step("down", f"{server.url}/down", retry={**policy, "limit": 1}, continueOnError=True)])
    assert step_states(done) == {**{f"few{i}": "Succeeded" for i in range(3)}, "down": "Failed"}
    few = [each["status"] for each in server.seen("/few")]
    assert few.count(200) == 3 and few.count(429) >= 2 and set(few) == {200, 429}
    assert [each["status"] for each in server.seen("/down")] == [503, 503] and "503" in json.dumps(state(done, "down"))
    assert len({each["key"] for each in server.seen("/few")}) == len(few), "every attempt has a key of its own"


def test_connections_are_used_again_and_ones_that_the_server_closes_hurt_nobody(kube, engine, nginx):
    server = nginx("location = /often { return 200 '{}'; } location = /three { keepalive_requests 3; return 200 '{}'; } "
                   "location = /once { keepalive_timeout 0; return 200 '{}'; }")
    done = ended(kube, [step(path, f"{server.url}/{path}", matrix={"params": {"n": list(range(12))}, "maxParallel": 1},
                             **({"dependsOn": [before]} if before else {})) for path, before in (("often", None), ("three", "often"), ("once", "three"))])
    assert set(step_states(done).values()) == {"Succeeded"}
    assert len({each["connection"] for each in server.seen("/often")}) == 1
    assert len({each["connection"] for each in server.seen("/three")}) in (4, 5)
    assert len({each["connection"] for each in server.seen("/once")}) == 12
    assert len(server.seen()) == 36, "no call was sent twice"


# --- webhooks behind it ---


PROXY = """
location /hooks/ {
  proxy_pass http://gateway/webhook/;
  proxy_http_version 1.1; proxy_set_header Connection ""; proxy_request_buffering off; client_max_body_size 0;
  proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for; proxy_set_header X-Forwarded-Proto $scheme;
}"""


@pytest.fixture
def behind(kube, start_operator, nginx, web):
    """Function `behind(**webhook settings)` → an nginx that ends TLS in front of the operator's webhooks; pipeline `hook` is there."""
    def start(**settings):
        port = free_ports(1)
        start.operator = start_operator(kube, config={"webhook": {"address": f"127.0.0.1:{port}", **settings}, "http": {"allow": ["127.0.0.0/8"]}})
        kube.apply({"apiVersion": API, "kind": "Pipeline", "metadata": {"name": "hook"}, "spec": {
            "triggers": [{"type": "webhook", "params": {"from": "trigger.headers.x-forwarded-for", "n": "trigger.body.n | default(0)"}}],
            "params": [{"name": "from"}, {"name": "n", "type": "integer"}],
            "steps": [step("tell", f"{web.url}/tell", method="POST", body={"from": "{{ params.from }}", "n": "{{ params.n }}"})]}})
        kube.wait_condition("pipeline", "hook", "Ready")
        return nginx(PROXY, f"upstream gateway {{ server 127.0.0.1:{port}; keepalive 16; }}")
    return start


def connect(server):
    return http.client.HTTPSConnection("127.0.0.1", server.port + 1, timeout=30, context=ssl.create_default_context(cadata=server.authority))


def post(connection, body, path="/hooks/hook", **headers):
    connection.request("POST", path, body=body, headers={"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}})
    answer = connection.getresponse()
    return answer.status, dict(answer.headers), answer.read()


def test_a_delivery_through_a_proxy_that_ends_tls_starts_a_run(kube, behind, web):
    connection = connect(behind())
    status, headers, _ = post(connection, b'{"n": 7}', X_Forwarded_For="192.0.2.9", X_Delivery_ID="d-1")
    assert status == 202
    name = headers["X-Millrace-Run"].partition("/")[2]
    kube.wait_run(name)
    assert web.seen("/tell")[0].json() == {"from": "192.0.2.9, 127.0.0.1", "n": 7}
    assert kube.get("pipelinerun", name)["spec"]["trigger"]["headers"]["x-forwarded-proto"] == "https"
    assert post(connection, b'{"n": 7}', X_Delivery_ID="d-1")[1]["X-Millrace-Run"] == headers["X-Millrace-Run"]
    assert post(connection, b"{}", path="/hooks/none")[0] == 404
    assert post(connection, iter([b'{"n"', b": 8}"]))[0] == 202, "chunked, and passed on as it comes"


def test_refusals_come_through_the_proxy_as_they_are(kube, behind):
    connection = connect(behind(maxBodyBytes=1000, remoteRatePerSecond=0.1, remoteBurst=3))
    status, _, body = post(connection, b'"' + b"x" * 2000 + b'"')
    assert status == 413 and json.loads(body)["statusCode"] == 413
    connection.close()
    while (answer := post(connection, b"{}"))[0] == 202:  # all senders behind it are one address, as the configuration says
        pass
    assert answer[0] == 429 and int(answer[1]["Retry-After"]) >= 1


def test_many_senders_at_once_through_the_proxy_make_one_run_each(kube, behind, web):
    server = behind()

    def deliver(number):
        connection = connect(server)
        try:
            return [post(connection, json.dumps({"n": number}).encode(), X_Delivery_ID=f"d-{number}")[1]["X-Millrace-Run"] for _ in range(2)]
        finally:
            connection.close()
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        runs = list(pool.map(deliver, range(60)))
    assert all(first == second for first, second in runs) and len({first for first, _ in runs}) == 60
    for first, _ in runs:
        kube.wait_run(first.partition("/")[2])
    assert sorted(each.json()["n"] for each in web.seen("/tell")) == list(range(60))


def test_a_restart_behind_the_proxy_is_a_502_and_the_same_delivery_works_afterwards(kube, behind, web):
    server = behind()
    # A connection for each: nginx may close the one on which it answered for a server that is gone.
    kube.wait_run(post(connect(server), b'{"n": 1}', X_Delivery_ID="d-1")[1]["X-Millrace-Run"].partition("/")[2])
    behind.operator.kill()
    assert post(connect(server), b'{"n": 2}', X_Delivery_ID="d-2")[0] == 502
    behind.operator.start()
    deadline = time.monotonic() + 30  # nginx lets a server that failed rest for ten seconds
    while (answer := post(connect(server), b'{"n": 2}', X_Delivery_ID="d-2"))[0] == 502:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert answer[0] == 202
    done = kube.wait_run(answer[1]["X-Millrace-Run"].partition("/")[2])
    assert condition_of(done, "Succeeded")["status"] == "True"
    assert sorted(each.json()["n"] for each in web.seen("/tell")) == [1, 2]
