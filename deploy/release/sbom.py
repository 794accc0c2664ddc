"""The bill of materials: the packages that a release runs on, as CycloneDX JSON.

Rules of this module: it contains every package of the lock file that runs, installed here or not, with the hashes that an
installation checks; the same commit gives the same bytes. Licences come from `licences`, dependencies from the metadata of
the packages that are installed here.

Source: cyclonedx.org/docs/1.6/json.
"""

from __future__ import annotations

import importlib.metadata
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from bridge.runtime.program import own_version
from deploy.release.licences import licence_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from deploy.release.lock_file import LockedPackage

OWN_LICENCE: Final = "AGPL-3.0-or-later"
NAMESPACE: Final = uuid.UUID("0a2d6f0c-6b3c-5b0f-9f0e-3f1d6f8a7c11")
"""The namespace of the serial numbers, of which each commit has one."""


def make_sbom(packages: Sequence[LockedPackage], *, commit: str, commit_time: int) -> str:
    """Write the bill of materials of a commit. `commit_time`: in seconds since the epoch. Raises `UnknownLicence`."""
    root = Component(
        name="quietline",
        version=own_version(),
        type=ComponentType.APPLICATION,
        bom_ref=f"quietline@{own_version()}",
        licenses=[DisjunctiveLicense(id=OWN_LICENCE)],
    )
    components = {package.name: _component(package) for package in packages}
    bom = Bom(
        components=components.values(),
        serial_number=uuid.uuid5(NAMESPACE, commit),
        version=1,
    )
    bom.metadata.component = root
    bom.metadata.timestamp = datetime.fromtimestamp(commit_time, tz=UTC)
    bom.metadata.tools.components.clear()
    bom.metadata.tools.tools.clear()
    needed = {name: _needs(name, components) for name in components}
    bom.register_dependency(root, [components[name] for name in sorted(components)])
    for name, needs in needed.items():
        bom.register_dependency(components[name], [components[each] for each in needs])
    return JsonV1Dot6(bom).output_as_string(indent=2) + "\n"


def _component(package: LockedPackage) -> Component:
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in package.hashes]
    purl = PackageURL(type="pypi", name=package.name, version=package.version)
    files = ExternalReference(
        type=ExternalReferenceType.DISTRIBUTION,
        url=XsUri(str(purl)),
        comment="SHA-256 of every file of this version that an installation accepts",
        hashes=hashes,
    )
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        bom_ref=str(purl),
        purl=purl,
        licenses=[LicenseExpression(value=licence_of(package.name))],
        external_references=[files],
    )


def _needs(name: str, known: Iterable[str]) -> list[str]:
    """Return the locked packages that an installed package declares as requirements here."""
    try:
        declared = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return []
    names = set()
    for text in declared:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            names.add(canonicalize_name(requirement.name))
    return sorted(names & set(known))
