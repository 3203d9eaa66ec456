"""Measures of the detection benchmark: counts by hand, areas against scikit-learn, intervals against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import beta
from sklearn.metrics import roc_auc_score

from benchmarks.detection.contender import DEFAULT, PEER, Judgement, Promise, judgement_of
from benchmarks.detection.numbers import (
    KEPT,
    MISSED,
    OK,
    UNDECIDED,
    Place,
    Result,
    cluster_intervals,
    exact_interval,
    result_of,
    unmeasured,
)
from benchmarks.detection.protocols import BETWEEN, LATER_TIME, OUTSIDE
from benchmarks.detection.tally import Tally, pooled, recovering, tally, tally_by_type, warned
from benchmarks.detection.targets import targets_of, with_verdicts
from edge_agent.frame import NS_PER_S

PROMISE = Promise(false_alarm_rate=0.01, confidence=0.95)
PLACE = Place(rig="r", protocol=LATER_TIME, contender="default", kind=DEFAULT)
NAN = float("nan")


def rows_of(labels, *, name="r1", kind="mixed", fault_type="", severity=""):
    """Windows of 1 s side by side; h healthy, f faulty, . neither."""
    n = len(labels)
    start_ns = np.arange(n, dtype=np.int64) * NS_PER_S
    return pd.DataFrame(
        {
            "recording_id": name, "start_ns": start_ns, "end_ns": start_ns + NS_PER_S, "kind": kind,
            "label": [{"h": 0, "f": 1, ".": -1}[sign] for sign in labels],
            "faulty_share": [float(sign == "f") for sign in labels],
            "fault_type": fault_type, "severity": severity, "reason": "",
        }
    )  # fmt: skip


def answers_of(text, *, score=None, reason=None):
    """One sign a window: ``a`` in alarm and above, ``+`` above alone, ``-`` below, ``n`` not assessed."""
    signs = np.array(list(text))
    reasons = np.where(signs == "n", "outside operating domain" if reason is None else reason, "").astype(object)
    above = np.isin(signs, ["a", "+"])
    return Judgement(
        score=np.where(above, 2.0, 0.5) if score is None else np.array(score, dtype=float),
        threshold=np.where(signs == "n", 0.0, 1.0),
        reason=reasons,
        alarm=signs == "a",
    )


def numbers(labels, text, **columns):
    """The result of one recording."""
    rows = rows_of(labels, **columns)
    return result_of(PLACE, tally(rows, answers_of(text), train=rows[:0], memory_n=0), PROMISE, rounds=200, seed=1)


def test_counts_by_hand():
    """Every count of one recording."""
    found = numbers("hhhhhhhhhh..ffff", "aa+---nn--aa-aa-")
    assert (found.healthy_windows, found.healthy_assessed, found.faulty_windows) == (10, 8, 4)
    assert found.false_alarm_rate == pytest.approx(2 / 8)
    assert found.above_rate == pytest.approx(3 / 8)
    assert found.coverage_healthy == pytest.approx(0.8)
    assert found.not_assessed == {"outside operating domain": pytest.approx(0.2)}
    # The alarm in unlabelled time is nobody's: neither a false alarm nor a detection.
    assert (found.events, found.events_found, found.false_alarm_episodes) == (1, 1, 1)
    # Found at the second faulty window, which ends two seconds after the onset.
    assert found.detection_delay_median_s == pytest.approx(2.0)
    assert found.healthy_hours == pytest.approx(8 / 3600)


@pytest.mark.parametrize(
    ("name", "labels", "answers", "kind", "counts"),
    [
        ("each stretch is an event", "hffhhffh", "-aa-----", "mixed", (2, 1, 0)),
        ("a faulty recording is one event", "ff.ff", "--a--", "faulty", (1, 0, 0)),
        ("nothing is adjusted: an alarm after the event is late", "hffhh", "---aa", "mixed", (1, 0, 0)),
        ("an event without an answer is missed", "hhff", "--nn", "mixed", (1, 0, 1)),
    ],
)
def test_events(name, labels, answers, kind, counts):
    """What an event is, and when it counts as found."""
    result = numbers(labels, answers, kind=kind)
    assert (result.events, result.events_found, result.events_not_assessed) == counts, name


def test_areas_are_scikit_learns():
    """Window by window, ties and all."""
    rng = np.random.default_rng(3)
    labels = "".join(rng.choice(["h", "f"], 300))
    faulty = np.array([sign == "f" for sign in labels])
    score = np.round(rng.normal(size=300) + faulty, 1) + 10.0
    rows = rows_of(labels)
    found = tally(rows, answers_of("-" * 300, score=score), train=rows[:0], memory_n=0).areas[0]
    assert found.auc == pytest.approx(roc_auc_score(faulty, score))
    assert found.partial_auc == pytest.approx(roc_auc_score(faulty, score, max_fpr=0.1))


def test_areas_do_not_depend_on_the_scale_of_scores():
    """Peers score below zero, too: the order of the windows is what counts."""
    rows = rows_of("hhhfff")
    negative = judgement_of(rows, np.array([-9.0, -8.0, -3.0, -4.0, -2.0, -1.0]), -5.0, PROMISE)
    positive = judgement_of(rows, np.array([1.0, 2.0, 7.0, 6.0, 8.0, 9.0]), 5.0, PROMISE)
    areas = [tally(rows, answers, train=rows[:0], memory_n=0).areas[0] for answers in (negative, positive)]
    assert areas[0] == areas[1]
    assert areas[0].auc == pytest.approx(8 / 9)


def test_persistence_is_three_of_five_within_a_recording():
    """It does not reach from one recording into the next."""
    rows = pd.concat([rows_of("hhhhhh", name="a"), rows_of("hh", name="b")], ignore_index=True)
    answers = judgement_of(rows, np.array([2.0, 0, 2, 0, 2, 0, 2, 2]), 1.0, PROMISE)
    assert answers.alarm.tolist() == [False, False, False, False, True, False, False, False]
    assert answers.above.tolist() == [True, False, True, False, True, False, True, True]


def test_windows_of_a_dead_sensor_are_no_ones_to_judge():
    """They are in nobody's memory either."""
    rows = rows_of("hhh").assign(reason=["", "flatline", ""])
    answers = judgement_of(rows, np.array([9.0, 9.0, 9.0]), 1.0, replace(PROMISE, k=2, n=2))
    assert answers.reason.tolist() == ["", "flatline", ""]
    assert answers.alarm.tolist() == [False, False, True]


