"""How well one scorer detects: numbers by window and by flight, all of them of replayed flights."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground import metrics
from ground.inhibition import is_inhibited
from ground.intervals import Bounds, proportion_bounds
from ground.replay import Replay

MEDIAN, LATE = 0.5, 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowNumbers:
    """Single windows, pooled over all flights; NaN where the data define none.

    Attributes:
        healthy: Judged healthy windows.
        faulty: Judged faulty windows.
        auc: Of score over threshold, before persistence.
        partial_auc: The same up to a false-alarm rate of 10 %, standardised.
        average_precision: Area under the precision-recall curve, before persistence.
        precision: Faulty share of the windows in alarm.
        recall: Share of faulty windows in alarm.
        f_half: F0.5 of both.
        false_alarm_rate: Share of healthy windows in alarm.
        precision_at: Precision at other prevalences, ``metrics.PREVALENCES``.
    """

    healthy: int
    faulty: int
    auc: float
    partial_auc: float
    average_precision: float
    precision: float
    recall: float
    f_half: float
    false_alarm_rate: float
    precision_at: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FlightNumbers:
    """Whole flights and the alarms in them.

    Attributes:
        faulty_flights: Flights with a faulty window that was assessed or not.
        detected_flights: Those of them in alarm at some faulty window.
        recall: Their share.
        recall_bounds: One-sided bounds of it.
        healthy_flights: Flights that are healthy throughout, with enough assessed windows for an alarm.
        alarmed_flights: Those of them with an alarm.
        alarmed_share: Their share: what the threshold promises a bound for.
        alarmed_bounds: One-sided bounds of it.
        unheard_flights: Flights that are healthy throughout, with fewer assessed windows.
        true_alarms: Alarms raised in faulty time.
        false_alarms: Alarms raised in healthy time, of whatever flight.
        alarm_precision: Share of the true ones.
        f_half: F0.5 of ``alarm_precision`` and ``recall``.
        healthy_hours: Hours of signal that assessed healthy windows cover.
        false_alarms_per_hour: ``false_alarms`` over ``healthy_hours``.
        delay_median_s: From the first faulty sample to the end of the first window in alarm, over detected flights.
        delay_p90_s: 90 % of the detected flights are no later.
        delay_max_s: The latest.
    """

    faulty_flights: int
    detected_flights: int
    recall: float
    recall_bounds: Bounds
    healthy_flights: int
    alarmed_flights: int
    alarmed_share: float
    alarmed_bounds: Bounds
    unheard_flights: int
    true_alarms: int
    false_alarms: int
    alarm_precision: float
    f_half: float
    healthy_hours: float
    false_alarms_per_hour: float
    delay_median_s: float
    delay_p90_s: float
    delay_max_s: float


@dataclass(frozen=True, slots=True)
class GroupFractions:
    """One fraction a group, for the gates.

    Attributes:
        auc: Of score over threshold, before persistence; every group weighs alike. NaN without both classes.
        precision: Faulty share of its windows in alarm; groups without any are left out.
        recall: Share of its faulty windows in alarm, those that were not assessed among them; but for inhibited ones,
            unless their flight has no other.
        false_alarm_rate: Share of its flights with a false alarm, of those that are healthy long enough for one.
        n_healthy: Groups with a judged healthy window.
        n_faulty: Groups with a judged faulty window.
    """

    auc: float
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]
    false_alarm_rate: NDArray[np.float64]
    n_healthy: int
    n_faulty: int


def window_numbers(answers: Replay) -> WindowNumbers:
    """Numbers over the judged windows of ``answers``."""
    judged = answers.select(answers.judged)
    faulty, ratio = judged.faulty, judged.ratio
    counts = metrics.count(faulty, judged.alarm)
    return WindowNumbers(
        healthy=int(np.count_nonzero(~faulty)),
        faulty=int(np.count_nonzero(faulty)),
        auc=metrics.auc(faulty, ratio),
        partial_auc=metrics.partial_auc(faulty, ratio),
        average_precision=metrics.average_precision(faulty, ratio),
        precision=counts.precision,
        recall=counts.recall,
        f_half=counts.f_half,
        false_alarm_rate=counts.false_alarm_rate,
        precision_at=tuple(
            (prevalence, metrics.precision_at(counts.recall, counts.false_alarm_rate, prevalence))
            for prevalence in metrics.PREVALENCES
        ),
    )


def flight_numbers(answers: Replay, *, k: int, confidence: float) -> FlightNumbers:
    """Numbers over whole flights, those with a faulty sensor left out.

    Args:
        answers: Replayed flights.
        k: Windows above the threshold that an alarm takes.
        confidence: Of each bound.
    """
    sound = answers.sound
    faulty, healthy = sound.faulty, sound.healthy
    flights = sound.rows["recording_id"].to_numpy(dtype=str)
    with_fault = np.unique(flights[faulty])
    detected = np.unique(flights[faulty & sound.alarm])
    without, heard_n = _healthy_flights(sound)
    heard = without[heard_n >= k]
    alarmed = np.unique(flights[np.isin(flights, heard) & sound.alarm])
    true_n, false_n = int((sound.raised & faulty).sum()), int((sound.raised & healthy).sum())
    hours = _healthy_hours(sound, healthy & sound.assessed)
    delays = _delays_s(sound, detected)
    recall, precision = _share(len(detected), len(with_fault)), _share(true_n, true_n + false_n)
    return FlightNumbers(
        faulty_flights=len(with_fault),
        detected_flights=len(detected),
        recall=recall,
        recall_bounds=proportion_bounds(len(detected), len(with_fault), confidence=confidence),
        healthy_flights=len(heard),
        alarmed_flights=len(alarmed),
        alarmed_share=_share(len(alarmed), len(heard)),
        alarmed_bounds=proportion_bounds(len(alarmed), len(heard), confidence=confidence),
        unheard_flights=len(without) - len(heard),
        true_alarms=true_n,
        false_alarms=false_n,
        alarm_precision=precision,
        f_half=metrics.f_beta(precision, recall),
        healthy_hours=hours,
        false_alarms_per_hour=_share(false_n, hours),
        delay_median_s=_quantile(delays, MEDIAN),
        delay_p90_s=_quantile(delays, LATE),
        delay_max_s=_quantile(delays, 1.0),
    )


def group_fractions(answers: Replay, *, k: int) -> GroupFractions:
    """The fractions of every group, by which the gates count.

    Args:
        answers: Replayed flights.
        k: Windows above the threshold that an alarm takes.
    """
    judged = answers.select(answers.judged)
    groups = judged.rows["group"].to_numpy(dtype=str)
    return GroupFractions(
        auc=metrics.group_auc(groups, judged.faulty, judged.ratio),
        precision=metrics.group_means(groups[judged.alarm], judged.faulty[judged.alarm]),
        recall=_recall(answers.sound),
        false_alarm_rate=_false_alarm_rate(answers.sound, k),
        n_healthy=len(np.unique(groups[~judged.faulty])),
        n_faulty=len(np.unique(groups[judged.faulty])),
    )


def _recall(sound: Replay) -> NDArray[np.float64]:
    faulty = sound.select(sound.faulty)
    groups, flights = (faulty.rows[name].to_numpy(dtype=str) for name in ("group", "recording_id"))
    counted = ~is_inhibited(faulty.rows["reason"].to_numpy(dtype=object))
    # Whatever the reasons, a flight of which nothing was heard was not found: a fault may inhibit its own windows.
    counted |= ~np.isin(flights, flights[counted])
    return metrics.group_means(groups[counted], faulty.alarm[counted])


def _healthy_flights(sound: Replay) -> tuple[NDArray[np.str_], NDArray[np.intp]]:
    """Flights that are healthy throughout, and how many of the windows of each were assessed."""
    flights = sound.rows["recording_id"].to_numpy(dtype=str)
    without = ~np.isin(flights, flights[~sound.healthy])
    names, flight = np.unique(flights[without], return_inverse=True)
    return names, np.bincount(flight[sound.assessed[without]], minlength=len(names))


def _false_alarm_rate(sound: Replay, k: int) -> NDArray[np.float64]:
    judged = sound.healthy & sound.assessed
    rows = sound.rows[["group", "recording_id"]].assign(false_alarm=_in_false_alarm(sound))[judged]
    flights = rows.groupby(["group", "recording_id"])["false_alarm"].agg(["any", "size"])
    # With fewer windows only what was heard before can alarm; where it did, the flight counts all the same.
    could_alarm = flights["any"] | (flights["size"] >= k)
    return flights["any"][could_alarm].groupby(level="group").mean().to_numpy(dtype=np.float64)


def _in_false_alarm(sound: Replay) -> NDArray[np.bool_]:
    """(n,) healthy windows in alarm, but for an alarm that was raised in faulty time and merely still stands."""
    raised_at = sound.rows["faulty_share"].where(sound.raised).groupby(sound.rows["recording_id"]).ffill()
    return sound.healthy & sound.alarm & ~(raised_at > 0.0).to_numpy(dtype=bool)


def _healthy_hours(sound: Replay, counted: NDArray[np.bool_]) -> float:
    return sum(
        metrics.covered_hours(part["start_ns"].to_numpy(), part["end_ns"].to_numpy())
        for _, part in sound.rows[counted].groupby("recording_id")
    )


def _delays_s(sound: Replay, detected: NDArray[np.str_]) -> NDArray[np.float64]:
    rows = sound.rows.assign(found=sound.faulty & sound.alarm)
    delays = []
    for _, flight in rows[rows["recording_id"].isin(detected)].groupby("recording_id"):
        first = flight[flight["faulty_share"] > 0].iloc[0]
        faulty_ns = float(first["faulty_share"]) * (first["end_ns"] - first["start_ns"])
        found_ns = flight["end_ns"][flight["found"]].iloc[0]
        delays.append((found_ns - first["end_ns"] + faulty_ns) / NS_PER_S)
    return np.array(delays)


def _quantile(values: NDArray[np.float64], share: float) -> float:
    return float(np.quantile(values, share, method="higher")) if len(values) else math.nan


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
