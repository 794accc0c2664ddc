"""The directory that `quietline init` makes.

Rules of this module: it is made completely or not at all. It is written under another name, checked as a start would check
it, and renamed; nothing that exists is overwritten.
"""

from __future__ import annotations

import contextlib
import json
import os
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

from pydantic import TypeAdapter, ValidationError

from bridge.carriers.vendors.registry import CARRIER_KINDS, AnyCarrierSettings
from bridge.config.load import ConfigError
from bridge.config.load import load as load_config
from bridge.config.sections import OnCall
from bridge.runtime.postgres_url import PostgresUrl
from bridge.runtime.settings import Section, secret_files
from bridge.runtime.whole_path import whole_path
from deploy.data_dir import handouts
from deploy.data_dir.atomic_files import file_problem, make_private_directory, sync_directory, write_atomically
from deploy.data_dir.layout import EVERYWHERE, HOST, Layout
from deploy.data_dir.line_lock import staging_directory
from deploy.data_dir.secret_files import Secrets, SetupError
from deploy.init.agency_pack import agency_pack, pack_text
from deploy.init.answers import Answers, check_answers, problems_of
from deploy.init.checklist import checklist, first_steps
from deploy.init.compose_files import compose_directories, has_own_network, runs_postgres
from deploy.init.config_text import config_text
from deploy.init.egress import egress_files
from deploy.init.line_names import LineNames, names_of_line, ports_of
from deploy.init.proxy_files import client_files, proxy_files
from deploy.init.service_files import service_files
from deploy.init.synapse_files import synapse_files
from deploy.stack.own_addresses import homeserver_url
from deploy.stack.provision import mxid
from policies.load import PackError
from policies.load import load as load_packs
from policies.pack import samples

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from deploy.data_dir.layout import Ports
    from policies.pack import Pack


PACK_FILE = "agency.yaml"


def init(directory: Path, raw: dict[str, Any], *, dry_run: bool = False) -> Pack:
    """Make the directory from answers; return its pack, whose texts counsel reviews.

    Raises :class:`SetupError` with all problems, after which nothing is left.

    `dry_run`: everything is made, checked and deleted.
    """
    layout = Layout(whole_path(directory))
    if not dry_run:
        require_free(layout.data)
    with _staging(layout.data) as staging:
        staged = Layout(staging)
        pack = _write(staged, layout, raw)
        if not dry_run:
            try:
                staging.rename(layout.data)
            except OSError as error:
                raise SetupError([f"{layout.data}: {error.strerror}"]) from None
            with contextlib.suppress(OSError):  # it is there; a power cut may take its name, and then it is made again
                sync_directory(layout.data.parent)
    return pack


def require_free(directory: Path) -> None:
    """Raise :class:`SetupError` when that path exists, even as an empty directory."""
    if os.path.lexists(directory):
        raise SetupError([f"{whole_path(directory)}: exists; a line is never made over something"])


@contextlib.contextmanager
def _staging(data: Path) -> Iterator[Path]:
    """Yield a private directory beside the final one; at the end delete its remains, and parents that were made for it."""
    parents = [parent for parent in data.parents if not parent.exists()]
    try:
        with staging_directory(data) as staging:
            yield staging
    except OSError as error:
        raise SetupError([f"{file_problem(error, data)}. Nothing was written"]) from None
    finally:
        for parent in parents:
            with contextlib.suppress(OSError):  # not empty: the line is in it
                parent.rmdir()