def test_exact_interval_closed_forms():
    """Clopper-Pearson: nothing found of n leaves 1 - (alpha/2)^(1/n); else quantiles of beta distributions."""
    assert exact_interval(0, 50, 0.95).high == pytest.approx(1.0 - 0.025 ** (1 / 50))
    assert exact_interval(0, 50, 0.95).low == 0.0
    some = exact_interval(3, 50, 0.95)
    assert (some.low, some.high) == (
        pytest.approx(beta.ppf(0.025, 3, 48)),
        pytest.approx(beta.ppf(0.975, 4, 47)),
    )
    assert math.isnan(exact_interval(0, 0, 0.95).low)


def test_cluster_interval_is_wider_where_alarms_cluster():
    """Ten alarms in one block of ten say less than ten alarms one a block."""
    together = np.array([[25, 10, 0]] + [[25, 0, 0]] * 9)
    apart = np.array([[25, 1, 0]] * 10)
    (wide, _), (narrow, _) = (cluster_intervals(each, 0.95, rounds=500, seed=1) for each in (together, apart))
    assert (narrow.low, narrow.high) == (pytest.approx(0.04), pytest.approx(0.04))
    assert wide.low == 0.0
    assert wide.high > 0.08


def test_cluster_interval_covers_a_known_spread():
    """The spread of the mean of independent blocks is known: sd / sqrt(m)."""
    rng = np.random.default_rng(5)
    counts = rng.binomial(25, 0.2, size=400)
    blocks = np.column_stack([np.full(400, 25), counts, counts])
    low_high, _ = cluster_intervals(blocks, 0.95, rounds=4000, seed=2)
    half = 1.96 * counts.std() / 25 / math.sqrt(400)
    assert low_high.low == pytest.approx(counts.mean() / 25 - half, abs=0.1 * half)
    assert low_high.high == pytest.approx(counts.mean() / 25 + half, abs=0.1 * half)


