"""What a person should know before he believes a detector of this rig."""

from __future__ import annotations

from collections.abc import Iterator

from ground.config import GatesConfig
from ground.initialise.decision import BY_TIME, NEEDED, windows_held
from ground.initialise.document import Choice, rate_error
from ground.initialise.findings import duration
from ground.initialise.selection import Rig
from ground.initialise.sensors import SWITCHED_OFF, SensorTrial
from ground.initialise.spans import ENOUGH_WINDOWS, FEWEST_TURNS
from ground.intervals import fewest_for_bound
from ground.timeline import RATE_TOLERANCE, SLOW_HZ
from shared_features.groups import PROCESS_UNITS, UNKNOWN_UNIT

_ASSESSED = 0.9
_GATES = GatesConfig()
_MOST_NAMED = 5


def doubts_of(choice: Choice, before: Rig, trial: SensorTrial, faint: str) -> tuple[str, ...]:
    """Doubts, the gravest first.

    Args:
        choice: What was chosen.
        before: The rig before channels were left out.
        trial: What the rules for sensors say of healthy time.
        faint: Which channels are too faint for their unit; empty where none is.
    """
    rig = choice.rig
    return (
        *_of_numbers(choice),
        *_of_labels(rig),
        *_of_reading(rig),
        *_of_speeds(choice),
        *_of_signal(choice, before, trial),
        *filter(None, [faint]),
    )


def _of_numbers(choice: Choice) -> Iterator[str]:
    rig = choice.rig
    by_time = choice.dealing.plan.strategy == BY_TIME
    what = "healthy recordings" if by_time else "healthy specimens"
    groups = len(rig.healthy) if by_time else len(rig.healthy_units)
    share, confidence = _GATES.false_alarm_rate_max, _GATES.confidence
    needed = fewest_for_bound(share, confidence)
    if groups < needed:
        yield (
            f"{groups} {what}: a false-alarm rate of {share:.0%} at {confidence:.0%} confidence needs {needed} for the "
            f"threshold and {needed} more to test it (1 %: {fewest_for_bound(0.01, confidence)}); expect INSUFFICIENT"
        )
    specimens = len({facts.info.unit_id for facts in rig.healthy})
    if specimens == 1:
        yield "one healthy specimen: nothing tells what is usual for others of its kind"
    if choice.healthy_windows < ENOUGH_WINDOWS:
        windows, time = choice.healthy_windows, duration(rig.healthy_s)
        yield f"{windows} healthy windows in {time}: too few for a sound model; record more"
    lacking = [role for role, fewest in NEEDED.items() if choice.dealing.windows[role] < fewest]
    if lacking:
        yield f"too few healthy windows for {', '.join(lacking)}: no model can be trained; record more"
    short = [facts.info.recording_id for facts in rig.taken if facts.stretch_n.max() < choice.spans.window_n]
    if short:
        yield f"shorter than a window, so never assessed: {_named(short)}"
    dealing = choice.dealing
    mute = [facts.info.recording_id for facts in rig.taken if 0 < windows_held(facts, choice.spans) < dealing.k]
    if mute:
        yield f"fewer windows than the {dealing.k} of an alarm, so never alarmed: {_named(mute)}"


def _of_labels(rig: Rig) -> Iterator[str]:
    faulty = [facts for facts in rig.taken if facts.faulty_n]
    if not faulty:
        yield "no faulty time: recall cannot be measured"
        return
    needed = fewest_for_bound(1.0 - _GATES.recall_min, _GATES.confidence)
    if len(faulty) < needed:
        yield f"{len(faulty)} recordings with faults: a recall of {_GATES.recall_min:.0%} needs {needed}, all found"


