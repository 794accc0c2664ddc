"""The verbs about releases: release, audit-dependencies.

Rules of this module: as in `deploy.cli.main`; both need the packages of `deploy/requirements/release.txt`, which the
launcher installs.
"""

from __future__ import annotations

import dataclasses
import json
import sys
from pathlib import Path
from typing import Final

import click

from deploy.cli.options import json_option
from deploy.cli.outcome import EXIT_OK, EXIT_PROBLEMS, EXIT_USAGE, exit_on_errors, print_lines


@click.command()
@click.argument("directory", type=click.Path(file_okay=False, path_type=Path))
@click.option("--image", "base", metavar="BASE", help="With an image on this one, named by its digest; buildah makes it.")
def release(directory: Path, base: str | None) -> None:
    """Make a release of the commit that is checked out: source, wheel, bill of materials, checksums, in a new DIRECTORY.

    Two runs for one commit give the same bytes, an image's on one base. Nothing is uploaded or signed.
    """
    from deploy.release.release import make_release

    with exit_on_errors():
        files = make_release(directory, image_base=base)
    print_lines(map(str, files))


@click.command(name="audit-dependencies")
@click.option("--osv-url", metavar="URL", help="Who is asked.  [default: https://api.osv.dev/v1/query]")
@json_option
def audit_dependencies(osv_url: str | None, as_json: bool) -> None:
    """Ask OSV whether anything is publicly known against the packages that run, by name and version. Needs a network.

    Exit code 0 nothing is known, 1 something is, 2 nobody could be asked: then nothing is known either way.
    """
    from deploy.release.lock_file import LOCKS
    from deploy.release.vulnerabilities import OSV, NoDatabaseAnswer, find_vulnerabilities

    url: Final = osv_url or OSV
    try:
        count, vulnerabilities = find_vulnerabilities(LOCKS / "runtime.txt", url=url)
    except NoDatabaseAnswer:
        sentence = f"{url} could not be asked: is there a network? Nothing is known, neither good nor bad."
        nothing = json.dumps({"asked": False, "vulnerabilities": []})
        click.echo(nothing if as_json else f"quietline: {sentence}", err=not as_json)
        sys.exit(EXIT_USAGE)
    if as_json:
        rows = [dataclasses.asdict(each) for each in vulnerabilities]
        click.echo(json.dumps({"asked": True, "packages": count, "vulnerabilities": rows}))
    else:
        for each in vulnerabilities:
            then = f"fixed in {', '.join(each.fixed_in)}" if each.fixed_in else "no version without it is known"
            click.echo(f"{each.package} {each.version}: {each.identity}; {then}")
        click.echo(f"{count} packages were asked about; {len(vulnerabilities)} things are known against them.")
    sys.exit(EXIT_PROBLEMS if vulnerabilities else EXIT_OK)
