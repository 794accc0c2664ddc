"""`quietline erasure verify` says what is so, beside a running line, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from bridge.config.sections import Config
from bridge.erasure.certificate import CertificateSigner
from bridge.matrix.schema import MAIN_SCHEMA
from bridge.storage.key_file import KeyFile
from bridge.storage.sqlite_database import SqliteDatabase
from bridge.storage.vault import Vault
from deploy.inspect.check_report import CheckReport
from deploy.inspect.erasure_certificates import verify_certificates
from tests.fakes.database_file import write

VAULT, INDEX = bytes(range(32)), bytes(range(1, 33))
NOW = 1_800_000_000.0


@pytest.fixture
async def config(tmp_path: Path) -> Config:
    """Write a line's directory with one good certificate."""
    for name, key in (("vault", VAULT), ("index", INDEX)):
        (tmp_path / name).write_text(key.hex(), encoding="utf-8")
    database = SqliteDatabase(tmp_path / "main.db", schema=MAIN_SCHEMA)
    await database.open()
    await database.close()
    vault = Vault(keys=KeyFile(path=tmp_path / "keys.db"), vault_key=VAULT, index_key=INDEX)
    certificate = CertificateSigner(vault=vault).sign(
        id_="0badcafe",
        what="person",
        began=NOW - 60,
        done=NOW,
        counts={"people": 1},
        carrier={"carrier keeps it: until May": 2},
    )
    write(
        tmp_path / "main.db",
        "INSERT INTO erasure_certificate VALUES ($1, $2, $3, $4)",
        certificate.id,
        certificate.body,
        certificate.signature,
        0,
    )
    keys = SimpleNamespace(vault_key_file=tmp_path / "vault", index_key_file=tmp_path / "index")
    return cast("Config", SimpleNamespace(data_dir=tmp_path, keys=keys, database_url=None))


def wrong(report: CheckReport) -> list[str]:
    return [check.name for check in report.checks if not check.ok]


def test_a_line_that_is_well(config: Config) -> None:
    """A good certificate says what was gone and what the carrier keeps; all is well, in the form of the contract.

    Rule: design.md, "Contracts with the outside".
    """
    report = verify_certificates(config, now=NOW)
    assert (report.ok, wrong(report)) == (True, [])
    document = json.loads(report.as_json())
    assert set(document) == {"ok", "checks"}
    assert all(set(check) == {"name", "ok", "what", "do"} for check in document["checks"])
    (certificate,) = [check for check in report.checks if check.name == "receipt 0badcafe"]
    assert "carrier keeps it: until May" in certificate.what


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("UPDATE erasure_certificate SET body = REPLACE(body, '\"people\":1', '\"people\":2')", "receipt 0badcafe"),
        ("UPDATE erasure_certificate SET id = 'ffffffff'", "receipt ffffffff"),
        ("UPDATE erasure_certificate SET signature = X'00'", "receipt 0badcafe"),
        ("UPDATE erasure_certificate SET body = 'x'", "receipt 0badcafe"),
        (
            """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began)
               VALUES ('a', 'room', '!r', '', 'purge', 1, 0, 0)""",
            "on the way down",
        ),
        (
            # Tried so often that the desk has heard of it, and due again in a minute.
            """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began, tries)
                VALUES ('a', 'room', '!r', '', 'redact', 1800000060, 60, 1799999940, 5)""",
            "on the way down",
        ),
        (
            # Over for more than an hour, and never tried for long at one step.
            """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began)
                VALUES ('a', 'room', '!r', '', 'empty', 1800000060, 60, 1799996300)""",
            "on the way down",
        ),
        (
            # Over for more than an hour, and to be purged again because leftovers were found: no client hears of that.
            """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began)
                VALUES ('a', 'room', '!r', '', 'purge', 1799999999, 60, 1799996300)""",
            "on the way down",
        ),
        ("INSERT INTO carrier_copy (hash, owner, ref, id, due, noted) VALUES (X'00', 't', '', X'00', 1, 0)", "carrier"),
        (
            """INSERT INTO carrier_copy (hash, owner, ref, id, due, noted, tries)
                VALUES (X'00', 't', '', X'00', 1800000060, 0, 6)""",
            "carrier",
        ),
        (
            """INSERT INTO event (event_id, room_id, owner, at, expires, refused)
                VALUES ('$e', '!r', '', 0, 1800000060, 1799996300)""",
            "events",
        ),
        ("INSERT INTO event (event_id, room_id, owner, at, expires) VALUES ('$e', '!r', '', 0, 1)", "events"),
        ("INSERT INTO line (name, value) VALUES ('clock_doubted', 'yes')", "clock"),
    ],
)
def test_what_is_not_well_is_named(config: Config, query: str, named: str) -> None:
    """A certificate that was altered, something that does not go, a clock in doubt: each is named, with what to do."""
    write(config.data_dir / "main.db", query)
    report = verify_certificates(config, now=NOW)
    assert wrong(report) == [named]
    assert all(check.do for check in report.checks if not check.ok)


def test_what_somebody_holds_is_not_late(config: Config) -> None:
    """Events, copies and a room of a held thread that should be gone otherwise: well, and it says how many are on hold."""
    write(
        config.data_dir / "main.db",
        "INSERT INTO thread (id, aggregate, designation, legal_hold, room_id) VALUES ('t', X'00', '', 1, '!r')",
    )
    for query in (
        "INSERT INTO event (event_id, room_id, owner, at, expires) VALUES ('$a', '!r', 't', 0, 1)",
        "INSERT INTO carrier_copy (hash, owner, ref, id, due, noted) VALUES (X'01', 't', '', X'00', 1, 0)",
        """INSERT INTO erasure (id, kind, subject, thread, step, due, grace, began)
           VALUES ('a', 'room', '!old', 't', 'purge', 1, 0, 0)""",
    ):
        write(config.data_dir / "main.db", query)
    report = verify_certificates(config, now=NOW)
    assert wrong(report) == []
    assert [check.what for check in report.checks if check.name == "on hold"] == [
        "1 on hold: nothing of it goes before its release"
    ]
    write(config.data_dir / "main.db", "UPDATE thread SET legal_hold = 0")
    assert wrong(verify_certificates(config, now=NOW)) == ["on the way down", "carrier", "events"]
