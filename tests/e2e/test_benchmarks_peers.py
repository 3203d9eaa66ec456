"""Peers are timed only where they compute our features; the libraries themselves live in ``make bench-peers``."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from benchmarks.errors import BenchmarkError
from benchmarks.peers import scipy_idiom
from benchmarks.peers.check import check_peer, check_single_thread, our_values
from benchmarks.peers.peer import NOISE, VIBRATION, Agreement, Peer
from benchmarks.peers.signals import NAMES, band_sums, recording

SECONDS = 11.0


def fake_peer(changed=None, *, agreements=None, left_out=None):
    """A peer that gives our own values, with ``changed`` ones in their place."""
    return Peer(
        name="fake",
        packages=(),
        prepare=lambda samples: lambda: our_values(samples.astype(np.float32)),
        values=lambda ours: {**ours, **(changed(ours) if changed else {})},
        agreements=dict.fromkeys(NAMES, Agreement(1e-6)) if agreements is None else agreements,
        left_out=left_out or {},
    )


def test_scipy_gives_our_features():
    """Every feature as written with numpy and scipy is ours within its agreement, on two recordings."""
    found = check_peer(scipy_idiom.peer(), SECONDS)
    assert set(found) == set(NAMES)
    assert all(share <= 1.0 for share in found.values())


def test_equal_values_agree():
    """Our own values are no difference at all."""
    assert set(check_peer(fake_peer(), SECONDS).values()) == {0.0}


@pytest.mark.parametrize("name", ["mean", "kurtosis", "entropy"])
@pytest.mark.parametrize("wrong", [1.01, np.nan])
def test_another_value_is_refused(name, wrong):
    """One feature off in one window, or not a number, and nothing is timed; the error names it."""

    def spoil(ours):
        values = ours[name].copy()
        values[-1] *= wrong
        return {name: values}

    with pytest.raises(BenchmarkError, match=f"fake: expected our features, got others: {name} by"):
        check_peer(fake_peer(spoil), SECONDS)


def test_a_feature_is_compared_where_definitions_agree():
    """A value that is right for white noise alone passes when that is what its agreement says."""
    agreements = {**dict.fromkeys(NAMES, Agreement(1e-6)), "centroid": Agreement(0.01)}
    half_band_hz = {"centroid": np.full(2, 6_400.0)}
    with pytest.raises(BenchmarkError, match="centroid"):
        check_peer(fake_peer(lambda _: half_band_hz, agreements=agreements), SECONDS)
    agreements["centroid"] = Agreement(0.01, signal=NOISE)
    check_peer(fake_peer(lambda _: half_band_hz, agreements=agreements), SECONDS)


def test_no_feature_is_passed_over_in_silence():
    """A feature that is neither compared nor left out with a reason is an error."""
    agreements = dict.fromkeys(NAMES[1:], Agreement(1e-6))
    with pytest.raises(BenchmarkError, match="mean"):
        check_peer(fake_peer(agreements=agreements), SECONDS)
    check_peer(fake_peer(agreements=agreements, left_out={"mean": "no function"}), SECONDS)


def test_work_in_other_threads_is_refused():
    """A library that computes in threads of its own would look fast by this thread's clock."""

    def burn():
        until_s = time.thread_time() + 0.1
        while time.thread_time() < until_s:
            pass

    def elsewhere():
        worker = threading.Thread(target=burn)
        worker.start()
        worker.join()

    check_single_thread("here", burn)
    with pytest.raises(BenchmarkError, match="elsewhere: expected one thread"):
        check_single_thread("elsewhere", elsewhere)


def test_recordings_tell_features_apart():
    """The tones lie above the noise on one recording, and the other is white; both are the same every time."""
    tones, noise = (our_values(recording(signal, SECONDS)) for signal in (VIBRATION, NOISE))
    assert tones["flatness"].max() < 0.5
    assert noise["flatness"].min() > 0.95
    assert np.array_equal(recording(VIBRATION, 1.0), recording(VIBRATION, 1.0))


def test_band_sums_of_a_flat_density():
    """A density of one makes each band's power its width."""
    lines_hz = np.arange(129) * 100.0
    sums = band_sums(lines_hz, np.ones((1, 129)), 100.0)
    assert sums["band_100_400_hz"].tolist() == [300.0]
    assert sums["band_10000_12400_hz"].tolist() == [2_400.0]
