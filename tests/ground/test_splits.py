"""Roles share nothing, and what would share something is found by name."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from ground.config import SplitConfig
from ground.errors import SplitError
from ground.splits import (
    CALIBRATION,
    FIT,
    ROLES,
    TEST,
    UNUSED,
    VALIDATION,
    Roles,
    assign_roles,
    check_disjoint,
    deal,
    folds,
    shares_of,
)

S = 10**9
BY_UNIT = SplitConfig(strategy="by_unit", fit=0.4, calibration=0.3)
BY_TIME = SplitConfig(strategy="by_time", fit=0.4, calibration=0.3)


def recording(name, unit, labels, *, fault="", hop_s=1, window_s=3):
    """Rows of one recording: a window every hop."""
    start_ns = np.arange(len(labels)) * hop_s * S
    return pd.DataFrame(
        {
            "recording_id": name,
            "unit_id": unit,
            "start_ns": start_ns,
            "end_ns": start_ns + window_s * S,
            "label": np.array(labels, dtype=np.int8),
            "fault_type": fault,
            "reason": "",
        }
    )


def fleet(n_healthy=10, n_flights=2):
    """Healthy units, one that turns faulty between its flights, one with a dead sensor."""
    rows = [
        recording(f"h{unit}-{flight}", f"h{unit}", [0] * 20) for unit in range(n_healthy) for flight in range(n_flights)
    ]
    rows.append(recording("f-0", "f", [0] * 20, fault="imbalance"))
    rows.append(recording("f-1", "f", [0] * 8 + [-1] * 2 + [1] * 10, fault="imbalance"))
    rows.append(recording("s-0", "s", [0] * 20, fault="sensor_flatline"))
    return pd.concat(rows, ignore_index=True)


def values_of(rows):
    """Features that differ from window to window."""
    return np.random.default_rng(1).normal(size=(len(rows), 3)).astype(np.float32)


def assigned(rows, split=BY_UNIT, *, validation_share=0.25, seed=1):
    """Roles with the usual settings."""
    return assign_roles(rows, shares_of(split, validation_share), strategy=split.strategy, seed=seed)


def test_units_are_dealt_whole_and_share_nothing():
    """Ten healthy units: 3 fit, 1 validation, 3 calibration, 3 test."""
    rows = fleet()
    roles = assigned(rows)
    check_disjoint(rows, roles, values_of(rows), strategy="by_unit")
    healthy = rows["unit_id"].str.startswith("h").to_numpy()
    dealt = rows[healthy].groupby(roles.role[healthy])["unit_id"].nunique()
    assert dealt.to_dict() == {FIT: 3, VALIDATION: 1, CALIBRATION: 3, TEST: 3}


def test_a_unit_that_turns_faulty_is_examined_with_its_healthy_time():
    """Its healthy flight too; what is unlabelled is used for nothing; the dead sensor is examined."""
    rows = fleet()
    roles = assigned(rows)
    assert set(roles.role[rows["recording_id"] == "f-0"]) == {TEST}
    assert roles.role[rows["recording_id"] == "f-1"].tolist() == [TEST] * 8 + [UNUSED] * 2 + [TEST] * 10
    assert set(roles.role[rows["unit_id"] == "s"]) == {TEST}
    assert (roles.group == rows["unit_id"]).all()


def test_a_unit_with_unlabelled_time_never_trains():
    """What is not labelled may hide a fault."""
    rows = pd.concat([fleet(), recording("u-0", "u", [0] * 10 + [-1] * 10)], ignore_index=True)
    assert set(assigned(rows).role[rows["unit_id"] == "u"]) == {TEST, UNUSED}


def test_dealing_is_seeded_and_blind_to_the_order():
    """The same seed deals the same, whatever the order of names; another seed deals otherwise."""
    names = [f"u{index}" for index in range(40)]
    shares = {FIT: 0.5, TEST: 0.5}
    assert deal(names, shares, seed=1) == deal(names[::-1], shares, seed=1) != deal(names, shares, seed=2)


@pytest.mark.parametrize("n", [4, 5, 9, 100])
def test_every_role_gets_a_unit(n):
    """Even where its share is tiny."""
    dealt = list(
        deal(
            [str(index) for index in range(n)], {FIT: 0.97, VALIDATION: 0.01, CALIBRATION: 0.01, TEST: 0.01}, seed=1
        ).values()
    )
    assert len(dealt) == n
    assert set(dealt) == set(ROLES)


def test_too_few_units_say_what_to_do():
    """Three healthy units cannot fill four roles."""
    with pytest.raises(SplitError, match=r"at least 4, one each for .*, got 3; .*by_time"):
        assigned(fleet(n_healthy=3))


def test_time_is_cut_in_order_with_a_guard_of_one_window():
    """100 windows of 3 s every second: 30 + 10 + 30 + 30, less the five after each cut."""
    rows = recording("r", "u", [0] * 100)
    roles = assigned(rows, BY_TIME)
    check_disjoint(rows, roles, values_of(rows), strategy="by_time")
    expected = (
        [FIT] * 30 + [UNUSED] * 5 + [VALIDATION] * 5 + [UNUSED] * 5 + [CALIBRATION] * 25 + [UNUSED] * 5 + [TEST] * 25
    )
    assert roles.role.tolist() == expected
    spans = rows.assign(role=roles.role).groupby("role")
    ends, starts = spans["end_ns"].max(), spans["start_ns"].min()
    for before, after in ((FIT, VALIDATION), (VALIDATION, CALIBRATION), (CALIBRATION, TEST)):
        assert starts[after] - ends[before] >= 3 * S
    assert set(roles.group) == {f"r@{role}" for role in (*ROLES, UNUSED)}


def test_a_life_to_failure_is_examined_at_its_end():
    """Healthy time is cut, the unlabelled part is unused, faulty time is examined."""
    roles = assigned(recording("r", "u", [0] * 100 + [-1] * 20 + [1] * 10), BY_TIME)
    assert set(roles.role[100:120]) == {UNUSED}
    assert set(roles.role[120:]) == {TEST}
    assert roles.role[0] == FIT


def test_snapshots_far_apart_need_no_guard():
    """0.1 s every 10 s: neighbours are further apart than a window already."""
    rows = recording("r", "u", [0] * 100, hop_s=10, window_s=1)
    assert UNUSED not in assigned(rows, BY_TIME).role


def test_windows_that_were_not_assessed_fill_no_role():
    """A role of gaps alone is an empty one."""
    rows = recording("r", "u", [0] * 100)
    rows.loc[40:69, "reason"] = "flatline"
    with pytest.raises(SplitError, match="calibration 0, test 25"):
        assigned(rows, BY_TIME)


def test_an_empty_role_is_an_error_that_counts():
    """Six windows leave nothing for calibration after the guard."""
    with pytest.raises(SplitError, match=r"every role, got fit 2, validation 0, .*change the shares of validation"):
        assigned(recording("r", "u", [0] * 6), BY_TIME)


def planted(rows, roles, source, target):
    """The recording again, under its own name, in another role."""
    copy = rows[rows["recording_id"] == source]
    group = roles.group[copy.index]
    return (
        pd.concat([rows, copy], ignore_index=True),
        Roles(np.append(roles.group, group), np.append(roles.role, [target] * len(copy))),
    )


@pytest.mark.parametrize("split", [BY_UNIT, BY_TIME], ids=["by_unit", "by_time"])
def test_a_planted_recording_is_found_by_name(split):
    """A recording to fit that is examined as well."""
    rows = (
        fleet()
        if split is BY_UNIT
        else pd.concat([recording(f"r{n}", "u", [0] * 100) for n in range(3)], ignore_index=True)
    )
    roles = assigned(rows, split)
    source = rows["recording_id"][roles.role == FIT].iloc[0]
    leaked, leaked_roles = planted(rows, roles, source, TEST)
    with pytest.raises(SplitError, match=source.split("-")[0]):
        check_disjoint(leaked, leaked_roles, values_of(leaked), strategy=split.strategy)


def test_a_copy_under_another_name_is_found_by_its_content():
    """The same samples as another unit's recording."""
    rows = fleet()
    roles = assigned(rows)
    source = rows["recording_id"][roles.role == FIT].iloc[0]
    copy = rows[rows["recording_id"] == source].assign(recording_id="innocent", unit_id="innocent")
    leaked = pd.concat([rows, copy], ignore_index=True)
    leaked_roles = Roles(np.append(roles.group, ["innocent"] * len(copy)), np.append(roles.role, [TEST] * len(copy)))
    values = values_of(rows)
    with pytest.raises(SplitError, match=f"(innocent.*{source}|{source}.*innocent).*stands in recordings.csv twice"):
        check_disjoint(leaked, leaked_roles, np.concatenate([values, values[copy.index]]), strategy="by_unit")


