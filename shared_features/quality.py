"""Whether a record can be believed: what a vibration never looks like, and a broken measuring chain does.

Vibration never stands still, never falls silent at once and never moves to another mean to stay there; and an impact
makes a structure ring. Each rule first asks what costs next to nothing and clears a healthy record; only what is left
is looked at closely. How the limits were chosen: docs/adr/0011-sensor-quality.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from shared_features.groups import PROCESS_UNITS

if TYPE_CHECKING:
    from shared_features.groups import QualityLimits
    from shared_features.spec import FeatureSpec
    from shared_features.waveform import Waveform

Judge = Callable[[NDArray[np.float32], NDArray[np.float64], "Waveform"], str]

ASSESSED = ""
NOT_FINITE = "not_finite"
FLATLINE = "flatline"
CLIPPED = "clipped"
DROPOUT = "dropout"
BIAS_STEP = "bias_step"
SPIKES = "spikes"
REASONS = (NOT_FINITE, FLATLINE, CLIPPED, DROPOUT, BIAS_STEP, SPIKES)

_FEWEST_N = 256
"""Fewer samples are no waveform: a slow process value may jump and peak."""
_FEWEST_CONSTANT_N = 64
"""So long a process value of one sample a second may stand still."""
_LONGEST_ROW_N = 8192

_FLICKER_STEPS = 2.5
"""A dead input flickers between two or three values; half a step is left for their rounding."""
_UNLIKELY_CHANGES = 18.0
"""So many changes that a run lacks are no chance: e^-18 of all runs lack them, were the samples independent."""
_STUCK_EDGE_N = 8
_STUCK_EDGE_RATIO = 0.2

_FEWEST_REPEATS = 3
_BAND_STEPS = 5.0
_CUT_RATIO = 0.5

_RING_N = 16
_RING_RATIO = 0.1
_SPIKE_STEPS = 10.0

_SILENT_RATIO = 0.1
_SILENT_SHARE = 1.0 / 16.0
_SILENT_LOOKS = 512
_SILENT_EDGE_N = 4
_SILENT_EDGE_RATIO = 0.3
"""So loud are the samples before a cut, on average. Ringing is less loud by then, unless it dies in two samples."""

_BLOCKS = 16
_LOOK_RATIO = 0.6
_CLEAR_STEP = 6.0
"""Height of a step over the spread about its levels. A sine or a drift reaches 4.2 where it is parted best."""
_SHARP_SHARE = 1.0 / 128.0
_SHARP_RATIO = 0.6
_FEWEST_SHARP_N = 8


def judges_of(spec: FeatureSpec) -> tuple[Judge, ...]:
    """What tells the reason of each channel's records: ``quality_of`` of vibration; a process value may stand still."""
    vibration = partial(quality_of, limits=spec.quality)
    return tuple(_believe if channel.unit in PROCESS_UNITS else vibration for channel in spec.channels)


def _believe(samples: NDArray[np.float32], deviation: NDArray[np.float64], waveform: Waveform) -> str:
    del samples, deviation, waveform
    return ASSESSED


def quality_of(
    samples: NDArray[np.float32], deviation: NDArray[np.float64], waveform: Waveform, limits: QualityLimits
) -> str:
    """The reason why a record cannot be assessed, or ``ASSESSED``; one reason, even where several hold.

    Args:
        samples: (record_n,) float32, finite samples of one channel as they came.
        deviation: (record_n,) float64, the samples about their mean.
        waveform: Statistics of the record.
        limits: What the sensor is judged by.
    """
    reason = _standstill(samples, waveform, limits)
    n = samples.size
    if reason or n < _FEWEST_N:
        return reason
    std = math.sqrt(waveform.m2 / n)
    if _spikes(samples, deviation, std, waveform, limits.spike_ratio):
        return SPIKES
    if _falls_silent(deviation, std):
        return DROPOUT
    if _steps(deviation, std, limits.bias_step_ratio):
        return BIAS_STEP
    return ASSESSED


