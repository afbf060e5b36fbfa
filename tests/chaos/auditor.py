"""The promises of docs/guarantees.md, held against what was recorded. Pure: histories in, complaints out; test_auditor.py breaks each.

Every function gives a list of texts; an empty one is a promise kept. The table in README.md names the invariants."""
import collections
import datetime
import re

from harness.kube import condition_of
from harness.objects import parse_time

RUN_UID, STEP, ATTEMPT, TICK = "millrace.dev/run-uid", "millrace.dev/step", "millrace.dev/attempt", "millrace.dev/tick"
FORGED = "test.millrace.dev/forged"  # annotation of what a user made or changed by hand, to deceive
# Why a step that was told to stop has failed, although its program may then have ended with 0.
STOPPED = {"StepTimeout", "BuildTimeout", "RunTimeout", "Cancelled", "TimedOut", "PipelineExpired"}
# Why a run has ended without having begun: its steps then say Pending.
NEVER_BEGUN = {"ParamsInvalid", "ExpressionError", "PipelineInvalid", "ConcurrencyLimit"}
AFTERLIFE = 5.0  # [s] what was under way when its run was deleted may still be made
COUNTED = ("jobs", "pods", "pipelineruns")  # whose creates are counted in the audit log


def forged(item):
    return FORGED in (item["metadata"].get("annotations") or {})


def owner_of(item):
    return next((each for each in item["metadata"].get("ownerReferences") or [] if each.get("controller")), None)


def label(item, name):
    return (item["metadata"].get("labels") or {}).get(name)


def name_of(item):
    return item["metadata"]["name"]


def is_true(item, kind):
    return (condition_of(item, kind) or {}).get("status") == "True"


