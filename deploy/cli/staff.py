"""The verbs `quietline staff` and `quietline trust`.

Exit code 2 is also a homeserver that refuses, 1 also a wrong fingerprint. A password is printed only on a terminal or
written only to a new file of mode 0600; without either the verb does nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from deploy.cli.options import json_option, line_options
from deploy.cli.outcome import EXIT_PROBLEMS, exit_on_errors, print_lines, print_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bridge.config.sections import Config
    from deploy.data_dir.layout import Layout
    from deploy.data_dir.secret_files import Role


@click.command()
@click.argument("action", type=click.Choice(["add", "reset", "remove", "list", "make"]))
@click.argument("name", required=False)
@line_options
@click.option("--role", type=click.Choice(["advocate", "supervisor"]), help="For add.")
@click.option(
    "--password-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="For add and reset: a new file for the password, of mode 0600; without it, it is shown on the terminal.",
)
@click.option(
    "--host",
    type=click.Path(file_okay=False, path_type=Path),
    help="The directory of the line that runs the homeserver, when it is another.",
)
@click.option(
    "--admin-token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="For make: a file of mode 0600 with the access token of an administrator; it is used once and not kept.",
)
@json_option
def staff(
    action: str,
    name: str | None,
    layout: Layout,
    role: str | None,
    password_file: Path | None,
    host: Path | None,
    admin_token_file: Path | None,
    as_json: bool,
) -> None:
    """Make and end accounts of the people who answer, on the line's own homeserver, while the line runs.

    add NAME --role ROLE: the running line invites them to the desk within seconds; a supervisor then confirms their
    identity with !trust, or `quietline trust` does. reset NAME: another password, signed out everywhere. remove NAME: the
    account ends for good, and a running line removes them from every room. list: role, desk and identity of each.

    make: on the agency's own homeserver (--admin-token-file) or another line's (--host), the accounts of the hand-outs,
    once; one that was there before is left as it is, and its hand-out removed. On a homeserver that is not the line's own
    the others need --host, or tell what its administrator must do, and end with 2.
    """
    from bridge.config.load import load
    from deploy.inspect import staff as people

    if action in {"list", "make"}:
        if name is not None:
            raise click.UsageError(f"`{action}` takes no name.")
    elif name is None:
        raise click.UsageError(f"`{action}` needs a NAME.")
    if action == "add" and role is None:
        raise click.UsageError("`add` needs --role.")
    if action == "make":
        _make(layout, admin_token_file, host, as_json=as_json)
        return
    with exit_on_errors():
        config = load(layout.config)
        if name is None:
            members = people.read_staff(config)
            print_lines([people.as_json(members)] if as_json else people.as_text(members))
            return
        content, sentence = _change(action, name, role, layout, config, password_file=password_file, host=host)
    click.echo(json.dumps(content) if as_json else sentence)


def _change(
    action: str,
    name: str,
    role: str | None,
    layout: Layout,
    config: Config,
    *,
    password_file: Path | None,
    host: Path | None,
) -> tuple[dict[str, str | None], str]:
    """Make, change or end an account; return what to say, for a program and for a person."""
    import asyncio

    from bridge.config.load import load
    from deploy.inspect import staff as people

    mxid = people.whole_id(config, name)
    if host is None or not config.homeserver.joined:
        people.require_embedded(layout, config, action, mxid)
        runs_it = None
    else:
        runs_it = _load_host(config, host)
    if action == "remove":
        asyncio.run(people.remove(layout, config, mxid, host=runs_it))
        if not any(member.role == "supervisor" for member in load(layout.config).line.staff):
            print_problems(["no supervisor is left: add one, who can be confirmed with `quietline trust`."])
        return {"mxid": mxid}, f"{mxid}: signed out everywhere; the account has ended. The desk is told."
    with _new_password(password_file) as password:
        if action == "add":
            asyncio.run(people.add(layout, config, mxid, cast("Role", role), password, host=runs_it))
        else:
            asyncio.run(people.reset(layout, config, mxid, password, host=runs_it))
    if action == "add":
        return {"mxid": mxid, "role": role}, f"{mxid}: {role}. A running line invites them within seconds."
    return {"mxid": mxid}, f"{mxid}: has another password, and is signed out everywhere."


def _make(layout: Layout, admin_token_file: Path | None, host: Path | None, *, as_json: bool) -> None:
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