def _standstill(samples: NDArray[np.float32], waveform: Waveform, limits: QualityLimits) -> str:
    """Flatline, clipping, dropout: what shows in samples that repeat the one before."""
    n = samples.size
    repeats = samples[1:] == samples[:-1]
    repeats_n = int(np.count_nonzero(repeats))
    clipped_n, flat_n, dropout_n = limits.clip_ratio * n, limits.flat_run_ratio * n, limits.dropout_ratio * n
    fewest_run_n = max(_UNLIKELY_CHANGES, min(flat_n, dropout_n)) - 1.0
    if repeats_n < min(fewest_run_n, max(_FEWEST_REPEATS, clipped_n)):
        return ASSESSED
    if n >= _FEWEST_N and repeats_n >= limits.flat_repeat_ratio * (n - 1) and _flickers(samples, waveform):
        return FLATLINE
    at = repeats.nonzero()[0]
    run = _longest_run(at) if repeats_n >= fewest_run_n else _Run(0, 0)
    stuck = run.n >= fewest_run_n and _is_stuck(run, samples, repeats_n)
    if stuck and run.n + 1 >= flat_n:
        return FLATLINE
    if _is_clipped(samples, samples[at], waveform, clipped_n):
        return CLIPPED
    return DROPOUT if stuck and run.n + 1 >= dropout_n else ASSESSED


class _Run(NamedTuple):
    """Consecutive indices: the first, and how many."""

    first: int
    n: int


def _longest_run(at: NDArray[np.intp]) -> _Run:
    """The longest run among ascending indices (n,), n >= 1."""
    breaks = np.flatnonzero(np.diff(at) > 1)
    firsts = np.concatenate((at[:1], at[breaks + 1]))
    lengths = np.concatenate((at[breaks], at[-1:])) - firsts + 1
    longest = int(np.argmax(lengths))
    return _Run(int(firsts[longest]), int(lengths[longest]))


def _moves(samples: NDArray[np.float32]) -> NDArray[np.float64]:
    """How far the signal moves from sample to sample, where it does; exact."""
    moves = np.abs(np.diff(samples.astype(np.float64)))
    return moves[moves > 0.0]


def _flickers(samples: NDArray[np.float32], waveform: Waveform) -> bool:
    """Whether there are two or three values at most."""
    moves = _moves(samples)
    return not moves.size or waveform.high - waveform.low <= _FLICKER_STEPS * float(moves.min())


def _is_stuck(run: _Run, samples: NDArray[np.float32], repeats_n: int) -> bool:
    """Whether a run of repeats is no chance, by the rest of the record, and begins while the signal moves as usual.

    Coarse steps make runs by chance, most of all at the turning points of a slow signal; there it comes to rest slowly.
    """
    rest_n = samples.size - 1 - run.n
    if rest_n == 0:
        return samples.size >= _FEWEST_CONSTANT_N
    changes_n = rest_n - (repeats_n - run.n)
    others_n = int(np.count_nonzero(samples != samples[run.first]))
    if run.n * min(changes_n, others_n) < _UNLIKELY_CHANGES * rest_n:
        return False
    if run.first == 0:
        return True
    before = np.abs(np.diff(samples[max(run.first - _STUCK_EDGE_N, 0) : run.first].astype(np.float64)))
    return bool(np.add.reduce(before) >= _STUCK_EDGE_RATIO * float(np.median(_moves(samples))) * before.size)


def _is_clipped(
    samples: NDArray[np.float32], repeated: NDArray[np.float32], waveform: Waveform, clipped_n: float
) -> bool:
    """Whether samples sit on an extreme that cuts the signal off.

    The turning points of a slow signal in coarse steps sit there, too, but the values next to them are met as often.
    """
    low, high = waveform.low, waveform.high
    if np.count_nonzero((repeated == low) | (repeated == high)) < _FEWEST_REPEATS:
        return False
    band = _BAND_STEPS * float(np.min(_moves(samples), initial=high - low))
    if high - low <= 2.0 * band:
        return False
    sides = ((samples == low, samples <= low + band), (samples == high, samples >= high - band))
    counts = [(int(np.count_nonzero(on)), int(np.count_nonzero(near))) for on, near in sides]
    return sum(on for on, near in counts if on >= _CUT_RATIO * near) >= clipped_n


