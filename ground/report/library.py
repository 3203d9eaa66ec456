"""What lies in the workspace beside the answers: recordings, and the features of every window."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ground.errors import DataError
from ground.recordings import Recording, RecordingInfo, load_recording, read_index
from ground.report.answers import Flight
from ground.report.spectra import HIGH_QUANTILE, LOW_QUANTILE, Span
from ground.splits import HEALTHY, is_sensor_fault
from ground.window_table import feature_names, read_table
from shared_features.spec import FeatureSpec


class RecordingLibrary:
    """The recordings of a folder, found by what answers say of them; keeps the last one it read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        infos = read_index(folder)
        self._infos: dict[tuple[str, ...], RecordingInfo] = {
            **{(info.recording_id,): info for info in infos},
            **{(info.aircraft, info.engine, info.flight): info for info in infos},
        }
        self._last: tuple[Recording, ...] = ()

    def info(self, flight: Flight) -> RecordingInfo:
        """The recording of a flight.

        Raises:
            DataError: There is none.
        """
        found = self._infos.get(flight.source)
        if found is None:
            raise DataError(f"{self._folder}: expected a recording of {flight.name}, got none; preprocess it")
        return found

    def load(self, recording_id: str) -> Recording:
        """A recording.

        Raises:
            DataError: There is none, or it cannot be read.
        """
        if not self._last or self._last[0].info.recording_id != recording_id:
            if (recording_id,) not in self._infos:
                raise DataError(f"{self._folder}: expected recording {recording_id}, got none; preprocess it")
            self._last = (load_recording(self._folder, self._infos[(recording_id,)], conditions=()),)
        return self._last[0]


@dataclass(frozen=True, slots=True)
class FeatureRange:
    """A feature in one window and in the healthy ones of its phase; NaN where unknown."""

    value: float
    low: float
    high: float


class WindowLibrary:
    """The features of every window, in physical units (``data/features/windows.parquet``)."""

    def __init__(self, path: Path, spec: FeatureSpec) -> None:
        self._names = feature_names(spec)
        self._table = read_table(path, spec)

    def healthy(self, phase: str, *, apart_from: str) -> NDArray[np.bool_]:
        """(n,) healthy, assessable windows of a phase that are no outliers.

        Args:
            phase: The phase.
            apart_from: A recording that is left out.
        """
        rows = self._table.rows
        usual = (rows["label"] == HEALTHY) & (rows["reason"] == "") & ~rows["outlier"] & ~is_sensor_fault(rows)
        chosen = usual & (rows["phase"] == phase) & (rows["recording_id"] != apart_from)
        return np.asarray(chosen.to_numpy(), dtype=bool)

    def spans(self, chosen: NDArray[np.bool_]) -> tuple[Span, ...]:
        """Where the chosen windows lie."""
        rows = self._table.rows[chosen]
        pairs = zip(rows["recording_id"], rows["start_ns"], strict=True)
        return tuple(Span(str(name), int(start_ns)) for name, start_ns in pairs)

    def range_of(self, feature: str, span: Span, healthy: NDArray[np.bool_]) -> FeatureRange:
        """A feature in one window, and its quantiles over healthy ones."""
        rows = self._table.rows
        here = (rows["recording_id"] == span.recording_id) & (rows["start_ns"] == span.start_ns)
        own = self._values(feature)[here.to_numpy(dtype=bool)]
        return replace(self.healthy_range(feature, healthy), value=float(own[0]) if len(own) else float("nan"))

    def healthy_range(self, feature: str, healthy: NDArray[np.bool_]) -> FeatureRange:
        """The quantiles of a feature over healthy windows, of no window in particular."""
        quantiles = (LOW_QUANTILE, HIGH_QUANTILE)
        low, high = np.quantile(self._values(feature)[healthy], quantiles) if healthy.any() else (np.nan, np.nan)
        return FeatureRange(float("nan"), float(low), float(high))

    def _values(self, feature: str) -> NDArray[np.float64]:
        return self._table.values[:, self._names.index(feature)].astype(np.float64)
