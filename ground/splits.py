"""Who learns, who sets the threshold, who is examined: roles of windows, with nothing shared between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ground.config import SplitConfig
from ground.copies import check_contents, is_telling
from ground.errors import SplitError
from ground.row_groups import rows_by_name
from ground.time_split import cut_by_time, deal_whole, touches_others

FIT: Final = "fit"
VALIDATION: Final = "validation"
CALIBRATION: Final = "calibration"
TEST: Final = "test"
UNUSED: Final = "unused"
ROLES = (FIT, VALIDATION, CALIBRATION, TEST)
BY_TIME: Final = "by_time"

HEALTHY: Final = 0
FAULTY: Final = 1
UNLABELLED: Final = -1

SENSOR_FAULT_PREFIX = "sensor_"
"""Fault types of the measuring chain: the engine behind it is healthy, so they are examined and counted apart."""

_IDS: Mapping[str, tuple[str, ...]] = {
    # Not the flight: the engines of one aircraft share it.
    "by_unit": ("unit_id", "recording_id", "group"),
    BY_TIME: ("group",),
}


@dataclass(frozen=True, slots=True)
class Roles:
    """What each window is used for.

    Attributes:
        group: (n,) what windows of one origin share and others do not: the unit, or ``<recording>@<role>`` by time.
        role: (n,) one of ``ROLES`` or ``UNUSED``.
    """

    group: NDArray[np.object_]
    role: NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class Fold:
    """Row numbers of one fold of a cross-validation."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]