def test_one_block_has_no_spread():
    """And says so."""
    (found, _) = cluster_intervals(np.array([[25, 1, 1]]), 0.95, rounds=10, seed=1)
    assert math.isnan(found.low)


@pytest.mark.parametrize(
    ("name", "answers", "expected"),
    [
        ("no alarm", "-" * 40, KEPT),
        # 1 of 40 is 2.5 %, but down to 0.06 % would give it with 95 % confidence.
        ("one window", "a" + "-" * 39, KEPT),
        ("half of them", "a" * 20 + "-" * 20, MISSED),
        ("silence promises nothing", "n" * 40, UNDECIDED),
    ],
)
def test_promise(name, answers, expected):
    """Kept as long as the exact interval reaches down to it."""
    assert numbers("h" * 40, answers).promise == expected, name


@pytest.mark.parametrize(
    ("name", "answers", "note"),
    [
        ("refuted by none, shown by none", "-" * 4, "0.0000 to 0.6024, n = 4; 299 without an alarm would show it"),
        ("one fewer than it takes", "-" * 298, "0.0000 to 0.0123, n = 298; 299 without an alarm would show it"),
        ("shown", "-" * 299, "0.0000 to 0.0123, n = 299"),
        ("an alarm more than that", "a" + "-" * 298, "0.0001 to 0.0185, n = 299; 299 without an alarm would show it"),
        ("refuted", "a" * 20 + "-" * 20, "0.3380 to 0.6620, n = 40"),
        ("silence", "n" * 4, "nothing was assessed"),
    ],
)
def test_a_promise_that_is_kept_may_not_be_shown(name, answers, note):
    """The note says how many windows would show it: one-sided, at the declared confidence."""
    rows = with_verdicts([numbers("h" * len(answers), answers)])
    told = {target.target: target for target in targets_of(rows, {}, {})}
    assert told["false alarms, later time"].note == note, name


def test_pooled_counts_add_up_and_areas_average():
    """Thresholds differ by case, so scores are not mixed."""
    first, second = rows_of("hhff", name="a"), rows_of("hhhf", name="b")
    parts = [
        tally(first, answers_of("--aa"), train=first[:2], memory_n=0),
        tally(second, answers_of("a---", score=[3.0, 1.0, 1.0, 2.0]), train=second[:1], memory_n=0),
    ]
    found = result_of(PLACE, pooled(parts), PROMISE, rounds=50, seed=1)
    assert (found.healthy_windows, found.events, found.events_found, found.train_windows) == (5, 2, 1, 3)
    assert found.false_alarm_rate == pytest.approx(1 / 5)
    assert found.auc == pytest.approx((1.0 + 2 / 3) / 2)
    assert found.auc_cases == 2
    silent = tally(first, answers_of("--nn"), train=first[:2], memory_n=0)
    assert result_of(PLACE, pooled([*parts, silent]), PROMISE, rounds=50, seed=1).auc_cases == 2


