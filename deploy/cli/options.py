"""Options that many verbs have: `--data DIR` or `--config FILE` for a line; `--json`.

Rule of this module: every verb about a line accepts both, never both at once; a verb gets only a `Layout`, of a line that
this account may read, if it is there.
"""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from bridge.runtime.whole_path import whole_path
from deploy.cli.outcome import exit_with_problems
from deploy.data_dir.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable

DEFAULT_DATA: Final = Path("var")
# Whether it may be read is asked below: a message of click's names no remedy.
_DIRECTORY: Final = click.Path(file_okay=False, readable=False, path_type=Path)
_FILE: Final = click.Path(dir_okay=False, readable=False, path_type=Path)
_DATA: Final = click.option(
    "--data",
    type=_DIRECTORY,
    help="The line's directory.  [default: ./var]",
)
_NAMED_DATA: Final = click.option("--data", type=_DIRECTORY, help="The line's directory.")
_CONFIG: Final = click.option("--config", type=_FILE, help="The bridge's configuration file, instead.")

json_option: Final = click.option("--json", "as_json", is_flag=True, help="For a program.")
all_option: Final = click.option("--all", "all_rows", is_flag=True, help="Show what is well, too.")


def line_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Add `--data` and `--config` to a verb and pass it the `layout` of one of them; ./var without either."""

    @_DATA
    @_CONFIG
    @functools.wraps(verb)
    def chosen(*args: Any, data: Path | None, config: Path | None, **kwargs: Any) -> None:
        verb(*args, layout=chosen_layout(data, config) or default_layout(), **kwargs)

    return chosen


def optional_line_options(verb: Callable[..., None]) -> Callable[..., None]:
    """Add `--data` and `--config` to a verb; its `layout` is None without either."""

    @_NAMED_DATA
    @_CONFIG
    @functools.wraps(verb)
    def chosen(*args: Any, data: Path | None, config: Path | None, **kwargs: Any) -> None:
        verb(*args, layout=chosen_layout(data, config), **kwargs)

    return chosen


def default_layout() -> Layout:
    """Return the layout of ./var."""
    layout = Layout(whole_path(DEFAULT_DATA))
    _require_access(layout.data, layout.config)
    return layout


def chosen_layout(data: Path | None, config: Path | None) -> Layout | None:
    """Return the layout of the given option; None without one. Both at once are a usage error."""
    if data is not None and config is not None:
        raise click.UsageError("say either --config or --data.")
    if data is not None:
        layout = Layout(whole_path(data))
        _require_access(layout.data, layout.config)
        return layout
    if config is None:
        return None
    _require_access(config)
    return layout_of(config)


def layout_of(config: Path) -> Layout:
    """Return the layout of a line by its configuration file. Errors in the file are left to the code that reads it.

    The file is in its line's directory, as `up` makes it; or anywhere else, when `data_dir` is not below the file's
    directory: then the line's directory is `data_dir`.
    """
    import yaml

    from bridge.config.load import line_directory
    from policies import read_text

    file = whole_path(config)
    try:
        data_dir = Path(str(yaml.safe_load(read_text(file))["data_dir"]))
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError, RecursionError):
        return Layout(file.parent, config_file=file)
    return Layout(line_directory(file, data_dir), config_file=file)


def _require_access(*paths: Path) -> None:
    """Exit with 2 when this account may not read one of the paths. One that is missing is the verb's matter."""
    from deploy.data_dir.atomic_files import access_problem

    if problem := access_problem(*paths):
        exit_with_problems([problem])
