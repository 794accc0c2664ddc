"""Stands in for a child: answers what `up` asks, and ends as it is told to.

`python -m tests.deploy.fake_child NAME PORT [BEHAVIOUR]`. NAME is appended to `order` in the working directory when
SIGTERM ends it. BEHAVIOUR: `stubborn` and `deaf` (ignore SIGTERM; one has a second for it, the other a minute), `refuses`
(a sentence, exit code 2), `crashes` (exit code 1), `first` (an argument that it has only until all were ready: exit code 1,
the first time).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

READY = {"bot": "@policy:quietline.localhost", "voice": "@line-main:quietline.localhost", "desk_room": "!desk"}


class Answers(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"role": "leader"} if self.path == "/ready" else []).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
        pass


def main(name: str, port: str, behaviour: str = "") -> None:
    with Path("lives").open("a", encoding="utf-8") as lives:
        lives.write(f"{name} {os.getpid()} {time.monotonic()} {behaviour}\n")
    if behaviour == "first" and Path("lives").read_text(encoding="utf-8").count(behaviour) == 1:
        sys.exit(1)
    if behaviour == "crashes":
        sys.exit(1)
    if behaviour == "refuses":
        sys.stderr.write("lines.0.number: is not a number\n")
        sys.exit(2)
    stop = threading.Event()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if behaviour in {"stubborn", "deaf"} else lambda *_: stop.set())
    server = ThreadingHTTPServer(("127.0.0.1", int(port)), Answers)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if name == "bridge":
        said = Path("run/bridge.json")
        said.with_suffix(".new").write_text(json.dumps({**READY, "pid": os.getpid()}), encoding="utf-8")
        said.with_suffix(".new").replace(said)
    stop.wait()
    with Path("order").open("a", encoding="utf-8") as order:
        order.write(f"{name}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
