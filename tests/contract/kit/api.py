"""A client of one server that writes down every answer, so that two servers' transcripts can be compared."""
import contextlib
import http.client
import json
import re
import ssl
import subprocess
import time
import urllib.parse

import yaml

from kit.normal import Symbols

# plural → (path of its group and version, is it in namespaces)
RESOURCES = {
    **dict.fromkeys(["pods", "services", "configmaps", "secrets", "serviceaccounts", "events"], ("/api/v1", True)),
    **dict.fromkeys(["namespaces", "nodes"], ("/api/v1", False)),
    "jobs": ("/apis/batch/v1", True),
    **dict.fromkeys(["deployments", "controllerrevisions"], ("/apis/apps/v1", True)),
    "leases": ("/apis/coordination.k8s.io/v1", True),
    "events.events.k8s.io": ("/apis/events.k8s.io/v1", True),
    **dict.fromkeys(["pipelines", "pipelineruns"], ("/apis/millrace.dev/v1", True)),
}
PATCHES = {"merge": "application/merge-patch+json", "json": "application/json-patch+json",
           "strategic": "application/strategic-merge-patch+json", "apply": "application/apply-patch+yaml"}
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
PARTIAL = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
PARTIAL_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
# Headers that are part of the contract; the rest says when, by whom and how it was sent.
HEADERS = ("Content-Type", "Warning", "Allow", "Retry-After", "WWW-Authenticate", "Accept-Patch")


class Answer:
    """What the server said."""

    def __init__(self, status, headers, data):
        self.status = status
        self.headers = headers
        self.data = data

    @property
    def text(self):
        return self.data.decode(errors="replace")

    @property
    def json(self):
        return json.loads(self.data)

    @property
    def ok(self):
        """The object of an answer that must be a success."""
        assert self.status in (200, 201, 202), f"{self.status}: {self.text[:1000]}"
        return self.json

    @property
    def version(self):
        return self.ok["metadata"]["resourceVersion"]

    @property
    def reason(self):
        """(status, reason) of an answer that must be a failure."""
        body = self.json
        assert body.get("kind") == "Status", f"{self.status}: {self.text[:1000]}"
        return self.status, body.get("reason")

    @property
    def message(self):
        return self.json["message"]

    @property
    def warnings(self):
        return self.headers.get_all("Warning") or []


class Done:
    """What kubectl said."""

    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout
        self.err = done.stderr

    @property
    def ok(self):
        """The output of a call that must succeed."""
        assert self.code == 0, f"exit code {self.code}: {self.out}{self.err}"
        return self.out

    @property
    def refused(self):
        """What a call that must fail said."""
        assert self.code != 0, f"this was to be refused, but: {self.out}"
        return self.err