def _spikes(
    samples: NDArray[np.float32], deviation: NDArray[np.float64], std: float, waveform: Waveform, ratio: float
) -> bool:
    """Whether the highest peak stands alone: a spike of the cable or the converter does not ring, an impact does."""
    above, below = waveform.high - waveform.mean, waveform.mean - waveform.low
    peak = max(above, below)
    if peak < ratio * std:
        return False
    at = int(np.argmax(deviation) if above >= below else np.argmin(deviation))
    first, end = at - _RING_N - 1, at + _RING_N + 2
    # At the border of the record the ringing lies outside.
    if first < 0 or end > deviation.size:
        return False
    square = np.square(deviation[first:end])
    spike = float(np.add.reduce(square[_RING_N:-_RING_N]))
    if float(np.add.reduce(square)) - spike > _RING_RATIO * spike:
        return False
    # A quiet signal that leaves a coarse step now and then stands alone, too.
    return peak >= _SPIKE_STEPS * float(_moves(samples).min())


def _falls_silent(deviation: NDArray[np.float64], std: float) -> bool:
    """Whether the level falls from the usual to almost nothing within a few samples; ringing takes longer."""
    n = deviation.size
    limit = _SILENT_RATIO * std
    pace = -(-n // _SILENT_LOOKS)
    looks = np.abs(deviation[::pace]) < limit
    if b"\x01" * (int(_SILENT_SHARE * n) // pace) not in looks.tobytes():
        return False
    silent = np.flatnonzero(np.abs(deviation) < limit)
    run = _longest_run(silent)
    if run.n < _SILENT_SHARE * n or run.first < _SILENT_EDGE_N:
        return False
    quiet = deviation[run.first : run.first + run.n]
    before = np.abs(deviation[run.first - _SILENT_EDGE_N : run.first])
    # One value alone is a standstill, or a coarse step near the mean, and was judged as such.
    return bool(quiet.min() < quiet.max() and np.add.reduce(before) >= _SILENT_EDGE_RATIO * std * _SILENT_EDGE_N)


def _steps(deviation: NDArray[np.float64], std: float, ratio: float) -> bool:
    """Whether the mean moves once, fast and far, to stay; a low shaft order or a drift moves it in many small steps."""
    block_n = deviation.size // _BLOCKS
    # The step is part of the deviation itself: at most half of it on either side.
    least = ratio * std / math.sqrt(1.0 + ratio * ratio / 4.0)
    look_n = min(2 * block_n, _LONGEST_ROW_N)
    moved = float(np.add.reduce(deviation[-look_n:]) - np.add.reduce(deviation[:look_n])) / look_n
    if abs(moved) < _LOOK_RATIO * least:
        return False
    row_n = min(block_n, _LONGEST_ROW_N)
    rows = deviation[: _BLOCKS * block_n].reshape(_BLOCKS, block_n)[:, :row_n]
    height, spread, block = _best_step((np.add.reduce(rows, axis=1) / row_n).tolist())
    place = (block + 0.5) / _BLOCKS
    rest = std * std - place * (1.0 - place) * height * height
    if height <= _CLEAR_STEP * spread or height * height < ratio * ratio * rest:
        return False
    return _sharpest(deviation, (block - 1) * block_n, (block + 2) * block_n) >= _SHARP_RATIO * height


def _best_step(means: list[float]) -> tuple[float, float, int]:
    """Height of the step that parts the means best, their spread about its two levels, and its block, of no level."""
    best, found = 0.0, (0.0, 0.0, 0)
    for block in range(2, len(means) - 2):
        left, right = means[:block], means[block + 1 :]
        low, high = math.fsum(left) / len(left), math.fsum(right) / len(right)
        gain = (high - low) ** 2 * len(left) * len(right)
        if gain > best:
            squares = math.fsum((mean - low) ** 2 for mean in left) + math.fsum((mean - high) ** 2 for mean in right)
            best, found = gain, (abs(high - low), math.sqrt(squares / (len(means) - 3)), block)
    return found


def _sharpest(deviation: NDArray[np.float64], first: int, end: int) -> float:
    """Largest difference between the means of two short spans that meet between ``first`` and ``end``."""
    span_n = max(int(_SHARP_SHARE * deviation.size), _FEWEST_SHARP_N)
    total = np.add.accumulate(deviation[max(first - span_n, 0) : end + span_n])
    moves = total[2 * span_n :] - 2.0 * total[span_n:-span_n] + total[: -2 * span_n]
    return float(np.abs(moves).max()) / span_n
