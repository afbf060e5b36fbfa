"""The API server as a patient user sees it: calls are tried again while it is away."""
import http.client
import json
import ssl
import time
import urllib.parse

PATIENCE = 150.0  # [s] deadlines are long: a busy machine is slow and not wrong
PATCH = "application/merge-patch+json"
AWAY = (408, 429, 500, 502, 503, 504)


class Api:
    """Raw calls with the administrator's credentials; any thread. They do not count as the operator's."""

    def __init__(self, kube):
        config = json.loads(kube.cluster.kubeconfig.read_text())
        target = config["clusters"][0]["cluster"]
        self.kube = kube
        self._server = urllib.parse.urlsplit(target["server"])
        self._tls = ssl.create_default_context(cafile=target["certificate-authority"])
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}", "Accept": "application/json",
                         "User-Agent": "millrace-tests-chaos"}

    def once(self, method, path, body=None, content_type="application/json", timeout=60.0):
        """(status, object) of one call; raises OSError or HTTPException when there is no answer. `timeout`: as long as the API server
        itself gives a call; who leaves earlier makes a slow server do it all again, and again."""
        connection = self.connect(timeout)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, path, body=data, headers={**self._headers, "Content-Type": content_type})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text.startswith(b"{") else {"message": text.decode(errors="replace")}
        finally:
            connection.close()

    def connect(self, timeout):
        return http.client.HTTPSConnection(self._server.hostname, self._server.port, context=self._tls, timeout=timeout)

    def headers(self):
        return self._headers

    def call(self, method, path, body=None, content_type="application/json", patience=PATIENCE, wanted=()):
        """The same, tried again while nobody answers, or says to come again. Fails on a refusal that is not in `wanted`."""
        deadline = time.monotonic() + patience
        while True:
            try:
                status, answer = self.once(method, path, body, content_type)
            except (OSError, http.client.HTTPException, ValueError) as error:
                status, answer = 503, {"message": str(error)}
            if status < 300 or status in wanted:
                return status, answer
            assert status in AWAY and time.monotonic() < deadline, f"{method} {path}: {status} {answer.get('message')}"
            time.sleep(0.05)

    def path(self, item_or_kind, name=None):
        """Of an object, or of a kind and a name."""
        kind = item_or_kind if isinstance(item_or_kind, str) else item_or_kind["kind"]
        name = name or item_or_kind["metadata"]["name"]
        return f"{self.kube.path(kind)}/{name}"

    def create(self, item, **options):
        """Creates it; that it is there already is what a repeated call meets."""
        return self.call("POST", self.kube.path(item["kind"]), item, wanted=(409,), **options)[1]

    def get(self, kind, name):
        status, answer = self.call("GET", self.path(kind, name), wanted=(404,))
        return None if status == 404 else answer

    def list(self, kind, selector=""):
        status, answer = self.call("GET", self.kube.path(kind) + "?" + urllib.parse.urlencode({"labelSelector": selector}), wanted=(404,))
        return [] if status == 404 else answer["items"]

    def version(self, kind):
        """Of the store, now."""
        return self.call("GET", self.kube.path(kind))[1]["metadata"]["resourceVersion"]

    def is_kept(self, kind, version):
        """Whether the store still knows what there was at that version."""
        query = urllib.parse.urlencode({"resourceVersion": version, "resourceVersionMatch": "Exact"})
        return self.call("GET", f"{self.kube.path(kind)}?{query}", wanted=(410,))[0] != 410

    def patch(self, kind, name, change, subresource="", wanted=()):
        return self.call("PATCH", self.path(kind, name) + subresource, change, PATCH, wanted=wanted)

    def delete(self, kind, name, **options):
        return self.call("DELETE", self.path(kind, name), options or None, wanted=(404,))

    def evict(self, name):
        """By the eviction API, as a drain does. 404: it is gone already."""
        return self.call("POST", self.path("pod", name) + "/eviction", {
            "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}, wanted=(404, 409))[0]