class Api:
    """One scenario's view of one server. `ns` is the scenario's own namespace."""

    def __init__(self, server, ns):
        self.server = server
        self.ns = ns
        self.transcript = []
        self._symbols = Symbols(server)
        self._record = True
        self._connection = None
        self._tls = ssl.create_default_context(cafile=server.ca)

    def close(self):
        if self._connection:
            self._connection.close()

    # --- requests as they are ---

    def request(self, method, path, body=None, *, query=None, content_type="application/json", accept="application/json",
                headers=None, token=None, what=None):
        """One request. `body`: bytes, text, or a value sent as JSON. `what` names it in the transcript.
        "@NS" in a value stands for the scenario's namespace."""
        if query:
            pairs = [(key, str(value).lower() if isinstance(value, bool) else value) for key, value in query.items()]
            path += "?" + urllib.parse.urlencode(pairs, doseq=True)
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body, separators=(",", ":")).replace("@NS", self.ns)
        sent = {"User-Agent": "contract/1.0", "Accept": accept, "Content-Type": content_type if body is not None else None,
                "Authorization": f"Bearer {self.server.token if token is None else token}", **(headers or {})}
        sent = {name: value for name, value in sent.items() if value is not None}
        answer = self._send(method, path, body.encode() if isinstance(body, str) else body, sent)
        self._alias_generated(body, answer)
        self._note_answer(what or f"{method} {path}", answer)
        return answer

    def _send(self, method, path, data, headers):
        for attempt in (1, 2):
            fresh = self._connection is None
            if fresh:
                self._connection = http.client.HTTPSConnection(self.server.host, self.server.port, context=self._tls, timeout=30)
            try:
                self._connection.request(method, path, body=data, headers=headers)
                response = self._connection.getresponse()
                answer = Answer(response.status, response.headers, response.read())
                if response.will_close:
                    self.close()
                    self._connection = None
                return answer
            except (http.client.HTTPException, OSError):
                self.close()
                self._connection = None
                if fresh or attempt == 2:  # a kept connection may have been closed by the server: once more
                    raise
        raise AssertionError("unreachable")

    def _alias_generated(self, body, answer):
        """Generated names differ by nature; their length does not."""
        with contextlib.suppress(ValueError, KeyError, TypeError, RecursionError):
            prefix = json.loads(body)["metadata"]["generateName"]
            for name in re.findall(rf'"({re.escape(prefix[:58])}[a-z0-9]{{5}})"', answer.text.replace("\\", "")):
                self.alias(name, self._symbols.symbol(f"{prefix}GENERATED", name))

    # --- the transcript ---

    def alias(self, text, name):
        """`text` differs by nature: it reads `name` in the transcript from here on."""
        self._symbols.alias(text, name)

    def note(self, what, value):
        """Adds a value of the test's own making to what is compared."""
        if self._record:
            self.transcript.append({"what": what, "value": self._symbols.value(value)})

    @contextlib.contextmanager
    def quiet(self):
        """Inside, nothing is written down."""
        before, self._record = self._record, False
        try:
            yield self
        finally:
            self._record = before

    def until(self, probe, timeout=20.0):
        """Asks, without writing it down, until `probe()` gives something true; returns that."""
        deadline = time.monotonic() + timeout
        with self.quiet():
            while not (found := probe()):
                assert time.monotonic() < deadline, f"not reached in {timeout:g} s; last: {found!r}"
                time.sleep(0.03)
            return found

    def _note_answer(self, what, answer):
        if not self._record:
            return
        entry = {"what": self._symbols.text(what), "status": answer.status}
        for name in HEADERS:
            if found := answer.headers.get_all(name):
                entry[name] = [self._symbols.text(text) for text in found]
        if "json" in (answer.headers.get("Content-Type") or ""):
            try:
                entry["body"] = self._symbols.value(answer.json)
            except ValueError:
                entry["body"] = answer.text
        else:
            entry["body"] = self._symbols.output(answer.text)
        self.transcript.append(entry)

    # --- requests by kind ---

    def path(self, plural, name=None, sub=None, ns=None):
        """Path of a collection or object; `ns=""` means all namespaces."""
        prefix, namespaced = RESOURCES[plural]
        ns = self.ns if ns is None else ns
        parts = [prefix, *(["namespaces", ns] if namespaced and ns else []), plural.split(".")[0], *([name] if name else []),
                 *([sub] if sub else [])]
        return "/".join(parts)

    def create(self, plural, body, **query):
        return self.request("POST", self.path(plural), body, query=query)

    def get(self, plural, name, sub=None, accept="application/json", **query):
        return self.request("GET", self.path(plural, name, sub), query=query, accept=accept)

    def list(self, plural, accept="application/json", ns=None, **query):
        return self.request("GET", self.path(plural, ns=ns), query=query, accept=accept)

    def replace(self, plural, body, sub=None, name=None, **query):
        return self.request("PUT", self.path(plural, name or body["metadata"]["name"], sub), body, query=query)

    def patch(self, plural, name, patch, how="merge", sub=None, **query):
        return self.request("PATCH", self.path(plural, name, sub), patch, query=query, content_type=PATCHES[how],
                            what=f"PATCH({how}) {self.path(plural, name, sub)}")

    def apply(self, plural, body, manager="applier", sub=None, **query):
        """Server-side apply."""
        return self.patch(plural, body["metadata"]["name"], body, "apply", sub, fieldManager=manager, **query)

    def delete(self, plural, name, options=None, **query):
        return self.request("DELETE", self.path(plural, name), options, query=query)

    def delete_all(self, plural, options=None, **query):
        return self.request("DELETE", self.path(plural), options, query=query)

    def made(self, plural, body, **query):
        """Creates without writing it down; returns the object."""
        with self.quiet():
            return self.create(plural, body, **query).ok

    # --- watches ---

    @contextlib.contextmanager
    def watching(self, plural, ns=None, accept="application/json", **query):
        """An open watch; see Watch."""
        watch = Watch(self, self.path(plural, ns=ns), {"watch": "true", **query}, accept)
        try:
            yield watch
        finally:
            watch.close()

    # --- kubectl ---

    def kubectl(self, *words, stdin=None, what=None, timeout=60, env=None):
        """Runs kubectl in the scenario's namespace. `stdin`: text, or a value sent as YAML."""
        if stdin is not None and not isinstance(stdin, str):
            stdin = yaml.safe_dump_all(stdin) if isinstance(stdin, list) else yaml.safe_dump(stdin)
        done = Done(subprocess.run([self.server.kubectl, "-n", self.ns, *words], input=stdin, capture_output=True, text=True,
                                   env={**self.server.environment(), **(env or {})}, timeout=timeout))
        if self._record:
            self.transcript.append({"what": what or "kubectl " + " ".join(words), "code": done.code,
                                    "out": self._symbols.output(done.out), "err": self._symbols.output(done.err)})
        return done

    @contextlib.contextmanager
    def kubectl_running(self, *words):
        """A kubectl that goes on beside the scenario; not written down."""
        process = subprocess.Popen([self.server.kubectl, "-n", self.ns, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   text=True, env=self.server.environment())
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            process.stdout.close()
            process.stderr.close()


class Watch:
    """Events are written down as they are taken."""

    def __init__(self, api, path, query, accept):
        self._api = api
        self._what = f"WATCH {path}"
        self._connection = http.client.HTTPSConnection(api.server.host, api.server.port, context=api._tls, timeout=20)
        self._connection.request("GET", path + "?" + urllib.parse.urlencode(query), headers={
            "Accept": accept, "Authorization": f"Bearer {api.server.token}", "User-Agent": "contract/1.0"})
        self._response = self._connection.getresponse()
        self.status = self._response.status
        if self.status != 200:
            self.answer = Answer(self.status, self._response.headers, self._response.read())
            api._note_answer(self._what, self.answer)
        else:
            api.note(self._what, {"type": self._response.headers.get("Content-Type")})

    def next(self):
        """The next event, or None at the end of the stream."""
        line = self._response.readline()
        event = json.loads(line) if line.strip() else None
        self._api.note(f"{self._what}: event", event)
        return event

    def take(self, count):
        """That many events as (type, name)."""
        return [(event["type"], event["object"]["metadata"].get("name")) for event in (self.next() for _ in range(count))]

    def rest(self):
        """All events until the server ends the stream."""
        return list(iter(self.next, None))

    def close(self):
        self._connection.close()
