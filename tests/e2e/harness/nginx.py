"""nginx of a test's own: a real server for HTTP steps, and a reverse proxy in front of webhooks. Debian's, installed by scripts/setup."""
import json
import os
import pathlib
import shutil
import subprocess
import time

from harness.ports import free_ports

FRAME = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
events {{ worker_connections 1024; }}
http {{
  log_format lines escape=json '{{"method":"$request_method","path":"$request_uri","status":$status,"connection":$connection,'
    '"requests":$connection_requests,"authorization":"$http_authorization","tls":"$ssl_protocol","key":"$http_idempotency_key"}}';
  access_log {folder}/access.log lines;
  default_type application/json;
  client_body_temp_path {folder}/t1; proxy_temp_path {folder}/t2; fastcgi_temp_path {folder}/t3; uwsgi_temp_path {folder}/t4; scgi_temp_path {folder}/t5;
  {outside}
  server {{
    listen 127.0.0.1:{port} backlog=1024; listen 127.0.0.1:{secure} ssl backlog=1024;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {folder}/server.crt; ssl_certificate_key {folder}/server.key;
    root {folder}/files;
    {server}
  }}
}}
"""


def program():
    """nginx, or None."""
    return shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


def make_authority(folder):
    """An authority, one below it, and a certificate of that for 127.0.0.1 (server.crt, with its chain); returns the authority's PEM."""
    def openssl(*words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=folder)

    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=root of the test", "-keyout", "root.key", "-out", "root.crt")
    for name, above, extension in (("middle", "root", "basicConstraints=critical,CA:TRUE"),
                                   ("leaf", "middle", "subjectAltName=IP:127.0.0.1")):
        (folder / f"{name}.ext").write_text(extension + "\n")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name} of the test", "-keyout", f"{name}.key", "-out", f"{name}.csr")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{above}.crt", "-CAkey", f"{above}.key", "-CAcreateserial", "-days", "2",
                "-extfile", f"{name}.ext", "-out", f"{name}.crt")
    (folder / "server.crt").write_text((folder / "leaf.crt").read_text() + (folder / "middle.crt").read_text())
    (folder / "leaf.key").rename(folder / "server.key")
    return (folder / "root.crt").read_text()


class Nginx:
    """`server`: directives of its one server, which listens on `url` and `secure_url`; `outside`: directives beside it, {folder} and {port} in
    both are filled in. Files under `files` are served. `authority`: the certificate that vouches for it."""

    def __init__(self, folder, server="", outside=""):
        self.folder = pathlib.Path(folder)
        self.files = self.folder / "files"
        self.files.mkdir(parents=True)
        self.port = free_ports(3)
        self.url, self.secure_url = f"http://127.0.0.1:{self.port}", f"https://127.0.0.1:{self.port + 1}"
        self.authority = make_authority(self.folder)
        fill = {"folder": self.folder, "port": self.port}
        for name, value in fill.items():
            server, outside = server.replace("{%s}" % name, str(value)), outside.replace("{%s}" % name, str(value))
        (self.folder / "nginx.conf").write_text(FRAME.format(**fill, secure=self.port + 1, server=server, outside=outside))
        self.process = subprocess.Popen([program(), "-p", self.folder, "-c", self.folder / "nginx.conf", "-e", self.folder / "error.log"],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + 20
        while not (self.folder / "pid").exists() or not (self.folder / "pid").read_text():  # written once it listens
            assert self.process.poll() is None, f"nginx did not start: {self.process.stderr.read()}"
            assert time.monotonic() < deadline, "nginx is not ready after 20 s"
            time.sleep(0.01)

    def seen(self, path=None):
        """Requests that were answered, in that order: method, path, status, connection, requests (of the connection), authorization, tls, key."""
        lines = map(json.loads, (self.folder / "access.log").read_text().splitlines())
        return [line for line in lines if path in (None, line["path"])]

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stderr.close()
