"""CB-1 to CB-17: what a user of conveyor-belt may rely on, one test each. Jobs call a real HTTP server of the test, runs are
begun by POST to the operator's webhook server."""
import concurrent.futures
import json
import re
import subprocess
import uuid

import pytest
import yaml

from harness.kube import condition_of
from harness.objects import API, parse_time, step_states
from harness.ports import free_ports
from harness.web import Answer, send
from test_examples import EXAMPLES


# kubectl's words, with a server that describes its kinds by OpenAPI and with one that does not.
NO_SUCH_KIND = "no matches for kind|could not find the requested resource"


@pytest.fixture
def belt(kube, start_operator):
    """Function `belt(**webhook settings)` → base URL of the webhooks of a started operator."""
    def start(**settings):
        port = free_ports(1)
        belt.operator = start_operator(kube, config={
            "webhook": {"address": f"127.0.0.1:{port}", "callbackHosts": ["127.0.0.1"], **settings}, "http": {"allow": ["127.0.0.0/8"]}})
        return f"http://127.0.0.1:{port}/webhook"
    return start


def job(name, stage, url, data=None, method="POST", timeout=None):
    """One job, as conveyor-belt has it."""
    call = {"method": method, "url": url}
    if data is not None:
        call["data"] = data
    return {"name": name, "stage": stage, "action": {"http": call}, **({} if timeout is None else {"timeout": timeout})}


def pipeline(jobs, stages=None, name="belt", error=None, **spec):
    """A pipeline of conveyor-belt; its stages are those of the jobs, in their order."""
    item = {"apiVersion": API, "kind": "Pipeline", "metadata": {"name": name},
            "spec": {"stages": stages or list(dict.fromkeys(each["stage"] for each in jobs)), "jobs": jobs,
                     "triggers": [{"type": "webhook"}], **spec}}
    if error:
        item["spec"]["error"] = {"action": {"http": {"method": "POST", **error}}}
    return item


def apply(kube, item):
    kube.apply(item)
    kube.wait_condition("pipeline", item["metadata"]["name"], "Ready")


def post(base, name="belt", **more):
    """POST of its webhook; the name of the run."""
    reply = send(f"{base}/{name}", **more)
    assert reply.status == 202, reply
    return reply.headers["x-millrace-run"].partition("/")[2]


def not_ready(kube, item):
    """Applies it; the server's refusal, or the message of Ready=False."""
    try:
        kube.apply(item)
    except AssertionError as error:
        return str(error)
    stored = kube.wait_condition("pipeline", item["metadata"]["name"], "Ready", "False")
    return condition_of(stored, "Ready")["message"]


@pytest.mark.parametrize("change, words", [
    (lambda item: item.update(apiVersion="conveyor-belt.simonemms.com/v9"), NO_SUCH_KIND),
    (lambda item: item.update(kind="Conveyor"), NO_SUCH_KIND),
    (lambda item: item["spec"]["jobs"][0].update(stage="nowhere"), "unknown stage: nowhere"),
    (lambda item: item["spec"]["triggers"][0].update(type="bell"), "unknown trigger"),
    (lambda item: item["spec"].update(stages=[]), "stages"),
    (lambda item: item["spec"].update(triggers=[]), "no triggers configured"),
    (lambda item: item["spec"].update(jobs=[]), "no jobs configured"),
    (lambda item: item["spec"].update(stages=["one", "one"]), "stage one is there twice"),
    (lambda item: item["spec"]["jobs"][0]["action"].clear(), "http"),
], ids=["apiVersion", "kind", "stage", "trigger", "no-stages", "no-triggers", "no-jobs", "stage-twice", "no-action"])
def test_CB_1_what_the_old_program_refused_at_its_start_is_refused_when_applied(kube, belt, change, words):
    belt()
    item = pipeline([job("a", "one", "http://x.test/")])
    change(item)
    assert re.search(words, said := not_ready(kube, item)), said


