"""The part of the page about latency: on the stream, and in the evaluation."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ground.latency import LatencyNumbers
from ground.report import words
from ground.report.latency_plot import latency_plot
from ground.report.view import Absent, Column, Figure, Grid, Section, Tile, picture

QUANTILES = (0.5, 0.99, 1.0)
_READING = (
    "Bars left of the thick orange line are answers within the budget; both axes are logarithmic, so that a single "
    "late answer is seen."
)
_NOT_STREAMED = "No histogram: nothing was streamed in this run. `ground demo` streams flights through the agent."


def quantiles_ms(latency_ms: NDArray[np.float64]) -> tuple[float, float, float]:
    """Median, 99th percentile and maximum of (n,) latencies; NaN without any."""
    if not len(latency_ms):
        return float("nan"), float("nan"), float("nan")
    median, p99, longest = np.quantile(latency_ms, QUANTILES, method="higher").tolist()
    return median, p99, longest


def latency_tile(measured: LatencyNumbers, streamed_ms: NDArray[np.float64], *, budget_ms: float) -> Tile:
    """The latency for the headline: of the stream where there is one, else of the evaluation."""
    p99_ms = quantiles_ms(streamed_ms)[1] if len(streamed_ms) else measured.p99_ms
    where = "on the stream" if len(streamed_ms) else "in process"
    return Tile(f"{words.number(p99_ms)} ms", f"latency {where}, p99", f"the budget is {budget_ms:g} ms")


def latency_section(
    measured: LatencyNumbers, streamed_ms: NDArray[np.float64], *, deadlines_missed: int, budget_ms: float
) -> Section:
    """How fast answers come.

    Args:
        measured: The latencies of the evaluation.
        streamed_ms: (n,) latencies of the agent's answers; empty where nothing was streamed.
        deadlines_missed: Answers that the agent marked as late.
        budget_ms: What an answer may take.
    """
    return Section(
        key="latency",
        title="Latency",
        sentences=_sentences(streamed_ms, deadlines_missed, budget_ms),
        figures=(_figure(streamed_ms, budget_ms),),
        grids=(_grid(measured, streamed_ms),),
    )


def _sentences(streamed_ms: NDArray[np.float64], deadlines_missed: int, budget_ms: float) -> tuple[str, ...]:
    budget = f"The budget for one answer is {budget_ms:g} ms."
    if not len(streamed_ms):
        return (budget,)
    late = int(np.count_nonzero(streamed_ms > budget_ms))
    return (
        (
            f"{budget} Of {words.count(len(streamed_ms), 'answer')} on the stream, {late:,} took longer; the agent "
            f"itself marked {deadlines_missed:,} as late."
        ),
    )


def _figure(streamed_ms: NDArray[np.float64], budget_ms: float) -> Figure:
    if not len(streamed_ms):
        return Absent(_NOT_STREAMED)
    median, p99, longest = map(words.number, quantiles_ms(streamed_ms))
    return picture(
        lambda width: latency_plot(streamed_ms, budget_ms=budget_ms, width=width),
        title="Latency of the answers on the stream",
        alt=f"Median {median} ms, 99th percentile {p99} ms, longest {longest} ms, budget {budget_ms:g} ms.",
        reading=_READING,
    )


def _grid(measured: LatencyNumbers, streamed_ms: NDArray[np.float64]) -> Grid:
    in_process = (measured.median_ms, measured.p99_ms, measured.max_ms)
    rows = [_row("evaluation: payload in, encoded answer out, in process", measured.n, in_process)]
    if len(streamed_ms):
        path = "stream: arrival at the agent to decision, queue included"
        rows.insert(0, _row(path, len(streamed_ms), quantiles_ms(streamed_ms)))
    names = ("path", "windows", "p50, ms", "p99, ms", "max, ms")
    return Grid(tuple(Column(name, numeric=name != "path") for name in names), tuple(rows))


def _row(path: str, n: int, values_ms: tuple[float, ...]) -> tuple[str, ...]:
    return (path, f"{n:,}", *map(words.number, values_ms))
