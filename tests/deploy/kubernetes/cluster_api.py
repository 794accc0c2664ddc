"""As much of a cluster's interface as helm asks when it renders: what kinds there are, and one ConfigMap of a line.

Rule of this module: the version, discovery of the core group and one object, over a real socket on the loopback; whatever
else is asked is 404, as of a cluster that has nothing else.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

VERSION = {"major": "1", "minor": "37", "gitVersion": "v1.37.0"}
RESOURCES = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {"name": "configmaps", "singularName": "configmap", "namespaced": True, "kind": "ConfigMap", "verbs": ["get"]}
    ],
}


@contextmanager
def running_cluster(directory: Path, *, namespace: str, config_maps: Mapping[str, Mapping[str, str]]) -> Iterator[Path]:
    """Run it; yield the file by which helm finds it. `config_maps`: what they hold, by name."""
    answers: dict[str, Any] = {
        "/version": VERSION,
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": []},
        "/api/v1": RESOURCES,
    }
    for name, data in config_maps.items():
        answers[f"/api/v1/namespaces/{namespace}/configmaps/{name}"] = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "data": dict(data),
            "metadata": {"name": name, "namespace": namespace},
        }

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer = answers.get(self.path.partition("?")[0])
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
            body = json.dumps(status if answer is None else answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the library's
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    kubeconfig = directory / "kubeconfig"
    configuration = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "one",
        "clusters": [{"name": "one", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
        "contexts": [{"name": "one", "context": {"cluster": "one", "user": "one", "namespace": namespace}}],
        "users": [{"name": "one", "user": {}}],
    }
    kubeconfig.write_text(yaml.safe_dump(configuration), encoding="utf-8")
    try:
        yield kubeconfig
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
