"""Whether healthy time can be assessed: the rules for sensors, tried on windows that are known to be good."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from ground.initialise.survey import GAP_TOLERANCE_S, RecordingFacts
from ground.progress import Progress
from ground.recording import LABEL_HEALTHY
from ground.recording_files import read_samples
from ground.synchronise import join_columns, labels_of, make_timeline
from shared_features.quality import BIAS_STEP, CLIPPED, DROPOUT, FLATLINE, SPIKES
from shared_features.record import RecordMaker
from shared_features.spec import FeatureSpec

STEP = "init: try sensors"
WANTED_SHARE = 0.95
"""Of healthy windows. A rule that refuses more of them tells of the machine, not of its sensor."""
NO_LIMIT = 1e6
SWITCHED_OFF: Mapping[str, Mapping[str, float]] = {
    FLATLINE: {"flat_run_ratio": 1.0, "flat_repeat_ratio": 1.0},
    CLIPPED: {"clip_ratio": 1.0},
    DROPOUT: {"dropout_ratio": 1.0},
    BIAS_STEP: {"bias_step_ratio": NO_LIMIT},
    SPIKES: {"spike_ratio": NO_LIMIT},
}
"""Limits that no record reaches, by the reason that they govern."""

Item = TypeVar("Item")

_SCATTERED_RATIO = 2.0
_MOST_RECORDINGS = 24
_MOST_RECORDS = 480
_MOST_VALUES = 40_000_000


@dataclass(frozen=True, slots=True)
class SensorTrial:
    """What the rules say of healthy windows.

    Attributes:
        windows: Windows tried.
        assessed: Windows that every channel can be believed in.
        refused: Windows by channel and reason.
        missing: Share of instants at which a channel lacks its sample.
    """

    windows: int
    assessed: int
    refused: Mapping[tuple[str, str], int] = field(default_factory=dict)
    missing: float = 0.0

    @property
    def share(self) -> float:
        """Assessed share; 1 where nothing was tried."""
        return self.assessed / self.windows if self.windows else 1.0

    @property
    def is_scattered(self) -> bool:
        """Whether windows are refused for much less than they hold, so that shorter ones would lose less."""
        return 1.0 - self.share > _SCATTERED_RATIO * self.missing

    def refused_share(self, channel: str) -> float:
        """Share of windows that the worst reason refuses of a channel."""
        return max((n for (name, _), n in self.refused.items() if name == channel), default=0) / max(1, self.windows)

    def guilty(self) -> tuple[tuple[str, str], ...]:
        """Channels and reasons that refuse more than a channel's part of what may be refused."""
        most = (1.0 - WANTED_SHARE) * self.windows / max(1, len(self.refused))
        return tuple(sorted(pair for pair, n in self.refused.items() if n > most))