def ended_pod(pod):
    return (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")


class History:
    """The versions of all objects, in the server's order, and what follows from them at a glance."""

    def __init__(self, versions):
        self.versions = list(versions)
        self.first, self.last, self.gone = {}, {}, {}
        self.each = collections.defaultdict(list)  # uid → its versions
        for one in self.versions:
            self.first.setdefault(one.uid, one)
            self.last[one.uid] = one
            self.each[one.uid].append(one)
            if one.gone:
                self.gone[one.uid] = one.rv
        self.by_kind = collections.defaultdict(list)  # kind → first versions
        for one in self.first.values():
            self.by_kind[one.kind].append(one)

    def living(self, kind):
        return [self.last[one.uid].item for one in self.by_kind[kind] if one.uid not in self.gone]

    def pods_of(self, job_uid):
        """Last versions of the pods of a Job, those that are gone too."""
        found = (self.last[one.uid].item for one in self.by_kind["pods"])
        return [pod for pod in found if not forged(pod) and (owner_of(pod) or {}).get("uid") == job_uid]


# --- children ---


def children_once(history):
    """At most one Job per (run, step, attempt), one pod per Job; one run, Deployment and Service of a name per owner."""
    complaints = []
    jobs, pods, others = collections.defaultdict(set), collections.defaultdict(set), collections.defaultdict(set)
    for one in history.by_kind["jobs"]:
        if forged(one.item) or not label(one.item, RUN_UID):
            continue
        jobs[label(one.item, RUN_UID), label(one.item, STEP), label(one.item, ATTEMPT)].add((name_of(one.item), one.uid))
    for one in history.by_kind["pods"]:
        above = owner_of(one.item)
        if forged(one.item) or not above or above["kind"] != "Job":
            continue
        pods[above["name"], above["uid"]].add((name_of(one.item), one.uid))
    for kind in ("pipelineruns", "deployments", "services"):
        for one in history.by_kind[kind]:
            if (above := owner_of(one.item)) and not forged(one.item):
                others[kind, above["name"], above["uid"], name_of(one.item)].add(one.uid)
    for (run, step, attempt), made in jobs.items():
        if len(made) > 1:
            complaints.append(f"attempt {attempt} of step {step} of run {run} has {len(made)} Jobs: {sorted(made)}")
    for (job, _), made in pods.items():
        if len(made) > 1:
            complaints.append(f"Job {job} has {len(made)} pods: {sorted(made)}")
    for (kind, owner, _, name), made in others.items():
        if len(made) > 1:
            complaints.append(f"{owner} has {len(made)} {kind} {name}: {sorted(made)}")
    return complaints


def made_once(calls, history, namespace):
    """No name was given to two objects of ours one after the other, and the recorder saw all that were made: what came and went while one of
    its watches could not go on stands in the audit log all the same. `calls`: all creates of the operators. What belongs to a run that
    was deleted goes with it, seen or not (`nothing_after_deletion`)."""
    complaints = []
    seen = {(one.kind, name_of(one.item)) for kind in COUNTED for one in history.by_kind[kind]}
    deleted = [name_of(history.last[one.uid].item) for one in history.by_kind["pipelineruns"] if one.uid in history.gone]
    made = collections.Counter((call.namespace, call.resource, call.name) for call in calls
                               if call.verb == "create" and call.code == 201 and call.resource in COUNTED and not call.dry_run)
    for (place, kind, name), times in made.items():
        if any(name == run or name.startswith(f"{run}-") for run in deleted):
            continue
        if times > 1:
            complaints.append(f"{place}: {kind} {name} was created {times} times")
        if place == namespace and (kind, name) not in seen:
            complaints.append(f"{place}: {kind} {name} was created and never seen: it is gone, and its run is not")
    return complaints


def nothing_after_deletion(history):
    """Nothing of a run is made once it was deleted, but for what was under way then."""
    deleted = {}  # uid → when [s since 1970]
    for one in history.versions:
        if one.kind == "pipelineruns" and one.uid not in deleted:
            if stamp := one.item["metadata"].get("deletionTimestamp"):
                deleted[one.uid] = _seconds(stamp)
            elif one.gone:
                deleted[one.uid] = one.seen
    complaints = []
    for one in history.first.values():
        run = label(one.item, RUN_UID) or (owner_of(one.item) or {}).get("uid")
        if run in deleted and not forged(one.item):
            late = _seconds(one.item["metadata"]["creationTimestamp"]) - deleted[run]
            if late > AFTERLIFE:
                complaints.append(f"{one.kind} {name_of(one.item)} was made {late:.1f} s after its run {run} was deleted")
    return complaints


def one_attempt_at_a_time(history):
    """While a pod of one attempt of a step may run, no pod of another attempt is made."""
    complaints = []
    running = collections.defaultdict(dict)  # (run uid, step) → pod uid → pod
    known = {}  # pod uid → the labels it was made with: a user may change them later
    for one in history.versions:
        if one.kind != "pods" or forged(history.first[one.uid].item):
            continue
        above = owner_of(history.first[one.uid].item)
        if not above or above["kind"] != "Job":
            continue
        made = known.setdefault(one.uid, history.first[one.uid].item)
        place = running[label(made, RUN_UID), label(made, STEP)]
        if one.gone or ended_pod(one.item) or forged(one.item):  # its owner was torn off: it is nobody's, and may run on
            place.pop(one.uid, None)
            continue
        if one is history.first[one.uid]:
            for other in place.values():
                complaints.append(f"pod {name_of(made)} was made while {name_of(other)} of the same step might still run")
        place[one.uid] = made
    return complaints


def calls_once(seen, attempts_of, repeats):
    """HTTP calls: each attempt has one Idempotency-Key, and without `repeats` (an operator that died) is sent once.
    `seen`: (place, key) in order; `attempts_of(place)`: attempts on record, or None when nobody knows."""
    complaints = []
    keys = collections.defaultdict(collections.Counter)
    for place, key in seen:
        keys[place][key] += 1
    for place, counted in keys.items():
        attempts = attempts_of(place)
        if attempts is not None and len(counted) > attempts:
            complaints.append(f"{place}: {len(counted)} Idempotency-Keys for {attempts} attempts")
        if not repeats:
            complaints += [f"{place}: key {key} was sent {number} times" for key, number in counted.items() if number > 1]
    return complaints


# --- ends ---


def runs_ended(history):
    """Every run has ended, but for streams; what has ended says so in full."""
    complaints = []
    streams = {name_of(item) for item in history.living("pipelines") if "streamJob" in item["spec"]}
    for run in history.living("pipelineruns"):
        if run["spec"]["refPipeline"] in streams:
            continue
        status = run.get("status") or {}
        if not is_true(run, "Completed"):
            complaints.append(f"run {name_of(run)} has not ended: {status.get('conditions')}")
            continue
        if (condition_of(run, "Succeeded") or {}).get("status") not in ("True", "False") or not status.get("completionTime"):
            complaints.append(f"run {name_of(run)} has ended without an outcome: {status.get('conditions')}")
        steps = status.get("stepStates") or []
        if (condition_of(run, "Succeeded") or {}).get("reason") in NEVER_BEGUN:
            steps = [step for step in steps if step["state"] != "Pending" or step.get("attempt")]
        complaints += [f"run {name_of(run)} has ended, its step {step['name']} is {step['state']}" for step in steps
                       if step["state"] not in ("Succeeded", "Failed", "Skipped", "Cancelled", "Stopped")]
    return complaints


def ends_kept(history):
    """What has ended stays as it is; histories only grow; a step that succeeded does not begin again."""
    complaints = []
    graphs = {name_of(one.item) for one in history.by_kind["pipelines"] if "steps" in one.item["spec"]}
    for uid, versions in history.each.items():
        for before, after in zip(versions, versions[1:]):
            if before.kind == "pipelineruns":
                complaints += _run_kept(before.item, after.item, before.item["spec"]["refPipeline"] in graphs)
            elif before.kind == "jobs" and not forged(after.item):
                for kind in ("Complete", "Failed"):
                    if is_true(before.item, kind) and not is_true(after.item, kind):
                        complaints.append(f"Job {name_of(after.item)} was {kind} and is no more")
                if is_true(after.item, "Complete") and is_true(after.item, "Failed"):
                    complaints.append(f"Job {name_of(after.item)} is Complete and Failed")
    return complaints


def _run_kept(before, after, graph):
    name, complaints = name_of(after), []
    old, new = before.get("status") or {}, after.get("status") or {}
    if is_true(before, "Completed"):
        complaints += [f"run {name} has ended, and its {field} changed: {old.get(field)} to {new.get(field)}"
                       for field in ("conditions", "stepStates", "completionTime", "retryStatus", "stepsCompleted") if old.get(field) != new.get(field)]
    past, now = ((status.get("retryStatus") or {}).get("historyBuild") or [] for status in (old, new))
    if now[:len(past)] != past:
        complaints.append(f"run {name}: its history lost something: {past} to {now}")
    steps = {step["name"]: step for step in new.get("stepStates") or []}
    # The list of a batch run is that of its current attempt, which begins after the steps that have succeeded; that of a graph is whole
    # until much of it moves into the archive.
    attempt = max((step.get("attempt", 0) for step in steps.values()), default=0)
    for step in old.get("stepStates") or []:
        later = steps.get(step["name"])
        if step["state"] == "Succeeded" and later and later["state"] != "Succeeded":
            complaints.append(f"run {name}: step {step['name']} had succeeded and is {later['state']}")
        if step["state"] == "Succeeded" and not later and not ("archive" in new if graph else attempt > step.get("attempt", 0)):
            complaints.append(f"run {name}: step {step['name']} had succeeded and is not there any more")
    return complaints


def _says_whose_it_is(history, run, job_name):
    """Whether a pod of the Job bears the run's UID; somebody may have taken that away from it, and the run knows it no more."""
    jobs = [one.uid for one in history.by_kind["jobs"] if name_of(one.item) == job_name]
    return any(label(pod, RUN_UID) == run["metadata"]["uid"] for uid in jobs for pod in history.pods_of(uid))


def true_to_the_pods(history):
    """A step that succeeded has a pod in which its container ended with 0, and says which; one that failed has not. The same of Jobs."""
    complaints = []
    pods = collections.defaultdict(list)
    for one in history.by_kind["pods"]:
        if not forged(one.item):
            pods[name_of(one.item)].append(history.last[one.uid].item)
    for run in (history.last[one.uid].item for one in history.by_kind["pipelineruns"]):
        if is_true(run, "Completed"):
            for step in (run.get("status") or {}).get("stepStates") or []:
                if step.get("podName"):
                    complaints += _step_true(name_of(run), step, pods.get(step["podName"], []))
                elif step["state"] == "Succeeded" and step.get("jobName") and _says_whose_it_is(history, run, step["jobName"]):
                    complaints.append(f"run {name_of(run)}: step {step['name']} succeeded, and nobody knows in which pod of {step['jobName']}")
    for job in (history.last[one.uid] for one in history.by_kind["jobs"]):
        if forged(job.item) or not label(job.item, RUN_UID):
            continue
        phases = {(pod.get("status") or {}).get("phase") for pod in history.pods_of(job.uid)}
        if is_true(job.item, "Complete") and "Succeeded" not in phases:
            complaints.append(f"Job {name_of(job.item)} is Complete, its pods: {phases}")
        stopped = "millrace.dev/stop" in (job.item["metadata"].get("annotations") or {}) or job.item["spec"].get("activeDeadlineSeconds")
        if is_true(job.item, "Failed") and "Succeeded" in phases and not stopped:
            complaints.append(f"Job {name_of(job.item)} has failed, its pod succeeded")
    return complaints


def _step_true(run, step, pods):
    """`pods`: the last versions of those of that name."""
    wanted = step["state"]
    if wanted not in ("Succeeded", "Failed"):
        return []
    codes = {_ended_well(step, pod) for pod in pods}
    if wanted == "Succeeded" and True not in codes:
        return [f"run {run}: step {step['name']} succeeded, and no pod of it did: {step}"]
    if wanted == "Failed" and codes == {True} and step.get("reason") not in STOPPED:
        return [f"run {run}: step {step['name']} failed ({step.get('reason')}), and its pod succeeded"]
    return []


def _ended_well(step, pod):
    """Whether the step's container has ended with 0 in this version of its pod."""
    status = pod.get("status") or {}
    own = [each for each in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]
           if each["name"] == f"build-step-{step.get('of') or step['name']}"]
    ended = [each["state"]["terminated"]["exitCode"] for each in own if "terminated" in each["state"]]
    return ended[0] == 0 if ended else status.get("phase") == "Succeeded"