@pytest.mark.parametrize("strategy", ["by_unit", "by_time"])
def test_values_that_stand_still_are_no_copy(strategy):
    """A plant that stands at night gives the same features over and over, in every recording and role."""
    split = BY_UNIT if strategy == "by_unit" else BY_TIME
    rows = fleet() if split is BY_UNIT else recording("r", "u", [0] * 100)
    values = values_of(rows)
    values[rows.groupby("recording_id").cumcount() % 10 == 1] = 1.0
    check_disjoint(rows, assigned(rows, split), values, strategy=strategy)


@pytest.mark.parametrize("n", [20, 1], ids=["of many windows", "snapshots"])
def test_one_state_at_rest_is_no_copy(n):
    """Two units of which each was at rest once: one window of many, or all there is."""
    rows = pd.concat([recording(name, name, [1] * n, fault="imbalance") for name in "ab"], ignore_index=True)
    values = values_of(rows)
    values[[0, n]] = 1.0
    roles = Roles(group=rows["unit_id"].to_numpy(), role=np.full(2 * n, TEST, dtype=object))
    check_disjoint(rows, roles, values, strategy="by_unit")


def test_states_at_rest_that_others_share_are_no_copy():
    """One with the second, another with the third: no two of them share both."""
    rows = pd.concat([recording(name, name, [1] * 20, fault="imbalance") for name in "abc"], ignore_index=True)
    values = values_of(rows)
    values[[0, 20]], values[[10, 40]] = 1.0, 2.0
    roles = Roles(group=rows["unit_id"].to_numpy(), role=np.full(60, TEST, dtype=object))
    check_disjoint(rows, roles, values, strategy="by_unit")
    values[30] = 2.0
    with pytest.raises(SplitError, match="in a and b; the same recording"):
        check_disjoint(rows, roles, values, strategy="by_unit")


