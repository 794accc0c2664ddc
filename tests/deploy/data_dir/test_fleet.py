"""The fleet file: what it names is found, and what two lines may not share is told at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.data_dir.fleet import add_line, read_fleet, require_addable
from deploy.data_dir.layout import Layout, Ports
from deploy.data_dir.secret_files import SetupError
from deploy.stack.provision import write_line_files

NUMBERS = {"north": "+15555550101", "south": "+15555550102"}


def line(tmp_path: Path, slug: str, base: int, **changed: Any) -> Path:
    """Make a rehearsal line with a slug, number and ports of its own. `changed`: keys of its configuration, with dots."""
    layout = Layout(tmp_path / slug)
    write_line_files(layout, Ports(base))
    config = yaml.safe_load(layout.config.read_text())
    config["lines"][0].update(slug=slug, number=NUMBERS[slug])
    for key, value in changed.items():
        at: Any = config
        *path, last = key.split("__")
        for part in path:
            at = at[int(part)] if part.isdigit() else at[part]
        at[last] = value
    layout.config.write_text(yaml.safe_dump(config))
    return layout.data


def fleet(tmp_path: Path, content: object) -> Path:
    file = tmp_path / "fleet.yaml"
    file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return file


def problems(file: Path) -> list[str]:
    with pytest.raises(SetupError) as caught:
        read_fleet(file)
    assert all(problem.startswith(f"{file}: ") for problem in caught.value.problems)
    return [problem.removeprefix(f"{file}: ") for problem in caught.value.problems]


def test_lines_are_found_by_directory_and_by_configuration(tmp_path: Path) -> None:
    """Both ways name the same kind of line, in the order of the file."""
    north, south = line(tmp_path, "north", 20000), line(tmp_path, "south", 20010)
    lines = read_fleet(fleet(tmp_path, {"lines": [{"data": str(north)}, {"config": str(south / "config.yaml")}]}))
    assert [(each.name, each.layout.data) for each in lines] == [("north", north), ("south", south)]
    assert lines[1].ports == {"listen.port": 20011, "homeserver.url": 20010, "lines.0.carrier.api_base": 20012}


def test_a_line_whose_configuration_is_broken_is_still_a_line(tmp_path: Path) -> None:
    """It is called as its directory, and its own checks say what is wrong with it."""
    north, south = line(tmp_path, "north", 20000), line(tmp_path, "south", 20010)
    (south / "config.yaml").write_text("data_dir: [")
    _, broken = read_fleet(fleet(tmp_path, {"lines": [{"data": str(north)}, {"data": str(south)}]}))
    assert (broken.name, broken.config, broken.ports) == ("south", None, {})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"lines__0__slug": "north"}, "has the slug of lines.0 (north)"),
        ({"lines__0__number": NUMBERS["north"]}, "has a number of lines.0 (north)"),
        ({"lines__0__numbers": [NUMBERS["north"]]}, "has a number of lines.0 (north)"),
        ({"listen__port": 20001}, "listen.port: port 20001 is that of listen.port of lines.0 (north)"),
        ({"metrics": {"listen": "127.0.0.1:20000"}}, "metrics.listen: port 20000 is that of homeserver.url of lines.0"),
        ({"data_dir": "NORTH/bridge"}, "data_dir: is that of lines.0 (north)"),
        ({"keys__vault_key_file": "NORTH/secrets/vault.key"}, "keys.vault_key_file: is that of lines.0 (north)"),
        ({"homeserver__joined": True}, "homeserver.policy_localpart: is, at one homeserver, the policy bot of lines.0"),
    ],
)
def test_what_two_lines_may_not_share(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    """Each is a sentence with both lines and the key; no number is shown."""
    north = line(tmp_path, "north", 20000)
    changed = {k: v.replace("NORTH", str(north)) if isinstance(v, str) else v for k, v in changed.items()}
    south = line(tmp_path, "south", 20010, **changed)
    sentences = problems(fleet(tmp_path, {"lines": [{"data": str(north)}, {"data": str(south)}]}))
    assert any(said in problem for problem in sentences), sentences
    assert all(problem.startswith("lines.1 (") for problem in sentences)
    assert NUMBERS["north"] not in "".join(sentences)


def test_one_database_for_two_lines_is_told(tmp_path: Path) -> None:
    """By the URL's value, which is not shown."""
    url = tmp_path / "url"
    url.write_text("postgresql://q:secretCANARY@127.0.0.1/q")
    url.chmod(0o600)
    database, where = {"url_file": str(url)}, (("north", 20000), ("south", 20010))
    lines = [line(tmp_path, slug, base, database=database) for slug, base in where]
    (problem,) = problems(fleet(tmp_path, {"lines": [{"data": str(each)} for each in lines]}))
    assert problem == "lines.1 (south): database.url_file: holds the database of lines.0 (north)"