def ends_follow(history, gaps=()):
    """A step or a Job is said to have succeeded only once its pod has, or its run: the server's order of all versions says what was first.
    `gaps`: kinds of which the recorder has missed versions."""
    complaints, told = [], set()
    pods, succeeded = collections.defaultdict(list), set()  # by name, the versions so far; uids of what has succeeded, of a pod its Job's
    for one in history.versions:
        if forged(one.item):
            continue
        if one.kind == "pods":
            pods[name_of(one.item)].append(one.item)
            if (one.item.get("status") or {}).get("phase") == "Succeeded":
                succeeded.add((owner_of(one.item) or {}).get("uid"))
        elif one.kind == "jobs" and label(one.item, RUN_UID) and is_true(one.item, "Complete") and one.uid not in told and "pods" not in gaps:
            told.add(one.uid)
            if one.uid not in succeeded:
                complaints.append(f"Job {name_of(one.item)} was Complete before its pod had succeeded")
        elif one.kind == "pipelineruns":
            if is_true(one.item, "Succeeded"):
                succeeded.add(name_of(one.item))
            for step in (one.item.get("status") or {}).get("stepStates") or []:
                if step["state"] != "Succeeded" or (one.uid, step["name"]) in told:
                    continue
                told.add((one.uid, step["name"]))
                if step.get("podName") and "pods" not in gaps and not any(_ended_well(step, pod) for pod in pods[step["podName"]]):
                    complaints.append(f"run {name_of(one.item)}: step {step['name']} was said to have succeeded before {step['podName']} had")
                if step.get("runName") and "pipelineruns" not in gaps and step["runName"] not in succeeded:
                    complaints.append(f"run {name_of(one.item)}: step {step['name']} was said to have succeeded before its run {step['runName']} had")
    return complaints


