"""A real HTTP (or HTTPS) server of a test's own: answers as it is told, and remembers who asked for what."""
import collections
import dataclasses
import http.client
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import time
import urllib.parse


@dataclasses.dataclass
class Seen:
    """One request that came in. `begun` and `ended` are of time.monotonic(); `ended` is None while it is being answered."""
    method: str
    path: str
    headers: dict  # names in lower case
    body: bytes
    begun: float
    ended: float = None

    def json(self):
        return json.loads(self.body)


@dataclasses.dataclass
class Answer:
    """What a path answers. `body`: bytes, text, or anything else, which goes as JSON. `delay` [s] is before the head."""
    status: int = 200
    body: object = None
    headers: dict = dataclasses.field(default_factory=dict)
    delay: float = 0.0
    hold: threading.Event = None  # answered only when this is set

    def content(self):
        if self.body is None or isinstance(self.body, bytes):
            return self.body or b"", {}
        if isinstance(self.body, str):
            return self.body.encode(), {"Content-Type": "text/plain"}
        return json.dumps(self.body).encode(), {"Content-Type": "application/json"}


class Web:
    """`answer(path, ...)` sets what a path says (an Answer's fields, or `by=function(seen)` that gives an Answer); several answers
    for one path are given in turn, the last for ever. Other paths say 200 and `{}`. With `directory`: HTTPS, its authority in `authority`."""

    def __init__(self, directory=None):
        self._answers = collections.defaultdict(list)
        self._requests = []
        self._changed = threading.Condition()
        self._closing = threading.Event()
        tls, self.authority = None, None
        if directory:
            folder = pathlib.Path(directory)
            folder.mkdir(parents=True, exist_ok=True)
            key, certificate = folder / "web.key", folder / "web.crt"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=web", "-addext",
                            "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", key, "-out", certificate], check=True, capture_output=True)
            self.authority = certificate.read_text()
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate, key)
        web = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                web._serve(self)

            do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def finish_request(self, request, client_address):
                try:  # the handshake belongs to the connection's thread
                    super().finish_request(tls.wrap_socket(request, server_side=True) if tls else request, client_address)
                except OSError:
                    pass  # the client has gone: time-outs do that

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_port
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, path, status=200, body=None, *, by=None, **more):
        with self._changed:
            self._answers[path].append(by or Answer(status, body, **more))
        return f"{self.url}{path}"

    def seen(self, path=None):
        """Requests so far, of that path (without its query) or all, in the order they came."""
        with self._changed:
            return [each for each in self._requests if path in (None, each.path.partition("?")[0])]

    def count(self, path=None):
        return len(self.seen(path))

    def wait(self, path, count=1, timeout=20.0):
        """Waits until so many requests of that path were begun; returns them."""
        deadline = time.monotonic() + timeout
        with self._changed:
            while len(found := [each for each in self._requests if path == each.path.partition("?")[0]]) < count:
                left = deadline - time.monotonic()
                assert left > 0, f"{len(found)} instead of {count} requests of {path}; seen: {[(each.method, each.path) for each in self._requests]}"
                self._changed.wait(left)
        return found

    def _serve(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        one = Seen(handler.command, handler.path, {name.lower(): value for name, value in handler.headers.items()}, body, time.monotonic())
        with self._changed:
            self._requests.append(one)
            rules = self._answers[handler.path.partition("?")[0]]
            rule = Answer(body={}) if not rules else rules.pop(0) if len(rules) > 1 else rules[0]
            self._changed.notify_all()
        told = rule if isinstance(rule, Answer) else rule(one)
        if told.hold:
            told.hold.wait(60)
        if told.delay:
            self._closing.wait(told.delay)
        content, kind = told.content()
        one.ended = time.monotonic()
        handler.send_response(told.status)
        for name, value in {**kind, **told.headers, "Content-Length": str(len(content))}.items():
            handler.send_header(name, value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(content)


@dataclasses.dataclass
class Reply:
    """What a server said to `send`; names of headers in lower case."""
    status: int
    headers: dict
    body: bytes

    def json(self):
        return json.loads(self.body)


def send(url, body=b"", method="POST", headers=None, timeout=20.0):
    """One request, without following anything. `body`: bytes, or what goes as JSON."""
    where = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname, where.port, timeout=timeout)
    try:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = headers if isinstance(body, bytes) else {"Content-Type": "application/json", **(headers or {})}
        connection.request(method, where.path + (f"?{where.query}" if where.query else ""), body=data or None, headers=given or {})
        answer = connection.getresponse()
        return Reply(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
    finally:
        connection.close()
