"""A W&B server on this machine that the real client talks to: sweeps, agents, logging, `wandb sync`.

    with WandbServer() as server:
        subprocess.run([..."wandb", "sweep", "sweep.yaml"], env=server.environment(folder))
        server.world.projects["lab", "convolution-padding"].runs["..."].history()

It holds real state (wandb_state.py) and answers by it. To answer more, write functions `(world, variables) -> data` as
in wandb_operations.py in a module of your own, and pass them: `WandbServer({**OPERATIONS, "Runs": runs})`, by the name
of the GraphQL operation. What nobody wrote an answer for is answered with an error and kept in `unknown`, not guessed;
tests assert that it is empty.
"""

import contextlib
import gzip
import json
import os
import re
import threading
from base64 import b64encode
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from tests.support.wandb_operations import OPERATIONS, Handler, RefusedError
from tests.support.wandb_state import World

KEY = "loopback" * 5
"""Its only account's API key: the client wants 40 characters."""

OPERATION = re.compile(r"\b(?:query|mutation)\s+(\w+)")

FILE = re.compile(r"/upload/([^/]+)/([^/]+)/([^/]+)/(.+)")

TELEMETRY = "/sdk/otel/"
"""Where the client reports on itself, without the key. Taken and dropped: refused, it complains in the run's log."""


class WandbServer:
    """The server, listening while entered.

    Attributes:
        world: what it knows. Read it when the programs have ended, or under `lock`.
        unknown: requests without an answer, and those whose answer failed, one line each.
    """

    def __init__(self, operations: Mapping[str, Handler] = OPERATIONS) -> None:
        self.operations = dict(operations)
        self.lock = threading.Lock()
        self.unknown: list[str] = []

    def __enter__(self) -> Self:
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Request,), {"service": self}))
        self._http.daemon_threads = True
        self.world = World(f"http://127.0.0.1:{self._http.server_address[1]}")
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def environment(self, folder: Path, **more: str) -> dict[str, str]:
        """The environment of a program that logs here, online, with W&B's files below `folder`."""
        names = ("WANDB_DIR", "WANDB_CONFIG_DIR", "WANDB_CACHE_DIR", "WANDB_DATA_DIR")
        folders = {name: str(folder / name.lower()) for name in names}
        for path in folders.values():
            Path(path).mkdir(parents=True, exist_ok=True)
        account = {"WANDB_BASE_URL": self.world.url, "WANDB_API_KEY": KEY, "WANDB_MODE": "online"}
        return {**os.environ, **folders, **account, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1", **more}

    def graphql(self, request: dict[str, Any]) -> dict[str, Any]:
        query = request["query"]
        named = OPERATION.search(query)
        name = named[1] if named else " ".join(query.split())[:60]
        if name not in self.operations:
            return self._fail(f"operation {name}")
        try:
            return {"data": self.operations[name](self.world, request.get("variables") or {})}
        except RefusedError as error:
            return self._fail(f"operation {name}: {error}")
        except Exception as error:
            return self._fail(f"operation {name} failed with {error!r}")

    def _fail(self, what: str) -> dict[str, Any]:
        self.unknown.append(what)
        return {"data": None, "errors": [{"message": f"the loopback server has no answer: {what}"}]}


class _Request(BaseHTTPRequestHandler):
    service: WandbServer
    protocol_version = "HTTP/1.1"

    def handle(self) -> None:
        # A client leaves the connections that it kept open without a word.
        with contextlib.suppress(ConnectionError):
            super().handle()

    def do_POST(self) -> None:
        body = self._body()
        if self.path.startswith(TELEMETRY):
            self._answer(200, {})
            return
        if not self._allowed():
            return
        with self.service.lock:
            if self.path == "/graphql":
                self._answer(200, self.service.graphql(json.loads(body)))
            elif stream := re.fullmatch(r"/files/([^/]+)/([^/]+)/([^/]+)/file_stream", self.path):
                self._run(stream).receive(json.loads(body))
                self._answer(200, {"limits": {}})
            else:
                self._refuse()

    # As in the cloud, a file's address carries the right to it, and its request no key.

    def do_PUT(self) -> None:
        body = self._body()
        with self.service.lock:
            if file := FILE.fullmatch(self.path):
                self._run(file).uploads[unquote(file[4])] = body
                self._answer(200, {})
            else:
                self._refuse()

    def do_GET(self) -> None:
        with self.service.lock:
            file = FILE.fullmatch(self.path)
            body = file and self._run(file).uploads.get(unquote(file[4]))
            if body is None:
                self._refuse()
            else:
                self._send(200, body)

    def _run(self, match: re.Match[str]) -> Any:
        entity, project, name = (unquote(part) for part in match.groups()[:3])
        return self.service.world.projects[entity, project].runs[name]

    def _body(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _allowed(self) -> bool:
        expected = "Basic " + b64encode(f"api:{KEY}".encode()).decode()
        if self.headers.get("Authorization") == expected:
            return True
        with self.service.lock:
            self.service.unknown.append(f"{self.path} without the key")
        self._answer(401, {"errors": [{"message": "who are you?"}]})
        return False

    def _refuse(self) -> None:
        self.service.unknown.append(f"{self.command} {self.path}")
        self._answer(404, {"errors": [{"message": f"the loopback server has no {self.path}"}]})

    def _answer(self, status: int, content: dict[str, Any]) -> None:
        self._send(status, json.dumps(content).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Silent: what matters is in `unknown`."""
