"""What an engine writes for one run, taken from the audit log, as a script for the bare client (bare.h).

The cluster audits one namespace with bodies (CLUSTER_AUDIT="bodies:recorded"); the run is made there, alone. Kept are the
objects that were made for it and the last status of each, for that is what cannot be avoided.
"""
import json
import re

NAMESPACE, RUNS = "recorded", "pipelineruns"
NODE = "kwok-0"
# Who writes besides the engine and load.
OTHERS = ("kube-scheduler", "kube-controller-manager", "kube-apiserver", "kwok", "kubectl", "kubelet", "millrace-test-cluster")
UID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
NO_UID = "00000000-0000-4000-8000-000000000000"


class Made:
    """One object that was made for a run."""

    def __init__(self, resource, sent, answer, number, owner):
        self.resource, self.sent, self.answer = resource, sent, answer
        self.id, self.uid = f"{resource}{number}", answer["metadata"]["uid"]
        self.owner = owner  # another Made, None for the run itself
        self.statuses = []

    def take(self, answer, subresource):
        self.answer = answer
        if subresource == "status":
            self.statuses.append(answer["status"])

    def step(self):
        return self.answer["metadata"].get("labels", {}).get("millrace.dev/step")

    def body(self, finished):
        """As it was sent, with what the engine wrote into it later (but for its status)."""
        metadata = self.answer["metadata"]
        kept = {key: metadata[key] for key in ("name", "labels", "annotations", "ownerReferences", "finalizers") if key in metadata}
        body = {key: value for key, value in self.sent.items() if key not in ("status", "metadata")}
        if finished and self.resource == "pods":  # bound, and nobody runs it
            body["spec"] = {**body["spec"], "nodeName": NODE}
            kept["annotations"] = {**kept.get("annotations", {}), "test.millrace.dev/outcome": "pending"}
        return {**body, "metadata": kept}

    def create(self, after, finished=False):
        group, _, version = self.answer["apiVersion"].rpartition("/")
        return {"id": self.id, "do": "create", "resource": f"{group}/{version}/{self.resource}/{self.answer['kind']}",
                "name": self.answer["metadata"]["name"], "body": self.body(finished), "after": after}

    def write_status(self, after, number=0, status=None):
        return {"id": f"{self.id}-status{number}", "do": "status", "of": self.id, "status": status or self.answer["status"], "after": after}


class Recorded:
    """One run: itself, its Jobs, their pods, in the order in which they were made."""

    def __init__(self, entries, pipeline_uid, needs):
        self.pipeline_uid, self.needs = pipeline_uid, needs
        self.objects = {}  # by uid
        for entry in entries:
            self.take(entry)
        if not self.objects:
            raise RuntimeError("the audit log has no run")

    def take(self, entry):
        target, answer = entry["objectRef"], entry.get("responseObject") or {}
        if entry["stage"] != "ResponseComplete" or entry["responseStatus"]["code"] >= 300 or target["resource"] == "events":
            return
        metadata, subresource = answer.get("metadata", {}), target.get("subresource")
        if known := self.objects.get(metadata.get("uid")):
            if entry["verb"] in ("patch", "update"):
                known.take(answer, subresource)
        elif entry["verb"] == "create" and not subresource and not entry["userAgent"].startswith(OTHERS):
            owner = next((self.objects[each["uid"]] for each in metadata.get("ownerReferences", []) if each["uid"] in self.objects), None)
            if owner or (not self.objects and target["resource"] == RUNS):
                number = sum(1 for each in self.objects.values() if each.resource == target["resource"])
                self.objects[metadata["uid"]] = Made(target["resource"], entry["requestObject"], answer, number, owner)

    @property
    def run(self):
        return next(iter(self.objects.values()))

    def count(self, resource):
        return sum(1 for each in self.objects.values() if each.resource == resource)

    def script(self, namespace, pipeline_uid):
        """The writes of a run that is run: each object, and its last status. A step's Job comes when the pods of the steps it
        depends on have succeeded, a Job's status after its pod, the run's status after all pods. A run without pods gets every
        status that was seen, one after another, for each holds what the next step needs."""
        writes, ended = [], {}
        for made in self.objects.values():
            after = [made.owner.id] if made.owner else []
            if made.resource == "jobs":
                after += [ended[need] for need in self.needs.get(made.step(), [])]
            writes.append(made.create(after))
            if made.resource == "pods":
                wait = ended[made.step()] = f"{made.id}-ended"
                writes.append({"id": wait, "do": "wait", "of": made.id})
                writes.append(made.owner.write_status([made.owner.id, wait]))
        if ended:
            writes.append(self.run.write_status([self.run.id, *ended.values()]))
        else:
            for number, status in enumerate(self.run.statuses):
                writes.append(self.run.write_status([writes[-1]["id"]], number, status))
        return self.general(writes, namespace, pipeline_uid)

    def finished(self, namespace, pipeline_uid, resources):
        """The writes of a run that has ended, with those of its objects: each made, and given its last status."""
        writes = []
        for made in self.objects.values():
            if made.resource in resources:
                writes += [made.create([made.owner.id] if made.owner else [], finished=True), made.write_status([made.id])]
        return self.general(writes, namespace, pipeline_uid)

    def jobs_alone(self, namespace):
        """A run's one Job and its pod, tied to no run. The pod bears the run's name, for load waits for it."""
        writes = [each for each in self.script(namespace, NO_UID) if each["do"] == "create" and each["id"] != self.run.id]
        job, pod = writes
        for labels in (job["body"]["metadata"]["labels"], job["body"]["spec"]["template"]["metadata"]["labels"], pod["body"]["metadata"]["labels"]):
            labels.pop("millrace.dev/run-uid", None)
        job["body"]["metadata"].pop("ownerReferences")
        job["after"] = []
        pod["name"] = pod["body"]["metadata"]["name"] = "$(NAME)"
        return writes

    def general(self, writes, namespace, pipeline_uid):
        """Of any run: names and uids of this one become marks, its pipeline's uid that of the namespace's own."""
        def mark(found):
            uid = found.group()
            if uid == self.pipeline_uid:
                return pipeline_uid
            return f"$(uid:{self.objects[uid].id})" if uid in self.objects else uid

        writes = json.loads(UID.sub(mark, json.dumps(writes)))
        # Its own uid cannot stand in its creation: another of the same length does.
        writes[0] = json.loads(json.dumps(writes[0]).replace(f"$(uid:{self.run.id})", NO_UID))
        text = json.dumps(writes).replace(self.run.answer["metadata"]["name"], "$(NAME)")
        return json.loads(text.replace(f'"namespace": "{NAMESPACE}"', f'"namespace": "{namespace}"'))


def read(audit_log, offset):
    """The calls in the order in which they came. A line is written when its call is over: that of a pod may stand before that of its Job, which a
    watch had shown already."""
    with open(audit_log, "rb") as log:
        log.seek(offset)
        return sorted((json.loads(line) for line in log), key=lambda entry: entry["requestReceivedTimestamp"])