def test_pooled_counts_a_fault_once():
    """Cases that ask for the same fault are not independent: it is found where every one of them found it."""
    one, two = rows_of("ffff", name="f", kind="faulty"), rows_of("hfffhfh", name="m")
    parts = [
        tally(rows, answers_of(text), train=rows[:0], memory_n=0)
        for rows, text in ((one, "aa--"), (one, "---a"), (one, "-a--"), (two, "-nnnaan"), (two, "-aaa---"))
    ]
    found = result_of(PLACE, pooled(parts), PROMISE, rounds=50, seed=1)
    # Of the second recording the first fault went unheard in one case, and the second unfound in another.
    assert (found.events, found.events_found, found.events_not_assessed) == (3, 1, 1)
    assert found.detection_delay_median_s == pytest.approx(2.0)
    assert found.event_recall_high == pytest.approx(exact_interval(1, 3, 0.95).high)
    assert found.faulty_windows == 3 * 4 + 2 * 4, "windows are answered for in every case"


def test_by_type_keeps_healthy_time_and_the_type():
    """And no other fault."""
    rows = pd.concat(
        [
            rows_of("hhhh", name="a", kind="healthy"),
            rows_of("ff", name="b", kind="faulty", fault_type="ball", severity="deep"),
            rows_of("ff", name="c", kind="faulty", fault_type="inner"),
        ],
        ignore_index=True,
    )
    parts = dict(tally_by_type(rows, answers_of("----aa--"), train=rows[:0], memory_n=0))
    assert sorted(parts) == ["ball / deep", "inner"]
    assert [(part.healthy_n, part.faulty_n) for part in parts.values()] == [(4, 2), (4, 2)]
    assert [event.found for part in parts.values() for event in part.events] == [True, False]


@pytest.mark.parametrize(
    ("name", "answers", "warning_s", "delay_s", "early"),
    [
        # Onset at 6 s, first alarm ends at 5 s.
        ("warned between", "----aaaa", 1.0, NAN, 0),
        ("too late", "-------a", -2.0, 2.0, 0),
        ("never", "--------", NAN, NAN, 0),
        ("a false alarm first", "-a--aaaa", 1.0, NAN, 1),
        ("two of them", "a-a-aaaa", 1.0, NAN, 2),
    ],
)
def test_lives(name, answers, warning_s, delay_s, early):
    """When the end of a life counts as announced: warned before the mark, and no false alarm before."""
    found = warned(rows_of("hhhh..ff", kind="run_to_failure"), answers_of(answers))
    assert found.warning_s == pytest.approx(warning_s, nan_ok=True), name
    assert found.delay_s == pytest.approx(delay_s, nan_ok=True)
    assert found.early_episodes == early
    assert found.kept is (warning_s > 0.0 and not early)


@pytest.mark.parametrize(
    ("name", "labels", "answers", "can_be_kept", "early"),
    [
        ("time between", "hhhh..ff", "--------", True, 0),
        ("spans that touch", "hhhhffff", "----aaaa", False, 0),
        # It lies between, but ends with the mark: an alarm in it would be no warning.
        ("one window between", "hhhh.fff", "----aaaa", False, 0),
        ("no mark", "hhhh....", "----aaaa", False, 0),
        ("repaired, then healthy again", "hhhh..ffhh", "----aa--a-", True, 0),
        ("an alarm too early after all", "hhhh..ffhh", "-a--aa--a-", True, 1),
    ],
)
def test_lives_that_nobody_can_keep(name, labels, answers, can_be_kept, early):
    """Without a window between the healthy span and the mark there is no answer that would be right."""
    found = warned(rows_of(labels, kind="run_to_failure"), answers_of(answers))
    assert (found.can_be_kept, found.early_episodes) == (can_be_kept, early), name
    assert found.kept is ("aa" in answers and can_be_kept and not early)


def test_lives_that_nobody_can_keep_are_told():
    """They are no misses; of none but them nothing is decided."""
    touching = warned(rows_of("hhhhffff", kind="run_to_failure"), answers_of("----aaaa"))
    kept = warned(rows_of("hhhh..ff", kind="run_to_failure"), answers_of("----aaaa"))
    place = replace(PLACE, protocol="run_to_failure", case="all")
    found = {}
    for lives in ((touching, kept), (touching,)):
        row_ = result_of(place, Tally(warned=lives), PROMISE, rounds=10, seed=1)
        told = {target.target: target for target in targets_of(with_verdicts([row_]), {}, {})}
        found[len(lives)] = told["lives warned of, and no false alarm before"]
    assert (found[2].value, found[2].verdict, found[2].note) == (1.0, KEPT, "1 of 2 lives leave no time between")
    assert (found[1].verdict, found[1].note) == (UNDECIDED, "1 of 1 lives leave no time between")


