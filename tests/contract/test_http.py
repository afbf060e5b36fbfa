"""What is below the API: tokens, methods, media types, addresses that are not there, attempts to break out."""
import json
import socket
import ssl

import pytest

from kit.samples import config, job, sample


def test_tokens(api):
    path = api.path("configmaps")
    answer = api.request("GET", path, token="wrong")
    assert answer.reason == (401, "Unauthorized")
    for headers in ({"Authorization": "Basic YWRtaW46YWRtaW4="}, {"Authorization": "Bearer"}, {"Authorization": "Bearer "},
                    {"Authorization": "nonsense"}, {"Authorization": f"Bearer {api.server.token}x"}):
        assert api.request("GET", path, headers=headers, what=f"GET with {headers['Authorization'].split()[0]}").status in (401, 403)
    assert api.request("GET", path, headers={"Authorization": f"bearer {api.server.token}"}, what="GET with bearer").status == 200
    assert api.request("POST", path, config("a"), token="wrong").status == 401
    assert api.request("GET", path + "?watch=true", token="wrong").status == 401
    assert api.request("GET", "/apis", token="wrong").status == 401


def test_nobody(api):
    answer = api.request("GET", api.path("configmaps"), headers={"Authorization": None}, what="GET without a token")
    assert answer.status in (401, 403)


PATHS = ["/", "/nonsense", "/api/v2", "/api/v2/pods", "/api/v1/nonsense", "/api/v1/namespaces/default/nonsense", "/apis/nonsense", "/apis/batch/v9",
         "/apis/batch/v9/jobs", "/apis/batch/v1/nonsense", "/apis/millrace.dev/v2/pipelines", "/apis/millrace.dev/v1/nonsense",
         "/api/v1/namespaces/default/pods/p/nonsense", "/apis/batch/v1/namespaces/default/jobs/j/scale", "/api/v1/namespaces/default/configmaps/a/b/c",
         "/api/v1/configmaps/a", "/apis/batch/v1/jobs/a", "/api/v1/namespaces/default/namespaces/x", "/apis/millrace.dev/v1/namespaces/default/pipelines/a/b",
         "/apis/millrace.dev/v1/pipelines/a", "/api/", "/apis/", "/api/v1/", "/apis/batch/", "/apis/batch/v1/", "/API/v1", "/api/v1/Pods", "/healthz",
         "/readyz", "/livez", "/version/", "/openapi/v3/apis/nonsense/v1"]


@pytest.mark.parametrize("path", PATHS)
def test_addresses(api, path):
    with api.quiet():
        answer = api.request("GET", path)
    api.note(path, {"status": answer.status, "body": answer.text if answer.status >= 400 else ""})


TRAVERSALS = ["/api/v1/namespaces/../pods", "/api/v1/namespaces/%2e%2e/pods", "/api/v1/namespaces/default/configmaps/..%2f..%2fsecrets",
              "/api/v1/namespaces/default/configmaps/a%00b", "/api//v1/pods", "//api/v1/pods", "/api/v1/namespaces/default//configmaps",
              "/api/v1/namespaces/default/configmaps/%2e%2e", "/api/v1/namespaces/default/configmaps/.", "/api/v1/./namespaces", "/api/v1/namespaces/default/configmaps/a;b",
              "/api/v1/namespaces/default/configmaps/a%2Fb", "/api/v1/namespaces/default/pods/..%2f..%2fetc%2fpasswd/log", "/api/v1/namespaces/%2fetc/pods",
              "/api/v1/namespaces/default/configmaps/%zz", "/..", "/api/v1/namespaces/default/configmaps/" + "a" * 3000]


@pytest.mark.parametrize("path", TRAVERSALS, ids=range(len(TRAVERSALS)))
def test_attempts_to_break_out(api, path):
    with api.quiet():
        answer = api.request("GET", path)
    assert answer.status in (200, 301, 307, 400, 404, 414), answer.text[:300]
    api.note(path[:80], {"status": answer.status, "reason": answer.json.get("reason") if "json" in answer.headers.get("Content-Type", "") else ""})


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "NONSENSE"])
def test_methods(api, method):
    api.made("configmaps", config("a"))
    for path in (api.path("configmaps"), api.path("configmaps", "a"), "/api/v1/configmaps", "/api/v1", "/apis", "/version", "/apis/batch/v1",
                 api.path("jobs", "j", "status"), api.path("pipelineruns"), api.path("pipelineruns", "x", "status"), "/openapi/v3"):
        with api.quiet():
            answer = api.request(method, path)
        text = answer.text if "json" in (answer.headers.get("Content-Type") or "") else ""
        api.note(f"{method} {path}", {"status": answer.status, "allow": answer.headers.get("Allow"), "body": json.loads(text) if text else ""})


CONTENT_TYPES = ["", "text/plain", "application/xml", "application/json; charset=utf-8", "application/x-www-form-urlencoded", "nonsense", "application/merge-patch+json",
                 "application/vnd.kubernetes.protobuf", "application/yaml", "APPLICATION/JSON", "application/json;;", "application/cbor"]


