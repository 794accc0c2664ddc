"""A release: the same bytes twice, whole, with a valid bill of materials and licences that go together."""

from __future__ import annotations

import errno
import gzip
import hashlib
import importlib.resources
import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped] # it ships without annotations
import pytest
from referencing import Registry, Resource

from deploy.data_dir.secret_files import SetupError
from deploy.release import release
from deploy.release.licences import COMPATIBLE, READ, is_compatible, licence_of
from deploy.release.lock_file import LOCKS, read_lock
from deploy.release.release import CHECKSUMS, licence_problems, make_release
from deploy.release.sbom import make_sbom
from deploy.release.source_archive import NoSource, commit_of, tar_of

ROOT = Path(__file__).parents[3]
BASE = "http://cyclonedx.org/schema/"
"""Below what address the schemas name each other."""


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Make two releases of one commit, as if on two days."""
    directory = tmp_path_factory.mktemp("releases")
    for name in ("one", "two"):
        make_release(directory / name)
    return directory / "one", directory / "two"


def test_two_runs_give_the_same_bytes(releases: tuple[Path, Path]) -> None:
    """Each file of two releases of one commit is the same, and the checksums are those of the files."""
    one, two = ({path.name: path.read_bytes() for path in each.iterdir()} for each in releases)
    assert one.keys() == two.keys()
    assert [name for name in one if one[name] != two[name]] == []
    lines = [line.split("  ") for line in one[CHECKSUMS].decode().splitlines()]
    digests = {name: digest for digest, name in lines}
    assert digests == {name: hashlib.sha256(data).hexdigest() for name, data in one.items() if name != CHECKSUMS}
    assert sorted(name.rpartition(".")[2] for name in digests) == ["gz", "json", "whl"]


def test_the_archive_is_the_commit(releases: tuple[Path, Path]) -> None:
    """Every file that git has is in it, with its bytes and its x bit, and nothing that tells of the machine."""
    (file,) = releases[0].glob("*.tar.gz")
    folder = file.name.removesuffix(".tar.gz")
    listed = subprocess.run(
        ["git", "ls-tree", "-r", "-z", "--name-only", "HEAD"], cwd=ROOT, capture_output=True, check=True
    )
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(file.read_bytes()))) as tar:
        members = {member.name.removeprefix(f"{folder}/"): member for member in tar.getmembers()}
        readme = tar.extractfile(f"{folder}/LICENSE")
        assert readme is not None
        assert readme.read() == (ROOT / "LICENSE").read_bytes()
    assert members.keys() == {name for name in listed.stdout.decode().split("\0") if name}
    assert {(each.uid, each.gid, each.uname, each.gname) for each in members.values()} == {(0, 0, "", "")}
    assert {each.mtime for each in members.values()} == {commit_of(ROOT)[1]}
    assert (members["quietline"].mode, members["LICENSE"].mode) == (0o755, 0o644)
    assert {"deploy/requirements/runtime.txt", "deploy/init/service_files.py"} <= members.keys()


def test_what_lies_about_is_not_in_an_archive(tmp_path: Path) -> None:
    """Only what is committed: not an edit, not a new file; a link stays a link. Without git there is a sentence."""

    def git(*words: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b")
        subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True)

    git("init", "-q")
    (tmp_path / "kept").write_text("committed")
    (tmp_path / "link").symlink_to("kept")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    (tmp_path / "kept").write_text("edited")
    (tmp_path / "secret").write_text("new")
    commit, commit_time = commit_of(tmp_path)
    with tarfile.open(fileobj=io.BytesIO(tar_of(tmp_path, commit, folder="q", commit_time=commit_time))) as tar:
        file = tar.extractfile("q/kept")
        assert file is not None
        assert (tar.getnames(), file.read()) == (["q/kept", "q/link"], b"committed")
        assert tar.getmember("q/link").linkname == "kept"
    with pytest.raises(NoSource):
        commit_of(Path("/"))


def test_an_archive_that_lacks_a_file_is_none(tmp_path: Path) -> None:
    """Where git has lost an object, or a tree names a commit of another repository, there is a sentence and no archive."""
    who = ("-c", "user.name=a", "-c", "user.email=a@b")

    def git(*words: str) -> str:
        process = subprocess.run(["git", *who, *words], cwd=tmp_path, check=True, capture_output=True, text=True)
        return process.stdout.strip()

    git("init", "-q")
    (tmp_path / "kept").write_text("committed")
    git("add", ".")
    git("commit", "-q", "-m", "x")
    commit, commit_time = commit_of(tmp_path)
    git("update-index", "--add", "--cacheinfo", f"160000,{commit},another")
    git("commit", "-q", "-m", "y")
    with pytest.raises(NoSource, match=commit):
        tar_of(tmp_path, "HEAD", folder="q", commit_time=commit_time)
    lost = git("rev-parse", f"{commit}:kept")
    (tmp_path / ".git/objects" / lost[:2] / lost[2:]).unlink()
    with pytest.raises(NoSource, match=lost):
        tar_of(tmp_path, commit, folder="q", commit_time=commit_time)


def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A directory that is there is left as it is."""
    with pytest.raises(SetupError, match="is there already"):
        make_release(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_no_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So the same command can be repeated, as its message says, and no release without its checksums is there."""
    monkeypatch.setattr(release, "_wheel", lambda *_parts: {"quietline.whl": b"wheel"})
    names: list[str] = []
    write_bytes = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        if path.name == CHECKSUMS:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        names.append(path.name)
        return write_bytes(path, data)

    monkeypatch.setattr(Path, "write_bytes", write)
    with pytest.raises(OSError, match="No space left"):
        make_release(tmp_path / "release")
    assert names
    assert list(tmp_path.iterdir()) == []


def bill() -> dict[str, Any]:
    commit, moment = commit_of(ROOT)
    bom: dict[str, Any] = json.loads(make_sbom(read_lock(LOCKS / "runtime.txt"), commit=commit, commit_time=moment))
    return bom


def test_the_bill_of_materials_is_cyclonedx() -> None:
    """The schema that CycloneDX publishes takes it; a bill with a wrong field it does not."""
    schemas = importlib.resources.files("cyclonedx.schema") / "_res"
    names = [f"{name}.SNAPSHOT.schema.json" for name in ("bom-1.6", "spdx", "jsf-0.82")]
    contents = {name: json.loads((schemas / name).read_text()) for name in names}
    resources: Any = [
        (key, Resource.from_contents(each)) for name, each in contents.items() for key in (f"{BASE}{name}", each["$id"])
    ]
    validator = jsonschema.Draft7Validator(contents[names[0]], registry=Registry().with_resources(resources))
    bom = bill()
    assert list(validator.iter_errors(bom)) == []
    bom["components"][0]["type"] = "nonsense"
    assert list(validator.iter_errors(bom)) != []


def test_the_bill_has_what_is_locked() -> None:
    """Every package that runs, with its version and the hashes that an installation checks; a licence; what it needs."""
    packages = {package.name: package for package in read_lock(LOCKS / "runtime.txt")}
    bom = bill()
    components = {component["name"]: component for component in bom["components"]}
    assert components.keys() == packages.keys()
    for name, component in components.items():
        (files,) = component["externalReferences"]
        assert component["version"] == packages[name].version
        assert {each["content"] for each in files["hashes"]} == set(packages[name].hashes)
        assert component["licenses"][0]["expression"] == licence_of(name)
    needs = {each["ref"]: each.get("dependsOn", []) for each in bom["dependencies"]}
    assert any(ref.startswith("pkg:pypi/twisted@") for ref in needs[components["matrix-synapse"]["bom-ref"]])
    assert bom["metadata"]["component"]["licenses"][0]["license"]["id"] == "AGPL-3.0-or-later"


def test_every_licence_goes_together_with_ours() -> None:
    """Of all that runs; and no word is kept for a package that is not there any more, or that says it itself by now."""
    names = [package.name for package in read_lock(LOCKS / "runtime.txt")]
    assert licence_problems(names) == []
    assert READ.keys() <= set(names)


@pytest.mark.parametrize(
    ("expression", "well"),
    [
        ("MIT", True),
        ("GPL-2.0-only", False),
        ("GPL-2.0-only OR MIT", True),
        ("GPL-2.0-only AND MIT", False),
        ("GPL-2.0-or-later WITH Classpath-exception-2.0", True),
        ("AGPL-3.0-or-later OR LicenseRef-Element-Commercial", True),
        ("GPL-2.0-only WITH Classpath-exception-2.0", False),
        ("LicenseRef-Proprietary", False),
        ("SSPL-1.0", False),
        ("BSD-4-Clause", False),
        ("CDDL-1.0", False),
    ],
)
def test_which_licences_go_together(expression: str, well: bool) -> None:
    """A choice needs one that does, a sum all; what nobody knows does not."""
    assert is_compatible(expression) == well
    assert all(is_compatible(each) for each in COMPATIBLE)


def test_a_licence_that_does_not_is_told_by_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    """A package of which nothing is known, and one under another licence."""
    monkeypatch.setattr("deploy.release.licences.READ", {"six": "GPL-2.0-only"})
    assert [problem.split(":")[0] for problem in licence_problems(["six", "certifi", "click"])] == ["six", "certifi"]


@pytest.mark.parametrize("line", ["six>=1.0 \\", "six==1.0", "-e ../elsewhere", "six==1.0 \\\n    --hash=md5:00"])
def test_a_lock_without_hashes_is_none(tmp_path: Path, line: str) -> None:
    """A range, a pin alone, a path, a weak hash: none is taken for locked."""
    (tmp_path / "lock.txt").write_text(f"{line}\n")
    with pytest.raises(ValueError, match=r"no pin and no hash|without a hash"):
        read_lock(tmp_path / "lock.txt")
    assert all(package.hashes for name in ("runtime", "test", "release") for package in read_lock(LOCKS / f"{name}.txt"))
