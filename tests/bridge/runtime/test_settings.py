"""What every part of the configuration is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.runtime.settings import (
    BaseUrl,
    E164Number,
    Section,
    credential_name,
    is_private,
    read_secret,
    secret_files,
    secret_place,
)
from tests.every_row import every_row


class Inner(Section):
    key_file: Path | None = None
    folder: Path = Path()


class Others(Section):
    read_by_bridge: ClassVar[bool] = False
    passphrase_file: Path


class Outer(Section):
    token_file: Path
    inner: Inner
    several: list[Inner]
    profile: str = "no secret"
    others: Others | None = None


def test_every_secret_is_found() -> None:
    """Every field that ends in `_file` is found with its place, however deep; other paths and unset ones are not."""
    values: dict[str, Any] = {
        "token_file": "a",
        "inner": {"key_file": "b", "folder": "c"},
        "several": [{"key_file": "d"}, {}, {"key_file": "e"}],
        "others": {"passphrase_file": "of another program"},
    }
    assert dict(secret_files(Outer.model_validate(values))) == {
        "token_file": Path("a"),
        "inner.key_file": Path("b"),
        "several.0.key_file": Path("d"),
        "several.2.key_file": Path("e"),
    }


def test_a_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    """A secret that an editor saved with a line end is the secret without it."""
    (tmp_path / "s").write_text(" s3cret\r\n", encoding="utf-8")
    assert read_secret(tmp_path / "s") == "s3cret"


@every_row(
    "value",
    [
        "https://api.example.com",
        "https://api.example.com:8443/v2",
        "http://127.0.0.1:1",
        "http://[::1]:1",
        "http://10.1.2.3:8080/x",
        "http://localhost:8008",
        "http://synapse:8008",
        "https://my_gateway.example",
        "https://api.example.com.",
        "https://b\u00fccher.example",
        f"https://{'a' * 63}.example",
    ],
)
def test_bases(value: str) -> None:
    """What stands before a path is taken as it is: https anywhere, http within the own walls."""
    assert TypeAdapter(BaseUrl).validate_python(value) == value


@every_row(
    "value",
    [
        "",
        "api.example.com",
        "http://api.example.com",
        "http://8.8.8.8",
        "https://api.example.com/",
        "https://api.example.com?a=b",
        "https://api.example.com#rc=5",
        "https://user:s3cret@api.example.com",
        "https://api.example.com:port",
        " https://api.example.com",
        "ftp://10.0.0.1",
        "https://[half",
        "https://a..example",
        "https://.example",
        f"https://{'a' * 64}.example",
        f"https://{'a.' * 126}example",
        "https://a b.example",
        "https://*.example",
        "https://%41.example",
        "https://x\\y.example",
        "https://{x}.example",
        "https://x.example:0",
        "https://x.example:65536",
        "https://x.exam\nple",
        "https://x.example/\x00",
        "not a url",
    ],
)
def test_no_bases(value: str) -> None:
    """A base in clear over others' networks, with credentials, or that would double a slash is refused."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(BaseUrl).validate_python(value)
    assert all("s3cret" not in error["msg"] for error in caught.value.errors())


@pytest.mark.parametrize("value", ["+15555550100", "+4740612345"])
def test_numbers(value: str) -> None:
    """A number of ours is E.164."""
    assert TypeAdapter(E164Number).validate_python(value) == value


@pytest.mark.parametrize(
    "value", ["15555550100", "+0123456789", "+123456", "+15555550100\n", "+1\uff12\uff10\uff16\uff15\uff15\uff15\uff10"]
)
def test_no_numbers(value: str) -> None:
    """What only looks like a number, in the digits of another script too, is none."""
    with pytest.raises(ValidationError):
        TypeAdapter(E164Number).validate_python(value)


def test_a_credential_stands_for_the_file_it_was_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What systemd hands over is read in place of the file, which may be closed; by its whole path, so none is mistaken."""
    file, other = tmp_path / "secrets" / "token", tmp_path / "elsewhere" / "token"
    for each in (file, other):
        each.parent.mkdir()
        each.write_text(f"in {each.parent.name}")
        each.chmod(0o600)
    handed = tmp_path / "credentials"
    handed.mkdir()
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(handed))
    assert read_secret(file) == "in secrets"
    (handed / credential_name(file)).write_text("handed over\n")
    file.unlink()
    assert (read_secret(file), read_secret(other)) == ("handed over", "in elsewhere")
    place = secret_place(file)
    for mode, private in ((0o400, True), (0o440, True), (0o444, False), (0o460, False)):
        place.chmod(mode)
        assert is_private(place) == private, "systemd shows the mask of an access list, and nothing for others"
    other.chmod(0o440)
    assert not is_private(other)
    monkeypatch.delenv("CREDENTIALS_DIRECTORY")
    assert secret_place(file) == file
