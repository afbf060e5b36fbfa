#!/usr/bin/env python3
"""A stand-in for podman, for the end-to-end tests in local mode: containers are processes of this machine.

usage: engine.py FOLDER run|kill|ps|rm ...      as the executor calls podman (local/executor/engine.cc)

FOLDER/settings.json says where the API server is and which of two flavours this is:
  simulated  nothing is run: a container does what its pod's annotation test.millrace.dev/outcome says, with the words and defaults of
             tests/cluster/kwok-stages.yaml, as far as a process can: succeed, fail:CODE, hang, pull, oom (killed, without the reason), all
             with @CONTAINER; outcome-attempt-N; delay
  images     an image is a small script, those that tests/cluster/registry.py serves to the real node; any other is "not found"
"""
import ctypes
import http.client
import json
import os
import pathlib
import re
import signal
import ssl
import sys
import time
import urllib.parse

ADAPTER = """code=0
for argument in "$@"; do
  echo "adapter: $argument"
  case $argument in
    --sleep=*) sleep "${argument#--sleep=}" ;;
    --exit=*) code=${argument#--exit=} ;;
  esac
done
exit "$code"
"""
SERVICE = """trap 'exit 0' TERM INT
echo "serving on ${PORT:-9000}"
while :; do sleep 3600 & wait $!; done
"""
SHELL = "exec sh"
IMAGES = {"busybox": SHELL, "adapter": ADAPTER, "demo/adapter": ADAPTER, "demo/cleaner": ADAPTER, "demo/reader": SERVICE, "demo/writer": SERVICE}
PROGRAMS = {"/bin/adapter": ADAPTER, "/bin/clean": ADAPTER, "/bin/serve": SERVICE}  # what those images have inside
NOTE = "test.millrace.dev/"
MS_BIND, MS_REC, MS_RDONLY, MS_REMOUNT, MS_PRIVATE, CLONE_NEWNS = 4096, 16384, 1, 32, 1 << 18, 0x20000


def fail(code, text):
    print(f"Error: {text}", file=sys.stderr, flush=True)
    sys.exit(code)


def parse_run(words):
    """(options, image, arguments) of `run`."""
    options = {"env": [], "mount": [], "label": []}
    while words and words[0].startswith("--"):
        name, _, value = words.pop(0)[2:].partition("=")
        if name in options and isinstance(options[name], list):
            options[name].append(value)
        else:
            options[name] = value
    return options, words[0], words[1:]


def script_of(image):
    """What an image starts, or None: no such image."""
    name, _, tag = image.rpartition(":") if ":" in image.rsplit("/", 1)[-1] else (image, "", "")
    parts = name.split("/")
    if len(parts) > 1 and ("." in parts[0] or ":" in parts[0]) and parts[0] in ("millrace.test", "registry.test", "docker.io"):
        parts = parts[1:]
    return None if tag.startswith("missing") else IMAGES.get("/".join(parts))


def pod_of(config, name, uid):
    """The pod, from the API server."""
    server = urllib.parse.urlsplit(config["server"])
    tls = ssl.create_default_context(cadata=config["authority"])
    connection = http.client.HTTPSConnection(server.hostname, server.port, context=tls, timeout=10)
    connection.request("GET", "/api/v1/pods?" + urllib.parse.urlencode({"fieldSelector": f"metadata.name={name}"}),
                       headers={"Authorization": f"Bearer {config['token']}", "User-Agent": "test-engine"})
    for item in json.loads(connection.getresponse().read()).get("items", []):
        if item["metadata"]["uid"] == uid:
            return item
    return fail(125, f"pod {name} is not there")


def outcome_of(pod, container):
    """(word, code, seconds): what the annotations ask of this container, and how long to take for it."""
    meta = pod["metadata"]
    notes, attempt = meta.get("annotations") or {}, (meta.get("labels") or {}).get("millrace.dev/attempt", "-")
    wanted, _, at = (notes.get(f"{NOTE}outcome-attempt-{attempt}") or notes.get(f"{NOTE}outcome") or "run").partition("@")
    word, _, code = wanted.partition(":")
    is_main = container in [each["name"] for each in pod["spec"]["containers"]]
    of_job = any(each["kind"] == "Job" for each in meta.get("ownerReferences") or [])
    if at != container if at else not is_main:
        return "succeed", 0, 0.0
    delay = re.fullmatch(r"([\d.]+)(ms|s)", notes.get(f"{NOTE}delay", "")) if is_main else None
    seconds = float(delay[1]) / (1000 if delay[2] == "ms" else 1) if delay else 0.0
    return ("succeed" if of_job or not is_main else "hang") if word == "run" else word, int(code or 1), seconds


