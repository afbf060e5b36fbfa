"""A reverse proxy between the operator and the API server that can look at, hold, refuse or cut each request.

The operator speaks HTTP/1.1 over TLS to it (the proxy's own certificate, named by the kubeconfig it writes); the proxy speaks
HTTP/1.1 over TLS to the API server with the operator's headers. One thread per connection.
"""
import dataclasses
import http.client
import http.server
import json
import pathlib
import ssl
import subprocess
import threading
import urllib.parse


@dataclasses.dataclass
class Request:
    """One request of the operator. `number` counts from 1 over all requests; `write` over the writes (0: not a write; dry runs are none)."""
    method: str
    path: str
    body: bytes
    number: int
    write: int


class Cut(Exception):
    """Raised by a hook: the connection is closed without an answer."""


class FaultProxy:
    """`before(request)` runs before a request is passed on: it returns None to pass it on, or (status, headers, body) to
    answer in the server's place, or raises Cut. `after(request, status)` runs when the server has done it and the operator
    does not know yet; it may raise Cut. `prefix(request)` gives bytes to send ahead of a stream (a watch). `half(request)` says
    after how many bytes of its body an answer breaks off (None: it does not); `pace(request)` waits before each piece of a
    stream. All run on the connection's thread and can be replaced at any time. `faults` counts the requests that were cut off or
    answered in the server's place."""

    def __init__(self, cluster, directory):
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.before = lambda request: None
        self.after = lambda request, status: None
        self.prefix = lambda request: b""
        self.half = lambda request: None
        self.pace = lambda request: None
        self.requests = []
        self.faults = 0
        self._lock = threading.Lock()
        self._open = set()
        config = json.loads(cluster.kubeconfig.read_text())
        target = config["clusters"][0]["cluster"]
        self._server = urllib.parse.urlsplit(target["server"])
        self._upstream = ssl.create_default_context(cafile=target["certificate-authority"])
        key, certificate = self.directory / "proxy.key", self.directory / "proxy.crt"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=proxy",
                        "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
                       check=True, capture_output=True)
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        proxy = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do(self):
                proxy._handle(self)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def finish_request(self, request, client_address):
                try:  # the handshake belongs to the connection's thread, not to the one that accepts
                    secured = tls.wrap_socket(request, server_side=True)
                except (ssl.SSLError, OSError):
                    return
                with proxy._lock:
                    proxy._open.add(secured)
                try:
                    super().finish_request(secured, client_address)
                except (OSError, ssl.SSLError, http.client.HTTPException, Cut):  # either side has gone
                    pass
                finally:
                    with proxy._lock:
                        proxy._open.discard(secured)
                    secured.close()

        self._listener = Server(("127.0.0.1", 0), Handler)
        target["server"] = f"https://127.0.0.1:{self._listener.server_port}"
        target["certificate-authority"] = str(certificate)
        self.kubeconfig = self.directory / "proxy.kubeconfig"
        self.kubeconfig.write_text(json.dumps(config))
        threading.Thread(target=self._listener.serve_forever, daemon=True).start()

    def close(self):
        self._listener.shutdown()
        self._listener.server_close()
        self.cut_all()

    def cut_all(self):
        """Closes every open connection, watches included, as a restarted API server does."""
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            try:
                connection.shutdown(2)
            except OSError:
                pass

    def writes(self):
        """Requests so far that change something, in order."""
        with self._lock:
            return [request for request in self.requests if request.write]

    def _handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        with self._lock:
            write = 1 + sum(1 for request in self.requests if request.write) if handler.command != "GET" and "dryRun=All" not in handler.path else 0
            request = Request(handler.command, handler.path, body, len(self.requests) + 1, write)
            self.requests.append(request)
        try:
            self._answer(handler, request)
        except Cut:
            self._count_fault()
            raise

    def _count_fault(self):
        with self._lock:
            self.faults += 1

    def _answer(self, handler, request):
        made_up = self.before(request)
        if made_up is not None:
            self._count_fault()
            status, headers, text = made_up
            data = text if isinstance(text, bytes) else text.encode()
            self.after(request, status)
            handler.send_response(status)
            for name, value in {"Content-Type": "application/json", **headers, "Content-Length": str(len(data))}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(data)
            return
        upstream = http.client.HTTPSConnection(self._server.hostname, self._server.port, context=self._upstream, timeout=900)
        try:
            headers = {name: value for name, value in handler.headers.items()
                       if name.lower() not in ("host", "connection", "upgrade", "http2-settings", "accept-encoding")}
            upstream.request(request.method, request.path, body=request.body or None, headers=headers)
            answer = upstream.getresponse()
            stream = answer.headers.get("Content-Length") is None
            data = b"" if stream else answer.read()
            self.after(request, answer.status)
            handler.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection", "date"):
                    handler.send_header(name, value)
            if stream:
                handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            left = self.half(request)
            if not stream and left is not None and left < len(data):
                handler.wfile.write(data[:left])
                raise Cut
            handler.wfile.write(data)
            if stream:
                self._pass_on(handler, request, answer, left)
        finally:
            upstream.close()

    def _pass_on(self, handler, request, answer, left):
        """A stream, until it ends or after `left` bytes."""
        if (first := self.prefix(request)):
            handler.wfile.write(f"{len(first):x}\r\n".encode() + first + b"\r\n")
        while chunk := answer.read1(65536):
            self.pace(request)
            whole = left is None or len(chunk) < left
            chunk = chunk if whole else chunk[:left]
            left = None if left is None else left - len(chunk)
            if chunk:
                handler.wfile.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
                handler.wfile.flush()
            if not whole:
                raise Cut
        handler.wfile.write(b"0\r\n\r\n")
