"""The plots of docs/reference/benchmarks.md, drawn from the reports that the benchmarks wrote.

Run ``make bench-features bench-peers bench-plots``; the same reports give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from benchmarks.command import EXIT_OK, run_command
from benchmarks.errors import BenchmarkError
from benchmarks.feature_curves import CHANNELS, HOP, WINDOW
from ground.report.figure import BLUE, GREY, INK, ORANGE, Width, drawn, new_figure
from ground.workspace import write_atomic

SCHEMA = 1

_ROOT = Path(__file__).resolve().parents[1]
_REPORTS = _ROOT / "benchmarks" / "out"
_IMAGES = _ROOT / "docs" / "reference" / "img"
_WIDTH = Width(7.2)
_HEIGHT_IN = 2.9
_KILO = 1 << 10
_MEGA = 1 << 20
_PER_WINDOW = "cal per window"
_PER_SECOND = "cal per second of a channel"

Point = Mapping[str, Any]


def main() -> int:
    """Read ``features.json`` and ``peers.json``, write the plots."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.plots", description="Plots of the benchmarks.")
    options.add_argument("--reports", type=Path, default=_REPORTS, metavar="DIR", help="folder of the JSON reports")
    options.add_argument("--out", type=Path, default=_IMAGES, metavar="DIR", help="folder of the plots")
    chosen = options.parse_args()
    features, peers = (_read(chosen.reports / f"{name}.json") for name in ("features", "peers"))
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, svg in plots(features, peers).items():
        write_atomic(chosen.out / name, svg.encode("utf-8"))
        print(f"{name}: {len(svg.encode('utf-8')) / 1e3:.1f} kB")
    return EXIT_OK


def plots(features: Mapping[str, Any], peers: Mapping[str, Any]) -> Mapping[str, str]:
    """By the name of its file, the SVG of each plot."""
    curves = features["tables"]
    return {
        "features-window.svg": window_plot(curves[WINDOW]),
        "features-hop.svg": hop_plot(curves[HOP]),
        "features-channels.svg": channels_plot(curves[CHANNELS]),
        "peers.svg": peers_plot(peers["rows"]),
    }


@drawn
def window_plot(points: Sequence[Point]) -> Figure:
    """Cost of a window against its length, side by side and overlapping."""
    figure = new_figure(_WIDTH, _HEIGHT_IN)
    axes = figure.subplots()
    whole = [point for point in points if point["hop_n"] == point["window_n"]]
    shortest_hop = {point["window_n"]: point for point in sorted(points, key=lambda point: -float(point["hop_n"]))}
    _line(axes, whole, "window_n", "cal_per_window", label="windows side by side", color=BLUE, marker="o")
    overlapping = list(shortest_hop.values())
    _line(
        axes, overlapping, "window_n", "cal_per_window", label="a new window every record (at most 16k samples)",
        color=ORANGE, marker="s",
    )  # fmt: skip
    axes.set(title="Cost against the length of the window", xlabel="samples in the window", ylabel=_PER_WINDOW)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks([point["window_n"] for point in whole][::2])
    axes.xaxis.set_major_formatter(FuncFormatter(lambda n, _: _samples(n)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda cal, _: f"{cal:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend()
    return figure


@drawn
def hop_plot(points: Sequence[Point]) -> Figure:
    """Cost of a second of signal against the hop of windows of 10 s."""
    figure = new_figure(_WIDTH, _HEIGHT_IN)
    axes = figure.subplots()
    for record_s, color, marker in ((0.1, BLUE, "o"), (1.0, ORANGE, "s")):
        chosen = [point for point in points if point["record_s"] == record_s]
        _line(
            axes, chosen, "hop_s", "cal_per_channel_second", label=f"records of {record_s:g} s", color=color,
            marker=marker,
        )  # fmt: skip
    axes.set(title="Cost against the hop, windows of 10 s", xlabel="hop, s", ylabel=_PER_SECOND)
    axes.set_xscale("log")
    axes.set_xticks(sorted({point["hop_s"] for point in points}))
    _plain_ticks(axes)
    axes.set_ylim(bottom=0.0)
    axes.legend()
    return figure


@drawn
def channels_plot(points: Sequence[Point]) -> Figure:
    """Cost of a second of one channel against the number of channels."""
    figure = new_figure(_WIDTH, _HEIGHT_IN)
    axes = figure.subplots()
    _line(axes, points, "n_channel", "cal_per_channel_second", color=BLUE, marker="o")
    axes.set(
        title="Cost against the number of channels, streaming in 100 ms chunks",
        xlabel="channels",
        ylabel=_PER_SECOND,
    )
    axes.set_xscale("log", base=2)
    axes.set_xticks([point["n_channel"] for point in points])
    _plain_ticks(axes)
    axes.set_ylim(bottom=0.0)
    return figure


@drawn
def peers_plot(rows: Sequence[Point]) -> Figure:
    """How many times our cost each peer takes."""
    figure = new_figure(_WIDTH, 2.2)
    axes = figure.subplots()
    peers = [row for row in rows if "x ours" in row["figures"]]
    names = [str(row["name"]).replace(", ", "\n", 1) for row in peers]
    ratios = [float(row["figures"]["x ours"]) for row in peers]
    bars = axes.barh(names, ratios, color=BLUE, height=0.55)
    axes.bar_label(bars, [f"{ratio:,.0f} x" for ratio in ratios], padding=4, color=INK)
    axes.axvline(1.0, color=GREY, linewidth=1.0)
    axes.set(title="CPU time of one window of 10 s, hop 1 s, against ours", xlabel="x ours (batch)")
    axes.set_xscale("log")
    axes.set_xlim(1.0, 2.0 * max(ratios))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ratio, _: f"{ratio:g}"))
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    return figure


def _line(axes: Axes, points: Sequence[Point], x: str, y: str, **style: Any) -> None:
    axes.plot([point[x] for point in points], [point[y] for point in points], markersize=4.0, **style)


def _plain_ticks(axes: Axes) -> None:
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_locator(NullLocator())


def _samples(n: float) -> str:
    return f"{n / _MEGA:g}M" if n >= _MEGA else f"{n / _KILO:g}k"


def _read(path: Path) -> Mapping[str, Any]:
    try:
        document: Mapping[str, Any] = json.loads(path.read_text(encoding="ascii"))
    except (OSError, ValueError) as error:
        raise BenchmarkError(
            f"{path.name}: expected a report, got {error}; run make bench-features bench-peers"
        ) from error
    if document.get("schema") != SCHEMA:
        raise BenchmarkError(f"{path.name}: expected schema {SCHEMA}, got {document.get('schema')!r}; make it again")
    return document


if __name__ == "__main__":
    sys.exit(run_command(main))
