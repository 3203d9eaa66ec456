"""Figure: the waveform before, in and after the window of an alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import NS_PER_S
from ground.console.data.alert import AlertDetail
from ground.console.plot import OWN, Axis, Mark, Plot, Series
from ground.recording import Recording
from ground.report import words

BUCKETS: Final = 1_200
"""Points on x: each shows the least and the largest sample of its time."""


@dataclass(frozen=True, slots=True)
class Told:
    """A figure, and what it shows in a sentence."""

    plot: Plot
    text: str


def waveform_figure(alert: AlertDetail, recording: Recording, channel: int) -> Told:
    """Draw one channel of a waveform, time counted from the beginning of the alert's window.

    Args:
        alert: Says where the window lies.
        recording: The waveform.
        channel: Which column.
    """
    time_s, samples = _line(alert, recording, channel)
    first_s, last_s = float(time_s[0]), float(time_s[-1])
    edges = np.linspace(first_s, last_s, min(BUCKETS, len(time_s)) + 1)
    starts = np.searchsorted(time_s, edges[:-1])
    low, high = _extremes(samples, starts, len(time_s))
    unit = recording.info.signal_units[channel]
    name = recording.info.channels[channel]
    window_s = (alert.end_ns - alert.start_ns) / NS_PER_S
    plot = Plot(
        x=Axis(label="time from the beginning of the window", unit="s"),
        x_values=(edges[:-1] + edges[1:]) / 2.0,
        y=Axis(label=name, unit=unit),
        series=(Series(label="largest", values=high, style=OWN), Series(label="least", values=low, style=OWN)),
        bands=((0, 1),),
        marks=(Mark(label="window", at=0.0, until=window_s),),
    )
    return Told(plot, _text(time_s, samples, window_s, f" {unit}"))


def _line(alert: AlertDetail, recording: Recording, channel: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Times (n,) s and samples (n,); a NaN stands between two stretches."""
    rate_hz = recording.info.sampling_rate_hz
    times, values = [], []
    for stretch in recording.stretches:
        begin_s = (stretch.start_ns - alert.start_ns) / NS_PER_S
        time_s = begin_s + np.arange(len(stretch.samples)) / rate_hz
        times += [time_s, time_s[-1:] + 1.0 / rate_hz]
        values += [stretch.samples[:, channel].astype(np.float64), np.array([np.nan])]
    time_s = np.concatenate(times[:-1])
    order = np.argsort(time_s, kind="stable")
    return time_s[order], np.concatenate(values[:-1])[order]


def _extremes(
    samples: NDArray[np.float64], starts: NDArray[np.int64], n: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The least and the largest sample of each bucket; NaN for an empty one."""
    ends = np.append(starts[1:], n)
    at = np.minimum(starts, n - 1)
    low, high = np.fmin.reduceat(samples, at), np.fmax.reduceat(samples, at)
    empty = ends <= starts
    return np.where(empty, np.nan, low), np.where(empty, np.nan, high)


def _text(time_s: NDArray[np.float64], samples: NDArray[np.float64], window_s: float, unit: str) -> str:
    parts = []
    spans = (("before the window", -np.inf, 0.0), ("in it", 0.0, window_s), ("after it", window_s, np.inf))
    for name, begin_s, end_s in spans:
        found = samples[(time_s >= begin_s) & (time_s < end_s) & np.isfinite(samples)]
        if len(found):
            parts.append(f"{name} {words.number(float(np.sqrt(np.mean(found**2))))}{unit}")
    length = words.duration(float(time_s[-1] - time_s[0]))
    return f"{length} of samples. RMS {', '.join(parts)}." if parts else f"{length} without a finite sample."
