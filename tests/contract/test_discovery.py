"""Discovery, plain and aggregated: what is said of each kind that both servers serve."""
import json

import pytest

from kit.api import RESOURCES

GROUPS = ["batch/v1", "apps/v1", "coordination.k8s.io/v1", "events.k8s.io/v1", "millrace.dev/v1"]
AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
# Addresses below a kind that belong to nodes and clusters: running into a container, binding to a node, tokens, scaling by others ...
WHOLE_CLUSTER = {"namespaces/finalize", "nodes/proxy", "pods/attach", "pods/binding", "pods/ephemeralcontainers", "pods/eviction", "pods/exec", "pods/portforward", "pods/proxy", "pods/resize",
                 "services/proxy", "serviceaccounts/token"}


def served():
    """"v1" → plurals."""
    found = {}
    for plural, (prefix, _) in RESOURCES.items():
        found.setdefault(prefix.removeprefix("/apis/").removeprefix("/api/"), set()).add(plural.split(".")[0])
    return found


@pytest.mark.parametrize("version", ["v1", *GROUPS])
def test_kinds_of_a_version(api, version):
    with api.quiet():
        path = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        body = api.request("GET", path).ok
        assert body["kind"] == "APIResourceList" and body["groupVersion"] == version
    ours = served()[version]
    if version == "millrace.dev/v1":  # custom kinds stand in the order in which the real server came to know them
        body["resources"].sort(key=lambda item: item["name"])
    for item in body["resources"]:
        if item["name"].split("/")[0] in ours and item["name"] not in WHOLE_CLUSTER:
            item.pop("storageVersionHash", None)
            api.note(item["name"], item)
    api.note("order", [item["name"] for item in body["resources"] if item["name"].split("/")[0] in ours and item["name"] not in WHOLE_CLUSTER])
    api.note("rest", {key: item for key, item in body.items() if key != "resources"})


def test_groups(api):
    with api.quiet():
        core = api.request("GET", "/api").ok
        groups = api.request("GET", "/apis").ok
    api.note("core", {key: item for key, item in core.items() if key != "serverAddressByClientCIDRs"})
    wanted = [group.split("/")[0] for group in GROUPS]
    found = {group["name"]: group for group in groups["groups"]}
    for name in wanted:
        api.note(name, found[name])
        assert api.request("GET", f"/apis/{name}").ok["preferredVersion"]["groupVersion"] in GROUPS
    api.note("rest", {key: item for key, item in groups.items() if key != "groups"})


@pytest.mark.parametrize("path", ["/api", "/apis"])
def test_aggregated(api, path):
    with api.quiet():
        answer = api.request("GET", path, accept=AGGREGATED + ",application/json")
        again = api.request("GET", path, accept=AGGREGATED, headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304 and answer.ok["kind"] == "APIGroupDiscoveryList"
    api.note("type", answer.headers["Content-Type"])
    wanted = served()
    for group in answer.ok["items"]:
        name = group["metadata"].get("name", "")
        for version in group["versions"]:
            mine = wanted.get(f"{name}/{version['version']}" if name else version["version"])
            if mine is None:
                continue
            api.note(f"{name}/{version['version']}", {key: item for key, item in version.items() if key != "resources"})
            for item in sorted(version["resources"], key=lambda item: item["resource"]) if name == "millrace.dev" else version["resources"]:
                if item["resource"] in mine:
                    item["subresources"] = [sub for sub in item.get("subresources", []) if f"{item['resource']}/{sub['subresource']}" not in WHOLE_CLUSTER]
                    api.note(item["resource"], item)
    beta = "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList"
    for accept in (beta, "application/json;g=apidiscovery.k8s.io;v=v9;as=APIGroupDiscoveryList", "text/html", "application/yaml"):
        with api.quiet():
            other = api.request("GET", path, accept=accept)
        api.note(accept, {"status": other.status, "type": other.headers.get("Content-Type")})


def test_version(api):
    with api.quiet():
        body = api.request("GET", "/version").ok
    assert body["major"] == "1" and int(body["minor"]) >= 34
    api.note("version", sorted(set(body) & {"major", "minor", "gitVersion", "platform", "goVersion", "gitCommit", "buildDate"}))
    api.note("number", (body["major"], body["minor"]))


@pytest.mark.parametrize("path", ["/healthz", "/livez", "/readyz"])
def test_health(api, path):
    answer = api.request("GET", path)
    assert answer.status == 200 and answer.text == "ok"


def test_kubectl_finds_everything(api):
    listed = api.kubectl("api-resources", "--no-headers", "-o", "wide").ok
    api.transcript.pop()
    mine = {plural.split(".")[0] for plural in RESOURCES}
    api.note("kinds", sorted(" ".join(line.split()) for line in listed.splitlines() if line.split()[0] in mine and "metrics" not in line))
    assert json.loads(api.kubectl("version", "-o", "json").ok)["serverVersion"]["major"] == "1"
    api.transcript.pop()
