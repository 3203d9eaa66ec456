"""The benchmark of the features charges each call for the windows it completes, and tells what it measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks import feature_cases, feature_curves, memory, plots, report
from benchmarks.bench_bundle import bench_config
from benchmarks.errors import BenchmarkError
from benchmarks.measure import Case, summarise, time_paired
from benchmarks.specs import complete_spec, group_specs, speeds_of, usual_spec
from benchmarks.vibration import vibration
from shared_features.extract import extract_windows
from shared_features.vector import columns_of
from tests.e2e.test_benchmarks import whole

ROOT = Path(__file__).resolve().parents[2]


def test_usual_spec_is_the_products_default():
    """What is measured is what a config without a word about features gives: spans, segments, number of features."""
    usual, default = usual_spec(), bench_config(1).feature_spec()
    spans = ("sampling_rate_hz", "record_s", "window_s", "hop_s")
    assert [getattr(usual, name) for name in spans] == [getattr(default, name) for name in spans]
    assert (usual.spectrum.segment_n, usual.spectrum.overlap_n) == (
        default.spectrum.segment_n,
        default.spectrum.overlap_n,
    )
    assert len(usual.spectrum.bands_hz) == len(default.spectrum.bands_hz)


def test_each_group_is_measured_on_its_own():
    """A group's spec differs from the usual one in that group's features alone; the complete one has all of them."""
    usual = {column.name for column in columns_of(usual_spec())}
    extras = {name: {column.name for column in columns_of(spec)} - usual for name, spec in group_specs().items()}
    assert [name for name, extra in extras.items() if not extra] == ["time alone", "spectrum alone"]
    assert sum(map(len, extras.values())) == len(set().union(*extras.values()))
    assert {column.name for column in columns_of(complete_spec())} == usual.union(*extras.values())


def test_every_hop_completes_one_window():
    """A call that is charged for one window makes exactly one that can be assessed, in every group's spec."""
    for spec in (usual_spec(n_channel=2), complete_spec()):
        feature_cases.streaming(spec)()()
        feature_cases.one_push(spec)()()


def test_what_is_not_assessed_is_not_timed():
    """A dead sensor is cheap: windows with a reason, or another number of windows, end the benchmark."""
    spec = usual_spec()
    flat = extract_windows(spec, np.zeros((spec.window_n, 1), dtype=np.float32), speeds_of(spec))
    with pytest.raises(BenchmarkError, match="expected 1 assessed windows, got 1 with reasons"):
        feature_cases.check_assessed(flat, 1)
    whole = extract_windows(spec, vibration(spec, 10.0), speeds_of(spec))
    with pytest.raises(BenchmarkError, match="expected 2 assessed windows, got 1"):
        feature_cases.check_assessed(whole, 2)


def test_windows_of_a_recording():
    """The divisor of a batch is the number of windows that the extraction gives."""
    spec = usual_spec()
    samples = feature_cases.recorded(spec, 13.0)
    assert samples.shape == (13 * 25_600, 1)
    assert len(extract_windows(spec, samples, speeds_of(spec))) == feature_cases.windows_of(spec, 13.0) == 4


def test_recordings_repeat_without_a_step():
    """Tiled vibration has no jump where it repeats: no step is larger than those inside a period."""
    samples = feature_cases.recorded(usual_spec(), 5.0)[:, 0]
    steps = np.abs(np.diff(samples.astype(np.float64)))
    assert steps[51_199] <= steps[:51_199].max()
    assert np.array_equal(samples[:51_200], samples[51_200:102_400])


def test_paired_rounds_belong_together():
    """Every case runs once a round after one unmeasured call, and the order changes from round to round."""
    calls = []
    cases = [Case(name, lambda name=name: lambda: calls.append(name), 1) for name in "abc"]
    times = time_paired(cases, rounds=20, seed=1)
    assert calls[:3] == ["a", "b", "c"]
    rounds = ["".join(calls[start : start + 3]) for start in range(3, len(calls), 3)]
    assert len(rounds) == 20
    assert {"".join(sorted(one)) for one in rounds} == {"abc"}
    assert len(set(rounds)) > 1
    assert all(len(values) == 20 for values in times.values())


def test_curves_cover_the_design():
    """Windows from 1k to 1M samples, 1 to 64 channels, hops from one record to the whole window, each point once."""
    found = list(feature_curves.points())
    assert len({point.name for point in found}) == len(found)
    windows = [point for point in found if point.curve == feature_curves.WINDOW]
    assert {point.spec.window_n for point in windows} == {1 << power for power in range(10, 21)}
    assert all(point.spec.window_n == point.numbers["window_n"] for point in windows)
    channels = [len(point.spec.channels) for point in found if point.curve == feature_curves.CHANNELS]
    assert (min(channels), max(channels)) == (1, 64)
    hops = [point.spec for point in found if point.curve == feature_curves.HOP]
    assert {spec.window_s for spec in hops} == {10.0}
    assert {spec.hop_records for spec in hops} >= {1, spec_records(hops)}


def spec_records(specs):
    """Records of the longest window of ``specs``."""
    return max(spec.window_records for spec in specs)


def test_curves_are_told_per_window_and_per_second():
    """Twice ``cal`` for one hop of 5 s of one channel is 2 cal a window and 0.4 a second."""
    times = {point.name: np.array([2e-3, 1.0, 1e-6]) for point in feature_curves.points()}
    told = feature_curves.tables(times, 1e-3)
    (point,) = [point for point in told["hop"] if (point["record_s"], point["hop_s"]) == (1.0, 5.0)]
    assert point["cal_per_window"] == pytest.approx(2.0)
    assert point["cal_per_channel_second"] == pytest.approx(0.4)
    (point,) = [point for point in told["channels"] if point["n_channel"] == 64]
    assert point["cal_per_channel_second"] == pytest.approx(2.0 / 64.0)


