"""What every part of the configuration is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from bridge.runtime.settings import BaseUrl, E164Number, Section, read_secret, secret_files


class Inner(Section):
    key_file: Path | None = None
    folder: Path = Path()


class Outer(Section):
    token_file: Path
    inner: Inner
    several: list[Inner]
    profile: str = "no secret"


def test_every_secret_is_found() -> None:
    """Every field that ends in `_file` is found with its place, however deep; other paths and unset ones are not."""
    told: dict[str, Any] = {
        "token_file": "a",
        "inner": {"key_file": "b", "folder": "c"},
        "several": [{"key_file": "d"}, {}, {"key_file": "e"}],
    }
    assert dict(secret_files(Outer.model_validate(told))) == {
        "token_file": Path("a"),
        "inner.key_file": Path("b"),
        "several.0.key_file": Path("d"),
        "several.2.key_file": Path("e"),
    }


def test_a_secret_is_read_without_its_line_end(tmp_path: Path) -> None:
    """A secret that an editor saved with a line end is the secret without it."""
    (tmp_path / "s").write_text(" s3cret\r\n", encoding="utf-8")
    assert read_secret(tmp_path / "s") == "s3cret"


@pytest.mark.parametrize(
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


@pytest.mark.parametrize(
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
