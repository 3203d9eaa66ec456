"""Which recordings one detector can read: those of one sampling rate that hold the same channels in the same units."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ground.errors import DataError
from ground.initialise.survey import RecordingFacts, Survey
from shared_features.spec import CONDITIONS

_MOST_NAMED = 20

Key = tuple[float, tuple[tuple[str, str], ...]]
"""Sampling rate, and names and units of the channels."""


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

    Raises:
        DataError: No recording has healthy time in a channel that holds samples.
    """
    keys = Counter(_key(facts) for facts in found.recordings)
    groups = [(key, n, [facts for facts in found.recordings if _misfit(key, facts) == ""]) for key, n in keys.items()]
    usable = [(n, _healthy_s(fitting), key, fitting) for key, n, fitting in groups if key[1] and _healthy_s(fitting)]
    if not usable:
        name = found.dataset or "the folder"
        unreadable = "".join(f"\nnot read: {reason}" for _, reason in found.unreadable[:_MOST_NAMED])
        raise DataError(
            f"{found.folder}: label: expected healthy time in {name}, to learn from, got none; label healthy "
            f"recordings, or state healthy_segments{unreadable}"
        )
    _, _, key, taken = max(usable, key=lambda group: group[:2])
    left_out = [(facts.info.recording_id, _misfit(key, facts)) for facts in found.recordings]
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


def _key(facts: RecordingFacts) -> Key:
    return facts.info.sampling_rate_hz, tuple(facts.units.items())


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
