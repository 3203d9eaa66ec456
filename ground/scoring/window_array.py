"""An array of windows as recordings, one a window: what the agent would have been sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edge_agent.stream import tach_shafts
from ground.index_cells import HEALTHY
from ground.recording import UNLABELLED, PhaseRun, Recording, Stretch
from ground.recording_index import RecordingInfo
from ground.scoring.errors import WindowsError
from shared_features.spec import FeatureSpec

NOBODY = "python"
"""Aircraft and engine of samples that came without a name."""
_REAL = "iuf"
"""numpy's kinds of whole and real numbers."""
_NO_PULSES: NDArray[np.float64] = np.zeros(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """What was so while windows were recorded.

    Attributes:
        phase: Flight phase, one for all or one each.
        speed_hz: Shaft speeds by shaft name (``n1``, ``n2``), Hz: one number for all, (n_window,), or
            (n_window, n_sample).
        tach: Tachometer pulses by shaft name: for each window the positions, in samples from its first one, ascending.
    """

    phase: str | Sequence[str]
    speed_hz: Mapping[str, ArrayLike] = field(default_factory=dict)
    tach: Mapping[str, Sequence[ArrayLike]] = field(default_factory=dict)


def window_recordings(spec: FeatureSpec, windows: ArrayLike, conditions: Conditions) -> Iterator[Recording]:
    """Each window as a recording of its own, checked before the first one is given.

    Args:
        spec: What the detector computes.
        windows: (n_window, n_channel, n_sample) numbers in the units of ``spec``, as many samples as its window has.
        conditions: What was so meanwhile.

    Raises:
        WindowsError: Another shape or type, or conditions that ``spec`` needs and that are missing.
    """
    samples = _samples(spec, windows)
    n = len(samples)
    phases = _phases(conditions.phase, n)
    speeds = _speeds(spec, conditions.speed_hz, n)
    pulses = _pulses(spec, conditions.tach, n)
    return (
        Recording(
            sample_info(spec, f"window-{index}"),
            spec.speeds,
            (
                Stretch(
                    start_ns=0,
                    samples=samples[index],
                    conditions=speeds[index],
                    phases=(PhaseRun(0, phases[index]),),
                    labels=np.full(spec.window_n, UNLABELLED, dtype=np.int8),
                    tach={shaft: each[index] for shaft, each in pulses.items()},
                ),
            ),
        )
        for index in range(n)
    )


def sample_info(spec: FeatureSpec, name: str) -> RecordingInfo:
    """The row that an index would have for samples that nobody has named; its label is not looked at."""
    return RecordingInfo(
        recording_id=name, file=f"{name}.parquet", dataset="", unit_id=NOBODY,
        aircraft=NOBODY, engine=NOBODY, flight=name, start_ns=0, sampling_rate_hz=spec.sampling_rate_hz,
        channels=tuple(channel.name for channel in spec.channels),
        signal_units=tuple(channel.unit for channel in spec.channels),
        label=HEALTHY, fault_type="", severity="", condition="", segment_period_s=0.0,
        healthy_segments=(), faulty_segments=(), speed_hz={}, n_samples=0, data_sha256="",
    )  # fmt: skip


def _samples(spec: FeatureSpec, windows: ArrayLike) -> NDArray[np.float32]:
    """(n_window, n_sample, n_channel) float32."""
    array = _numbers(windows, "windows")
    expected = (len(spec.channels), spec.window_n)
    if array.ndim != len(expected) + 1 or array.shape[1:] != expected:
        names = ", ".join(f"{channel.name} in {channel.unit}" for channel in spec.channels)
        raise WindowsError(
            f"windows: expected shape (n_window, {expected[0]}, {expected[1]}): {spec.window_s:g} s at "
            f"{spec.sampling_rate_hz:g} Hz of {names}, got {array.shape}; cut or transpose the samples"
        )
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is then not assessed
        return np.ascontiguousarray(np.swapaxes(array, 1, 2), dtype=np.float32)


def _numbers(values: Any, what: str) -> NDArray[Any]:
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise WindowsError(f"{what}: expected an array of numbers, got {error}; correct it") from error
    if array.dtype.kind not in _REAL:
        raise WindowsError(f"{what}: expected real numbers, got {array.dtype}; convert them")
    return array


def _phases(phase: str | Sequence[str], n: int) -> list[str]:
    phases = [phase] * n if isinstance(phase, str) else list(phase)
    if len(phases) != n or not all(isinstance(each, str) and each for each in phases):
        raise WindowsError(f"phase: expected one text, or {n}, one a window, got {len(phases)}; correct it")
    return phases


def _speeds(spec: FeatureSpec, speeds: Mapping[str, ArrayLike], n: int) -> NDArray[np.float64]:
    """(n_window, n_sample, n_condition) Hz, in the order of ``spec.speeds``."""
    wanted = [name.removesuffix("_hz") for name in spec.speeds]
    if set(speeds) != set(wanted):
        raise WindowsError(f"speed_hz: expected {_named(wanted)}, got {_named(sorted(speeds))}; correct it")
    shape = (n, spec.window_n)
    columns = [_column(speeds[name], f"speed_hz[{name!r}]", shape) for name in wanted]
    return np.stack(columns, axis=-1) if columns else np.zeros((*shape, 0))


def _column(values: ArrayLike, what: str, shape: tuple[int, int]) -> NDArray[np.float64]:
    array = _numbers(values, what).astype(np.float64)
    if array.shape not in ((), shape[:1], shape):
        raise WindowsError(f"{what}: expected one number, shape {shape[:1]} or {shape}, got {array.shape}; correct it")
    return np.broadcast_to(array[:, np.newaxis] if array.shape == shape[:1] else array, shape)


def _pulses(spec: FeatureSpec, tach: Mapping[str, Sequence[ArrayLike]], n: int) -> dict[str, list[NDArray[np.float64]]]:
    wanted = tach_shafts(spec)
    if set(tach) != set(wanted):
        raise WindowsError(f"tach: expected {_named(wanted)}, got {_named(sorted(tach))}; correct it")
    pulses = {shaft: [_positions(each, shaft, spec.window_n) for each in tach[shaft]] for shaft in wanted}
    for shaft, each in pulses.items():
        if len(each) != n:
            raise WindowsError(f"tach[{shaft!r}]: expected {n} lists, one a window, got {len(each)}; correct it")
    return pulses


def _positions(values: ArrayLike, shaft: str, window_n: int) -> NDArray[np.float64]:
    positions = _numbers(values, f"tach[{shaft!r}]").astype(np.float64) if np.size(values) else _NO_PULSES
    rises = positions.ndim == 1 and bool((np.diff(positions) > 0.0).all())
    if not rises or (positions.size and not (positions[0] >= 0.0 and positions[-1] < window_n)):
        raise WindowsError(
            f"tach[{shaft!r}]: expected positions that ascend from 0 to below {window_n}, got others; "
            "count samples from the window's first one"
        )
    return positions


def _named(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"