def row(**changes):
    """A result with some numbers."""
    given = {"rig": "r", "protocol": LATER_TIME, "contender": "default", "kind": DEFAULT, "status": OK, **changes}
    return Result(**given)


def test_verdicts_beside_peers():
    """Held against the best peer, not any."""
    rows = with_verdicts(
        [
            row(auc=0.950, coverage_healthy=0.91, event_recall=0.9, events=10),
            row(contender="pyod:KNN", kind=PEER, auc=0.954),
            row(contender="pyod:LOF", kind=PEER, auc=0.90),
            row(contender="rms", kind="baseline", auc=0.96),
        ]
    )
    ours = rows[0]
    assert (ours.best_peer, ours.best_peer_auc) == ("pyod:KNN", 0.954)
    assert (ours.auc_against_peers, ours.auc_against_rms) == (KEPT, MISSED)
    assert (ours.coverage_verdict, ours.recall_verdict) == (KEPT, MISSED)
    told = {target.target: target.verdict for target in targets_of(rows, {}, {})}
    assert told["event recall"] == MISSED
    assert told["coverage on later time"] == KEPT


def test_a_default_that_failed_keeps_no_target():
    """What could not be trained is told beside what was: a target does not disappear with its row."""
    place = Place(rig="r", protocol=LATER_TIME, contender="default", kind=DEFAULT)
    rows = with_verdicts([unmeasured(place, "error", "too few rows"), row(protocol="run_to_failure", case="all")])
    told = [(target.target, target.verdict, target.note) for target in targets_of(rows, {}, {})]
    assert ("later time", UNDECIDED, "not measured: too few rows") in told


def test_cases_that_failed_keep_no_target():
    """Their faults are in no share: what the other units reach decides nothing, what they miss stays missed."""
    some = row(
        protocol="left_out_unit", case="all", cases=1, cases_failed=5, events=1, event_recall=1.0, auc=1.0,
        coverage_healthy=0.5,
    )  # fmt: skip
    level = row(protocol="left_out_unit", case="all", contender="rms", kind="baseline", auc=0.9)
    rows = with_verdicts([some, level])
    told = {target.target: (target.verdict, target.note) for target in targets_of(rows, {}, {})}
    unmeasured_cases = "5 of 6 cases not measured"
    assert told["event recall, left-out units"] == (UNDECIDED, unmeasured_cases)
    assert told["AUC (left out unit) against plain RMS"] == (UNDECIDED, unmeasured_cases)
    assert (rows[0].recall_verdict, rows[0].coverage_verdict) == (UNDECIDED, MISSED)


def test_a_life_that_was_not_measured_counts_as_not_kept():
    """So its target is decided."""
    lives = row(protocol="run_to_failure", case="all", cases=4, cases_failed=1, lives=4, lives_kept=4)
    told = {target.target: target for target in targets_of(with_verdicts([lives]), {}, {})}
    found = told["lives warned of, and no false alarm before"]
    assert (found.value, found.verdict, found.note) == (0.8, KEPT, "1 of 5 cases not measured")


def test_a_deaf_detector_misses_a_target_where_it_answers():
    """No alarm keeps every promise, so recall is asked for at values between the trained ones, too."""
    deaf = row(
        protocol="left_out_speed", case="all", position=BETWEEN, coverage_healthy=1.0, events=2, event_recall=0.0
    )
    told = {target.target: target.verdict for target in targets_of(with_verdicts([deaf]), {}, {})}
    assert told["event recall, left-out speeds between"] == MISSED


