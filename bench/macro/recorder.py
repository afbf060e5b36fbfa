"""What an engine writes for one run, taken from the audit log, as a script for the bare client (bare.h).

The cluster audits one namespace with bodies (Cluster(CLUSTER_AUDIT="bodies:recorded")); the run is made there, alone. Kept are
the objects that the engine made for it and the last status of each, for that is what cannot be avoided.
"""
import json

NAMESPACE, PREFIX = "recorded", "taken"
RUN = f"{PREFIX}-000000"
NODE = "kwok-0"
# Who writes besides the engine and load.
OTHERS = ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "kwok", "kubectl", "kubelet", "millrace-test-cluster")


class Recorded:
    """Objects of one run: the run, its Jobs, their pods; what is in `made` was created with it."""

    def __init__(self, entries, owner_uid, needs):
        self.owner_uid, self.needs = owner_uid, needs
        self.objects = {}  # (resource, name) → object as it was sent, in order of creation
        self.answers = {}  # the same → as the API server last answered
        for entry in entries:
            self.take(entry)
        self.ids = {}
        for (resource, _), answer in self.answers.items():
            number = sum(1 for made in self.ids.values() if made.startswith(resource))
            self.ids[answer["metadata"]["uid"]] = f"{resource}{number}"
        self.children = {uid: self.owner(answer) for answer in self.answers.values() for uid in [answer["metadata"]["uid"]]}

    def take(self, entry):
        target, answer = entry["objectRef"], entry.get("responseObject")
        if entry["stage"] != "ResponseComplete" or entry["responseStatus"]["code"] >= 300 or target["resource"] == "events":
            return
        key = (target["resource"], (answer or {}).get("metadata", {}).get("name"))
        if entry["verb"] == "create" and not target.get("subresource") and not entry["userAgent"].startswith(OTHERS):
            self.objects[key] = entry["requestObject"]
            self.answers[key] = answer
        elif key in self.answers and entry["verb"] in ("patch", "update"):
            self.answers[key] = answer

    def owner(self, answer):
        """The object of ours that owns this one, by uid."""
        owners = [each["uid"] for each in answer["metadata"].get("ownerReferences", [])]
        return next((uid for uid in owners if uid in self.ids), None)

    def script(self, namespace, owner_uid, *, finished=False, kinds=None):
        """The writes: as a run that is run; or, `finished`, the bare facts of one that has ended, of these kinds only."""
        writes, ended = [], {}  # step → id of the wait for its pod
        for key, sent in self.objects.items():
            answer, kind = self.answers[key], key[0]
            if kinds and kind not in kinds:
                continue
            uid = answer["metadata"]["uid"]
            me, owner = self.ids[uid], self.ids.get(self.children[uid])
            step = answer["metadata"].get("labels", {}).get("millrace.dev/step")
            body = self.body(sent, answer, kind, finished)
            after = [owner] if owner else []
            if kind == "jobs" and not finished:
                after += [ended[need] for need in self.needs.get(step, [])]
            writes.append({"id": me, "do": "create", "resource": self.resource(answer, kind), "name": body["metadata"]["name"],
                           "body": body, "after": after})
            if kind == "pods" and not finished:
                ended[step] = f"{me}-ended"
                writes.append({"id": ended[step], "do": "wait", "of": me})
                writes.append(self.status(owner, self.children[uid], [owner, ended[step]]))
            elif finished:
                writes.append(self.status(me, uid, [me]))
        if not finished:
            run = next(answer for answer in self.answers.values() if self.children[answer["metadata"]["uid"]] is None)
            uid = run["metadata"]["uid"]
            writes.append(self.status(self.ids[uid], uid, [self.ids[uid], *ended.values()]))
        return json.loads(self.general(json.dumps(writes), namespace, owner_uid))

    @staticmethod
    def body(sent, answer, kind, finished):
        """As it was sent, with what the engine wrote into it later (but for its status)."""
        kept = {key: answer["metadata"][key] for key in ("labels", "annotations", "ownerReferences", "finalizers")
                if key in answer["metadata"]}
        body = {**{key: value for key, value in sent.items() if key != "status"}, "metadata": {"name": answer["metadata"]["name"], **kept}}
        if kind == "pods" and finished:  # bound, and nobody runs it
            body["spec"] = {**body["spec"], "nodeName": NODE}
            body["metadata"]["annotations"] = {**kept.get("annotations", {}), "test.millrace.dev/outcome": "pending"}
        return body

    def status(self, me, uid, after):
        answer = next(each for each in self.answers.values() if each["metadata"]["uid"] == uid)
        return {"id": f"{me}-status", "do": "status", "of": me, "status": answer["status"], "after": after}

    @staticmethod
    def resource(answer, kind):
        group, _, version = answer["apiVersion"].rpartition("/")
        return f"{group}/{version}/{kind}/{answer['kind']}"

    def general(self, text, namespace, owner_uid):
        """Of any run: names and uids of this one replaced by marks; its pipeline's uid by that of the namespace's own."""
        for uid, me in self.ids.items():
            text = text.replace(uid, f"$(uid:{me})")
        run = next(iter(self.ids.values()))
        # A mark of the run's own uid cannot stand in its own creation: a uid of the same length does.
        writes = json.loads(text)
        writes[0] = json.loads(json.dumps(writes[0]).replace(f"$(uid:{run})", "0" * 36))
        text = json.dumps(writes).replace(RUN, "$(NAME)")
        if self.owner_uid:
            text = text.replace(self.owner_uid, owner_uid)
        return text.replace(f'"namespace": "{NAMESPACE}"', f'"namespace": "{namespace}"')


def read(audit_log, offset):
    with open(audit_log, "rb") as log:
        log.seek(offset)
        return [json.loads(line) for line in log]
