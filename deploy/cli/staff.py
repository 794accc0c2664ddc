"""The verbs of `quietline staff`, and `quietline trust`.

Rules of this module: as in `deploy.cli.main`; 2 is also a homeserver that refuses, 1 also a wrong fingerprint. A password
is printed only on a terminal or written only to a new file of mode 0600; without either the verb does nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from deploy.cli.options import json_option, line_options
from deploy.cli.outcome import EXIT_PROBLEMS, exit_on_errors, print_lines, print_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout
    from deploy.data_dir.secret_files import Role


_JSON: Final = click.option("--json", "as_json", is_flag=True, help="For a program; a password is never in it.")
_PASSWORD_FILE: Final = click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A new file for the password, of mode 0600; without it, the password is shown on the terminal.",
)


_HOST: Final = click.option(
    "--host",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory of the line that runs the homeserver, when it is another.",
)


@click.group()
def staff() -> None:
    """Make and end accounts of the people who answer, on the line's own homeserver, while the line runs.

    On a homeserver that another line runs it needs that line's directory (--host). On any other it tells what its
    administrator must do, and ends with 2.
    """


@staff.command(name="add")
@click.argument("name")
@click.option("--role", type=click.Choice(["advocate", "supervisor"]), required=True)
@line_options
@_HOST
@_PASSWORD_FILE
@_JSON
def staff_add(name: str, role: Role, layout: Layout, host: Path | None, password_file: Path | None, as_json: bool) -> None:
    """Make an account for NAME; the running line invites it to the desk within seconds.

    A supervisor then confirms the person's identity with !trust, or `quietline trust` does.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.inspect import staff as people

    with exit_on_errors():
        config = load(layout.config)
        mxid = people.whole_id(config, name)
        runs_it = _line_of_homeserver(layout, config, host, "add", mxid)
        with _new_password(password_file) as password:
            asyncio.run(people.add(layout, config, mxid, role, password, host=runs_it))
    _say({"mxid": mxid, "role": role}, f"{mxid}: {role}. A running line invites them within seconds.", as_json=as_json)


@staff.command(name="reset")
@click.argument("name")
@line_options
@_HOST
@_PASSWORD_FILE
@_JSON
def staff_reset(name: str, layout: Layout, host: Path | None, password_file: Path | None, as_json: bool) -> None:
    """Give NAME another password, and sign them out everywhere."""
    import asyncio

    from bridge.config.load import load
    from deploy.inspect import staff as people

    with exit_on_errors():
        config = load(layout.config)
        mxid = people.whole_id(config, name)
        runs_it = _line_of_homeserver(layout, config, host, "reset", mxid)
        with _new_password(password_file) as password:
            asyncio.run(people.reset(layout, config, mxid, password, host=runs_it))
    _say({"mxid": mxid}, f"{mxid}: has another password, and is signed out everywhere.", as_json=as_json)


@staff.command(name="remove")
@click.argument("name")
@line_options
@_HOST
@_JSON
def staff_remove(name: str, layout: Layout, host: Path | None, as_json: bool) -> None:
    """Sign NAME out everywhere and end the account for good; a running line removes them from every room.

    The name is not given to anybody again.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.inspect import staff as people

    with exit_on_errors():
        config = load(layout.config)
        mxid = people.whole_id(config, name)
        runs_it = _line_of_homeserver(layout, config, host, "remove", mxid)
        asyncio.run(people.remove(layout, config, mxid, host=runs_it))
        members = load(layout.config).line.staff
    if not any(member.role == "supervisor" for member in members):
        print_problems(["no supervisor is left: add one, who can be confirmed with `quietline trust`."])
    _say({"mxid": mxid}, f"{mxid}: signed out everywhere; the account has ended. The desk is told.", as_json=as_json)


@staff.command(name="make")
@line_options
@click.option(
    "--admin-token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A file of mode 0600 with the access token of an administrator; it is used once and not kept.",
)
@click.option(
    "--host",
    type=click.Path(file_okay=False, path_type=Path),
    help="Instead: the directory of the line that runs the homeserver.",
)
@_JSON
def staff_make(layout: Layout, admin_token_file: Path | None, host: Path | None, as_json: bool) -> None:
    """On a homeserver that is the agency's own, or another line's: make the accounts of the hand-outs, once.

    An account that was there before is left as it is, and its hand-out removed: its person has a password.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.data_dir.secret_files import SetupError, read_private_line
    from deploy.init.joined_accounts import make_accounts, make_accounts_at_host

    if (admin_token_file is None) == (host is None):
        raise click.UsageError("say either --admin-token-file or --host.")

    with exit_on_errors():
        config = load(layout.config)
        if not config.homeserver.joined:
            raise SetupError([f"{layout.config}: the homeserver is the line's own; `quietline up` makes the accounts"])
        if admin_token_file is not None:
            work = make_accounts(layout, config, read_private_line(admin_token_file))
        else:
            work = make_accounts_at_host(layout, config, _load_host(config, Path(str(host))))
        accounts = asyncio.run(work)
    if as_json:
        click.echo(json.dumps({"made": accounts.new, "kept": accounts.existing}))
        return
    print_lines(f"{mxid}: has an account with the password of the hand-out." for mxid in accounts.new)
    print_lines(f"{mxid}: had an account, which is as it was; the hand-out is gone." for mxid in accounts.existing)


