"""The part of the page about flights: their scores over time, what was found, how late, and what was false."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ground.report import words
from ground.report.answers import NS_PER_S, Flight
from ground.report.events import Detection, Events
from ground.report.score_plot import Trace, score_plot
from ground.report.view import Column, Figure, Grid, Section, picture

MOST_FLIGHTS = 36
KEY = "flights"

_READING = (
    "Each band is one flight; above the dashed line a window is stranger than the threshold of its phase allows, and "
    "enough of them raise an alert, marked by a triangle. A good detector is orange in shaded (faulty) time only, and "
    "silent (hatched) where the sensor cannot be trusted or the phase changes. Scores off the scale are drawn at its "
    "edge."
)


def flights_section(flights: Sequence[Flight], events: Events, *, streamed: bool, trained_on: int) -> Section:
    """The section.

    Args:
        flights: All of them.
        events: What happened in them.
        streamed: Whether an agent published these answers; otherwise the evaluation replayed them.
        trained_on: Windows of these flights that training or calibration has seen.
    """
    return Section(
        key=KEY,
        title="Flights streamed through the agent" if streamed else "Test flights",
        nav="Flights",
        sentences=(_origin(len(flights), streamed=streamed), *_seen(trained_on, events), *_sentences(events)),
        figures=(_figure(flights),),
        grids=tuple(grid for grid in (_detections(events), _sensors(events)) if grid.rows),
    )


def shown_flights(flights: Sequence[Flight], *, most: int = MOST_FLIGHTS) -> tuple[Flight, ...]:
    """As many flights as a figure takes, with one cap for every kind: engine faults, sensor faults, healthy ones."""
    kinds: dict[str, list[Flight]] = {}
    for flight in flights:
        kinds.setdefault(flight.fault_type, []).append(flight)
    cap = len(flights)
    while sum(min(cap, len(kind)) for kind in kinds.values()) > max(most, len(kinds)):
        cap -= 1
    chosen = [flight for kind in kinds.values() for flight in kind[:cap]]
    return tuple(sorted(chosen, key=lambda flight: (not flight.fault_type, flight.has_sensor_fault, flight.fault_type)))


def trace_of(flight: Flight) -> Trace:
    """A flight as the figure draws it."""
    begin_ns = int(flight.start_ns[0])
    return Trace(
        title=f"{words.fault_name(flight.fault_type)}, {flight.name}",
        start_s=(flight.start_ns - begin_ns) / NS_PER_S,
        end_s=(flight.end_ns - begin_ns) / NS_PER_S,
        ratio=flight.ratio,
        alarm=flight.alarm,
        raised=flight.raised,
        faulty=flight.faulty,
    )


def _origin(n_flight: int, *, streamed: bool) -> str:
    flights = words.count(n_flight, "flight")
    if streamed:
        return (
            f"{flights}, sent frame by frame over MQTT to the agent that holds the signed bundle; these are its "
            "answers."
        )
    return f"{flights} that no training has seen, replayed by the evaluation through the agent's own decision code."


def _seen(trained_on: int, events: Events) -> tuple[str, ...]:
    if not trained_on:
        return ()
    return (
        (
            f"{trained_on:,} of the {events.windows:,} windows lie in time that training or calibration has seen, so "
            "false alerts are rarer here than in service."
        ),
    )


def _sentences(events: Events) -> list[str]:
    sentences = []
    if events.detections:
        delays = events.delays_s
        late = (
            f", the first alarm {words.duration(float(np.median(delays)))} after the onset (median)" if delays else ""
        )
        sentences.append(
            f"{events.detected} of {words.count(len(events.detections), 'faulty flight')} came to an alarm{late}."
        )
    if events.healthy_hours:
        rate = words.number(events.false_alerts_per_hour)
        sentences.append(
            f"{words.count(events.false_alerts, 'false alert')} in {words.duration(events.healthy_s)} of healthy "
            f"time: {rate} an hour."
        )
    if events.not_assessed:
        reasons = [f"{words.reason_name(reason)} ({n:,})" for reason, n in events.not_assessed.items()]
        all_windows = f"all {events.windows:,} windows of these flights, whatever their label"
        sentences.append(f"Not assessed of {all_windows}: {words.listed(reasons)}.")
    return sentences


def _figure(flights: Sequence[Flight]) -> Figure:
    shown = shown_flights(flights)
    traces = [trace_of(flight) for flight in shown]
    alerts = sum(int(flight.raised.sum()) for flight in shown)
    left_out = (
        f" {len(flights) - len(shown)} further flights are left out, evenly over the kinds."
        if len(flights) > len(shown)
        else ""
    )
    return picture(
        lambda width: score_plot(traces, width=width),
        title="Score over time, against its threshold",
        alt=f"{words.count(len(shown), 'flight')}, {words.count(alerts, 'alert')}. The tables below give the same in "
        "numbers.",
        reading=_READING + left_out,
    )


def _detections(events: Events) -> Grid:
    kinds: dict[str, list[Detection]] = {}
    for detection in events.detections:
        kinds.setdefault(detection.fault_type, []).append(detection)
    return Grid(
        columns=(
            Column("fault"), Column("flights", numeric=True), Column("found", numeric=True),
            Column("delay, shortest", numeric=True), Column("delay, longest", numeric=True),
            Column("faulty time in a flight", numeric=True),
        ),
        rows=tuple(_detection_row(kind, found) for kind, found in sorted(kinds.items())),
        note="Delay: from the onset of the fault to the end of the first window in alarm, at most one hop too long.",
    )  # fmt: skip


def _detection_row(kind: str, detections: list[Detection]) -> tuple[str, ...]:
    delays = [detection.delay_s for detection in detections if detection.detected]
    faulty = [detection.faulty_s for detection in detections]
    return (
        words.fault_name(kind, healthy="not named"),
        f"{len(detections):,}",
        f"{len(delays):,}",
        words.duration(min(delays, default=np.nan)),
        words.duration(max(delays, default=np.nan)),
        words.duration(float(np.median(faulty))),
    )


def _sensors(events: Events) -> Grid:
    return Grid(
        columns=(
            Column("sensor fault"), Column("flight"), Column("windows", numeric=True),
            Column("not assessed because of the sensor", numeric=True), Column("alerts", numeric=True),
        ),
        rows=tuple(
            (
                words.fault_name(flight.fault_type),
                flight.flight,
                f"{flight.windows:,}",
                words.share(flight.not_assessed),
                f"{flight.alerts:,}",
            )
            for flight in events.sensor_flights
        ),
        note=(
            "Behind a faulty sensor the right answer is not assessed, and no alert. Windows before the sensor fails "
            "are counted, too, so even a perfect agent stays below 100 %."
        ),
    )  # fmt: skip