def as_drawn(history, expected):
    """The runs ended as they would have without any fault. `expected`: run → Expected (load.py)."""
    complaints = []
    runs = {name_of(item): item for item in history.living("pipelineruns")}
    for name, want in expected.items():
        run = runs.get(name)
        if run is None:
            complaints.append(f"run {name} is not there")
            continue
        got = condition_of(run, "Succeeded") or {}
        if got.get("reason") not in want.reasons:
            complaints.append(f"run {name} ended with {got.get('reason')} ({got.get('message')}) instead of {'/'.join(want.reasons)}")
        states = {step["name"]: step for step in (run.get("status") or {}).get("stepStates") or []}
        for step, (state, attempts) in want.steps.items():
            found = states.get(step) or {}
            if found.get("state") != state:
                complaints.append(f"run {name}: step {step} is {found.get('state')} instead of {state}: {found.get('reason')} {found.get('message')}")
            elif attempts and want.exact and found.get("attempt", 0) != attempts:
                complaints.append(f"run {name}: step {step} took {found.get('attempt')} attempts instead of {attempts}")
    return complaints


# --- ownership ---


def no_orphans(items):
    """Every object of ours has an owner that exists. `items`: what exists now, of all kinds."""
    there = {item["metadata"]["uid"] for item in items}
    complaints = []
    for item in items:
        ours = label(item, RUN_UID) or label(item, "millrace.dev/run") or label(item, TICK)
        owners = item["metadata"].get("ownerReferences") or []
        if forged(item) or not (ours or owners):
            continue
        if not owners:
            complaints.append(f"{item['kind']} {name_of(item)} is ours and has no owner")
        elif not any(each["uid"] in there for each in owners):
            complaints.append(f"{item['kind']} {name_of(item)}: its owner {owners[0]['kind']} {owners[0]['name']} is gone")
    return complaints