@pytest.mark.parametrize("port", [None, 0, 3100], ids=["absent", "0", "given"])
def test_CB_2_port_may_be_absent_or_zero_and_the_gateways_counts(kube, belt, web, port):
    """Instead of a port for each pipeline the gateway has one for all; the field stays, as it was written."""
    base = belt()
    apply(kube, pipeline([job("a", "one", f"{web.url}/a")], **({} if port is None else {"port": port})))
    assert kube.get("pipeline", "belt")["spec"].get("port") == port
    kube.wait_run(post(base))
    assert web.count("/a") == 1


def test_CB_3_a_webhook_is_answered_with_202_and_an_empty_body_before_any_job_ends(kube, belt, web, hold):
    base = belt()
    web.answer("/slow", hold=hold)
    apply(kube, pipeline([job("a", "one", f"{web.url}/slow")]))
    reply = send(f"{base}/belt", {"any": "thing"})
    assert (reply.status, reply.body) == (202, b"")
    web.wait("/slow")
    name = reply.headers["x-millrace-run"].partition("/")[2]
    kube.wait_condition("pipelinerun", name, "Completed", "False")
    hold.set()
    kube.wait_run(name)


def test_CB_4_other_methods_and_paths_get_404_with_three_fields(kube, belt):
    base = belt()
    apply(kube, pipeline([job("a", "one", "http://x.test/")]))
    for method, path in (("GET", "/webhook/belt"), ("PUT", "/webhook/belt"), ("GET", "/"), ("POST", "/elsewhere"), ("GET", "/webhook/belt?a=1")):
        reply = send(base.removesuffix("/webhook") + path, method=method)
        assert reply.status == 404, (method, path, reply)
        assert reply.json() == {"message": f"Route {method}:{path} not found", "error": "Not Found", "statusCode": 404}
    reply = send(f"{base}/belt/")
    assert reply.status == 307 and reply.headers["location"].endswith("/webhook/belt")


def test_CB_5_jobs_of_a_stage_run_together_and_the_next_stage_after_all_of_them(kube, belt, web):
    base = belt()
    for path in ("/a", "/b"):
        web.answer(path, delay=1)
    apply(kube, pipeline([job("a", "one", f"{web.url}/a"), job("b", "one", f"{web.url}/b"), job("c", "two", f"{web.url}/c")]))
    kube.wait_run(post(base))
    [a], [b], [c] = (web.seen(path) for path in ("/a", "/b", "/c"))
    assert max(a.ended, b.ended) - min(a.begun, b.begun) < 2
    assert max(a.begun, b.begun) < min(a.ended, b.ended)
    assert c.begun >= max(a.ended, b.ended)


def test_CB_6_values_of_earlier_responses_are_strings_and_missing_keys_empty(kube, belt, web):
    base = belt()
    web.answer("/a", body={"number": 2, "yes": True, "half": 1.5, "text": "t", "deep": {"k": "v"}, "nothing": None})
    r = ".Response.one.a"
    apply(kube, pipeline([job("a", "one", f"{web.url}/a"), job("b", "two", f"{web.url}/b", {
        "number": "{{ %s.Body.number }}" % r, "yes": "{{ %s.Body.yes }}" % r, "half": "{{ %s.Body.half }}" % r, "text": "<{{ %s.Body.text }}>" % r,
        "deep": "{{ %s.Body.deep.k }}" % r, "status": "{{ %s.Status }}" % r, "key": "{{ %s.Body.no.such }}" % r, "null": "{{ %s.Body.nothing }}" % r,
        "job": "{{ .Response.one.other.Body.k }}", "stage": "{{ .Response.none.a.Status }}", "name": "{{ .Name }}",
        "type": "{{ index %s.Headers `Content-Type` }}" % r, "plain": 7})]))
    kube.wait_run(post(base))
    assert web.wait("/b")[0].json() == {
        "number": "2", "yes": "true", "half": "1.5", "text": "<t>", "deep": "v", "status": "200", "key": "", "null": "", "job": "", "stage": "",
        "name": "belt", "type": "[application/json]", "plain": 7}