def _write(staged: Layout, layout: Layout, raw: dict[str, Any]) -> Pack:
    problems: list[str] = []
    secrets = Secrets(directory=staged.secrets)
    secrets.make(provisioned=False, sealed=False, accounts=False)
    carrier = _carrier(raw, secrets, ports_of(raw.get("line")), problems)
    on_call = _on_call(raw, secrets, problems)
    try:
        answers = check_answers(raw)
    except SetupError as error:
        raise SetupError([*error.problems, *problems]) from None
    if problems:
        raise SetupError(problems)
    names = names_of_line(answers, layout)
    try:
        pack = agency_pack(answers.agency, answers.reviewed, always=answers.mode == "rehearsal")
    except PackError as error:
        raise SetupError([f"agency: {problem}" for problem in error.problems]) from None
    write_atomically(staged.data / PACK_FILE, pack_text(pack))
    if answers.postgres:
        write_atomically(secrets.homeserver_database, answers.postgres + "\n")
    if answers.bridge_postgres:
        write_atomically(secrets.bridge_database, answers.bridge_postgres + "\n")
    if runs_postgres(answers):
        write_atomically(secrets.postgres_password, PostgresUrl.parse(str(answers.postgres)).password)
    for name in compose_directories(answers):
        make_private_directory(staged.data / name)
    for directory in (staged.bridge, staged.run):  # units may write there, and only there, also before the first start
        make_private_directory(directory)
    text = config_text(_config(staged, answers, names, carrier, on_call))
    config, merged = _check_start(staged, text)
    named = [layout.data / path.relative_to(staged.data) if path.is_relative_to(staged.data) else path for path in config]
    write_atomically(staged.config, text.replace(str(staged.data), str(layout.data)))
    _write_people(staged, answers, names, secrets)
    files = {
        **proxy_files(answers, names.ports),
        **client_files(answers),
        **egress_files(answers),
        **synapse_files(answers, names, secrets),
        **service_files(answers, names, layout, named),
        **first_steps(answers.agency.languages),
        "CHECKLIST.md": checklist(answers, names, layout, merged),
    }
    for name, content in files.items():
        make_private_directory((staged.data / name).parent)
        write_atomically(staged.data / name, content)
    return merged


def _carrier(raw: dict[str, Any], secrets: Secrets, ports: Ports, problems: list[str]) -> dict[str, Any]:
    answer = raw.get("carrier")
    if raw.get("mode") == "rehearsal" and (answer is None or answer == {"kind": "rehearsal"}):
        return {
            "kind": "rehearsal",
            "api_base": ports.url("carrier"),
            "token_file": str(secrets.carrier_token),
            "signing_key_file": str(secrets.carrier_signing_key),
        }
    kind = CARRIER_KINDS.get(str(answer.get("kind"))) if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or kind is None:
        if answer is not None:
            problems.append(f"carrier.kind: must be one of {', '.join(CARRIER_KINDS)}")
        return {}
    settings = write_secrets(kind.settings, answer, secrets.directory, "carrier.", problems)
    try:
        TypeAdapter(AnyCarrierSettings).validate_python(settings)
    except ValidationError as error:
        known = "".join(problems)
        said = [problem.replace(f"carrier.{answer['kind']}.", "carrier.", 1) for problem in problems_of(error, "carrier.")]
        problems += [problem for problem in said if problem not in known]
    return settings


def _on_call(raw: dict[str, Any], secrets: Secrets, problems: list[str]) -> dict[str, Any] | None:
    answer = raw.get("on_call")
    if not isinstance(answer, dict):
        return None  # the check of the answers reports it
    settings = write_secrets(OnCall, answer, secrets.directory, "on_call.", problems)
    try:
        OnCall.model_validate(settings)
    except ValidationError as error:
        problems += problems_of(error, "on_call.")
    return settings