def is_sensor_fault(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """(n,) whether a window is of a recording whose sensor, not engine, is faulty."""
    return rows["fault_type"].str.startswith(SENSOR_FAULT_PREFIX).to_numpy(dtype=bool)


def shares_of(split: SplitConfig, validation_share: float) -> dict[str, float]:
    """Share of the healthy units or time for each role.

    Args:
        split: The shares of fit and calibration; test takes the rest.
        validation_share: Share of the fit part that early stopping watches instead.
    """
    return {
        FIT: split.fit * (1.0 - validation_share),
        VALIDATION: split.fit * validation_share,
        CALIBRATION: split.calibration,
        TEST: 1.0 - split.fit - split.calibration,
    }


def assign_roles(rows: pd.DataFrame, shares: Mapping[str, float], *, strategy: str, seed: int) -> Roles:
    """Deal the windows.

    ``by_unit``: units that are healthy throughout are dealt at random, whole; every other unit is examined.
    ``by_time``: the healthy time of each recording is cut, in order, into fit, validation, calibration and test, with
    at least one window's span between the parts, and recordings too short for that go to one role, whole; faulty time
    is examined. Unlabelled windows are unused; recordings with a faulty sensor are examined.

    Args:
        rows: Columns recording_id, unit_id, start_ns, end_ns, label, fault_type and reason.
        shares: Share of each role; what is examined anyway needs none.
        strategy: ``by_unit`` or ``by_time``.
        seed: Deals the units.

    Raises:
        SplitError: A role would have no healthy window that was assessed; the text says what was found.
    """
    by_time = strategy == BY_TIME
    role = _roles_by_time(rows, shares) if by_time else _roles_by_unit(rows, shares, seed)
    origin = rows["recording_id" if by_time else "unit_id"].to_numpy(dtype=object)
    roles = Roles(group=origin + "@" + role if by_time else origin, role=role)
    _check_filled(rows, roles, shares, strategy)
    return roles


def deal(names: Sequence[str], shares: Mapping[str, float], *, seed: int) -> dict[str, str]:
    """Deal names to roles at random, each role at least one.

    Args:
        names: Different names; their order does not matter.
        shares: Share of each role; they need not add up to 1.
        seed: Decides who goes where.

    Returns:
        Role by name.

    Raises:
        SplitError: Fewer names than roles.
    """
    if len(names) < len(shares):
        raise SplitError(
            f"healthy units: expected at least {len(shares)}, one each for {', '.join(shares)}, got {len(names)}; "
            "record more healthy units, or set split.strategy: by_time"
        )
    order = np.random.default_rng(seed).permutation(len(names))
    dealt = np.repeat(list(shares), _sizes(len(names), list(shares.values())))
    ordered = sorted(names)
    return {ordered[index]: str(role) for index, role in zip(order, dealt, strict=True)}


def check_disjoint(rows: pd.DataFrame, roles: Roles, values: NDArray[np.float32], *, strategy: str) -> None:
    """Check that fit, validation, calibration and test share nothing, and that groups are independent observations.

    Args:
        rows: Columns recording_id, unit_id, start_ns, end_ns and reason.
        roles: The roles to check.
        values: (n, n_feature) features: the same ones under two names are found too, by ``is_telling`` windows.
        strategy: ``by_unit`` or ``by_time``.

    Raises:
        SplitError: An id or a stretch of time is in two roles, or windows' content in two groups; the text names it.
    """
    used = roles.role != UNUSED
    table = rows.assign(group=roles.group, role=roles.role)
    for column in _IDS[strategy]:
        _check_column(table[used], column)
    _check_time(table[used])
    telling = used & is_telling(rows, values)
    check_contents(table[telling], values[telling])


def folds(labels: NDArray[np.int8], groups: NDArray[np.object_], *, n_folds: int, seed: int) -> tuple[Fold, ...]:
    """Stratified folds that keep groups whole.

    Args:
        labels: (n,) 0 healthy or 1 faulty.
        groups: (n,) ids that must not be torn apart.
        n_folds: How many.
        seed: Shuffles the groups.

    Raises:
        SplitError: Too few groups, or a fold whose test or training part lacks a class.
    """
    for label, name in ((HEALTHY, "healthy"), (FAULTY, "faulty")):
        found = len(np.unique(groups[labels == label].astype(str)))
        if found < n_folds:
            raise SplitError(
                f"split.folds: expected at least {n_folds} groups with {name} windows, got {found}; "
                "record more or lower split.folds"
            )
    from sklearn.model_selection import StratifiedGroupKFold

    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    parts = tuple(Fold(train, test) for train, test in splitter.split(labels, labels, groups.astype(str)))
    for number, fold in enumerate(parts, start=1):
        for name, part in (("test", fold.test), ("training", fold.train)):
            if len(np.unique(labels[part])) < len((HEALTHY, FAULTY)):
                raise SplitError(
                    f"split.folds: expected healthy and faulty windows in the {name} part of fold {number}, got one "
                    "class; record more or lower split.folds"
                )
    return parts


def _sizes(n: int, shares: Sequence[float]) -> NDArray[np.int64]:
    """Whole sizes that add up to ``n >= len(shares)``: largest remainders, at least 1 each."""
    exact = n * np.asarray(shares) / np.sum(shares)
    sizes: NDArray[np.int64] = np.maximum(np.floor(exact).astype(np.int64), 1)
    while sizes.sum() < n:
        sizes[np.argmax(exact - sizes)] += 1
    while sizes.sum() > n:
        sizes[np.argmax(sizes)] -= 1
    return sizes


def _roles_by_unit(rows: pd.DataFrame, shares: Mapping[str, float], seed: int) -> NDArray[np.object_]:
    clean = (rows["label"].to_numpy() == HEALTHY) & ~is_sensor_fault(rows)
    is_healthy = pd.Series(clean).groupby(rows["unit_id"].to_numpy()).all()
    dealt = deal([str(unit) for unit in is_healthy.index[is_healthy]], shares, seed=seed)
    role = np.array([dealt.get(unit, TEST) for unit in rows["unit_id"]], dtype=object)
    role[_is_unlabelled(rows)] = UNUSED
    return role


def _roles_by_time(rows: pd.DataFrame, shares: Mapping[str, float]) -> NDArray[np.object_]:
    role = np.full(len(rows), TEST, dtype=object)
    role[_is_unlabelled(rows)] = UNUSED
    healthy = (rows["label"].to_numpy() == HEALTHY) & ~is_sensor_fault(rows)
    recordings = rows["recording_id"].to_numpy(dtype=str)
    start_ns, end_ns = rows["start_ns"].to_numpy(), rows["end_ns"].to_numpy()
    faulty = rows["label"].to_numpy() == FAULTY
    healthy_rows = rows_by_name(recordings, healthy)
    short: dict[str, int] = {}
    for recording, found in healthy_rows.items():
        chosen = found[np.argsort(start_ns[found], kind="stable")]
        role[chosen] = cut_by_time(start_ns[chosen], end_ns[chosen], shares, otherwise=UNUSED)
        if not set(shares) <= set(role[chosen]):
            short[recording] = len(chosen)
    # Too few to fill every role, they are better cut as far as they go.
    for recording, dealt in deal_whole(short, shares).items() if len(short) >= len(shares) else ():
        role[healthy_rows[recording]] = dealt
    role[healthy & (role != TEST) & touches_others(recordings, start_ns, end_ns, faulty)] = UNUSED
    return role


def _is_unlabelled(rows: pd.DataFrame) -> NDArray[np.bool_]:
    return np.asarray(rows["label"].to_numpy() == UNLABELLED) & ~is_sensor_fault(rows)


def _check_filled(rows: pd.DataFrame, roles: Roles, shares: Mapping[str, float], strategy: str) -> None:
    assessed = (rows["reason"] == "").to_numpy()
    healthy = (rows["label"].to_numpy() == HEALTHY) & ~is_sensor_fault(rows) & assessed
    found = {role: int(np.count_nonzero(healthy & (roles.role == role))) for role in shares}
    empty = [role for role, n in found.items() if n == 0]
    if empty:
        counts = ", ".join(f"{role} {n}" for role, n in found.items())
        raise SplitError(
            f"split: expected healthy, assessed windows in every role, got {counts} (strategy {strategy}); "
            f"record more healthy time or change the shares of {', '.join(empty)}"
        )


def _check_column(table: pd.DataFrame, column: str) -> None:
    pairs = table[[column, "role"]].drop_duplicates()
    shared = pairs[pairs.duplicated(column, keep=False)]
    if len(shared):
        name = shared[column].iloc[0]
        roles = sorted(shared["role"][shared[column] == name])
        raise SplitError(
            f"split: expected {column} {name} in one role, got it in {' and '.join(roles)}; run `ground featurize` "
            "again, and check recordings.csv for repeated ids"
        )


def _check_time(table: pd.DataFrame) -> None:
    ordered = table.sort_values(["recording_id", "start_ns"], kind="stable")
    before = ordered.shift(1)
    same = ordered["recording_id"] == before["recording_id"]
    torn = same & (ordered["role"] != before["role"]) & (ordered["start_ns"] < before["end_ns"])
    if torn.any():
        row = ordered[torn].iloc[0]
        raise SplitError(
            f"split: expected no sample of recording {row['recording_id']} in two roles, got a window of {row['role']} "
            "that overlaps one of another role; run `ground featurize` again"
        )