def test_CB_7_special_characters_arrive_unchanged_in_valid_json(kube, belt, web):
    base = belt()
    odd = "\"q\" 'q' \\ back\nline\t<b> & é \U0001f600 {{ .Name }} + \x01"
    web.answer("/a", body={"odd": odd})
    apply(kube, pipeline([job("a", "one", f"{web.url}/a"), job("b", "two", f"{web.url}/b", {"v": "{{ .Response.one.a.Body.odd }}"})]))
    kube.wait_run(post(base))
    assert web.wait("/b")[0].json() == {"v": odd}


def test_CB_8_an_answer_of_500_with_json_is_a_success_whose_status_the_callback_shows(kube, belt, web):
    base = belt()
    web.answer("/a", 500, {"why": "no"})
    apply(kube, pipeline([job("a", "one", f"{web.url}/a")], error={"url": f"{web.url}/error"}))
    kube.wait_run(post(base, headers={"X-Callback-URL": f"{web.url}/callback"}))
    told = web.wait("/callback")[0].json()["response"]["one"]["a"]
    assert (told["status"], told["body"]) == (500, {"why": "no"})
    assert web.count("/error") == 0


@pytest.mark.parametrize("body", ["plain text", [1, 2], None], ids=["text", "list", "empty"])
def test_CB_9_an_answer_that_is_no_json_object_is_a_success_with_a_null_body(kube, belt, web, body):
    base = belt()
    web.answer("/a", body=body)
    apply(kube, pipeline([job("a", "one", f"{web.url}/a"), job("b", "two", f"{web.url}/b", {"k": "{{ .Response.one.a.Body.k }}"})]))
    kube.wait_run(post(base, headers={"X-Callback-URL": f"{web.url}/callback"}))
    told = web.wait("/callback")[0].json()["response"]["one"]["a"]
    assert (told["status"], told["body"]) == (200, None)
    assert web.seen("/b")[0].json() == {"k": ""}


def test_CB_10_a_timeout_calls_the_error_job_once_and_nothing_after(kube, belt, web):
    base = belt()
    web.answer("/slow", delay=1)
    apply(kube, pipeline([job("a", "one", f"{web.url}/slow", timeout="200ms"), job("b", "two", f"{web.url}/later")],
                         error={"url": f"{web.url}/error", "data": {"pipeline": "{{ .Name }}"}}))
    name = post(base, headers={"X-Callback-URL": f"{web.url}/callback"})
    ended = kube.wait_run(name, succeeded="False")
    kube.wait_completed(name)
    [told] = web.seen("/error")
    assert told.json() == {"pipeline": "belt"}
    assert [web.count(path) for path in ("/slow", "/later", "/callback")] == [1, 0, 0]
    step = next(each for each in ended["status"]["stepStates"] if each["name"] == "one-a")
    assert step["state"] == "Failed" and "200" in step["message"]


def test_CB_11_zero_never_times_out_and_absent_is_thirty_seconds(kube, belt, web):
    base = belt()
    for path in ("/zero", "/zeros"):
        web.answer(path, delay=33)
    web.answer("/absent", delay=40)
    apply(kube, pipeline([job("zero", "one", f"{web.url}/zero", timeout=0), job("zeros", "one", f"{web.url}/zeros", timeout="0s"),
                          job("absent", "one", f"{web.url}/absent")]))
    ended = kube.wait_completed(post(base), timeout=60)
    assert step_states(ended) == {"one-zero": "Succeeded", "one-zeros": "Succeeded", "one-absent": "Failed"}
    absent = next(each for each in ended["status"]["stepStates"] if each["name"] == "one-absent")
    assert 29 <= (parse_time(absent["finishedAt"]) - parse_time(absent["startedAt"])).total_seconds() <= 32


