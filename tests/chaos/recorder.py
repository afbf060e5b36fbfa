"""Records every version of a namespace's objects, by watches of its own that go straight to the API server."""
import dataclasses
import http.client
import json
import threading
import time
import urllib.parse

from api import PATIENCE

KINDS = ("pipelines", "pipelineruns", "jobs", "pods", "deployments", "services", "controllerrevisions")


@dataclasses.dataclass(frozen=True)
class Version:
    """One state of one object. `rv` orders the versions of all objects of a cluster. `gone`: this was its last one. `seen`: when [s since 1970]."""
    rv: int
    kind: str  # plural
    item: dict
    gone: bool = False
    seen: float = 0.0

    @property
    def uid(self):
        return self.item["metadata"]["uid"]


class Recorder:
    """`history()` is what was seen so far, in the server's order; `latest(kind)` what exists now. A watch that could not go on
    where it was (the server has thrown away that part) begins with a list, and counts into `gaps`."""

    def __init__(self, api):
        self.gaps = []
        self._api = api
        self._versions = []
        self._living = {kind: {} for kind in KINDS}  # kind → uid → item
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._follow, args=(kind,), daemon=True) for kind in KINDS]

    def start(self):
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stopping.set()
        for thread in self._threads:
            if thread.ident:
                thread.join(10)

    def history(self):
        with self._changed:
            return sorted(self._versions, key=lambda each: each.rv)

    def latest(self, kind):
        """name → object, of those that exist."""
        with self._changed:
            return {item["metadata"]["name"]: item for item in self._living[kind].values()}

    def wait(self, test, what, timeout=PATIENCE, describe=lambda: ""):
        """Waits until `test()` is true; it is asked after each change."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while not (found := test()):
                left = deadline - time.monotonic()
                assert left > 0, f"not within {timeout:g} s: {what}\n{describe()}"
                self._changed.wait(min(left, 0.5))
        return found

    def catch_up(self, timeout=PATIENCE):
        """Waits until all that the server has now was seen."""
        for kind in KINDS:
            def seen():
                there = {each["metadata"]["uid"]: each["metadata"]["resourceVersion"] for each in self._api.list(kind)}
                with self._changed:
                    return there == {uid: item["metadata"]["resourceVersion"] for uid, item in self._living[kind].items()}
            deadline = time.monotonic() + timeout
            while not seen():
                assert time.monotonic() < deadline, f"the recorder does not see the same {kind} as the server"
                time.sleep(0.05)

    # --- inside ---

    def _follow(self, kind):
        version = None
        while not self._stopping.is_set():
            try:
                version = self._list(kind, version) if version is None or version == "" else version
                version = self._watch(kind, version)
            except (OSError, http.client.HTTPException, ValueError):
                self._stopping.wait(0.05)

    def _list(self, kind, before):
        status, answer = self._api.once("GET", self._api.kube.path(kind))
        if status == 404:  # the kind is not served: all of its objects are gone
            answer = {"items": [], "metadata": {"resourceVersion": "0"}}
        elif status != 200:
            raise ValueError(answer.get("message"))
        version = answer["metadata"]["resourceVersion"]
        with self._changed:
            if before == "":
                self.gaps.append(kind)
            there = {item["metadata"]["uid"]: item for item in answer["items"]}
            for uid, item in list(self._living[kind].items()):
                if uid not in there:
                    rv = max(int(version), int(item["metadata"]["resourceVersion"]))
                    self._note(kind, {**item, "metadata": {**item["metadata"], "resourceVersion": str(rv)}}, True)
            for uid, item in there.items():
                known = self._living[kind].get(uid)
                if known is None or known["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
                    self._note(kind, item, False)
        if status == 404:
            self._stopping.wait(0.1)
            return ""
        return version

    def _watch(self, kind, version):
        """Until the stream breaks; the version to go on from, "" when there is no going on."""
        if version == "":
            return ""
        query = urllib.parse.urlencode({"watch": 1, "resourceVersion": version, "allowWatchBookmarks": "true", "timeoutSeconds": 20})
        connection = self._api.connect(8)  # silence: ask again, the server may be a new one
        try:
            connection.request("GET", f"{self._api.kube.path(kind)}?{query}", headers=self._api.headers())
            answer = connection.getresponse()
            if answer.status in (404, 410):
                return ""
            if answer.status != 200:
                raise ValueError(answer.status)
            while not self._stopping.is_set() and (line := answer.readline()):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return "" if event["object"].get("code") == 410 else version
                version = event["object"]["metadata"]["resourceVersion"]
                if event["type"] != "BOOKMARK":
                    with self._changed:
                        self._note(kind, event["object"], event["type"] == "DELETED")
        except (OSError, http.client.HTTPException, ValueError):
            self._stopping.wait(0.05)
        finally:
            connection.close()
        return version

    def _note(self, kind, item, gone):
        item["metadata"].pop("managedFields", None)
        one = Version(int(item["metadata"]["resourceVersion"]), kind, item, gone, time.time())
        self._versions.append(one)
        if gone:
            self._living[kind].pop(one.uid, None)
        else:
            self._living[kind][one.uid] = item
        self._changed.notify_all()
