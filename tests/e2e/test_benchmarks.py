"""The benchmarks measure what they say, gate on it, and leave nothing behind."""

from __future__ import annotations

import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import welch

from benchmarks import cal, command, paced, report
from benchmarks.errors import BenchmarkError
from benchmarks.latency import FULL, QUICK
from benchmarks.measure import FEWEST_FOR_P999, Case, summarise, time_interleaved
from benchmarks.mqtt_pair import Receipt
from benchmarks.processes import running
from benchmarks.vibration import FRAME_S, FrameSource, vibration
from edge_agent.assessment import Assessment
from edge_agent.frame import NS_PER_S
from edge_agent.result import Latency, Result, Runtime
from edge_agent.stream import WindowStream
from ground.errors import ConfigError
from ground.models.families import FAMILIES
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

ROOT = Path(__file__).resolve().parents[2]
NUMBERS = {"n", "median", "p99", "p99.9", "max", "ratio_to_cal"}
SPEC = FeatureSpec(
    sampling_rate_hz=1_000.0,
    record_s=1.0,
    window_s=10.0,
    hop_s=1.0,
    channels=(ChannelSpec("case", "g"),),
    spectrum=SpectrumGroup(segment_n=100, overlap_n=0, bands_hz=((50.0, 400.0),)),
)

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin") is None,
    reason="mosquitto is not installed",
)

whole = pytest.mark.skipif(os.environ.get("BENCHMARKS") != "full", reason="half a minute: make test-benchmarks")
"""A benchmark from its command to its report."""


def run_benchmark(name, *options):
    """Run a benchmark as a user would, in a session of its own."""
    command_line = [sys.executable, "-m", f"benchmarks.{name}", *map(str, options)]
    return subprocess.run(
        command_line, cwd=ROOT, capture_output=True, text=True, timeout=200, check=False, start_new_session=True
    )


def processes_of_session(session):
    """Process ids of a session that still run: the sixth field of /proc/PID/stat, zombies left out."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _parent, _group, own_session = stat.read_text().rpartition(")")[2].split()[:4]
        except OSError:
            continue
        if int(own_session) == session and state != "Z":
            found.append(int(stat.parent.name))
    return found


def test_cal_is_welch_of_one_second():
    """One call gives the spectrum that scipy gives for the same second."""
    samples = np.random.default_rng(cal._SEED).standard_normal(25_600)
    _, expected = welch(samples, 25_600.0, window="hann", nperseg=4096, noverlap=2048, detrend=False)
    np.testing.assert_allclose(cal.make_cal()(), expected, rtol=1e-12)


def test_percentiles_of_a_known_sample():
    """1..10,000 in any order: at least the stated share of the values does not exceed a percentile."""
    values = np.random.default_rng(1).permutation(np.arange(1.0, 10_001.0))
    summary = summarise(values)
    assert (summary.n, summary.median, summary.p99, summary.p999) == (10_000, 5_000.0, 9_900.0, 9_990.0)
    assert summary.maximum == 10_000.0


def test_rare_percentile_needs_a_large_sample():
    """One value too few, and there is no 99.9th percentile."""
    assert summarise(np.ones(FEWEST_FOR_P999)).p999 == 1.0
    assert summarise(np.ones(FEWEST_FOR_P999 - 1)).p999 is None


def test_all_rounds_are_timed_in_one_random_order():
    """Every case runs as often as it asks, not one after the other, and preparing it is not timed."""
    calls = []
    cases = [
        Case(name, lambda name=name: lambda: calls.append(name), rounds) for name, rounds in (("a", 30), ("b", 20))
    ]
    times = time_interleaved(cases, seed=1)
    assert {name: len(values) for name, values in times.items()} == {"a": 30, "b": 20}
    timed = "".join(calls[6:])
    assert "a" in timed.lstrip("a").lstrip("b")
    assert all((values >= 0.0).all() for values in times.values())


@pytest.mark.parametrize("scenario", [*QUICK, *FULL])
def test_load_is_spread_evenly(scenario):
    """No two frames are due together, and each engine completes its windows within its last frame."""
    load = paced.Load(spec=SPEC, streams=scenario.streams, windows=2)
    sends = paced.schedule(load, start_ns=0)
    steps_ns = np.diff([send.due_ns for send in sends])
    all_running = steps_ns[len(steps_ns) // 4 : len(steps_ns) * 3 // 4]
    assert all_running.min() >= 0.99 * FRAME_S * NS_PER_S / scenario.streams
    assert sum(load.completes(send.index) for send in sends) == 2 * scenario.streams
    assert load.completes(load.frames_per_stream - 1)


def test_frames_complete_windows_when_the_load_says_so():
    """The agent's own window stream gives a window that can be assessed at exactly those frames."""
    load = paced.Load(spec=SPEC, streams=1, windows=3)
    source = FrameSource(SPEC, vibration(SPEC, SPEC.window_s), engine="1")
    stream = WindowStream(SPEC)
    for index in range(load.frames_per_stream):
        frame = source.frame(index)
        windows = stream.push(frame)
        assert bool(windows) == load.completes(index)
        assert all(window.reason == "" and window.end_ns == frame.end_ns for window in windows)