def test_events_that_nothing_was_said_of_are_told_beside_the_recall():
    """A unit that ran outside of what the others know was not heard: that is another miss than a fault unheard."""
    some = row(protocol="left_out_unit", case="all", events=3, events_not_assessed=1, event_recall=2 / 3, auc=0.9)
    level = row(protocol="left_out_unit", case="all", contender="rms", kind="baseline", auc=0.99)
    told = {target.target: target for target in targets_of(with_verdicts([some, level]), {}, {})}
    recall = told["event recall, left-out units"]
    assert (recall.verdict, recall.note) == (MISSED, "1 of 3 not assessed")
    assert told["AUC (left out unit) against plain RMS"].verdict == MISSED


def test_faults_in_no_window_are_told_beside_the_recall():
    """Nothing can find them; where there are no others, nothing is known of the recall."""
    told = {}
    for events in (2, 0):
        found = row(events=events, event_recall=1.0 if events else NAN)
        told[events] = {target.target: target for target in targets_of(with_verdicts([found]), {}, {"r": 3})}
    some, none = (told[events]["event recall"] for events in (2, 0))
    assert (some.verdict, some.note) == (KEPT, "the faults of 3 recordings are in no window")
    assert (none.verdict, none.note) == (UNDECIDED, "the faults of 3 recordings are in no window")


def test_a_detector_that_says_nothing_of_faults_loses_no_target():
    """Nothing can be ranked: that is told, and undecided."""
    silent = row(events=3, events_not_assessed=3, event_recall=0.0, coverage_faulty=0.0)
    level = row(contender="rms", kind="baseline", auc=0.99, auc_cases=1)
    told = {target.target: target for target in targets_of(with_verdicts([silent, level]), {}, {})}
    ranked = told["AUC (later time) against plain RMS"]
    assert (ranked.verdict, ranked.limit) == (UNDECIDED, 0.99)
    assert ranked.note == "0.0 % of faulty windows assessed; cases with an AUC: 0, rms 1"
    assert told["event recall"].verdict == MISSED


def test_rivals_that_are_absent_take_no_target_along():
    """It is undecided, with their reasons; one that has others to be held against says who is missing."""

    def absent(contender, kind, reason):
        place = Place(rig="r", protocol=LATER_TIME, contender=contender, kind=kind)
        return unmeasured(place, "absent", reason)

    ours = row(auc=0.99, events=2)
    pyod = [absent(f"pyod:{name}", PEER, "pyod: not installed; install it") for name in ("KNN", "LOF")]
    level = absent("rms", "baseline", "rms: not among the features of this rig's config")
    told = {target.target: target for target in targets_of(with_verdicts([ours, *pyod, level]), {}, {})}
    peer, rms = (told[f"AUC (later time) against {whom}"] for whom in ("the best peer", "plain RMS"))
    assert (peer.verdict, peer.note) == (UNDECIDED, "not measured: pyod: not installed; install it")
    assert (rms.verdict, rms.note) == (UNDECIDED, "not measured: rms: not among the features of this rig's config")
    dcase = row(contender="dcase-autoencoder", kind=PEER, auc=0.9)
    told = {target.target: target for target in targets_of(with_verdicts([ours, *pyod, dcase]), {}, {})}
    beside = told["AUC (later time) against the best peer"]
    assert (beside.verdict, beside.note) == (KEPT, "dcase-autoencoder; without pyod:KNN, pyod:LOF")
    assert "AUC (later time) against plain RMS" not in told, "it was not asked"