def _config(
    staged: Layout, answers: Answers, names: LineNames, carrier: dict[str, Any], on_call: dict[str, Any] | None
) -> dict[str, Any]:
    secrets = Secrets(directory=staged.secrets)
    rehearsal = answers.mode == "rehearsal"
    far = answers.standby is not None and answers.standby.is_far
    listen = EVERYWHERE if has_own_network(answers) or far else HOST
    line: dict[str, Any] = {
        "slug": answers.line.slug,
        "number": answers.line.number,
        **({"numbers": answers.line.numbers} if answers.line.numbers else {}),
        **({"rehearsal": True} if rehearsal else {}),
        "packs": [*answers.agency.packs, *(["rehearsal"] if rehearsal else []), PACK_FILE],
        "carrier": carrier,
        "staff": [{"mxid": mxid(each.name, answers.name), "role": each.role} for each in answers.staff],
        **({"on_call": on_call} if on_call else {}),
    }
    return {
        "data_dir": str(staged.bridge),
        "homeserver": {
            "url": answers.homeserver.url if answers.homeserver else homeserver_url(names.ports, listen=listen),
            "server_name": answers.name,
            **({"joined": True} if answers.homeserver else {}),
            "as_token_file": str(secrets.as_token),
            **({"policy_localpart": names.policy} if names.slug else {}),
            **({"public_url": answers.client_url} if answers.client_url else {}),
            **({"database_url_file": str(secrets.homeserver_database)} if answers.postgres else {}),
        },
        "listen": {
            "host": listen,
            "port": names.ports.bridge,
            "public_base_url": answers.public_url or names.ports.url("bridge"),
        },
        "keys": {
            "vault_key_file": str(secrets.vault_key),
            "index_key_file": str(secrets.index_key),
            "suppression_key_file": str(secrets.suppression_key),
        },
        **({"database": {"url_file": str(secrets.bridge_database)}} if answers.bridge_postgres else {}),
        "lines": [line],
        **({"backup": answers.backup.model_dump(mode="json", exclude_none=True)} if answers.backup else {}),
    }


def _check_start(staged: Layout, text: str) -> tuple[list[Path], Pack]:
    """Read configuration and packs as a start does; return the files of secrets, and the merged pack.

    Raises :class:`SetupError` with everything that would prevent a start. A legal wording without a review is accepted:
    that is for counsel, and `quietline policy lint` reports it.
    """
    write_atomically(staged.config, text)
    problems: list[str] = []
    try:
        config = load_config(staged.config)
        pack = load_packs(config.line.packs, near=staged.data)
    except (ConfigError, PackError) as error:
        raise SetupError([problem.removeprefix(f"{staged.config}: ") for problem in error.problems]) from None
    if not config.line.rehearsal:
        problems = [f"agency.voice_number: {name} holds an example's number" for name in samples(pack)]
    if problems:
        raise SetupError(problems)
    return [path for _, path in secret_files(config)], pack


def _write_people(staged: Layout, answers: Answers, names: LineNames, secrets: Secrets) -> None:
    """Write a hand-out for each person; a rehearsal also stores the passwords with its secrets, for `ready.json`."""
    url = answers.client_url or names.ports.url("homeserver")
    staff_handouts = handouts.complete(staged.handout, url, [mxid(each.name, answers.name) for each in answers.staff])
    if answers.mode == "rehearsal":
        accounts = [
            {"user": each.name, "role": each.role, "password": handout.password}
            for each, handout in zip(answers.staff, staff_handouts, strict=True)
        ]
        write_atomically(secrets.accounts, json.dumps(accounts, indent=2) + "\n")


def write_secrets(
    model: type[Section], raw: dict[str, Any], directory: Path, before: str, problems: list[str]
) -> dict[str, Any]:
    """Return the keys in the model's form; write each secret in clear text to a file in `directory`, named by its key.

    `before`: the prefix of the keys, in problems (`carrier.`) and in file names (`carrier_password`).
    """
    keys: dict[str, Any] = {}
    for key, value in raw.items():
        field, file = model.model_fields.get(str(key)), f"{key}_file"
        part = None if field is None else _section(field.annotation)
        if part is not None and isinstance(value, dict):
            keys[key] = write_secrets(part, value, directory, f"{before}{key}.", problems)
        elif field is not None or file not in model.model_fields:
            own = field is not None and str(key).endswith("_file") and isinstance(value, str)
            keys[key] = str(whole_path(Path(value))) if own else value
        elif file in raw:
            problems.append(f"{before}{key}: is said twice, here and as {file}")
        elif not isinstance(value, str) or not value.strip():
            problems.append(f"{before}{key}: must be a secret, in quotes")
        else:
            path = directory / f"{before}{key}".replace(".", "_")
            write_atomically(path, value.strip() + "\n")
            keys[file] = str(path)
    return keys


def _section(annotation: Any) -> type[Section] | None:
    """Return the section type of a field, with or without `| None`; None for another type."""
    kinds = get_args(annotation) if get_origin(annotation) in (Union, types.UnionType) else (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)