def test_two_rehearsals_with_a_homeserver_each_are_two(tmp_path: Path) -> None:
    """They have one server name and one bot's name, on two homeservers."""
    lines = [line(tmp_path, slug, base) for slug, base in (("north", 20000), ("south", 20010))]
    assert len(read_fleet(fleet(tmp_path, {"lines": [{"data": str(each)} for each in lines]}))) == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("lines: [", "is not YAML"),
        ("lines: []\nlines:\n- data: /srv\n", "line 2: the key lines is there twice; take one out"),
        ("lines:\n- data: /srv\n  data: /opt\n", "line 3: the key data is there twice; take one out"),
        ("", "must be `lines:` with a list"),
        ({"lines": []}, "must be `lines:` with a list"),
        ({"lines": {"data": "/srv"}}, "must be `lines:` with a list"),
        ({"lines": [{"data": "/srv"}], "more": 1}, "and no other key"),
        ({"lines": ["/srv"]}, "lines.0: must have `data: DIRECTORY` or `config: FILE`"),
        ({"lines": [{"data": "/srv", "config": "/srv"}]}, "lines.0: must have `data: DIRECTORY` or `config: FILE`"),
        ({"lines": [{"dir": "/srv"}]}, "lines.0: must have `data: DIRECTORY` or `config: FILE`"),
        ({"lines": [{"data": "lines/north"}]}, "lines.0: data: must be a whole path"),
        ({"lines": [{"data": 7}]}, "lines.0: data: must be a whole path"),
        ({"lines": [{"data": "/nowhere/at/all"}]}, "lines.0: data: /nowhere/at/all: there is no such directory"),
        ({"lines": [{"config": "/nowhere/at/all"}]}, "lines.0: config: /nowhere/at/all: there is no such file"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: object, said: str) -> None:
    """Each fault is a sentence with its place."""
    assert any(problem.startswith(said) or said in problem for problem in problems(fleet(tmp_path, content)))


def test_every_problem_is_told_at_once(tmp_path: Path) -> None:
    """Two lines that are wrong are two sentences."""
    sentences = problems(fleet(tmp_path, {"lines": [{"data": "/nowhere/a"}, {"config": "/nowhere/b"}]}))
    assert [problem.partition(":")[0] for problem in sentences] == ["lines.0", "lines.1"]


def test_a_line_twice_is_told(tmp_path: Path) -> None:
    """Also by two names of one directory."""
    north = line(tmp_path, "north", 20000)
    (tmp_path / "other").symlink_to(north)
    for again in ({"data": str(north)}, {"config": str(north / "config.yaml")}, {"data": str(tmp_path / "other")}):
        (problem,) = problems(fleet(tmp_path, {"lines": [{"data": str(north)}, again]}))
        assert problem == "lines.1 (north): is the line of lines.0 (north) once more"


def test_a_line_is_added_at_the_end(tmp_path: Path) -> None:
    """A first one makes the file; what a person wrote in it stays letter by letter."""
    north, south = line(tmp_path, "north", 20000), line(tmp_path, "south", 20010)
    file = tmp_path / "fleet.yaml"
    assert require_addable(file) == ()
    add_line(file, north)
    file.write_text(before := file.read_text().replace("# The lines", "# Our lines"))
    assert [each.name for each in require_addable(file)] == ["north"]
    add_line(file, south)
    assert file.read_text().startswith(before)
    assert [each.name for each in read_fleet(file)] == ["north", "south"]


def test_a_list_of_another_form_is_not_added_to(tmp_path: Path) -> None:
    """It is said before anything is made."""
    north = line(tmp_path, "north", 20000)
    with pytest.raises(SetupError, match="its last line is not an entry"):
        require_addable(fleet(tmp_path, f"lines: [{{data: {north}}}]\n"))