@pytest.mark.parametrize("kind", CONTENT_TYPES, ids=range(len(CONTENT_TYPES)))
def test_content_types(api, kind):
    for plural in ("configmaps", "pipelineruns"):
        if "protobuf" in kind and plural == "pipelineruns":
            continue  # the real server cuts the connection (it runs into a bug of its own)
        name = f"c{CONTENT_TYPES.index(kind)}"
        api.request("POST", api.path(plural), sample(plural, name), content_type=kind or None)
        api.made(plural, sample(plural, "there"))
        body = {"metadata": {"labels": {"a": "b"}}}
        api.request("PATCH", api.path(plural, "there"), body, content_type=kind or None)
        api.request("PUT", api.path(plural, "there"), sample(plural, "there"), content_type=kind or None)
        api.request("DELETE", api.path(plural, "there"), {"propagationPolicy": "Background"}, content_type=kind or None)


def test_bodies_where_none_is_expected(api):
    api.made("configmaps", config("a"))
    assert api.request("GET", api.path("configmaps", "a"), {"x": 1}).status == 200
    assert api.request("POST", api.path("configmaps")).status in (400, 415, 422)
    assert api.request("DELETE", api.path("configmaps", "a"), "").status == 200
    assert api.request("POST", api.path("configmaps", "a"), config("a")).status == 405


def test_query_that_cannot_be_read(api):
    for query in ("?limit=1%zz", "?a=%", "?&&", "?=", "?limit", "?labelSelector=%e4", "?fieldValidation=Strict&fieldValidation=Warn", "?pretty=0"):
        api.request("GET", api.path("configmaps") + query)


def raw(api, text):
    """What comes back for bytes that a client library would not send: the first line."""
    tls = ssl.create_default_context(cafile=api.server.ca)
    with socket.create_connection((api.server.host, api.server.port), 10) as plain, tls.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
        secure.sendall(text.encode().replace(b"TOKEN", api.server.token.encode()))
        secure.settimeout(10)
        found = b""
        while b"\r\n" not in found and (more := secure.recv(4096)):
            found += more
        return found.split(b"\r\n")[0].decode()


RAW = {
    "no-host": "GET /version HTTP/1.1\r\nAuthorization: Bearer TOKEN\r\n\r\n",
    "http-1.0": "GET /version HTTP/1.0\r\nAuthorization: Bearer TOKEN\r\n\r\n",
    "not-http": "hello there\r\n\r\n",
    "header-without-colon": "GET /version HTTP/1.1\r\nHost: x\r\nbroken\r\n\r\n",
    "bad-length": "POST /api/v1/namespaces/default/configmaps HTTP/1.1\r\nHost: x\r\nContent-Length: abc\r\n\r\n",
    "two-lengths": "POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "huge-header": "GET /version HTTP/1.1\r\nHost: x\r\nA: " + "a" * (2 << 20) + "\r\n\r\n",
    "absolute": "GET https://x/version HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer TOKEN\r\n\r\n",
    "space-in-path": "GET /ver sion HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("case", list(RAW))
def test_bytes(api, case):
    try:
        line = raw(api, RAW[case])
    except OSError:
        line = "closed"
    api.note(case, line.split(" ", 1)[1][:3] if line.startswith("HTTP/") else line)
    with api.quiet():
        assert api.request("GET", "/version").status == 200, "still there"


def test_plain_http_on_the_same_port(api):
    with socket.create_connection((api.server.host, api.server.port), 10) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        plain.settimeout(10)
        try:
            got = plain.recv(100)
        except OSError:
            got = b""
    assert b"200" not in got
    with api.quiet():
        assert api.request("GET", "/version").status == 200, "still there"


def test_chunked_body(api):
    import http.client
    connection = http.client.HTTPSConnection(api.server.host, api.server.port, context=api._tls, timeout=10)
    text = json.dumps(config("chunked")).encode()
    connection.request("POST", api.path("configmaps"), body=iter([text[:10], text[10:]]), encode_chunked=True, headers={
        "Transfer-Encoding": "chunked", "Content-Type": "application/json", "Authorization": f"Bearer {api.server.token}"})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 201
    api.get("configmaps", "chunked")


def test_compression(api):
    import gzip
    with api.quiet():
        api.create("configmaps", config("big", {"a": "x" * 200000}))
        answer = api.request("GET", api.path("configmaps", "big"), headers={"Accept-Encoding": "gzip"})
        data = gzip.decompress(answer.data) if answer.headers.get("Content-Encoding") == "gzip" else answer.data
        assert json.loads(data)["data"]["a"] == "x" * 200000


def test_logs_that_are_not_there(api):
    api.made("pods", sample("pods", "p"))
    two = {"containers": [{"name": "a", "image": "x"}, {"name": "b", "image": "x"}], "initContainers": [{"name": "i", "image": "x"}]}
    api.made("pods", sample("pods", "two", {"spec": two}))
    assert api.request("GET", api.path("pods", "missing", "log")).reason == (404, "NotFound")
    assert api.request("GET", api.path("pods", "p", "log") + "?container=zz").reason == (400, "BadRequest")
    assert api.request("GET", api.path("pods", "two", "log")).reason == (400, "BadRequest")
    for query in ("tailLines=-1", "tailLines=x", "limitBytes=0", "sinceSeconds=0", "sinceSeconds=1&sinceTime=2020-01-01T00:00:00Z", "sinceTime=x",
                  "follow=maybe", "previous=true", "timestamps=true", "tailLines=0", "stream=Stdout", "container="):
        api.request("GET", api.path("pods", "p", "log") + "?" + query)
    assert api.request("GET", api.path("configmaps", "p", "log")).status == 404
    api.made("jobs", job("j"))
    assert api.request("GET", api.path("jobs", "j", "log")).status == 404
    assert api.request("POST", api.path("pods", "p", "log"), {}).status == 405