def receipt(end_ns, *, received_ns, state="normal", reason=""):
    """A result of engine 1 as the listener would keep it."""
    assessment = Assessment(
        aircraft="BENCH", engine="1", flight="bench", phase="cruise", seq=0, start_ns=0, end_ns=end_ns, state=state,
        reason=reason, event="", score=1.0, threshold=2.0, contributions=(), bundle_id="b/1.0.0", bundle_digest="",
        spec_digest="",
    )  # fmt: skip
    runtime = Runtime(
        agent="a", run="r", monotonic_ns=0, clock="unknown", latency_ms=Latency(0.1, 0.2, 0.3),
        deadline_missed=end_ns == 1,
    )  # fmt: skip
    return Receipt(received_ns, Result(assessment, runtime))


def test_unanswered_windows_count_as_endless():
    """A window that is lost or not assessed is no fast one; of a message delivered twice the first counts."""
    sent = {paced._WindowKey("1", end_ns): 1_000_000 for end_ns in (1, 2, 3)}
    receipts = [
        receipt(1, received_ns=3_000_000),
        receipt(1, received_ns=9_000_000),
        receipt(2, received_ns=2_000_000, state="not_assessed", reason="gap"),
    ]
    run = paced._outcome(sent, receipts, [0.0])
    assert run.total_s.tolist() == [0.002, math.inf, math.inf]
    assert (run.unanswered, run.deadline_missed, len(run.parts)) == (2, 1, 1)
    assert run.figures == {"unanswered": 2, "not assessed, gap": 1}


@pytest.mark.parametrize(
    ("target", "verdict"),
    [
        (report.at_most("p99", 2.0, 2.0, "ms"), report.KEPT),
        (report.at_most("p99", 2.1, 2.0, "ms"), report.MISSED),
        (report.at_most("p99", math.inf, 2.0, "ms"), report.MISSED),
        (report.at_most("p99.9", None, 5.0, "ms"), report.UNDECIDED),
        (report.at_least("rate", 2_000.0, 2_000.0, "/s"), report.KEPT),
        (report.at_least("rate", 1_999.0, 2_000.0, "/s"), report.MISSED),
    ],
)
def test_verdict_of_a_target(target, verdict):
    """A target is kept at its limit, missed beyond it, and open where the sample was too small."""
    assert target.verdict == verdict


def test_endless_latencies_are_null_in_json():
    """JSON knows no infinity: what never came is null, not a number."""
    row = report.Row(name="x", summary=summarise(np.array([0.001, math.inf])))
    told = report.to_document(
        report.Report(benchmark="b", mode="quick", unit="ms", cal=summarise(np.array([0.0005])), rows=(row,))
    )["rows"][0]
    assert (told["median"], told["p99"], told["max"], told["ratio_to_cal"]) == (1.0, None, None, 2.0)


@pytest.fixture
def signals_restored():
    """Keep the handlers that pytest has."""
    kept = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in kept.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("signals_restored")
@pytest.mark.parametrize("error", [BenchmarkError("no broker"), ConfigError("install mosquitto")])
def test_what_cannot_be_measured_exits_with_two(error, capsys):
    """An error is told in one line and is no verdict about the latency."""

    def measure():
        raise error

    assert command.run_command(measure) == command.EXIT_ERROR
    assert capsys.readouterr().err == f"{error}\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--windows", "0"), "expected 1 or more"),
        (("--limit-ms", "soon"), "invalid float"),
        (("--out", "/dev/null/x"), "expected a folder"),
        (("--slow",), "unrecognized arguments"),
    ],
)
def test_bad_options(options, words):
    """A wrong option is refused before anything is measured, without a traceback."""
    done = run_benchmark("latency", *options)
    assert done.returncode == command.EXIT_ERROR
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_program_that_ends_is_told_with_its_last_words(tmp_path):
    """A process that dies under the benchmark is an error that holds its output."""
    code = "print('no such bundle'); raise SystemExit(3)"
    with running("agent", (sys.executable, "-c", code), tmp_path) as program:
        program.process.wait(30)
        with pytest.raises(BenchmarkError, match=r"exit code 3; its last words:\nno such bundle"):
            program.check_alive()