class SensorBench:
    """Tries the rules on some healthy windows, spread over recordings and time, as the agent would.

    A channel is judged by itself, so what was found of it among others holds without them: recordings are read again
    for other windows or other limits only.
    """

    def __init__(self, folder: Path, recordings: Sequence[RecordingFacts], progress: Progress) -> None:
        """Begin without a trial.

        Args:
            folder: The recordings folder.
            recordings: Those with healthy time.
            progress: Told after each recording that was read.
        """
        self._folder = folder
        self._recordings = spread(recordings, _MOST_RECORDINGS)
        self._progress = progress
        self._judged: dict[tuple[Hashable, ...], _Judged] = {}

    def try_rules(self, spec: FeatureSpec) -> SensorTrial:
        """What the rules of a spec, no group of which follows a shaft, say of healthy windows."""
        names = frozenset(channel.name for channel in spec.channels)
        records = min(_MOST_RECORDS, _MOST_VALUES // (spec.record_n * len(names)))
        each = max(1, records // (spec.window_records * len(self._recordings)))
        key = (spec.record_n, spec.window_n, spec.quality, each)
        if key not in self._judged or not names <= self._judged[key].names:
            self._judged[key] = _Judged(names, tuple(self._judge(spec, each)))
        return self._judged[key].trial(names, spec.window_n)

    def _judge(self, spec: FeatureSpec, each: int) -> Iterator[_JudgedWindow]:
        maker = RecordMaker(spec)
        names = tuple(channel.name for channel in spec.channels)
        for done, facts in enumerate(self._recordings, start=1):
            for window in healthy_windows(self._folder, facts, spec, each):
                gone = ~np.isfinite(window)
                lacking = {names[index]: np.packbits(gone[:, index]) for index in np.flatnonzero(gone.any(axis=0))}
                yield _JudgedWindow(_refusals(maker, window, spec), lacking)
            self._progress(STEP, done, len(self._recordings))


@dataclass(frozen=True, slots=True)
class _JudgedWindow:
    """A healthy window.

    Attributes:
        refusals: Channels and reasons that refuse it.
        lacking: Of channels that lack samples, one bit an instant, 1 where there is none.
    """

    refusals: frozenset[tuple[str, str]]
    lacking: Mapping[str, NDArray[np.uint8]]

    def missing_n(self, names: Collection[str]) -> int:
        """Instants at which one of these channels lacks its sample."""
        lacking = [bits for name, bits in self.lacking.items() if name in names]
        return int(np.unpackbits(np.bitwise_or.reduce(lacking)).sum()) if lacking else 0


@dataclass(frozen=True, slots=True)
class _Judged:
    """Windows, and the channels that they were judged by."""

    names: frozenset[str]
    windows: tuple[_JudgedWindow, ...]

    def trial(self, names: Collection[str], window_n: int) -> SensorTrial:
        """The trial of some of the channels."""
        refusals = [{pair for pair in window.refusals if pair[0] in names} for window in self.windows]
        missing_n = sum(window.missing_n(names) for window in self.windows)
        return SensorTrial(
            windows=len(refusals),
            assessed=sum(not found for found in refusals),
            refused=Counter(pair for found in refusals for pair in found),
            missing=missing_n / (len(refusals) * window_n) if refusals else 0.0,
        )


def _refusals(maker: RecordMaker, window: NDArray[np.float32], spec: FeatureSpec) -> frozenset[tuple[str, str]]:
    columns = enumerate(np.ascontiguousarray(window.T))
    judged = (
        (spec.channels[index].name, maker.record(record, channel=index).reason)
        for index, column in columns
        for record in column.reshape(-1, spec.record_n)
    )
    return frozenset((name, reason) for name, reason in judged if reason)


def healthy_windows(folder: Path, facts: RecordingFacts, spec: FeatureSpec, n: int) -> Iterator[NDArray[np.float32]]:
    """At most ``n`` windows (window_n, n_channel) of the healthy time of a recording, evenly."""
    info = facts.info
    names = tuple(channel.name for channel in spec.channels)
    file = read_samples(folder / info.file, names)
    timeline = make_timeline(info, file, GAP_TOLERANCE_S)
    healthy = labels_of(info, file) == LABEL_HEALTHY
    unhealthy_n = np.concatenate([[0], np.cumsum(~healthy)])
    stretches = zip(timeline.first_n.tolist(), timeline.last_n.tolist(), strict=True)
    starts = [start for first, last in stretches for start in range(first, last - spec.window_n + 1, spec.window_n)]
    good = [start for start in starts if unhealthy_n[start] == unhealthy_n[start + spec.window_n]]
    samples = join_columns([file.numbers(name) for name in names], file.n_samples, np.float32)
    yield from (samples[start : start + spec.window_n] for start in spread(good, n))


def spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most ``most`` of them, evenly."""
    chosen = np.linspace(0, len(items) - 1, min(len(items), most)).astype(int) if items else ()
    return [items[index] for index in dict.fromkeys(chosen)]
