"""fieldValidation, unknown and duplicate fields, values of the wrong type, texts that are no JSON or YAML."""
import pytest

from kit.samples import config, job, pod, sample

LEVELS = ["Strict", "Warn", "Ignore", "", "nonsense"]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("plural", ["pods", "pipelines", "configmaps"])
def test_unknown_fields(api, plural, level):
    body = sample(plural, "a")
    body["bogus"] = 1
    body["metadata"]["typo"] = {"x": 1}
    body.setdefault("spec", {})["wrong"] = [1]
    if plural == "pods":
        body["spec"]["containers"][0] = {**body["spec"]["containers"][0], "imagee": "x"}
    query = {"fieldValidation": level} if level else {}
    answer = api.create(plural, body, **query)
    assert answer.status == {"Strict": 400, "nonsense": 422}.get(level, 201)
    api.made(plural, sample(plural, "b"))
    body["metadata"]["name"] = "b"
    api.replace(plural, body, **query)
    api.patch(plural, "b", {"metadata": {"typo": 1}, "spec": {"wrong": 2}}, **query)
    api.patch(plural, "b", [{"op": "add", "path": "/spec/more", "value": 1}], "json", **query)


@pytest.mark.parametrize("level", LEVELS[:3])
@pytest.mark.parametrize("plural", ["pods", "pipelines"])
def test_duplicate_fields(api, plural, level):
    version = {"pods": '"apiVersion":"v1","kind":"Pod"', "pipelines": '"apiVersion":"millrace.dev/v1","kind":"Pipeline"'}[plural]
    spec = {"pods": '{"containers":[{"name":"a","image":"x","image":"y"}]}',
            "pipelines": '{"batchJob":{"input":{"apiServer":{"url":"u","url":"v"}},"outputs":[{"name":"f","ftp":{"topic":"t"}}]}}'}[plural]
    text = '{%s,"metadata":{"name":"a","name":"b"},"spec":%s}' % (version, spec)
    answer = api.request("POST", api.path(plural), text, query={"fieldValidation": level})
    assert answer.status == (400 if level == "Strict" else 201)
    yaml_text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: y}\ndata:\n  a: one\n  a: two\n"
    api.request("POST", api.path("configmaps"), yaml_text, content_type="application/yaml", query={"fieldValidation": level})


WRONG_TYPES = {
    "string-for-int": job("a", {"backoffLimit": "3"}),
    "float-for-int": job("a", {"backoffLimit": 1.5}),
    "whole-float-for-int": job("a", {"backoffLimit": 2.0}),
    "huge-int": job("a", {"backoffLimit": 3000000000}),
    "int-for-string": pod("a", {"hostname": 3}),
    "bool-for-string": pod("a", {"nodeSelector": {"a": True}}),
    "string-for-bool": pod("a", {"hostNetwork": "yes"}),
    "object-for-list": pod("a", {"containers": {"name": "a"}}),
    "list-for-object": pod("a", {"securityContext": []}),
    "string-for-object": pod("a", {"securityContext": "x"}),
    "string-in-list": pod("a", {"containers": ["a"]}),
    "null-in-list": pod("a", {"containers": [None]}),
    "null-list": pod("a", {"containers": None}),
    "null-string": pod("a", {"hostname": None}),
    "quantity": pod("a", {"containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": "lots"}}}]}),
    "quantity-number": pod("a", {"containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": 1, "memory": 1.5}}}]}),
    "quantity-odd": pod("a", {"containers": [{"name": "a", "image": "x", "resources": {"limits": {"cpu": "1500m", "memory": "1024Ki"}}}]}),
    "int-or-string-list": sample("services", "a", {"spec": {"ports": [{"port": 80, "targetPort": []}]}}),
    "int-or-string-float": sample("services", "a", {"spec": {"ports": [{"port": 80, "targetPort": 1.5}]}}),
    "time": sample("leases", "a", {"spec": {"renewTime": "now"}}),
    "time-number": sample("leases", "a", {"spec": {"renewTime": 5}}),
    "time-plain": sample("leases", "a", {"spec": {"renewTime": "2020-01-01T00:00:00Z"}}),
    "time-zone": sample("leases", "a", {"spec": {"renewTime": "2020-01-01T02:00:00.5+02:00"}}),
    "data-number": config("a", {"a": 1}),
    "data-null": config("a", {"a": None}),
    "base64": sample("secrets", "a", {"data": {"a": "not base64!"}}),
    "base64-null": sample("secrets", "a", {"data": {"a": None}}),
    "labels-list": {"metadata": {"name": "a", "labels": ["x"]}},
    "custom-string-for-int": sample("pipelineruns", "a", {"spec": {"refPipeline": "p", "maxRetryCount": "2"}}),
    "custom-string-for-object": sample("pipelines", "a", {"spec": "x"}),
    "custom-list-for-object": sample("pipelines", "a", {"spec": []}),
    "custom-null": sample("pipelines", "a", {"spec": None}),
    "custom-number-for-string": sample("pipelineruns", "a", {"spec": {"refPipeline": 5}}),
    "custom-float": sample("pipelineruns", "a", {"spec": {"refPipeline": "p", "maxRetryCount": 2.5}}),
    "custom-bool": sample("pipelineruns", "a", {"spec": {"refPipeline": "p", "cancel": "true"}}),
}


