"""What was found and what was chosen, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ground.initialise.decision import FEWEST_UNITS
from ground.initialise.document import CONTRACT_NAME, Choice
from ground.initialise.sensors import SensorTrial
from ground.initialise.spans import LONGEST_S
from ground.initialise.survey import RecordingFacts
from ground.timeline import SLOW_HZ

_HOUR_S = 3600.0
_MINUTE_S = 60.0


def findings_of(choice: Choice, trial: SensorTrial) -> tuple[str, ...]:
    """Each line is ``what: finding``."""
    rig, spans, groups, dealing = choice.rig, choice.spans, choice.groups, choice.dealing
    window, hop, record = (_s(n, rig.rate_hz) for n in (spans.window_n, spans.hop_n, spans.record_n))
    healthy, faulty, unlabelled = map(duration, (rig.healthy_s, rig.faulty_s, _unlabelled_s(rig.taken)))
    return (
        f"recordings: {len(rig.taken)} ({_labels(rig.taken)}) of {_units(rig.taken)}",
        f"time: {healthy} healthy, {faulty} faulty, {unlabelled} without a label",
        f"lengths: {_lengths(rig.taken)}",
        f"sampling rate: {rig.rate_hz:g} Hz",
        f"channels: {', '.join(f'{name} ({unit})' for name, unit in rig.channels)}",
        f"speeds: {_speeds(rig.taken, rig.conditions)}",
        f"faults: {_faults(rig.taken)}",
        f"window: {window} every {hop}, of records of {record}: {_why_window(choice)}",
        f"windows: {choice.healthy_windows} healthy ones",
        f"groups: {_groups(groups.n_bands, groups.velocity_hz)}; {_why_groups(choice)}",
        f"split: {dealing.plan.strategy}; {len(rig.healthy_units)} healthy specimens, by_unit from {FEWEST_UNITS} on",
        f"alarm: {dealing.k} of {dealing.n} windows, which {_who_holds(choice)}",
        f"sensors: {trial.share:.0%} of {trial.windows} healthy windows can be assessed",
        f"contract: {CONTRACT_NAME if choice.contract else 'the packaged one fits'}",
    )


def duration(seconds: float) -> str:
    """A time in the unit that a person would use."""
    if seconds >= _HOUR_S:
        return f"{seconds / _HOUR_S:.3g} h"
    return f"{seconds / _MINUTE_S:.3g} min" if seconds >= 2 * _MINUTE_S else f"{seconds:.3g} s"


def _who_holds(choice: Choice) -> str:
    return "nearly every recording holds" if choice.dealing.is_shortened else "the usual calibration recording holds"


def _s(n: int, rate_hz: float) -> str:
    return f"{n / rate_hz:.4g} s"


def _unlabelled_s(recordings: Sequence[RecordingFacts]) -> float:
    counts = [(facts.n_samples - int(facts.healthy_n.sum()) - facts.faulty_n, facts) for facts in recordings]
    return sum(n / facts.info.sampling_rate_hz for n, facts in counts)


def _labels(recordings: Sequence[RecordingFacts]) -> str:
    counts = Counter(facts.info.label for facts in recordings)
    return ", ".join(f"{n} {label}" for label, n in counts.items())


def _units(recordings: Sequence[RecordingFacts]) -> str:
    units = len({facts.info.unit_id for facts in recordings})
    return f"{units} specimen{'' if units == 1 else 's'}"


def _lengths(recordings: Sequence[RecordingFacts]) -> str:
    seconds = [facts.n_samples / facts.info.sampling_rate_hz for facts in recordings]
    pieces = np.concatenate([facts.stretch_n / facts.info.sampling_rate_hz for facts in recordings])
    text = f"{min(seconds):.4g} to {max(seconds):.4g} s"
    if len(pieces) == len(recordings):
        return text
    usual = f"{pieces.min():.4g} to {pieces.max():.4g} s (median {np.median(pieces):.4g})"
    return f"{text}, in {len(pieces)} pieces of {usual}"


def _speeds(recordings: Sequence[RecordingFacts], conditions: Sequence[str]) -> str:
    stated = sorted({speed * _MINUTE_S for facts in recordings for speed in facts.info.speed_hz.values()})
    if not conditions:
        known = sum(bool(facts.conditions) for facts in recordings)
        return f"known of {known} of {len(recordings)} recordings, so no condition" if known else "none"
    if not stated:
        return f"{', '.join(conditions)} as columns"
    return f"{', '.join(conditions)}: {len(stated)} from {stated[0]:g} to {stated[-1]:g} rpm"


def _faults(recordings: Sequence[RecordingFacts]) -> str:
    types = Counter(facts.info.fault_type or "no type stated" for facts in recordings if facts.faulty_n)
    return ", ".join(f"{name} ({n})" for name, n in types.items()) or "none"


def _why_window(choice: Choice) -> str:
    if choice.rig.rate_hz <= SLOW_HZ:
        return "slow values, a minute or half of one at 1 Hz"
    if any(facts.has_segments for facts in choice.rig.taken):
        return "a snapshot, or a whole part of one, as windows cross no border"
    return f"the longest up to {LONGEST_S:g} s of which there are enough to learn from"


def _why_groups(choice: Choice) -> str:
    bands = "no spectrum of so few samples" if not choice.groups.n_bands else "as many bands as healthy windows bear"
    velocity = choice.groups.why_no_velocity
    return f"{bands}; no velocity: {velocity}" if velocity else bands


def _groups(n_bands: int, velocity_hz: tuple[float, float]) -> str:
    low_hz, high_hz = velocity_hz
    spectrum = [f"spectrum in {n_bands} bands"] if n_bands else []
    velocity = [f"velocity {low_hz:g} to {high_hz:g} Hz"] if high_hz else []
    return ", ".join(["time", *spectrum, *velocity])
