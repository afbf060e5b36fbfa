"""OpenAPI: each served kind's schema, field by field; and kubectl explain, which reads it."""
import pytest

from kit.samples import VERSIONS

MARKS = ["x-kubernetes-list-type", "x-kubernetes-list-map-keys", "x-kubernetes-patch-strategy", "x-kubernetes-patch-merge-key", "x-kubernetes-map-type",
         "x-kubernetes-int-or-string", "x-kubernetes-preserve-unknown-fields"]
DOCUMENTS = {"v1": "/openapi/v3/api/v1", "batch/v1": "/openapi/v3/apis/batch/v1", "apps/v1": "/openapi/v3/apis/apps/v1",
             "coordination.k8s.io/v1": "/openapi/v3/apis/coordination.k8s.io/v1", "events.k8s.io/v1": "/openapi/v3/apis/events.k8s.io/v1",
             "millrace.dev/v1": "/openapi/v3/apis/millrace.dev/v1"}


def test_index(api):
    with api.quiet():
        paths = api.request("GET", "/openapi/v3").ok["paths"]
    for path in DOCUMENTS.values():
        address = paths[path.removeprefix("/openapi/v3/")]["serverRelativeURL"]
        assert address.startswith(path + "?hash=")
        with api.quiet():
            answer = api.request("GET", address)
            assert answer.status == 200 and answer.headers["ETag"]
            again = api.request("GET", address, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304
        api.note(path, {"type": answer.headers["Content-Type"], "openapi": answer.json["openapi"]})
    assert api.request("GET", "/openapi/v3/apis/nonsense/v1").status == 404


ACCEPTS = ["", "*/*", "application/json", "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
           "application/com.github.proto-openapi.spec.v2.v1.0+protobuf", "text/html"]


@pytest.mark.parametrize("accept", ACCEPTS)
def test_version_2(api, accept):
    """What it describes differs: nothing here."""
    with api.quiet():
        answer = api.request("GET", "/openapi/v2", headers={"Accept": accept} if accept else {})
    api.note("head", {"status": answer.status, "type": answer.headers.get("Content-Type")})
    if answer.headers.get("Content-Type") == "application/json":
        api.note("swagger", answer.json["swagger"])
        assert {"info", "paths", "definitions"} <= set(answer.json)
    elif answer.status == 200:
        assert answer.data.startswith(b"\x0a\x032.0")
    else:
        assert answer.status == 406 and accept == "text/html"


def flat(document, schema, path="", seen=()):
    """{path: what matters} of a schema, references followed; a type inside itself is followed once."""
    found = {}
    marks = {key: schema[key] for key in MARKS if key in schema}
    while True:
        reference = schema.get("$ref") or next((item["$ref"] for item in schema.get("allOf", []) if "$ref" in item), None)
        if reference is None:
            break
        name = reference.rsplit("/", 1)[1]
        if seen.count(name) > 1:
            return {path: {"recursive": True}}
        seen = (*seen, name)
        schema = document["components"]["schemas"][name]
        marks = {**{key: schema[key] for key in MARKS if key in schema}, **marks}
    if "oneOf" in schema and not schema.get("type"):
        marks["oneOf"] = sorted(item.get("type", "") for item in schema["oneOf"])
    found[path] = {"type": schema.get("type"), "format": schema.get("format"), "required": sorted(schema.get("required", [])), **marks}
    for name, item in schema.get("properties", {}).items():
        found.update(flat(document, item, f"{path}.{name}", seen))
    if isinstance(schema.get("additionalProperties"), dict):
        found.update(flat(document, schema["additionalProperties"], path + ".*", seen))
    if isinstance(schema.get("items"), dict):
        found.update(flat(document, schema["items"], path + "[]", seen))
    return found


def document_of(api, version, kind):
    group = "" if version == "v1" else version.split("/")[0]
    with api.quiet():
        document = api.request("GET", DOCUMENTS[version]).ok
    for name, schema in document["components"]["schemas"].items():
        for mark in schema.get("x-kubernetes-group-version-kind", []):
            if mark["kind"] == kind and mark["group"] == group and mark["version"] == version.split("/")[-1]:
                return document, name, schema
    raise AssertionError(f"{kind} is not in {DOCUMENTS[version]}")


@pytest.mark.parametrize("plural", list(VERSIONS))
def test_schema(api, plural):
    version, kind = VERSIONS[plural]
    document, name, schema = document_of(api, version, kind)
    api.note("name", name)
    api.note("schema", flat(document, schema))


@pytest.mark.parametrize("plural", list(VERSIONS))
def test_paths(api, plural):
    """kubectl asks which kinds know fieldValidation and dry run by looking at the PATCH operations."""
    version, kind = VERSIONS[plural]
    document, _, _ = document_of(api, version, kind)
    prefix = "/api/v1" if version == "v1" else f"/apis/{version}"
    path = f"{prefix}/{plural}/{{name}}" if plural in ("namespaces", "nodes") else f"{prefix}/namespaces/{{namespace}}/{plural.split('.')[0]}/{{name}}"
    patch = document["paths"][path]["patch"]
    assert patch["x-kubernetes-group-version-kind"]["kind"] == kind
    names = {item.get("name") for item in [*patch.get("parameters", []), *document["paths"][path].get("parameters", [])]}
    assert {"dryRun", "fieldValidation", "fieldManager", "force"} <= names


EXPLAIN = ["pods", "pod.spec.containers", "pods.spec.containers.env.valueFrom", "job.spec.backoffLimit", "deploy.spec.strategy", "pl", "pipeline.spec",
           "pipeline.spec.batchJob.outputs", "plr.spec.cancel", "pipelinerun.status.conditions", "cm", "secret.data", "lease.spec", "pods.spec.nonsense",
           "nonsense", "events.involvedObject", "controllerrevision", "svc.spec.ports", "ns.status", "sa"]


@pytest.mark.parametrize("what", EXPLAIN)
def test_explain(api, what):
    done = api.kubectl("explain", what)
    api.transcript.pop()
    # The words are ours, not Kubernetes': what is compared are the fields and their types.
    fields = [line.split() for line in done.out.splitlines() if line.startswith("  ") and "\t<" in line]
    head = [line for line in done.out.splitlines() if line.split(":")[0] in ("GROUP", "KIND", "VERSION", "FIELD", "FIELDS")]
    api.note(what, {"code": done.code, "head": head, "fields": fields, "error": done.err.splitlines()[:2]})
    assert (done.code == 0) == ("nonsense" not in what)


@pytest.mark.parametrize("what", ["pipelinerun.spec", "lease"])
def test_explain_recursive(api, what):
    done = api.kubectl("explain", what, "--recursive")
    api.transcript.pop()
    api.note(what, [line for line in done.ok.splitlines() if "<" in line])
