"""Healthy records out of interim recordings, read for the choice of the demodulation band."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import samples_ns
from ground.demodulation import BandReader, BandRecords
from ground.recording import Stretch
from ground.recording_index import RecordingInfo
from ground.recordings import stream_recording
from shared_features.bearing import fault_orders
from shared_features.groups import REPORTED, ShaftSpec
from shared_features.spec import FeatureSpec


def read_bands(folder: Path, info: RecordingInfo, starts_ns: Collection[int], *, spec: FeatureSpec) -> BandRecords:
    """What some records of an interim recording show in every band that may be chosen.

    Args:
        folder: The interim folder.
        info: The recording's row of the index.
        starts_ns: Source times at which the records begin, one or more; they can be assessed.
        spec: The spec; its own demodulation band does not matter.

    Raises:
        DataError: The recording cannot be read.
    """
    reader = BandReader(spec)
    recording = stream_recording(folder, info, conditions=spec.speeds, piece_n=spec.record_n)
    columns = [info.channels.index(channel.name) for channel in spec.channels]
    found: list[tuple[list[float], list[float]]] = []
    fault_hz = 0.0
    for stretch, first_n in _records(recording.stretches, frozenset(starts_ns), spec):
        samples = stretch.samples[first_n : first_n + spec.record_n]
        found += [reader.read(samples[:, column]) for column in columns]
        fault_hz = max(fault_hz, _highest_fault_hz(stretch, first_n, spec))
    return BandRecords(
        kurtosis=np.array([kurtosis for kurtosis, _ in found]),
        level=np.array([level for _, level in found]),
        channel=np.tile(np.arange(len(columns)), len(found) // len(columns)),
        highest_fault_hz=fault_hz,
    )


def spread_evenly(values: NDArray[np.int64], n: int) -> NDArray[np.int64]:
    """At most ``n`` of the values, evenly spread over them, the first and the last included."""
    chosen = np.unique(np.linspace(0, len(values) - 1, min(n, len(values))).round().astype(int))
    return np.asarray(values[chosen])


def _records(
    stretches: Iterator[Stretch] | tuple[Stretch, ...], starts_ns: frozenset[int], spec: FeatureSpec
) -> Iterator[tuple[Stretch, int]]:
    """The pieces that hold the wanted records, and the number of each record's first sample in its piece."""
    for stretch in stretches:
        for first_n in range(0, len(stretch.samples) - spec.record_n + 1, spec.record_n):
            start_ns = stretch.start_ns + samples_ns(stretch.first_n + first_n, spec.sampling_rate_hz)
            if start_ns in starts_ns:
                yield stretch, first_n


def _highest_fault_hz(stretch: Stretch, first_n: int, spec: FeatureSpec) -> float:
    """Highest fault frequency of a bearing during a record; 0 where no speed is known."""
    shafts = {shaft.name: shaft for shaft in spec.shafts}
    faults = (
        max(fault_orders(bearing)) * _speed_hz(stretch, first_n, shafts[bearing.shaft], spec)
        for bearing in spec.envelope.bearings
    )
    return max((fault for fault in faults if fault > 0.0), default=0.0)


def _speed_hz(stretch: Stretch, first_n: int, shaft: ShaftSpec, spec: FeatureSpec) -> float:
    if shaft.source == REPORTED:
        return float(stretch.conditions[first_n, spec.speeds.index(f"{shaft.name}_hz")])
    pulses = stretch.tach.get(shaft.name, np.zeros(0))
    inside = np.diff(np.searchsorted(pulses, (first_n, first_n + spec.record_n)))
    return float(inside[0]) / shaft.pulses_per_rev / spec.record_s