def test_a_recording_that_holds_its_windows_twice_hides_no_copy():
    """Ten windows, and again, to fit; the ten of them examined."""
    rows = pd.concat([recording("a", "u", [0] * 20), recording("b", "u", [0] * 10)], ignore_index=True)
    values = np.tile(values_of(rows[:10]), (3, 1))
    roles = Roles(group=rows["recording_id"].to_numpy(), role=np.repeat([FIT, TEST], [20, 10]).astype(object))
    with pytest.raises(SplitError, match="in a and b; the same recording"):
        check_disjoint(rows, roles, values, strategy="by_time")


def test_snapshots_that_are_exported_twice_are_found():
    """One window each, so that any one of them could be a state at rest; not all of them."""
    rows = pd.concat([recording(f"r{n}", "u", [0]) for n in range(8)], ignore_index=True)
    roles = Roles(group=rows["recording_id"].to_numpy(), role=np.repeat([FIT, TEST], 4).astype(object))
    with pytest.raises(SplitError, match="in r0 and r4; the same recording"):
        check_disjoint(rows, roles, np.tile(values_of(rows[:4]), (2, 1)), strategy="by_time")


def test_a_copy_that_stands_still_at_night_is_found_by_day():
    """What does not stand still tells, whatever else does."""
    rows = pd.concat([recording(name, "u", [0] * 100) for name in "ab"], ignore_index=True)
    values = np.concatenate([values_of(rows[:100])] * 2)
    values[rows.index % 100 > 20] = 1.0
    roles = Roles(group=rows["recording_id"].to_numpy(), role=np.repeat([FIT, TEST], 100).astype(object))
    with pytest.raises(SplitError, match="in a and b; the same recording"):
        check_disjoint(rows, roles, values, strategy="by_time")