def simulate(word, code, seconds):
    """Ends as it was asked to."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(143))
    if word == "hang":
        while True:
            time.sleep(3600)
    time.sleep(seconds)
    if word == "oom":
        os.kill(os.getpid(), signal.SIGKILL)
    sys.exit(code if word == "fail" else 0)


def enter_root(mounts, folder):
    """A mount namespace in which the mounts are where the container wants them; the rest is this machine's."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source, target, flags):
        if libc.mount(str(source).encode(), str(target).encode(), None, flags, None) != 0:
            fail(125, f"mounting {source} on {target}: {os.strerror(ctypes.get_errno())}")

    if libc.unshare(CLONE_NEWNS) != 0:
        fail(125, f"no mount namespace: {os.strerror(ctypes.get_errno())}")
    mount("none", "/", MS_REC | MS_PRIVATE)
    root = folder / "root"
    root.mkdir(exist_ok=True)
    libc.mount(b"none", str(root).encode(), b"tmpfs", 0, b"mode=755")
    for entry in pathlib.Path("/").iterdir():
        if entry.is_symlink():
            (root / entry.name).symlink_to(os.readlink(entry))
        elif entry.is_dir() and str(entry) != "/workspace":
            (root / entry.name).mkdir()
            mount(entry, root / entry.name, MS_BIND | MS_REC)
    for option in mounts:
        parts = dict(part.partition("=")[::2] for part in option.split(","))
        source, target = pathlib.Path(parts["source"]), root / parts["target"].lstrip("/")
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        elif not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        mount(source, target, MS_BIND | MS_REC)
    os.chroot(root)
    os.chdir("/")


def run(folder, words):
    options, image, arguments = parse_run(words)
    labels = dict(label.partition("=")[::2] for label in options["label"])
    settings = json.loads((folder / "settings.json").read_text())
    script = script_of(image)
    simulated = settings["flavour"] == "simulated"
    if simulated:
        uid = labels["millrace.dev/pod-uid"]
        container = re.fullmatch(re.escape(f"millrace-{uid}-") + r"(.+)-\d+", options["name"])[1]
        word, code, seconds = outcome_of(pod_of(settings, os.environ["HOSTNAME"], uid), container)
    if simulated and word == "pull" or not simulated and script is None:
        fail(125, f"no such image: {image}")
    (folder / "containers" / options["name"]).write_text(json.dumps({"pid": os.getpid(), **labels}))
    if simulated:
        simulate(word, code, seconds)
    environment = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root"}
    for each in options["env"]:
        key, given, value = each.partition("=")
        environment[key] = value if given else os.environ.get(key, "")
    if options["mount"]:
        enter_root(options["mount"], folder)
    if options.get("workdir"):
        pathlib.Path(options["workdir"]).mkdir(parents=True, exist_ok=True)
        os.chdir(options["workdir"])
    if options.get("entrypoint") in PROGRAMS:
        argv = ["sh", "-c", PROGRAMS[options["entrypoint"]], image, *arguments]
    elif options.get("entrypoint"):
        argv = [options["entrypoint"], *arguments]
    elif script == SHELL and arguments:
        argv = arguments
    else:
        argv = ["sh", "-c", script, image, *arguments]
    try:
        os.execvpe(argv[0], argv, environment)
    except OSError as error:
        fail(127, f"{argv[0]}: {error.strerror}")


def containers(folder):
    """name → record of those whose process lives."""
    found = {}
    for path in sorted((folder / "containers").iterdir()):
        try:
            record = json.loads(path.read_text())
            os.kill(record["pid"], 0)
            found[path.name] = record
        except (OSError, ValueError):
            path.unlink(missing_ok=True)
    return found


def end(folder, names, number):
    there = containers(folder)
    for name in names:
        if name not in there:
            fail(125, f'no container with name or ID "{name}" found: no such container')
        os.kill(there[name]["pid"], number)


def main(folder, verb, *words):
    folder, words = pathlib.Path(folder), list(words)
    if verb == "run":
        run(folder, words)
    elif verb == "kill":
        end(folder, words[1:], int(words[0].removeprefix("--signal=")))
    elif verb == "ps":
        wanted = [word.removeprefix("--filter=label=").partition("=")[::2] for word in words if word.startswith("--filter=label=")]
        for name, record in containers(folder).items():
            if all(record.get(key) == value for key, value in wanted):
                print(name)
    elif verb == "rm":
        for name in words[1:]:
            if name in containers(folder):
                end(folder, [name], signal.SIGKILL)
            (folder / "containers" / name).unlink(missing_ok=True)
    else:
        fail(125, f"unknown command {verb}")


if __name__ == "__main__":
    main(*sys.argv[1:])
