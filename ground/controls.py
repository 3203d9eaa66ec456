"""Negative controls: an evaluation that praises noise, or does not see a leak, proves nothing.

Two scorers that know nothing must not pass the AUC gate, and a recording planted into two roles must be found, under
its own name and under another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from ground import metrics
from ground.config import Config
from ground.copies import is_recognised
from ground.crossval import NOT_RUN
from ground.detection import GroupFractions, group_fractions
from ground.errors import SplitError
from ground.gates import PASS, auc_gate
from ground.replay import Replay
from ground.splits import FIT, TEST, Roles, check_disjoint
from ground.window_table import WindowTable

FOUND = "found"
MISSED = "missed"
ALIAS = "planted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One negative control.

    Attributes:
        name: What was done.
        outcome: A verdict of the AUC gate, or ``found``, ``missed`` or ``not run``.
        auc: AUC that the control reached; NaN where there is none.
        detail: What happened, for the reader.
        holds: Whether it went as it must.
    """

    name: str
    outcome: str
    auc: float
    detail: str
    holds: bool


def scoring_controls(answers: Replay, config: Config) -> tuple[Control, ...]:
    """Shuffled labels and random scores, held against the AUC gate.

    Args:
        answers: Replayed flights of the detector that ships.
        config: Decision, gates and seed.
    """
    judged, fractions = answers.select(answers.judged), group_fractions(answers, k=config.decision.k)
    rng = np.random.default_rng(config.seed)
    groups = judged.rows["group"].to_numpy(dtype=str)
    shuffled = metrics.group_auc(groups, rng.permutation(judged.faulty), judged.ratio)
    random = metrics.group_auc(groups, judged.faulty, rng.random(len(judged.ratio)))
    return tuple(
        _scored(name, auc, fractions, config)
        for name, auc in (("shuffled_labels", shuffled), ("random_scores", random))
    )


def leak_controls(table: WindowTable, *, strategy: str) -> tuple[Control, ...]:
    """Plant a recording that is fitted to into the test, under its own name and under another, and look for it.

    Args:
        table: Every window in physical units, with its roles.
        strategy: How the roles were dealt.
    """
    return (
        _planted("leaked_recording", table, strategy, renamed=False),
        _planted("renamed_recording", table, strategy, renamed=True),
    )


def _scored(name: str, auc: float, fractions: GroupFractions, config: Config) -> Control:
    settings = config.gates
    gate = auc_gate(
        auc,
        n_healthy=fractions.n_healthy,
        n_faulty=fractions.n_faulty,
        limit=settings.auc_min,
        confidence=settings.confidence,
    )
    return Control(name=name, outcome=gate.verdict, auc=auc, detail=gate.reason, holds=gate.verdict != PASS)


def _planted(name: str, table: WindowTable, strategy: str, *, renamed: bool) -> Control:
    rows = table.rows
    is_fit = (rows["role"] == FIT).to_numpy()
    # Another name leaves only the features to be found by.
    visible = is_recognised(rows, table.values, is_fit) if renamed else is_fit
    if not visible.any():
        detail = "the values of each fit recording stand still, or are of one window: a copy could not be told"
        return Control(name=name, outcome=NOT_RUN, auc=np.nan, detail=detail, holds=True)
    source = rows["recording_id"][visible].iloc[0]
    chosen = (rows["recording_id"] == source).to_numpy() & is_fit
    copy = rows[chosen].assign(role=TEST)
    if renamed:
        copy = copy.assign(recording_id=ALIAS, unit_id=ALIAS, group=ALIAS)
    leaked = pd.concat([rows, copy], ignore_index=True)
    roles = Roles(group=leaked["group"].to_numpy(dtype=object), role=leaked["role"].to_numpy(dtype=object))
    try:
        check_disjoint(leaked, roles, np.concatenate([table.values, table.values[chosen]]), strategy=strategy)
    except SplitError as error:
        return Control(name=name, outcome=FOUND, auc=np.nan, detail=str(error), holds=True)
    return Control(name=name, outcome=MISSED, auc=np.nan, detail=f"{source} lies in fit and test unseen", holds=False)
