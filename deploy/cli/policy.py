"""The verbs of `quietline policy`.

Rule of this module: as in `deploy.cli.main`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from deploy.cli.options import json_option, optional_line_options
from deploy.cli.outcome import exit_on_errors, exit_with_report, print_lines

if TYPE_CHECKING:
    from deploy.data_dir.layout import Layout


@click.command()
@click.argument("action", type=click.Choice(["lint", "preview", "schema"]))
@click.argument("words", nargs=-1, metavar="[PACK]... [SCRIPT]")
@optional_line_options
@click.option(
    "--drill",
    "drills",
    multiple=True,
    type=click.Path(path_type=Path),
    help="For lint: look at this drill too, a file or folder.",
)
@json_option
def policy(action: str, words: tuple[str, ...], layout: Layout | None, drills: tuple[Path, ...], as_json: bool) -> None:
    """Look at packs: what the agency may say and must do.

    lint [PACK]...: look at every text of packs, in their order; `base` comes first, named or not. With --data or --config:
    a line's. A PACK is a name (us/ca, uk, rehearsal) or a path. Exit code 0 when a line could use them, 1 when not yet, 2
    when they, or a drill, cannot be loaded.

    preview [PACK] [SCRIPT]: play a conversation and show both sides; without a SCRIPT, show the whole pack and some
    conversations. PACK is one name or path, or several with commas; it is left out with --data or --config. A SCRIPT is a
    YAML list such as `- texter: hi`, `- advocate: "!say handover"`, `- wait: 3 min`; also picture, supervisor and desk.

    schema: write the JSON Schema of a pack file, for editors.
    """
    if action == "lint":
        _lint(words, layout, drills, as_json=as_json)
    elif action == "preview":
        _preview(words, layout)
    else:
        from deploy.packs.lint_report import json_schema

        click.echo(json_schema(), nl=False)


def _lint(packs: tuple[str, ...], layout: Layout | None, drills: tuple[Path, ...], *, as_json: bool) -> None:
    from bridge.config.load import load
    from deploy.packs.lint_report import lint_report, load_with_base
    from policies.drills.load import load_drills
    from policies.load import load as load_packs

    if layout is not None and packs:
        raise click.UsageError("say either packs or a line.")
    with exit_on_errors():
        if layout is None:
            pack = load_with_base(packs)
        else:
            served, near = load(layout.config).line, layout.config.parent
            pack, drills = load_packs(served.packs, near=near), (*drills, *(near / path for path in served.drills))
        load_drills(drills)
        report = lint_report(pack)
    exit_with_report(report, as_json=as_json)


def _preview(words: tuple[str, ...], layout: Layout | None) -> None:
    from bridge.config.load import load
    from deploy.packs.lint_report import load_with_base
    from deploy.packs.preview import CONVERSATIONS, preview_pack
    from deploy.packs.script_player import play_script, read_script
    from policies.load import load as load_packs

    if len(words) > (2 if layout is None else 1):
        raise click.UsageError("say a pack or a line, and one script.")
    with exit_on_errors():
        if layout is None:
            loaded = load_with_base((words[0] if words else "base").split(","))
        else:
            loaded = load_packs(load(layout.config).line.packs, near=layout.config.parent)
        scripts = words[1:] if layout is None else words
        if scripts:
            lines = play_script(loaded, read_script(Path(scripts[0])))
        else:
            lines = preview_pack(loaded, [read_script(path) for path in sorted(CONVERSATIONS.glob("*.yaml"))])
    print_lines(lines)