def test_a_program_that_will_not_stop_is_killed(tmp_path, monkeypatch):
    """A process that ignores SIGTERM does not outlive its block, whatever ends the block."""
    monkeypatch.setattr("benchmarks.processes._STOP_TIMEOUT_S", 0.2)
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); signal.pause()"
    with suppress(KeyboardInterrupt), running("deaf", (sys.executable, "-c", code), tmp_path) as program:
        while "up" not in program.log.read_text():
            program.check_alive()
        raise KeyboardInterrupt
    assert program.process.returncode == -signal.SIGKILL


@whole
@pytest.mark.slow
def test_throughput_reports_every_cost(tmp_path):
    """The smallest run writes the promised keys."""
    done = run_benchmark("throughput", "--quick", "--rounds", 3, "--out", tmp_path)
    assert done.returncode == command.EXIT_OK, done.stderr
    document = json.loads((tmp_path / "throughput.json").read_text())
    assert set(document["cal"]) == NUMBERS
    assert len(document["rows"]) == 3
    assert all(set(row) >= NUMBERS for row in document["rows"])
    assert "assessment, per window" in done.stdout


@whole
@pytest.mark.slow
def test_models_reports_every_family(tmp_path):
    """The smallest run fits, exports and scores each family of the table."""
    done = run_benchmark("models", "--quick", "--rounds", 3, "--out", tmp_path)
    assert done.returncode == command.EXIT_OK, done.stderr
    document = json.loads((tmp_path / "models.json").read_text())
    assert [row["name"] for row in document["rows"]] == list(FAMILIES)
    assert all(row["figures"]["model_kib"] > 1.0 for row in document["rows"])


@pytest.mark.slow
@needs_mosquitto
def test_latency_over_the_limit_fails(tmp_path):
    """A real agent answers every window through a real broker, the report is whole, and a limit in the way gates."""
    done = run_benchmark("latency", "--quick", "--windows", 1, "--limit-ms", 0.0001, "--out", tmp_path)
    assert done.returncode == command.EXIT_LIMIT, done.stderr
    assert "expected p99 <= 0.0001 ms" in done.stderr
    document = json.loads((tmp_path / "latency.json").read_text())
    whole, *others = document["rows"]
    assert set(document["machine"]) >= {"cores", "python", "numpy", "onnxruntime"}
    assert all(set(row) >= NUMBERS for row in (whole, *others))
    assert (whole["n"], whole["p99.9"]) == (QUICK[0].streams, None)
    assert whole["figures"]["unanswered"] == 0
    assert "deadline_missed" in whole["figures"]
    floor = others[-1]
    assert (floor["n"], floor["figures"]["unanswered"]) == (QUICK[0].streams, 0)
    assert floor["figures"]["median, share of the agent's"] > 0.0
    verdicts = {target["text"]: target["verdict"] for target in whole["targets"]}
    assert verdicts["gate: p99 <= 0.0001 ms"] == report.MISSED
    assert verdicts["p99.9 <= 5 ms"] == report.UNDECIDED


@whole
@pytest.mark.slow
@needs_mosquitto
def test_footprint_reports_every_figure(tmp_path):
    """A real agent under a short load and a few starts: every window answered, every figure there."""
    done = run_benchmark("footprint", "--quick", "--seconds", 4, "--out", tmp_path)
    assert done.returncode == command.EXIT_OK, done.stderr
    steady, start, imports = json.loads((tmp_path / "footprint.json").read_text())["rows"]
    assert steady["figures"]["unanswered"] == 0
    assert 20.0 < steady["figures"]["PSS, MiB (median)"] < 500.0
    assert steady["figures"]["threads"] >= 3
    assert 0.0 < steady["median"] < 1_000.0
    assert start["median"] > imports["median"] > 0.0
    assert start["figures"]["/ imports alone"] > 1.0


@pytest.mark.slow
@needs_mosquitto
def test_sigterm_leaves_no_process(tmp_path):
    """Ended in the middle, the benchmark takes its broker and its agent with it."""
    folder = tmp_path / "tmp"
    folder.mkdir()
    benchmark = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.latency", "--quick", "--out", str(tmp_path)],
        cwd=ROOT, env={**os.environ, "TMPDIR": str(folder)}, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        deadline_s = time.monotonic() + 120.0
        while len(processes_of_session(benchmark.pid)) < 3:
            assert benchmark.poll() is None
            assert time.monotonic() < deadline_s, "waited for the broker and the agent"
            time.sleep(0.05)
        benchmark.terminate()
        assert benchmark.wait(60) == 128 + signal.SIGTERM
        assert processes_of_session(benchmark.pid) == []
        # By the prefix of tempfile: torch leaves a cache folder of its own there.
        assert list(folder.glob("tmp*")) == []
    finally:
        for left in processes_of_session(benchmark.pid):
            os.kill(left, signal.SIGKILL)
        benchmark.wait()