def test_a_file_is_read_until_enough_was_extracted(tmp_path):
    """A file of two chunks is read two and a half times for five chunks; every window of them comes out."""
    path = tmp_path / "recording.f32"
    feature_cases.recorded(usual_spec(), 120.0).tofile(path)
    chunk_n = 60 * 25_600 * 4
    use = memory.extract_file(path, 5 * chunk_n - 1)
    assert (use.read_gb, use.windows) == (5 * chunk_n / 1e9, 291)
    assert use.peak_mb >= use.start_mb > 10.0


def test_a_recording_that_is_not_assessed_is_no_measurement(tmp_path):
    """A file of zeros would need less memory and time than a real one: refused."""
    path = tmp_path / "zeros.f32"
    np.zeros(120 * 25_600, dtype=np.float32).tofile(path)
    with pytest.raises(BenchmarkError, match="assessed windows"):
        memory.extract_file(path, 1)


def test_peak_memory_is_that_of_the_process():
    """Memory that was held and given back stays in the peak; a child does not inherit its parent's."""
    code = """
import numpy as np
from benchmarks.memory import _peak_mb
before_mb = _peak_mb()
np.ones(12_500_000)
print(before_mb, _peak_mb())
"""
    held = np.ones(25_000_000)
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    before_mb, after_mb = map(float, done.stdout.split())
    assert after_mb - before_mb == pytest.approx(100.0, rel=0.1)
    assert before_mb < held.nbytes / 1e6


def sample_report(**changes):
    """A compact report of two rows: one with a figure and a target, one without."""
    rows = (
        report.Row(
            name="fast", summary=summarise(np.array([0.002])), figures={"GB/s": 0.25},
            targets=(report.at_most("median", 2.0, 2.5, "cal"),),
        ),
        report.Row(name="plain", summary=summarise(np.array([0.5]))),
    )  # fmt: skip
    values = {
        "benchmark": "b", "mode": "quick", "unit": "ms", "cal": summarise(np.array([0.001])), "rows": rows,
        "packages": ("numpy",), "tables": {"curve": [{"n": 1, "why": "text"}]}, "is_compact": True,
    }  # fmt: skip
    return report.Report(**{**values, **changes})


def test_a_compact_table_fits_a_page(tmp_path, capsys):
    """It tells ratios, figures and verdicts in 100 columns without trailing blanks; the JSON holds the curves."""
    report.publish(sample_report(), tmp_path)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 100
    assert all(line == line.rstrip() for line in lines)
    (fast,) = [line.split() for line in lines if "fast" in line]
    assert fast == ["fast", "2", "0.25", "GB/s", "median", "<=", "2.5", "cal:", "kept"]
    (plain,) = [line.split() for line in lines if "plain" in line]
    assert plain == ["plain", "500"]
    document = json.loads((tmp_path / "b.json").read_text())
    assert document["tables"] == {"curve": [{"n": 1, "why": "text"}]}
    assert set(document["machine"]) == {"cores", "architecture", "python", "numpy"}


def sample_documents():
    """Reports as the benchmarks write them, with made-up costs."""
    times = {point.name: np.array([1e-3 * (1 + index)]) for index, point in enumerate(feature_curves.points())}
    rows = [
        {"name": "ours", "figures": {"features": 29}},
        {"name": "tsfresh, 23 of 29 features", "figures": {"x ours": 94.2}},
    ]
    return {"schema": 1, "tables": feature_curves.tables(times, 1e-3)}, {"schema": 1, "rows": rows}


def test_plots_are_small_and_say_what_they_show():
    """The same reports give the same bytes, below 60 kB, with the peers' ratios as text."""
    drawn = plots.plots(*sample_documents())
    assert drawn == plots.plots(*sample_documents())
    assert set(drawn) == {"features-window.svg", "features-hop.svg", "features-channels.svg", "peers.svg"}
    assert all(len(svg) < 60_000 and svg.startswith("<svg") for svg in drawn.values())
    assert "94 x" in drawn["peers.svg"]
    assert "ours</text>" in drawn["peers.svg"]


def test_plots_need_reports(tmp_path, monkeypatch):
    """Without a report the message says what makes one."""
    monkeypatch.setattr(sys, "argv", ["plots", "--reports", str(tmp_path), "--out", str(tmp_path / "img")])
    with pytest.raises(BenchmarkError, match=r"features.json: expected a report, got .*; run make bench-features"):
        plots.main()


@whole
@pytest.mark.slow
def test_features_reports_every_cost(tmp_path):
    """The smallest run writes the promised keys, and judges by the design's targets."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.features", "--quick", "--rounds", "1", "--out", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=200, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "features.json").read_text())
    targets = [target["text"] for row in document["rows"] for target in row["targets"]]
    assert targets == [
        "median <= 2.5 cal", "median <= 3.5 cal", "median <= 1.5 cal", "rate >= 2,000 windows/s/core",
        "rate >= 0.2 GB/s", "peak <= 300 MB",
    ]  # fmt: skip
    assert set(document["tables"]) == {"window", "hop", "channels"}
    assert document["rows"][-1]["figures"]["GB read"] >= 1.0
    assert document["rows"][-1]["targets"][0]["verdict"] == report.KEPT
