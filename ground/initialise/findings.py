"""What was found and what was chosen, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ground.initialise.document import CONTRACT_NAME, Choice
from ground.initialise.sensors import SensorTrial
from ground.initialise.survey import RecordingFacts

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
        f"window: {window} every {hop}, of records of {record}: {choice.healthy_windows} healthy windows",
        f"groups: {_groups(groups.n_bands, groups.velocity_hz)}",
        f"split: {dealing.plan.strategy}; alarm at {dealing.k} of {dealing.n} windows",
        f"sensors: {trial.share:.0%} of {trial.windows} healthy windows can be assessed",
        f"contract: {CONTRACT_NAME if choice.contract else 'the packaged one fits'}",
    )


def duration(seconds: float) -> str:
    """A time in the unit that a person would use."""
    if seconds >= _HOUR_S:
        return f"{seconds / _HOUR_S:.3g} h"
    return f"{seconds / _MINUTE_S:.3g} min" if seconds >= 2 * _MINUTE_S else f"{seconds:.3g} s"


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


def _groups(n_bands: int, velocity_hz: tuple[float, float]) -> str:
    low_hz, high_hz = velocity_hz
    spectrum = [f"spectrum in {n_bands} bands"] if n_bands else []
    velocity = [f"velocity {low_hz:g} to {high_hz:g} Hz"] if high_hz else []
    return ", ".join(["time", *spectrum, *velocity])
