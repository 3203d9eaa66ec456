"""Which recordings one detector can read: those of one sampling rate that hold the same channels in the same units."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from ground.errors import DataError
from ground.initialise.survey import RecordingFacts, Survey
from shared_features.groups import UNKNOWN_UNIT
from shared_features.spec import CONDITIONS

_MOST_NAMED = 20

Key = tuple[float, tuple[tuple[str, str], ...]]
"""Sampling rate, and names and units of the channels."""

_MOST_PAIRED = 16
"""Keys, the most frequent, of which two are tried for the channels that both have."""
_WORST_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class _Group:
    """Recordings that fit a key, and how many have it as it is."""

    key: Key
    n: int
    fitting: list[RecordingFacts]

    @property
    def rank(self) -> tuple[int, float, int, int]:
        """Larger is better."""
        return self.n, _healthy_s(self.fitting), len(self.fitting), len(self.key[1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """What a detector is made for.

    Attributes:
        folder: The recordings folder, as text for errors.
        dataset: Name of the dataset; may be empty.
        rate_hz: Sampling rate.
        channels: Names and units.
        taken: Recordings that fit.
        left_out: Recordings that do not, each with the reason.
        unreadable: Recordings that cannot be read, likewise.
        renamed: Names in the index that became others, each with the one it became.
    """

    folder: str
    dataset: str
    rate_hz: float
    channels: tuple[tuple[str, str], ...]
    taken: tuple[RecordingFacts, ...]
    left_out: tuple[tuple[str, str], ...]
    unreadable: tuple[tuple[str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()

    @property
    def healthy(self) -> tuple[RecordingFacts, ...]:
        """Recordings with healthy time."""
        return tuple(facts for facts in self.taken if facts.healthy_n.size)

    @property
    def healthy_s(self) -> float:
        """Healthy time."""
        return sum(facts.healthy_s for facts in self.taken)

    @property
    def faulty_s(self) -> float:
        """Faulty time."""
        return sum(facts.faulty_s for facts in self.taken)

    @property
    def conditions(self) -> tuple[str, ...]:
        """Speeds that every recording knows."""
        return tuple(name for name in CONDITIONS if all(name in facts.conditions for facts in self.taken))

    @property
    def slowest_hz(self) -> float:
        """The lowest speed that the index states; 0 where it states none."""
        speeds = [speed for facts in self.taken for speed in facts.info.speed_hz.values()]
        return min(speeds, default=0.0)

    @property
    def healthy_units(self) -> tuple[str, ...]:
        """Specimens that are healthy throughout."""
        sick = {facts.info.unit_id for facts in self.taken if int(facts.healthy_n.sum()) < facts.n_samples}
        return tuple(sorted({facts.info.unit_id for facts in self.taken} - sick))


def select(found: Survey) -> Rig:
    """The largest group of recordings that one detector can read, healthy time among it.

    A group that loses most of the recordings of a label, where another does not, is none: the larger number of
    channels is no gain if no fault is left.

    Raises:
        DataError: No recording has healthy time in a channel that holds samples.
    """
    recordings: Sequence[RecordingFacts] = found.recordings
    usable, kept = _groups(recordings)
    unified = _unified(recordings)
    usable_unified, kept_unified = _groups(unified)
    if max(kept, default=0.0) < _WORST_SHARE * max(kept_unified, default=0.0):
        recordings, usable, kept = unified, usable_unified, kept_unified
    if not usable:
        name = found.dataset or "the folder"
        unreadable = "".join(f"\nnot read: {reason}" for _, reason in found.unreadable[:_MOST_NAMED])
        raise DataError(
            f"{found.folder}: label: expected healthy time in {name}, to learn from, got none; label healthy "
            f"recordings, or state healthy_segments{unreadable}"
        )
    good = [group for group, share in zip(usable, kept, strict=True) if share >= _WORST_SHARE * max(kept)]
    best = max(good, key=lambda group: group.rank)
    key, taken = best.key, best.fitting
    left_out = [(facts.info.recording_id, _misfit(key, facts)) for facts in recordings]
    return Rig(
        folder=str(found.folder),
        dataset=found.dataset,
        rate_hz=key[0],
        channels=key[1],
        taken=tuple(taken),
        left_out=tuple((name, reason) for name, reason in left_out if reason),
        unreadable=found.unreadable,
        renamed=found.renamed,
    )


def _groups(recordings: Sequence[RecordingFacts]) -> tuple[list[_Group], list[float]]:
    """Groups with healthy time, and the share of recordings that each keeps."""
    counts = Counter(_key(facts) for facts in recordings)
    groups = [
        _Group(key, counts[key], [facts for facts in recordings if _misfit(key, facts) == ""])
        for key in dict.fromkeys([*counts, *_intersections(counts)])
        if key[1]
    ]
    usable = [group for group in groups if _healthy_s(group.fitting)]
    return usable, [_kept_share(group.fitting, recordings) for group in usable]


def _key(facts: RecordingFacts) -> Key:
    return facts.info.sampling_rate_hz, tuple(facts.units.items())


def _unified(recordings: Sequence[RecordingFacts]) -> list[RecordingFacts]:
    """Without units that only some recordings of a rate state, if all those state the same one."""
    stated: dict[tuple[float, str], set[str]] = {}
    for facts in recordings:
        for name, unit in facts.units.items():
            stated.setdefault((facts.info.sampling_rate_hz, name), set()).add(unit)
    doubtful = {
        channel for channel, units in stated.items() if UNKNOWN_UNIT in units and len(units - {UNKNOWN_UNIT}) == 1
    }
    return [
        replace(facts, units={
            name: UNKNOWN_UNIT if (facts.info.sampling_rate_hz, name) in doubtful else unit
            for name, unit in facts.units.items()
        })
        for facts in recordings
    ]  # fmt: skip


def _intersections(keys: Counter[Key]) -> list[Key]:
    """What pairs of the most frequent keys have in common."""
    pairs = combinations([key for key, _ in keys.most_common(_MOST_PAIRED)], 2)
    return [
        (rate_hz, tuple(channel for channel in channels if channel in others))
        for (rate_hz, channels), (other_hz, others) in pairs
        if rate_hz == other_hz
    ]


def _kept_share(fitting: list[RecordingFacts], found: Sequence[RecordingFacts]) -> float:
    """Share of the recordings with healthy and of those with faulty time that fit, whichever is smaller."""
    healthy = sum(bool(facts.healthy_n.size) for facts in fitting) / sum(bool(facts.healthy_n.size) for facts in found)
    faulty_n = sum(bool(facts.faulty_n) for facts in found)
    return min(healthy, sum(bool(facts.faulty_n) for facts in fitting) / faulty_n) if faulty_n else healthy


def _healthy_s(recordings: list[RecordingFacts]) -> float:
    return float(np.sum([facts.healthy_s for facts in recordings]))


def _misfit(key: Key, facts: RecordingFacts) -> str:
    """Why a recording does not fit; empty where it does."""
    rate_hz, channels = key
    if facts.info.sampling_rate_hz != rate_hz:
        return f"{facts.info.sampling_rate_hz:g} Hz instead of {rate_hz:g} Hz"
    for name, unit in channels:
        if name in facts.empty:
            return f"channel {name} is empty"
        if name not in facts.units:
            return f"no channel {name}"
        if facts.units[name] != unit:
            return f"{name} in {facts.units[name]} instead of {unit}"
    return ""
