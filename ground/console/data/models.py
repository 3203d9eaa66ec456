"""What a workspace knows of the detector that raised an alert: its feature spec, and what is healthy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from ground.console.data.beside import Beside
from ground.console.data.healthy_phase import HealthyPhase, healthy_phase
from ground.console.data.kept import Kept
from ground.errors import DataError
from ground.recording_index import INDEX_NAME
from ground.report.library import RecordingLibrary, WindowLibrary
from ground.window_table import WINDOWS
from ground.workspace import Workspace
from shared_features.errors import SpecError
from shared_features.spec import FeatureSpec

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}")
_SPEC_FILE: Final = "feature_spec.json"
_MOST_PHASES: Final = 64
_Stamp = tuple[int, int]


class Models:
    """Looks into a workspace; safe to ask from any thread.

    Args:
        workspace: The workspace.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._specs: dict[str, FeatureSpec] = {}
        # One at a time in memory: they are large.
        self._libraries: Kept[tuple[str, int], WindowLibrary] = Kept(1)
        self._healthy: Beside[tuple[str, str, str, _Stamp], HealthyPhase] = Beside("healthy ranges", most=_MOST_PHASES)

    def spec(self, bundle_id: str, digest: str) -> FeatureSpec:
        """The feature spec of a bundle.

        Raises:
            DataError: The workspace does not have that very one.
        """
        if digest not in self._specs:
            for path in self._spec_files(bundle_id):
                try:
                    found = FeatureSpec.from_json(path.read_bytes())
                except (OSError, SpecError, ValueError):
                    continue
                self._specs[found.digest] = found
                if found.digest == digest:
                    break
        if digest not in self._specs:
            raise DataError(f"The workspace has no detector {bundle_id:.80} with the feature spec {digest[:12]}.")
        return self._specs[digest]

    def healthy(self, spec: FeatureSpec, phase: str, channel: str) -> HealthyPhase | None:
        """What is healthy in a phase, with the spectra of a channel; nothing while it is being made.

        Raises:
            DataError: The workspace has no features of that spec, or none of that phase.
        """
        stamp = self._stamp()
        return self._healthy.of((spec.digest, phase, channel, stamp), partial(self._look, spec, phase, channel, stamp))

    def prepare(self, spec: FeatureSpec, phase: str, channel: str) -> None:
        """Have it made before somebody asks."""
        stamp = self._stamp()
        self._healthy.ahead((spec.digest, phase, channel, stamp), partial(self._look, spec, phase, channel, stamp))

    def close(self) -> None:
        """Make nothing more."""
        self._healthy.close()

    def _look(self, spec: FeatureSpec, phase: str, channel: str, stamp: _Stamp) -> HealthyPhase:
        windows = partial(WindowLibrary, self._workspace.features / WINDOWS, spec)
        return healthy_phase(
            self._libraries.of((spec.digest, stamp[0]), windows),
            partial(RecordingLibrary, self._workspace.interim),
            spec,
            phase=phase,
            channel=channel,
        )

    def _stamp(self) -> _Stamp:
        """When features and recordings of the workspace were made; 0 where there are none."""
        return _changed_ns(self._workspace.features / WINDOWS), _changed_ns(self._workspace.interim / INDEX_NAME)

    def _spec_files(self, bundle_id: str) -> Iterator[Path]:
        detector, _, version = bundle_id.partition("/")
        if _NAME.fullmatch(detector) and _NAME.fullmatch(version):
            yield self._workspace.release(detector, version) / _SPEC_FILE
        yield self._workspace.features / _SPEC_FILE


def _changed_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0