@pytest.mark.parametrize("status", [200, 500])
def test_CB_12_the_callback_is_posted_once_with_all_five_keys_and_its_answer_changes_nothing(kube, belt, web, status):
    base = belt()
    web.answer("/a", body={"k": "v"}, headers={"X-Two": "2"})
    web.answer("/callback", status, "oh")
    apply(kube, pipeline([job("a", "one", f"{web.url}/a")], stages=["empty", "one"]))
    kube.wait_completed(post(base, headers={"X-Callback-URL": f"{web.url}/callback"}), "Succeeded")
    [told] = web.seen("/callback")
    assert (told.method, told.headers["content-type"]) == ("POST", "application/json")
    body = told.json()
    response = body.pop("response")
    assert set(response) == {"one"} and set(response["one"]) == {"a"}
    assert (response["one"]["a"]["status"], response["one"]["a"]["body"]) == (200, {"k": "v"})
    assert response["one"]["a"]["headers"]["X-Two"] == ["2"]
    assert response["one"]["a"]["headers"]["Content-Type"] == ["application/json"]
    times = body.pop("executionTime")
    assert body == {"name": "belt", "stages": ["empty", "one"]}
    assert set(times) == {"start", "total"} and isinstance(times["total"], int) and 0 <= times["total"] < 60000
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", times["start"])


def test_CB_13_ten_triggers_at_once_are_ten_runs_whose_responses_do_not_mix(kube, belt, web):
    base = belt()
    web.answer("/a", by=lambda _: Answer(body={"ticket": str(uuid.uuid4())}, delay=0.2))
    web.answer("/b", by=lambda seen: Answer(body={"again": seen.json()["ticket"]}))
    apply(kube, pipeline([job("a", "one", f"{web.url}/a"), job("b", "two", f"{web.url}/b", {"ticket": "{{ .Response.one.a.Body.ticket }}"})]))
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        names = list(pool.map(lambda _: post(base, headers={"X-Callback-URL": f"{web.url}/callback"}), range(10)))
    assert len(set(names)) == 10
    for name in names:
        kube.wait_run(name)
    told = [each.json()["response"] for each in web.wait("/callback", 10)]
    tickets = [(each["one"]["a"]["body"]["ticket"], each["two"]["b"]["body"]["again"]) for each in told]
    assert all(first == second for first, second in tickets) and len({first for first, _ in tickets}) == 10


def test_CB_14_two_failing_jobs_of_a_stage_call_the_error_job_exactly_once(kube, belt, web):
    base = belt()
    for path in ("/a", "/b"):
        web.answer(path, delay=5)
    apply(kube, pipeline([job("a", "one", f"{web.url}/a", timeout="200ms"), job("b", "one", f"{web.url}/b", timeout="200ms"),
                          job("c", "two", f"{web.url}/c")], error={"url": f"{web.url}/error"}))
    kube.wait_completed(post(base), "StepFailed")
    kube.wait_completed(post(base), "StepFailed")  # and goes on to serve
    assert [web.count(path) for path in ("/a", "/b", "/c", "/error")] == [2, 2, 0, 2]