def test_copies_in_one_role_are_found():
    """One faulty flight, exported under twenty units, is no twenty observations: a recall of 85 % takes nineteen."""
    copies = [recording(f"c{n}", f"c{n}", [1] * 20, fault="imbalance") for n in range(20)]
    rows = pd.concat([fleet(), *copies], ignore_index=True)
    values = values_of(rows)
    values[-400:] = np.tile(values[-20:], (20, 1))
    roles = assigned(rows)
    assert set(roles.role[-400:]) == {TEST}
    with pytest.raises(SplitError, match=r"equal features in several groups, in c0 and c1 and .*remove one"):
        check_disjoint(rows, roles, values, strategy="by_unit")


def test_a_copy_that_is_cut_as_its_original_is_found():
    """By time a copy never lies in another role: it is its own group all the same."""
    rows = pd.concat([recording(name, "u", [0] * 100) for name in "ab"], ignore_index=True)
    roles = assigned(rows, BY_TIME)
    with pytest.raises(SplitError, match="in several groups, in a and b"):
        check_disjoint(rows, roles, np.tile(values_of(rows[:100]), (2, 1)), strategy="by_time")


def test_copies_of_one_unit_count_once():
    """Within a group nothing need be independent: a flight under two names makes no observation more."""
    rows = fleet()
    values = values_of(rows)
    values[20:40] = values[:20]
    check_disjoint(rows, assigned(rows), values, strategy="by_unit")


def test_windows_that_share_samples_are_found():
    """By time, groups differ by construction: the overlap itself is looked for."""
    rows = recording("r", "u", [0] * 100)
    roles = assigned(rows, BY_TIME)
    crowded = np.where(roles.role == UNUSED, TEST, roles.role)
    with pytest.raises(SplitError, match="recording r in two roles"):
        check_disjoint(rows, Roles("r@" + crowded.astype(object), crowded), values_of(rows), strategy="by_time")


def test_empty_windows_are_no_leak():
    """Windows that were not assessed all hold zeros."""
    rows = fleet()
    roles, nothing = assigned(rows), np.zeros((len(rows), 3), dtype=np.float32)
    check_disjoint(rows.assign(reason="gap"), roles, nothing, strategy="by_unit")


def test_folds_keep_groups_whole_and_hold_both_classes():
    """Every window is tested once, no group is torn apart, both classes are everywhere."""
    rng = np.random.default_rng(1)
    groups = np.repeat([f"g{index}" for index in range(30)], 10).astype(object)
    labels = np.repeat(rng.permutation([0] * 20 + [1] * 10), 10).astype(np.int8)
    parts = folds(labels, groups, n_folds=5, seed=1)
    assert sorted(np.concatenate([fold.test for fold in parts])) == list(range(300))
    for fold in parts:
        assert not set(groups[fold.train]) & set(groups[fold.test])
        assert set(labels[fold.test]) == set(labels[fold.train]) == {0, 1}


def test_folds_need_groups_of_each_class():
    """Four healthy recordings cannot fill five folds."""
    groups = np.array([f"g{index}" for index in range(16)], dtype=object)
    with pytest.raises(SplitError, match="at least 5 groups with healthy windows, got 4"):
        folds(np.repeat([0, 1], [4, 12]).astype(np.int8), groups, n_folds=5, seed=1)
