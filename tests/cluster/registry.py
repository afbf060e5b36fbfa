#!/usr/bin/env python3
"""A read-only image registry on loopback, for the real node: a handful of images made from local programs.

usage: registry.py PORT BUSYBOX_BINARY

Every image is one layer with busybox and a few scripts; they differ only in what they start. The container runtime
asks here for every image name (see `registries/_default` in `cluster`), so `imagePullPolicy: Always` works, nothing
is fetched from elsewhere, and an image not listed is "not found" at once.
Any tag of a listed image is served, but for tags that begin with `missing`.
"""
import hashlib
import http.server
import io
import json
import platform
import re
import subprocess
import sys
import tarfile

# What an adapter of a pipeline does in tests: prints its arguments; `--exit=N` and `--sleep=SECONDS` change its end.
ADAPTER = """#!/bin/sh
code=0
for argument in "$@"; do
  echo "adapter: $argument"
  case $argument in
    --sleep=*) sleep "${argument#--sleep=}" ;;
    --exit=*) code=${argument#--exit=} ;;
  esac
done
exit "$code"
"""
# What a service of a stream does: serves HTTP on $PORT (9000) until it is told to stop.
SERVICE = """#!/bin/sh
trap 'exit 0' TERM INT
mkdir -p /tmp/www && echo ok >/tmp/www/index.html
httpd -p "${PORT:-9000}" -h /tmp/www
echo "serving on ${PORT:-9000}"
while :; do sleep 3600 & wait $!; done
"""
SHELL = {"Cmd": ["sh"]}
# Repository, as the runtime asks for it (without a host; short names get `library/`) → what it starts.
IMAGES = {
    "pause": {"Entrypoint": ["/bin/sleep", "2147483647"]},
    "library/busybox": SHELL,
    "busybox": SHELL,
    "adapter": {"Entrypoint": ["/bin/adapter"]},
    "demo/adapter": {"Entrypoint": ["/bin/adapter"]},
    "demo/cleaner": {"Entrypoint": ["/bin/clean"]},
    "demo/reader": {"Entrypoint": ["/bin/serve"]},
    "demo/writer": {"Entrypoint": ["/bin/serve"]},
}
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


def make_layer(busybox):
    """One tar with busybox, a link per applet, the scripts and the usual empty folders."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as layer:
        def put(path, kind=tarfile.REGTYPE, mode=0o755, data=b"", target=""):
            entry = tarfile.TarInfo(path)
            entry.type, entry.mode, entry.size, entry.linkname = kind, mode, len(data), target
            layer.addfile(entry, io.BytesIO(data))

        for folder in ("bin", "dev", "etc", "proc", "root", "sys", "tmp", "usr", "var"):
            put(folder, tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755)
        put("etc/passwd", mode=0o644, data=b"root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n")
        put("etc/group", mode=0o644, data=b"root:x:0:\nnogroup:x:65534:\n")
        with open(busybox, "rb") as program:
            put("bin/busybox", data=program.read())
        scripts = {"adapter": ADAPTER, "clean": ADAPTER, "serve": SERVICE}
        for name, text in scripts.items():
            put(f"bin/{name}", data=text.encode())
        for applet in subprocess.check_output([busybox, "--list"], text=True).split():
            if applet != "busybox" and applet not in scripts:
                put(f"bin/{applet}", tarfile.SYMTYPE, target="busybox")
    return content.getvalue()


class Store:
    """Blobs by digest, manifests by repository; filled once, then only read."""

    def __init__(self, busybox):
        self.blobs = {}
        self.manifests = {}
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        layer = make_layer(busybox)
        layer_ref = self.add(LAYER, layer)
        for repository, start in IMAGES.items():
            config = json.dumps({
                "architecture": machine, "os": "linux", "config": {"Env": ["PATH=/bin:/usr/bin"], **start},
                "rootfs": {"type": "layers", "diff_ids": [layer_ref["digest"]]}}).encode()
            manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST,
                                   "config": self.add(CONFIG, config), "layers": [layer_ref]}).encode()
            self.manifests[repository] = self.add(MANIFEST, manifest)["digest"]

    def add(self, media_type, data):
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = (media_type, data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def find(self, path):
        """The (digest, media type, content) an address names, or None. Source: OCI distribution, "Pulling"."""
        wanted = re.fullmatch(r"/v2/(?P<repository>.+)/(?P<what>manifests|blobs)/(?P<reference>[^/]+)", path)
        if not wanted or wanted["repository"] not in self.manifests:
            return None
        digest = wanted["reference"]
        if wanted["what"] == "manifests" and not digest.startswith("sha256:"):
            if digest.startswith("missing"):
                return None
            digest = self.manifests[wanted["repository"]]
        return (digest, *self.blobs[digest]) if digest in self.blobs else None


def serve(port, busybox):
    store = Store(busybox)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self, code, media_type, data, headers=()):
            self.send_response(code)
            for name, value in (("Content-Type", media_type), ("Content-Length", str(len(data))), *headers):
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def do_GET(self):
            path = self.path.split("?", 1)[0]
            found = store.find(path)
            if path == "/v2/":
                self.answer(200, "application/json", b"{}")
            elif found:
                self.answer(200, found[1], found[2], [("Docker-Content-Digest", found[0])])
            else:
                self.answer(404, "application/json",
                            json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no such image"}]}).encode())

        do_HEAD = do_GET

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