@staff.command(name="list")
@line_options
@_JSON
def staff_list(layout: Layout, as_json: bool) -> None:
    """List who is on the staff: role, whether at the desk or invited, and whether their identity is confirmed."""
    from bridge.config.load import load
    from deploy.inspect import staff as people

    with exit_on_errors():
        members = people.read_staff(load(layout.config))
    print_lines([people.as_json(members)] if as_json else people.as_text(members))


def _load_host(config: Config, host: Path) -> Config:
    """Return the configuration of the line that runs the homeserver. Raises `SetupError` for a line that does not."""
    from bridge.config.load import load
    from bridge.runtime.whole_path import whole_path
    from deploy.data_dir.layout import Layout as LineLayout
    from deploy.data_dir.secret_files import SetupError

    runs_it = load(LineLayout(whole_path(host)).config)
    if runs_it.homeserver.joined or runs_it.homeserver.server_name != config.homeserver.server_name:
        raise SetupError([f"{host}: does not run the homeserver {config.homeserver.server_name}"])
    return runs_it


def _line_of_homeserver(layout: Layout, config: Config, host: Path | None, verb: str, mxid: str) -> Config | None:
    """Return the configuration of another line that runs the homeserver; None for the line's own. Raises `SetupError`."""
    from deploy.inspect.staff import require_embedded

    if host is None or not config.homeserver.joined:
        require_embedded(layout, config, verb, mxid)
        return None
    return _load_host(config, host)


@contextlib.contextmanager
def _new_password(file: Path | None) -> Iterator[str]:
    """Make a password, after a place for it; it is written or printed when the block succeeds, and discarded otherwise."""
    from deploy.data_dir.atomic_files import sync_directory
    from deploy.data_dir.secret_files import SetupError
    from deploy.inspect.staff import make_password

    password = make_password()
    if file is None:
        if not sys.stderr.isatty():
            raise SetupError(["there is no terminal to show a password on: give --password-file FILE"])
        yield password
        click.echo(f"password: {password}", err=True)  # not to a pipe, which may be stored
        return
    try:
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise SetupError([f"{file}: exists already; a password goes into a new file"]) from None
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(password + "\n")
            opened.flush()
            os.fsync(opened.fileno())
        sync_directory(file.parent)  # the account has this password from then on, and it is nowhere else
        yield password
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def _say(content: dict[str, str], sentence: str, *, as_json: bool) -> None:
    click.echo(json.dumps(content) if as_json else sentence)


@click.command()
@click.argument("mxid", required=False)
@click.argument("fingerprint", nargs=-1)
@line_options
@json_option
def trust(mxid: str | None, fingerprint: tuple[str, ...], layout: Layout, as_json: bool) -> None:
    """List whose identity was seen and whether it is confirmed; with MXID and FINGERPRINT confirm one.

    FINGERPRINT is what the person's client shows, of their identity or of a device that it signed; spaces do not count.
    Until a first supervisor is confirmed here nobody at the desk is heard; then that supervisor confirms the others, with
    !trust. It works beside a running line, which acts on it within five seconds, and while the line is stopped. Exit code 0
    confirmed, 1 not that fingerprint.
    """
    import asyncio

    from bridge.config.load import load
    from deploy.inspect import trust as trusted

    if mxid is not None and (not mxid.startswith("@") or ":" not in mxid or not "".join(fingerprint).strip()):
        raise click.UsageError("to confirm somebody give a whole Matrix id and the fingerprint.")
    with exit_on_errors():
        loaded = load(layout.config)
        if mxid is None:
            people = trusted.read_people(loaded)
            print_lines([trusted.as_json(people)] if as_json else trusted.as_text(people))
            return
        confirmed = asyncio.run(trusted.confirm_identity(loaded, mxid, "".join(fingerprint)))
        if as_json:
            click.echo(json.dumps({"mxid": mxid, "confirmed": confirmed}))
        if not confirmed:
            problem = "that is NOT the fingerprint of anybody of that name. Nothing is confirmed."
            print_problems([problem, "`quietline trust` lists who was seen, with whole Matrix ids."])
            sys.exit(EXIT_PROBLEMS)
    if not as_json:
        click.echo(f"{mxid}: confirmed. A running line acts on it within five seconds.")