def _of_speeds(choice: Choice) -> Iterator[str]:
    rig = choice.rig
    healthy = {tuple(facts.info.speed_hz.values()) for facts in rig.healthy if facts.info.speed_hz}
    faulty = {tuple(facts.info.speed_hz.values()) for facts in rig.taken if facts.faulty_n and facts.info.speed_hz}
    if len(healthy) > 1 and len(faulty) == 1:
        yield "faults at one speed only: nothing shows that they are found at the others"
    if faulty - healthy:
        yield "faults at speeds without healthy time: a detector may tell the speed, not the fault"
    if not rig.conditions and any(facts.conditions for facts in rig.taken):
        yield "the speed is known of some recordings only: it is no feature; fill in speed_rpm for all"
    turns = choice.spans.window_n / rig.rate_hz * rig.slowest_hz
    if 0.0 < turns < FEWEST_TURNS:
        yield f"a window holds {turns:.2g} turns of the shaft at the lowest speed, fewer than {FEWEST_TURNS:g}"
    loads = {facts.info.condition for facts in rig.healthy}
    if not rig.conditions and len(loads) > 1:
        yield f"{len(loads)} operating conditions by their names, none as a number: the model cannot allow for them"


def _of_reading(rig: Rig) -> Iterator[str]:
    if rig.unreadable:
        reasons = [f"{name} ({reason})" for name, reason in rig.unreadable]
        yield f"left out, because they cannot be read: {len(reasons)} recordings: {_named(reasons)}"
    if rig.renamed:
        names = [f"{old!r} is {new}" for old, new in rig.renamed]
        yield f"renamed, for a file or a topic cannot have such a name: {_named(names)}"


def _of_signal(choice: Choice, before: Rig, trial: SensorTrial) -> Iterator[str]:
    rig = choice.rig
    if rig.left_out:
        names = [f"{name} ({reason})" for name, reason in rig.left_out]
        yield f"left out, because one detector reads one rate and one set of channels: {_named(names)}"
    named = {name for facts in rig.taken for name in facts.info.channels}
    unread = sorted(named - {name for name, _ in before.channels})
    if unread:
        yield f"left out, because they are empty, or not in all recordings, or no samples: channels {_named(unread)}"
    dropped = [name for name, _ in before.channels if name not in dict(rig.channels)]
    if dropped:
        yield f"left out, because they cannot be believed in healthy time: channels {_named(dropped)}"
    unknown = [name for name, unit in rig.channels if unit == UNKNOWN_UNIT]
    if unknown:
        yield (
            f"unit unknown: {_named(unknown)}; what depends on it (velocity, the rules for process values) is off, "
            "and engines are heard in whatever unit they state: see that it is that of these recordings"
        )
    if rig.rate_hz > SLOW_HZ and choice.quality:
        off = [reason for reason, limits in SWITCHED_OFF.items() if set(limits) <= set(choice.quality)]
        yield f"healthy time looks like broken sensors ({', '.join(off)}): these rules are switched off"
    if rig.rate_hz > SLOW_HZ and any(unit in PROCESS_UNITS for _, unit in rig.channels):
        yield "process values beside vibration: their spectra are features, too; leave them out if they say nothing"
    if trial.share < _ASSESSED:
        yield f"only {trial.share:.0%} of the healthy windows can be assessed"
    yield from _of_clock(rig)


def _of_clock(rig: Rig) -> Iterator[str]:
    if any(len(facts.stretch_n) > 1 and not facts.info.segment_period_s and not facts.stamped for facts in rig.taken):
        yield "the time between segments is not stated (segment_period_s): warning times mean nothing"
    missing = [facts.info.recording_id for facts in rig.taken if facts.missing_n]
    if missing:
        yield f"missing samples, whose windows are not assessed: {_named(missing)}"
    gaps = sum(facts.gaps for facts in rig.taken)
    if gaps:
        yield f"{gaps} gaps in time; no window crosses one"
    late = [facts.info.recording_id for facts in rig.taken if facts.late_n]
    if late:
        yield f"stamps repeat, go back or begin again with the segments, so samples are counted there: {_named(late)}"
    if rate_error(rig) > RATE_TOLERANCE:
        yield f"the clock is irregular: its stamps are up to {rate_error(rig):.1%} off the stated rate"


def _named(names: list[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
