"""Versions of detectors, those of the workspace and those of the registry together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from edge_agent.semver import Version
from ground.console.data.bundle_digest import UNSIGNED
from ground.console.data.registry_desk import Standing
from ground.console.data.versions import VersionFolder

UNREGISTERED = ""
"""State of a version that the registry does not know."""
_ENGINES = "SELECT bundle_digest, count(*) FROM engines GROUP BY ALL"


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelfLine:
    """One version.

    Attributes:
        detector: Name of the detector.
        version: Its version.
        fleet: The fleet it is made for; empty where nobody can tell.
        release_class: ``release`` or ``development``; empty likewise.
        digest: sha256 of the bundle; ``UNSIGNED``.
        state: What the registry says; ``UNREGISTERED``.
        is_here: Whether the workspace has its folder.
        engines: Engines whose last window it decided.
        fault: What is wrong with it; empty: nothing.
    """

    detector: str
    version: str
    fleet: str
    release_class: str
    digest: str
    state: str
    is_here: bool
    engines: int
    fault: str

    @property
    def name(self) -> str:
        """``<detector>/<version>``."""
        return f"{self.detector}/{self.version}"


def shelf(
    folders: Iterable[VersionFolder], standing: Standing, cursor: duckdb.DuckDBPyConnection
) -> tuple[ShelfLine, ...]:
    """Every version that is known, by detector, the newest first."""
    flown = {str(digest): int(n) for digest, n in cursor.execute(_ENGINES).fetchall()}
    lines = {(each.detector, each.version): _of_folder(each, standing, flown) for each in folders}
    for detector, history in standing.histories.items():
        for version, registered in history.versions.items():
            if (detector, version) not in lines:
                subject = registered.subject
                lines[detector, version] = ShelfLine(
                    detector=detector, version=version, fleet=subject.fleet, release_class=subject.release_class,
                    digest=subject.digest, state=registered.state.value, is_here=False,
                    engines=flown.get(subject.digest, 0), fault="",
                )  # fmt: skip
    newest_first = sorted(lines.values(), key=lambda each: Version.parse(each.version), reverse=True)
    return tuple(sorted(newest_first, key=lambda each: each.detector))


def _of_folder(folder: VersionFolder, standing: Standing, flown: dict[str, int]) -> ShelfLine:
    history = standing.histories.get(folder.detector)
    registered = history.versions.get(folder.version) if history else None
    is_same = registered is not None and registered.subject.digest == folder.digest
    fault = folder.fault
    if registered is not None and not is_same and not fault:
        fault = f"The registry holds another bundle of this name, {registered.subject.digest[:12]}."
    return ShelfLine(
        detector=folder.detector, version=folder.version, fleet=folder.fleet, release_class=folder.release_class,
        digest=folder.digest, state=registered.state.value if registered and is_same else UNREGISTERED, is_here=True,
        engines=flown.get(folder.digest, 0) if folder.digest != UNSIGNED else 0, fault=fault,
    )  # fmt: skip
