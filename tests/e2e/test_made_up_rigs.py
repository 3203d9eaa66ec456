"""Made-up rigs: the signals are what they say, the folders are those of the layout, and the product copes with them."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.command import EXIT_ERROR, run_command
from benchmarks.detection.made_up import __main__ as command
from benchmarks.detection.made_up.machine import Machine, specimen, vibration
from benchmarks.detection.made_up.process import Plant, Trouble, values_of

RATE_HZ = 2000.0
N = 20_000
QUIET = Machine(shaft_hz=20.0, noise=0.0, wander=0.0)


def drawn(machine, seed=1, n=N):
    """(n,) samples."""
    return vibration(machine, n, RATE_HZ, np.random.default_rng(seed))


@pytest.mark.parametrize(("order", "amplitude"), [(1.0, 0.5), (7.1, 2.0), (22.0, 1.0)])
def test_tone_stands_at_its_order(order, amplitude):
    """A sine of this amplitude has the RMS amplitude / sqrt(2), and its peak at order times shaft speed."""
    samples = drawn(QUIET.with_tones((order, amplitude)))
    assert np.sqrt(np.mean(samples**2)) == pytest.approx(amplitude / np.sqrt(2.0), rel=0.01)
    peak = np.abs(np.fft.rfft(samples)).argmax() * RATE_HZ / N
    assert peak == pytest.approx(20.0 * order, rel=0.005)


def test_tone_above_what_the_rate_carries_is_not_there():
    """An anti-aliasing filter takes it: 50 * 20 Hz at 2 kHz."""
    assert not drawn(QUIET.with_tones((50.0, 1.0))).any()


def test_impacts_come_once_a_pass():
    """3.5 a turn, 20 turns a second, 10 s: 700 spikes of about 1."""
    samples = drawn(QUIET.with_impacts((3.5, 1.0)))
    struck = samples[samples != 0.0]
    assert len(struck) == pytest.approx(700, abs=8)
    assert struck.mean() == pytest.approx(1.0, abs=0.05)


def test_resonance_rings():
    """Noise is strongest where the structure resonates."""
    power = np.abs(np.fft.rfft(drawn(replace(QUIET, noise=1.0, resonances_hz=(400.0,))))) ** 2
    bands = power[1:].reshape(20, -1).mean(axis=1)
    assert bands.argmax() in {7, 8}


def test_louder_scales_everything():
    """The same draws, three times as strong."""
    machine = Machine(shaft_hz=20.0, tones=((2.0, 1.0),), impacts=((3.0, 1.0),), noise=0.2, resonances_hz=(300.0,))
    np.testing.assert_allclose(drawn(machine.louder(3.0)), 3.0 * drawn(machine))


def test_specimens_differ_by_the_spread_asked_for():
    """Standard deviation of the logarithms over many."""
    rng = np.random.default_rng(2)
    kind = Machine(shaft_hz=20.0, noise=2.0)
    logs = np.log([specimen(kind, rng, spread=0.3).noise / 2.0 for _ in range(2000)])
    assert (logs.mean(), logs.std()) == (pytest.approx(0.0, abs=0.03), pytest.approx(0.3, abs=0.02))


@pytest.mark.parametrize(
    ("name", "channel", "is_right"),
    [
        ("blocked", "flow", lambda without, wrong: wrong.mean() < 0.6 * without.mean()),
        ("blocked", "pressure", lambda without, wrong: wrong.mean() > without.mean()),
        ("leaking", "pressure", lambda without, wrong: wrong.mean() < 0.7 * without.mean()),
        ("hot", "motor_temperature", lambda without, wrong: wrong.mean() > without.mean() + 8.0),
        ("stuck", "flow", lambda without, wrong: wrong.std() < 0.1 * without.std()),
    ],
)
def test_trouble_shows_where_it_must(name, channel, is_right):
    """The same draws with a trouble in full from half-way on, and without: alike before it, different at the end."""
    n = 3600
    course = (np.arange(n) >= n // 2).astype(float)
    without, wrong = (
        values_of(Plant(), trouble, np.random.default_rng(5), start_s=0.0)[channel]
        for trouble in (Trouble.none(n), replace(Trouble.none(n), **{name: course}))
    )
    np.testing.assert_array_equal(without[: n // 2], wrong[: n // 2])
    assert is_right(without[3000:], wrong[3000:])


@pytest.mark.parametrize("name", sorted(command.RIGS))
def test_recordings_are_of_the_layout(name):
    """The first recording of each rig: columns of one length, finite, one unit a channel or one for all."""
    first = next(command.RIGS[name](np.random.default_rng(1)))
    lengths = {len(column) for column in (*first.channels.values(), *first.others.values())}
    assert len(lengths) == 1
    assert all(np.isfinite(column).all() and column.std() > 0.0 for column in first.channels.values())
    assert len(first.signal_units.split(";")) in {1, len(first.channels)}


def test_same_seed_same_bytes_whatever_else_is_written(tmp_path):
    """One rig alone, and the same beside another one."""
    command.make_rigs(("single",), tmp_path / "alone", 3)
    command.make_rigs(("cheap_sensor", "single"), tmp_path / "beside", 3)
    command.make_rigs(("single",), tmp_path / "other", 4)
    files = sorted(path.name for path in (tmp_path / "alone" / "single").iterdir())
    assert len(files) == 7
    for file in files:
        alone, beside, other = (
            (tmp_path / folder / "single" / file).read_bytes() for folder in ("alone", "beside", "other")
        )
        assert alone == beside != other


def test_command_writes_an_index_of_all(tmp_path, monkeypatch, capsys):
    """One row a recording, with its file beside it."""
    out = tmp_path / "rigs"
    monkeypatch.setattr(sys, "argv", ["made_up", "--out", str(out), "--rig", "single", "--rig", "cheap_sensor"])
    assert run_command(command.main) == 0
    with (out / "recordings.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["dataset"] for row in rows} == {"single", "cheap_sensor"}
    assert all((out / row["file"]).is_file() for row in rows)
    assert "single, cheap_sensor" in capsys.readouterr().out


def test_command_does_not_write_over_a_folder(tmp_path, monkeypatch, capsys):
    """What lies there stays, and the error says why."""
    (tmp_path / "mine").write_text("precious")
    monkeypatch.setattr(sys, "argv", ["made_up", "--out", str(tmp_path)])
    with pytest.raises(SystemExit) as ending:
        command.main()
    assert ending.value.code == EXIT_ERROR
    assert "with something in it" in capsys.readouterr().err
    assert (tmp_path / "mine").read_text() == "precious"
