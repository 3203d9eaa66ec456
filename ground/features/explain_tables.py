"""An explanation for the terminal."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ground.features.explain import BearingFault, Explanation, SpeedRange, decision_sentence
from ground.features.listing import TITLES, plain_table, titled
from ground.report import words
from shared_features.feature import LOG

_PADDING = (0, 1, 0, 0)


def explanation_tables(explanation: Explanation) -> Iterator[Group]:
    """Facts, bearings, thresholds, features: one titled table each, those that would be empty left out."""
    manifest = explanation.bundle.manifest
    yield titled(
        f"{manifest.bundle_id}, {manifest.release_class}, fleet {manifest.fleet}, sequence {manifest.sequence}",
        _facts(explanation),
    )
    if explanation.faults:
        speeds = [f"{shaft} {speed.hz:.4g} Hz ({speed.origin})" for shaft, speed in explanation.speeds.items()]
        told = ", ".join(speeds) or "unknown speeds: give them, such as --n1-hz 50"
        yield titled(f"Bearing faults at {told}", _faults(explanation))
    yield titled("Thresholds", _thresholds(explanation))
    yield titled(
        "Features of healthy windows: mean over all operating conditions, ± 1 standard deviation about the usual at "
        "one of them (a factor where the model takes the logarithm)",
        _features(explanation),
    )


def _facts(explanation: Explanation) -> Table:
    table = Table(show_header=False, box=None, padding=_PADDING)
    table.add_column("what", no_wrap=True, style="bold")
    table.add_column("value")
    bundle = explanation.bundle
    table.add_row("Digests", f"bundle {words.digest(bundle.digest)}, spec {words.digest(bundle.spec.digest)}")
    for sentence in explanation.sentences:
        table.add_row(sentence.topic, Text(sentence.text))
    if explanation.ranges:
        table.add_row("Speeds", Text(f"{'; '.join(map(_range, explanation.ranges))}; else not assessed"))
    table.add_row("Decision", Text(decision_sentence(bundle.thresholds)))
    return table


def _range(one: SpeedRange) -> str:
    end = f" to {one.high_hz:.4g} Hz" if one.high_hz is not None else " Hz and above"
    return f"{one.group} from {one.shaft} {one.low_hz:.3g}{end}"


def _faults(explanation: Explanation) -> Table:
    table = plain_table()
    for name in ("bearing", "shaft", "fault"):
        table.add_column(name)
    table.add_column("order", justify="right")
    table.add_column("Hz", justify="right")
    for fault in explanation.faults:
        table.add_row(*_fault_cells(fault))
    return table


def _fault_cells(fault: BearingFault) -> tuple[str, ...]:
    frequency = words.NOTHING if fault.frequency_hz is None else f"{fault.frequency_hz:.2f}"
    return fault.bearing, fault.shaft, fault.fault.upper(), f"{fault.order:.4f}", frequency


def _thresholds(explanation: Explanation) -> Table:
    thresholds = explanation.bundle.thresholds
    table = plain_table()
    table.add_column("phase")
    table.add_column("score", justify="right")
    for phase, level in thresholds.phases.items():
        table.add_row(Text(phase), words.number(level))
    table.add_row("any other" if thresholds.phases else "every phase", words.number(thresholds.pooled))
    return table


def _features(explanation: Explanation) -> Table:
    table = plain_table()
    table.add_column("#", justify="right")
    table.add_column("name", overflow="fold")
    for name in ("low", "mean", "high"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("unit")
    table.add_column("log")
    for group, members in itertools.groupby(explanation.features, key=lambda feature: feature.group):
        table.add_section()
        table.add_row("", Text(TITLES[group], "bold"))
        for one in members:
            usual = explanation.healthy[one.index]
            numbers = [words.number(value) for value in (usual.low, usual.mean, usual.high)]
            is_log = "yes" if usual.scale == LOG else "no"
            table.add_row(str(one.index), Text(one.name), *numbers, one.unit, is_log)
    return table