# --- ticks ---


def ticks_kept(history):
    """Every tick since the schedule began has one run, or is on record as skipped; none has two."""
    complaints = []
    runs = collections.defaultdict(lambda: collections.defaultdict(set))  # pipeline uid → tick → uids
    for one in history.by_kind["pipelineruns"]:
        if label(one.item, TICK) and owner_of(one.item):
            runs[owner_of(one.item)["uid"]][int(label(one.item, TICK))].add(one.uid)
    for one in history.by_kind["pipelines"]:
        made = runs.pop(one.uid, {})
        complaints += [f"tick {tick} of {name_of(one.item)} has {len(uids)} runs" for tick, uids in made.items() if len(uids) > 1]
        ledgers = [each.item["status"]["schedule"] for each in history.each[one.uid] if "schedule" in (each.item.get("status") or {})]
        if ledgers:
            complaints += _ledger_kept(name_of(one.item), ledgers, made, one.uid in history.gone)
        elif made:
            complaints.append(f"{name_of(one.item)} has runs of ticks and no record of them")
    return complaints


def _ledger_kept(name, ledgers, made, gone):
    period = re.fullmatch(r"@every (\d+)s", ledgers[-1]["expression"])
    if not period or not ledgers[-1].get("anchor"):
        return []
    step, anchor = int(period[1]), _seconds(ledgers[-1]["anchor"])
    last = _seconds(ledgers[-1]["lastTick"]) if ledgers[-1].get("lastTick") else anchor
    skipped, uids, complaints = set(), {}, []
    for ledger in ledgers:
        for line in ledger.get("ticks") or []:
            at = _seconds(line["time"])
            if line["outcome"] == "Skipped":
                skipped.update(at - step * back for back in range(line.get("count", 1) or 1))
            elif line["outcome"] == "Created":
                uids[at] = line["uid"]
    # What was claimed when its pipeline was deleted is dropped.
    dropped = {_seconds(line["time"]) for line in ledgers[-1].get("ticks") or [] if line["outcome"] == "Claimed"} if gone else set()
    for tick in range(anchor + step, last + 1, step):
        if tick not in made and tick not in skipped | dropped:
            complaints.append(f"tick {tick} of {name} is lost: no run, and not on record as skipped")
    complaints += [f"tick {tick} of {name} is on record as skipped and has a run: {made[tick]}" for tick in sorted(made.keys() & skipped)]
    for tick, which in made.items():
        if tick <= anchor or (tick - anchor) % step or tick > last and not gone:
            complaints.append(f"{name} has a run of {tick}, which is none of its ticks ({anchor} to {last})")
        if tick in uids and uids[tick] not in which:
            complaints.append(f"tick {tick} of {name} is on record with {uids[tick]}, its run is {which}")
    complaints += [f"tick {line['time']} of {name} stayed claimed" for line in ledgers[-1].get("ticks") or [] if line["outcome"] == "Claimed" and not gone]
    return complaints


def _seconds(text):
    return int(parse_time(text).astimezone(datetime.timezone.utc).timestamp())


# --- the operator ---


def log_clean(lines, allowed=()):
    """No crash, no sanitizer report, and no line that says that a person has to act, but for `allowed` (patterns)."""
    complaints = []
    for line in lines:
        text = line.get("raw") or f"{line.get('message')} {line.get('object', '')} {line.get('code', '')} {line.get('error', '')}"
        bad = "raw" in line or line.get("level") == "error" or line.get("code") == "Bug"
        if bad and text.strip() and not any(re.search(pattern, text) for pattern in allowed):
            complaints.append(f"the operator's log says: {text[:400]}")
    return complaints


def quiet(calls):
    """Nothing was written, but for leases. `calls`: the operator's, while nothing was to be done."""
    return [f"an idle operator wrote: {call.verb} {call.resource} {call.name} ({call.code}, {call.time})" for call in calls
            if call.writes and not call.resource.startswith("leases")]
