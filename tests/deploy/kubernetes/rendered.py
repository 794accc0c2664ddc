"""The chart through helm, and what comes out of it judged as a cluster would.

Rules of this module: helm is a program of others (`tests/outside_programs.py`); each object is held to the strict schema of
its kind in the oldest and the newest Kubernetes that the chart is for. Kinds that are no part of Kubernetes have none here.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # without annotations
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from bridge.runtime.program import ROOT

CHART: Final = ROOT / "deploy" / "chart"
FRAGMENTS: Final = CHART / "ci"
LINE: Final = FRAGMENTS / "line.yaml"
RELEASE, NAMESPACE = "line", "lines"
EVERYTHING: Final = (
    "ingress",
    "monitoring",
    "canary",
    "backup",
    "on-call",
    "calendar-address",
    "database-authority",
    "scheduling",
    "images",
)
"""Fragments that go together: every part that a line can have, at once."""
OTHERS: Final = frozenset({"ServiceMonitor", "PrometheusRule", "HTTPRoute"})
"""Kinds of operators and of the Gateway API."""
DEFINITIONS: Final = "/api/_definitions.json"
"""By what name a schema of a kind points to what all of them share."""
SECONDS: Final = 60
Values = Mapping[str, Any]
Manifest = dict[str, Any]


class Refused(Exception):  # noqa: N818 - it says what happened
    """helm did not render; the text is what it says."""


RENDERED: Final[dict[tuple[str | Path, ...], str]] = {}
"""What helm made of files alone, which stay as they are: many tests look at the same."""


class Chart:
    """The chart at the hand of one helm."""

    def __init__(self, helm: str, directory: Path) -> None:
        """Make it. `directory`: for files of values, and as helm's home."""
        self._helm, self._directory = helm, directory

    def run(self, *arguments: str | Path) -> str:
        """Run helm; return what it prints. Raises `Refused`."""
        process = subprocess.run(
            [self._helm, *map(str, arguments)],
            # It ends before its garbage would matter.
            env={"HOME": str(self._directory), "PATH": "/usr/bin:/bin", "GOGC": "off"},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if process.returncode:
            raise Refused(process.stderr + process.stdout)
        return process.stdout

    def file(self, values: Values | str) -> Path:
        """Write values, as a mapping or as text."""
        (path := self._directory / "values.yaml").write_text(values if isinstance(values, str) else yaml.safe_dump(values))
        return path

    def text(
        self, *files: Path, values: Values | None = None, more: tuple[str | Path, ...] = (), least: bool = True
    ) -> str:
        """Render the line of `line.yaml` with these over it. `least`: False for values that are a whole line.

        Raises `Refused`.
        """
        laid = [*([LINE] if least else []), *files, *([self.file(values)] if values is not None else [])]
        words = [word for path in laid for word in ("--values", path)]
        command = ("template", RELEASE, CHART, "--namespace", NAMESPACE, *words)
        if values is not None or more:
            return self.run(*command, *more)
        if command not in RENDERED:
            RENDERED[command] = self.run(*command)
        return RENDERED[command]

    def render(
        self, *files: Path, values: Values | None = None, more: tuple[str | Path, ...] = (), least: bool = True
    ) -> list[Manifest]:
        """Render as `text` does; return every object."""
        text = self.text(*files, values=values, more=more, least=least)
        return [each for each in yaml.load_all(text, Loader=yaml.CSafeLoader) if each]

    def lint(self, *files: Path) -> str:
        """Have helm judge the chart with these values, strictly."""
        words = [word for path in (LINE, *files) for word in ("--values", path)]
        return self.run("lint", "--strict", CHART, *words)


def fragments() -> list[Path]:
    """Return every file of values that is laid over the least line."""
    return sorted(each for each in FRAGMENTS.glob("*.yaml") if each != LINE)


def one(objects: list[Manifest], kind: str, name: str) -> Manifest:
    """Return the object of a kind and a name."""
    (manifest,) = (each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name))
    return manifest


def problems(manifest: Manifest, schemas: Path) -> tuple[str, ...]:
    """Say what a cluster of each version would refuse."""
    return _problems(json.dumps(manifest, sort_keys=True), schemas)


@cache
def _problems(written: str, schemas: Path) -> tuple[str, ...]:
    """Judge each object once: most are the same whichever fragment is laid over the line."""
    manifest: Manifest = json.loads(written)
    return tuple(_judged(manifest, schemas))


def _judged(manifest: Manifest, schemas: Path) -> Iterator[str]:
    if manifest["kind"] in OTHERS:
        return
    group, _, version = manifest["apiVersion"].rpartition("/")
    name = "-".join(
        part for part in (manifest["kind"].lower(), group.removesuffix(".k8s.io").split(".")[0], version) if part
    )
    for folder in sorted(schemas.iterdir()):
        for error in _judge(folder / f"{name}.json").iter_errors(manifest):
            where = f"{folder.name} {manifest['kind']}/{manifest['metadata']['name']} {error.json_path}"
            yield f"{where}: {error.message[:200]}"


@cache
def _judge(file: Path) -> Draft202012Validator:
    registry: Registry[Any] = Registry().with_resource(DEFINITIONS, _definitions(file.parent))
    return Draft202012Validator(json.loads(file.read_text(encoding="utf-8")), registry=registry)


@cache
def _definitions(folder: Path) -> Resource[Any]:
    return Resource.from_contents(
        json.loads((folder / "_definitions.json").read_text(encoding="utf-8")), default_specification=DRAFT202012
    )


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Yield the name and the specification of each pod that would run."""
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if "template" in spec:
            yield each["metadata"]["name"], spec["template"]["spec"]
