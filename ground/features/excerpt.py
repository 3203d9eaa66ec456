"""One window of a recording, as the agent would have seen it: its samples, speeds, features and reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground.errors import DataError
from ground.features.window_search import WindowPart, find_window
from ground.frames import frames_for
from ground.recording import Recording
from ground.recordings import RecordingInfo
from ground.window_extraction import windows_of
from shared_features.groups import fits_unit
from shared_features.rotation import Rotation, RotationLog
from shared_features.spec import CONDITIONS, FeatureSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """One window of a recording.

    Attributes:
        info: The recording.
        spec: What was computed.
        start_s: Time of the window's first sample since the recording's time 0.
        phase: Flight phase.
        reason: Why the window cannot be assessed; empty when it can.
        values: (n_feature,) float32, zeros where there is a reason.
        samples: (window_n, n_channel) float32 in the order of the spec.
        speeds_hz: By shaft, (window_n,) speeds as they were reported, NaN where unknown.
        rotations: One tuple a record: how the shafts of the spec turned.
    """

    info: RecordingInfo
    spec: FeatureSpec
    start_s: float
    phase: str
    reason: str
    values: NDArray[np.float32]
    samples: NDArray[np.float32]
    speeds_hz: dict[str, NDArray[np.float64]]
    rotations: tuple[tuple[Rotation, ...], ...]

    @property
    def end_s(self) -> float:
        """Time just after the window's last sample."""
        return self.start_s + self.spec.window_s

    def records(self, channel: int) -> Iterator[NDArray[np.float32]]:
        """The (record_n,) samples of each record of a channel, contiguous."""
        yield from np.ascontiguousarray(self.samples[:, channel]).reshape(-1, self.spec.record_n)


def read_excerpt(folder: Path, info: RecordingInfo, spec: FeatureSpec, at_s: float) -> Excerpt:
    """Read the window that holds a moment: of the agent's windows the one that begins last before it, or at it.

    Args:
        folder: The recordings folder.
        info: The recording.
        spec: What to compute.
        at_s: The moment, in seconds since the recording's time 0.

    Raises:
        DataError: The recording does not fit the spec, cannot be read, or has no window there; names the field.
    """
    check_fit(info, spec)
    return excerpt_of(info, spec, find_window(folder, info, spec, at_s))


def excerpt_of(info: RecordingInfo, spec: FeatureSpec, part: WindowPart) -> Excerpt:
    """What there is to know of a window that was cut out of a recording which fits the spec."""
    recording = Recording(info, CONDITIONS, (part.stretch,))
    window = list(windows_of(recording, spec))[part.window]
    rotations = _rotations(recording, spec)[part.lead_records :]
    columns = [info.channels.index(channel.name) for channel in spec.channels]
    inside = slice(part.lead_records * spec.record_n, None)
    conditions = part.stretch.conditions[inside]
    return Excerpt(
        info=info,
        spec=spec,
        start_s=(window.start_ns - info.start_ns) / NS_PER_S,
        phase=window.phase,
        reason=window.reason,
        values=window.values,
        samples=part.stretch.samples[inside][:, columns],
        speeds_hz={name.removesuffix("_hz"): column for name, column in zip(CONDITIONS, conditions.T, strict=True)},
        rotations=tuple(rotations),
    )


def check_fit(info: RecordingInfo, spec: FeatureSpec) -> None:
    """Refuse a recording that the spec does not speak of.

    Raises:
        DataError: Another rate, a missing channel, or another unit.
    """
    advice = "give the config of this rig with --config"
    if info.sampling_rate_hz != spec.sampling_rate_hz:
        raise _unfit(info, "sampling_rate_hz", f"{spec.sampling_rate_hz:g}", f"{info.sampling_rate_hz:g}", advice)
    units = dict(zip(info.channels, info.signal_units, strict=True))
    for channel in spec.channels:
        if channel.name not in units:
            raise _unfit(info, "channels", channel.name, ", ".join(info.channels), advice)
        if not fits_unit(channel.unit, units[channel.name]):
            expected = f"{channel.unit} for {channel.name}"
            raise _unfit(info, "signal_units", expected, units[channel.name], advice)


def _unfit(info: RecordingInfo, field: str, expected: str, got: str, advice: str) -> DataError:
    return DataError(f"{info.recording_id}: {field}: expected {expected}, as the spec says, got {got}; {advice}")


def _rotations(recording: Recording, spec: FeatureSpec) -> list[tuple[Rotation, ...]]:
    """How the shafts turned in each record of a recording of one stretch."""
    log = RotationLog(spec)
    position_n = 0
    for frame in frames_for(spec, recording):
        speeds = [frame.speed_hz.get(name.removesuffix("_hz"), math.nan) for name in spec.speeds]
        log.note(position_n, np.array(speeds, dtype=np.float64), frame.tach)
        position_n += len(frame.samples)
    return [log.rotations(start_n) for start_n in range(0, position_n - spec.record_n + 1, spec.record_n)]