@pytest.mark.parametrize(
    ("name", "ours", "rival", "verdict", "note"),
    [
        ("the same cases", {"coverage_faulty": 0.9, "auc_cases": 2}, {"auc_cases": 2}, KEPT, ""),
        ("silent in the hard one", {"coverage_faulty": 0.95, "auc_cases": 1}, {"auc_cases": 2}, UNDECIDED,
         "cases with an AUC: 1, {rival} 2"),
        ("silent in hard windows", {"coverage_faulty": 0.125, "auc_cases": 2}, {"auc_cases": 2}, UNDECIDED,
         "12.5 % of faulty windows assessed"),
        ("the rival was refused in one", {"coverage_faulty": 1.0, "auc_cases": 2}, {"auc_cases": 1}, UNDECIDED,
         "cases with an AUC: 2, {rival} 1"),
        ("silent in one, the rival in another", {"coverage_faulty": 0.95, "auc_cases": 2, "auc_of": ("A", "B")},
         {"auc_cases": 2, "auc_of": ("B", "C")}, UNDECIDED, "cases with an AUC: A, {rival} C"),
        ("worse, and silent in the hard one", {"coverage_faulty": 0.95, "auc_cases": 1, "auc": 0.9}, {"auc_cases": 2},
         MISSED, "cases with an AUC: 1, {rival} 2"),
    ],
)  # fmt: skip
def test_silence_wins_no_auc(name, ours, rival, verdict, note):
    """An AUC over fewer cases or windows than the rival's may be that of the easy ones; that excuses no miss."""
    place = {"protocol": "left_out_unit", "case": "all"}
    rivals = [("pyod:KNN", PEER), ("rms", "baseline")]
    rows = [row(**place, **{"auc": 1.0, "events": 8} | ours)]
    rows += [row(**place, auc=0.969, contender=contender, kind=kind, **rival) for contender, kind in rivals]
    rows = with_verdicts(rows)
    assert (rows[0].auc_against_peers, rows[0].auc_against_rms) == (verdict, verdict), name
    told = {target.target: (target.verdict, target.note) for target in targets_of(rows, {}, {})}
    beside_peer = "; ".join(filter(None, ("pyod:KNN", note.format(rival="pyod:KNN"))))
    assert told["AUC (left out unit) against the best peer"] == (verdict, beside_peer)
    assert told["AUC (left out unit) against plain RMS"] == (verdict, note.format(rival="rms"))


def test_the_best_peer_was_ranked_in_most_cases():
    """One that was refused in the hard case is no measure, nor does it leave the verdict open."""
    rows = with_verdicts(
        [
            row(auc=0.95, auc_cases=2, coverage_faulty=1.0),
            row(contender="pyod:KNN", kind=PEER, auc=0.96, auc_cases=2),
            row(contender="pyod:LOF", kind=PEER, auc=1.0, auc_cases=1),
        ]
    )
    assert (rows[0].best_peer, rows[0].auc_against_peers) == ("pyod:KNN", MISSED)


def test_silence_outside_is_right_and_between_is_not():
    """Coverage is asked for between trained values alone."""
    kept, missed = (
        with_verdicts([row(protocol="left_out_speed", case="all", position=position, coverage_healthy=0.0)])[0]
        for position in (OUTSIDE, BETWEEN)
    )
    assert kept.coverage_verdict == UNDECIDED
    assert missed.coverage_verdict == MISSED


def test_nothing_counted_defines_nothing():
    """No zero stands for what was not measured."""
    found = result_of(PLACE, Tally(), PROMISE, rounds=10, seed=1)
    assert math.isnan(found.false_alarm_rate)
    assert math.isnan(found.auc)
    assert found.promise == UNDECIDED


def test_windows_just_after_a_fault_are_neither():
    """Three windows after each fault hold it in their memory; those of another recording do not."""
    rows = pd.concat([rows_of("hffhhhhfh"), rows_of("hhh", name="r2")], ignore_index=True)
    over = "".join("x" if each else "-" for each in recovering(rows, 3))
    assert over == "---xxx--x---"
    counts = tally(rows, answers_of("-aaaa--aa---"), train=rows[:0], memory_n=3)
    assert counts.blocks.sum(axis=0).tolist() == [5, 0, 0]
    late = tally(rows, answers_of("-aaaaaaaa---"), train=rows[:0], memory_n=3)
    assert late.blocks.sum(axis=0).tolist() == [5, 1, 1]
