"""How outliers are decided, on levels made for the case."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy.stats import median_abs_deviation

from ground.config import PreprocessConfig
from ground.outliers import judge_outliers
from ground.record_levels import BELIEVED, RecordLevels
from shared_features.quality import NOT_FINITE, REASONS

SETTINGS = PreprocessConfig()
SEED = 7


def levels(rms, *, record_s=1.0, phase=None, healthy=None, start_s=None):
    """Levels of a recording of one record after the other."""
    rms = np.asarray(rms, dtype=np.float64).reshape(len(rms), -1)
    starts = np.arange(len(rms)) * record_s if start_s is None else np.asarray(start_s)
    start_ns = np.round(starts * 1e9).astype(np.int64)
    return RecordLevels(
        start_ns=start_ns,
        end_ns=start_ns + round(record_s * 1e9),
        stretch=np.zeros(len(rms), dtype=np.int32),
        rms=rms,
        missing_n=np.zeros(rms.shape, dtype=np.int64),
        reason=np.where(np.isfinite(rms), BELIEVED, REASONS.index(NOT_FINITE)).astype(np.int8),
        phase=np.zeros(len(rms), dtype=np.int32) if phase is None else np.asarray(phase, dtype=np.int32),
        phase_names=("taxi", "cruise"),
        healthy=np.ones(len(rms), dtype=np.bool_) if healthy is None else np.asarray(healthy),
    )


def steady(n, *, spread=0.05):
    """Levels of a steady machine."""
    return np.exp(spread * np.random.default_rng(SEED).standard_normal(n).clip(-2, 2))


def actions(verdict):
    """What became of which records."""
    return [(run.first, run.last, run.kind, run.action) for run in verdict.runs]


def test_a_steady_machine_has_no_outliers():
    """Levels within two sigma stand out nowhere."""
    verdict = judge_outliers(levels(steady(200)), SETTINGS)
    assert (verdict.judged_n, verdict.runs) == (200, ())


def test_z_is_the_robust_one():
    """The deviation is that of log RMS by median and normalised MAD, as scipy computes it."""
    rms = steady(200)
    rms[50] = 2.0
    (run,) = judge_outliers(levels(rms), SETTINGS).runs
    log = np.log(rms)
    expected = (log[50] - np.median(log)) / median_abs_deviation(log, scale="normal")
    assert run.z == pytest.approx(expected, rel=1e-5)
    assert actions(judge_outliers(levels(rms), SETTINGS)) == [(50, 50, "outlier", "excluded_from_fit")]


def test_quiet_records_stand_out_too():
    """A dropout is as strange as a knock."""
    rms = steady(200)
    rms[50] = 0.3
    (run,) = judge_outliers(levels(rms), SETTINGS).runs
    assert run.z < -3
    assert run.action == "excluded_from_fit"


def test_the_worst_channel_decides():
    """One channel is enough, and the verdict names it."""
    rms = np.stack([steady(200), steady(200)], axis=1)
    rms[50, 1] = 3.0
    (run,) = judge_outliers(levels(rms), SETTINGS).runs
    assert (run.first, run.channel) == (50, 1)


@pytest.mark.parametrize(("length", "expected"), [(2, ("outlier", "excluded_from_fit")), (3, ("level_change", "kept"))])
def test_only_short_runs_are_outliers(length, expected):
    """Two records of 1 s are a nuisance, three are a change of the machine."""
    rms = steady(400)
    rms[50 : 50 + length] = 2.0
    assert actions(judge_outliers(levels(rms), SETTINGS)) == [(50, 50 + length - 1, *expected)]


def test_run_length_is_time_not_count():
    """Two neighbouring snapshots ten seconds apart span ten seconds: a change, although they are two records."""
    rms = steady(400)
    rms[50:52] = 2.0
    snapshots = levels(rms, record_s=0.1, start_s=np.arange(400) * 10.0)
    assert actions(judge_outliers(snapshots, SETTINGS)) == [(50, 51, "level_change", "kept")]


def test_too_many_are_no_outliers():
    """Where more than the share stands out, nothing is left out, and the reason is said."""
    rms = steady(400)
    rms[[50, 60, 70, 80, 90, 100, 110, 120, 130]] = 2.0
    verdict = judge_outliers(levels(rms), SETTINGS)
    assert {run.action for run in verdict.runs} == {"kept"}
    assert "2.25% of the records stand out, more than 2.00%" in verdict.runs[0].reason
    assert (verdict.count("outlier", "kept"), verdict.count("outlier", "excluded_from_fit")) == (9, 0)


def test_the_share_counts_short_runs_only():
    """A long change does not protect a single outlier elsewhere."""
    rms = steady(400)
    rms[100:130] = 2.0
    rms[50] = 2.0
    assert actions(judge_outliers(levels(rms), SETTINGS)) == [
        (50, 50, "outlier", "excluded_from_fit"),
        (100, 129, "level_change", "kept"),
    ]


def test_each_phase_has_its_own_level():
    """Takeoff is louder than taxi; within its own phase neither stands out."""
    rms = steady(200)
    rms[100:] *= 10
    assert judge_outliers(levels(rms, phase=[0] * 100 + [1] * 100), SETTINGS).runs == ()
    rms[150] = 1.0
    verdict = judge_outliers(levels(rms, phase=[0] * 100 + [1] * 100), SETTINGS)
    assert actions(verdict) == [(150, 150, "outlier", "excluded_from_fit")]


def test_a_short_phase_is_not_judged():
    """Nine records of a phase say too little."""
    rms = steady(209)
    rms[205] = 50.0
    assert judge_outliers(levels(rms, phase=[0] * 200 + [1] * 9), SETTINGS).judged_n == 200


def test_records_across_phases_are_not_judged():
    """A record of two phases belongs to none."""
    rms = steady(200)
    rms[50] = 50.0
    phase = np.zeros(200)
    phase[50] = -1
    assert judge_outliers(levels(rms, phase=phase), SETTINGS).runs == ()


def test_faulty_and_unlabelled_time_is_not_judged():
    """Whatever lies outside healthy time neither stands out nor shapes the median."""
    rms = steady(200)
    rms[100:] = 50.0
    verdict = judge_outliers(levels(rms, healthy=np.arange(200) < 100), SETTINGS)
    assert (verdict.judged_n, verdict.runs) == (100, ())


def test_records_with_missing_values_are_not_judged():
    """They are not assessed anyway."""
    rms = steady(200)
    rms[50] = np.nan
    verdict = judge_outliers(levels(rms), SETTINGS)
    assert (verdict.judged_n, verdict.runs) == (199, ())


def test_nothing_to_judge():
    """A recording without healthy time has no outliers."""
    verdict = judge_outliers(levels(steady(50), healthy=np.zeros(50, dtype=np.bool_)), SETTINGS)
    assert (verdict.judged_n, verdict.runs) == (0, ())


def test_equal_levels_are_equal():
    """Where the MAD is zero, a rounding error is no outlier, a doubled level is."""
    rms = np.ones(200)
    rms[50] = 1.001
    assert judge_outliers(levels(rms), SETTINGS).runs == ()
    rms[50] = 2.0
    assert len(judge_outliers(levels(rms), SETTINGS).runs) == 1


def test_a_silent_record_is_counted_not_crashed():
    """Zero level has no logarithm; it stands out all the same."""
    rms = steady(200)
    rms[50] = 0.0
    assert actions(judge_outliers(levels(rms), SETTINGS)) == [(50, 50, "outlier", "excluded_from_fit")]


def test_settings_decide():
    """Sigma, run and share are the config's."""
    rms = steady(400)
    rms[50:54] = 2.0
    mild = PreprocessConfig(outlier_max_run_s=4.0)
    assert judge_outliers(levels(rms), mild).runs[0].action == "excluded_from_fit"
    strict = PreprocessConfig(outlier_max_run_s=4.0, outlier_max_share=0.005)
    assert judge_outliers(levels(rms), strict).runs[0].action == "kept"
    blind = PreprocessConfig(outlier_sigma=100.0)
    assert judge_outliers(levels(rms), blind).runs == ()


def test_verdict_depends_on_nothing_else():
    """Times shifted by any offset give the same verdict."""
    rms = steady(400)
    rms[50:52] = 2.0
    here = levels(rms)
    there = dataclasses.replace(here, start_ns=here.start_ns + 10**18, end_ns=here.end_ns + 10**18)
    assert judge_outliers(here, SETTINGS) == judge_outliers(there, SETTINGS)