def test_CB_15_the_request_id_comes_back_or_is_made(kube, belt):
    base = belt()
    apply(kube, pipeline([job("a", "one", "http://127.0.0.1:1/")]))
    assert send(f"{base}/belt", headers={"X-Request-ID": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert send(f"{base}/none", method="GET", headers={"X-Request-ID": "mine-2"}).headers["x-request-id"] == "mine-2"
    made = [send(f"{base}/belt").headers["x-request-id"] for _ in range(2)]
    assert all(uuid.UUID(each).version == 4 for each in made) and made[0] != made[1]


@pytest.mark.parametrize("status, method", [(302, "GET"), (307, "POST")])
def test_CB_16_a_redirect_is_followed_as_get_after_302_and_with_the_body_after_307(kube, belt, web, status, method):
    base = belt()
    web.answer("/a", status, headers={"Location": "/there"})
    web.answer("/there", body={"found": "it"})
    apply(kube, pipeline([job("a", "one", f"{web.url}/a", {"k": "v"}), job("b", "two", f"{web.url}/b", {"v": "{{ .Response.one.a.Body.found }}"})]))
    kube.wait_run(post(base))
    [there] = web.seen("/there")
    assert there.method == method
    assert there.body == (b"" if method == "GET" else b'{"k":"v"}')
    assert web.seen("/b")[0].json() == {"v": "it"}


def test_CB_17_lists_maps_and_keys_are_templated_too(kube, belt, web):
    base = belt()
    web.answer("/a", body={"k": "key", "v": "value"})
    r = ".Response.one.a.Body"
    apply(kube, pipeline([job("a", "one", f"{web.url}/a"), job("b", "two", f"{web.url}/b", {
        "list": ["{{ %s.v }}" % r, ["{{ %s.v }}!" % r], {"in": "{{ %s.v }}" % r}], "map": {"{{ %s.k }}" % r: {"x-{{ %s.k }}" % r: "{{ %s.v }}" % r}},
        "same": [1, True, None]})]))
    kube.wait_run(post(base))
    assert web.seen("/b")[0].json() == {"list": ["value", ["value!"], {"in": "value"}], "map": {"key": {"x-key": "value"}}, "same": [1, True, None]}


def test_no_data_is_no_body(kube, belt, web):
    base = belt()
    apply(kube, pipeline([job("a", "one", f"{web.url}/a"), job("b", "one", f"{web.url}/b", method="")]))
    kube.wait_run(post(base))
    assert [(each.method, each.body) for each in web.seen("/a") + web.seen("/b")] == [("POST", b""), ("GET", b"")]


def test_the_example_of_conveyor_belt_runs_against_a_real_server(kube, belt, web):
    """Only the addresses in the file are the test's."""
    base = belt()
    text = re.sub(r"http://[a-z]+\.demo\.svc:8080", web.url, (EXAMPLES / "conveyor-belt.yaml").read_text())
    web.answer("/pictures/42", body={"location": "/raw/42.png"}, headers={"Etag": "\"v1\""})
    web.answer("/lookup", body={"plan": "pro", "mail": "a@b.test"})
    web.answer("/run", body={"url": "/small/42.png"})
    kube.apply(text)
    kube.wait_run("thumbnails-now")
    [converted], [sent] = web.seen("/run"), web.seen("/send")
    assert (web.seen("/pictures/42")[0].method, converted.method) == ("GET", "PUT")
    assert converted.json() == {"source": "/raw/42.png", "etag": "[\"v1\"]", "status": "200", "pipeline": "thumbnails", "absent": "",
                                "nested": [{"size": "1024"}]}
    assert sent.json() == {"to": "a@b.test", "link": "/small/42.png"}
    name = post(base, "thumbnails", headers={"X-Callback-URL": f"{web.url}/callback"})
    kube.wait_completed(name, "Succeeded")
    assert web.wait("/callback")[0].json()["stages"] == ["fetch", "convert", "audit", "publish"]
    assert (web.count("/run"), web.count("/raise")) == (2, 0)


def test_import_changes_the_api_version_and_nothing_else(kube, belt, web, millrace, tmp_path):
    base = belt()
    item = {**pipeline([job("a", "one", f"{web.url}/a")]), "apiVersion": "conveyor-belt.simonemms.com/v1alpha1"}
    old = tmp_path / "config.yaml"
    old.write_text(yaml.safe_dump(item))
    done = subprocess.run([millrace, "import", old], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    assert yaml.safe_load(done.stdout) == json.loads(json.dumps({**item, "apiVersion": API}))
    kube.apply(done.stdout)
    kube.wait_condition("pipeline", "belt", "Ready")
    kube.wait_run(post(base))