@pytest.mark.parametrize("case", list(WRONG_TYPES))
def test_values_of_other_types(api, case):
    body = WRONG_TYPES[case]
    kind = body.get("kind", "ConfigMap")
    plural = kind.lower() + "s"
    api.create(plural, body)
    api.create(plural, body, fieldValidation="Strict", dryRun="All")


TEXTS = {"empty": "", "blank": "  ", "word": "hello", "cut": '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"', "trailing": '{} {}',
         "comment": '{"a":1} // x', "bad-escape": '{"metadata":{"name":"\\q"}}', "bad-utf8": b'{"metadata":{"name":"\xff\xfe"}}',
         "nul": b'{"metadata":{"name":"a\x00"}}', "nan": '{"a":NaN}', "single": "{'a':1}", "bom": b"\xef\xbb\xbf{}",
         "huge-number": '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"n","generation":99999999999999999999}}',
         "surrogate": '{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"s"},"data":{"a":"\\ud800"}}'}


@pytest.mark.parametrize("case", list(TEXTS))
@pytest.mark.parametrize("plural", ["configmaps", "pipelines"])
def test_texts_that_are_no_json(api, plural, case):
    assert api.request("POST", api.path(plural), TEXTS[case], what=f"POST {plural} {case}").status in (201, 400, 422)
    api.made(plural, sample(plural, "there"))
    for how in ("merge", "json", "apply"):
        query = {"fieldManager": "m"} if how == "apply" else None
        from kit.api import PATCHES
        api.request("PATCH", api.path(plural, "there"), TEXTS[case], query=query, content_type=PATCHES[how], what=f"PATCH {how} {case}")


def test_yaml_bodies(api):
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: yes-it-is\ndata:\n  a: |\n    lines\n    more\n  b: 'yes'\n"
    assert api.request("POST", api.path("configmaps"), text, content_type="application/yaml").ok["data"] == {"a": "lines\nmore\n", "b": "yes"}
    bad = "apiVersion: v1\nkind: [unclosed\n"
    assert api.request("POST", api.path("configmaps"), bad, content_type="application/yaml").status == 400
    bare = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: z}\ndata: {a: 1, b: yes, c: 2020-01-01, d: 0x10, e: ~}\n"
    api.request("POST", api.path("configmaps"), bare, content_type="application/yaml")
    run = "apiVersion: millrace.dev/v1\nkind: PipelineRun\nmetadata: {name: z}\nspec: {refPipeline: p, cancel: yes}\n"
    api.request("POST", api.path("pipelineruns"), run, content_type="application/yaml")
    two = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: one}\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: two}\n"
    api.request("POST", api.path("configmaps"), two, content_type="application/yaml")


def test_answers_as_yaml(api):
    api.made("configmaps", config("a", {"a": "1", "b": "true", "c": "x: y", "d": "multi\nline\n"}))
    got = api.get("configmaps", "a", accept="application/yaml")
    assert got.status == 200 and "application/yaml" in got.headers["Content-Type"]
    api.get("configmaps", "missing", accept="application/yaml")


@pytest.mark.parametrize("depth", [100, 5000, 20000])
def test_deep_bodies(api, depth):
    data = '{"a":' * depth + "1" + "}" * depth
    text = '{"kind":"ControllerRevision","apiVersion":"apps/v1","metadata":{"name":"deep"},"revision":1,"data":%s}' % data
    with api.quiet():
        status = api.request("POST", api.path("controllerrevisions"), text).status
    assert status == (201 if depth == 100 else status) and status in (201, 400, 413)
    api.note("status", status)


@pytest.mark.parametrize("size", [(1 << 20) + 1, 4 << 20])
def test_huge_bodies(api, size):
    answer = api.create("configmaps", config("big", {"a": "x" * size}))
    assert answer.status in (413, 422)


def test_secret_and_config_map_of_almost_the_limit(api):
    with api.quiet():
        answer = api.create("configmaps", config("big", {"a": "x" * ((1 << 20) - 10)}))
        assert answer.status == 201 and len(api.get("configmaps", "big").ok["data"]["a"]) == (1 << 20) - 10
