"""A config for a folder of recordings that nobody has seen before."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from ground.config import Config
from ground.errors import DataError
from ground.initialise.decision import Plan, choose_dealing, plans_for, shorter_plan
from ground.initialise.document import Choice, config_yaml, contract_yaml
from ground.initialise.doubts import doubts_of
from ground.initialise.findings import findings_of
from ground.initialise.groups import choose_groups
from ground.initialise.loudness import faint_channels
from ground.initialise.selection import Rig, select
from ground.initialise.sensors import SWITCHED_OFF, WANTED_SHARE, SensorBench, SensorTrial
from ground.initialise.spans import Signal, choose_spans, is_settled
from ground.initialise.survey import survey
from ground.progress import Progress, silent
from ground.splits import VALIDATION
from ground.timeline import SLOW_HZ
from shared_features.quality import NOT_FINITE
from shared_features.spec import FeatureSpec

_MOST_TRIALS = 40
_EQUAL_SHARE = 0.9
_SHORTER_N = (30, 12, 4)
"""Samples of windows of slow values that missing ones spoil fewer of."""
_MISSING_SHARE = 0.8
"""Of healthy windows of slow values that can be assessed: as many as that are worth more than a channel is."""
_MOST_MISSING = 0.1
"""Of the shortest windows, which a channel of slow values may refuse for missing ones."""
_DEAD_SHARE = 0.9
"""Of windows: channels that refuse as many as that go together, others one at a time."""
_COMMON_SHARE = 0.9
"""Of the refused windows: where each channel refuses as many as that, all fail at once, and none is to blame."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What ``ground init`` proposes for one dataset.

    Attributes:
        config: The config, checked.
        config_yaml: The same as a file, with the reasons.
        contract_yaml: A contract of its own; empty where the packaged one fits.
        recordings: The recordings that the config reads.
        findings: What was found, a line each.
        doubts: What is doubted, a line each.
    """

    config: Config
    config_yaml: str
    contract_yaml: str
    recordings: tuple[str, ...]
    findings: tuple[str, ...]
    doubts: tuple[str, ...]


def propose(folder: Path, dataset: str | None = None, *, progress: Progress = silent) -> Proposal:
    """Look at a dataset and choose a config, and a contract where the packaged one does not fit.

    The recordings alone decide; nothing is written. The same folder gives the same proposal.

    Args:
        folder: A recordings folder; see docs/reference/recordings.md.
        dataset: Which dataset; None takes the only one there is.
        progress: Told after each recording that was read, in each of the steps.

    Raises:
        DataError: Unknown dataset, a broken index or file (the text names file and field), or no healthy time.
    """
    rig = select(survey(folder, dataset, progress=progress))
    chosen = _choose_first(rig)
    if not chosen.healthy_windows:
        most_n = max(int(facts.healthy_n.max()) for facts in rig.healthy)
        raise DataError(
            f"{rig.folder}: expected healthy time of {chosen.spans.window_n} samples or more without a gap, got "
            f"{most_n} at most; record longer"
        )
    choice, trial = _believable(SensorBench(folder, chosen.rig.healthy, progress), chosen)
    text = config_yaml(choice)
    config = Config.model_validate(yaml.safe_load(text))
    faint = faint_channels(folder, choice.rig.healthy, config.feature_spec(), progress=progress)
    return Proposal(
        config=config,
        config_yaml=text,
        contract_yaml=choice.contract,
        recordings=tuple(facts.info.recording_id for facts in choice.rig.taken),
        findings=findings_of(choice, trial),
        doubts=doubts_of(choice, rig, trial, faint),
    )


def _choose_first(rig: Rig, limit_n: int | None = None) -> Choice:
    """By the first plan that leaves every role windows enough; the one that leaves most to validation, if none does."""
    choices = []
    for plan in plans_for(rig):
        limited = plan if limit_n is None else replace(plan, longest_n=min(plan.longest_n, limit_n))
        choices.append(_choose_for_short(rig, limited))
        if choices[-1].dealing.is_enough:
            return choices[-1]
    return max(choices, key=lambda choice: choice.dealing.windows[VALIDATION])


def _choose_for_short(rig: Rig, plan: Plan) -> Choice:
    """In shorter windows, if so many more short recordings can raise the usual alarm and windows stay long enough."""
    choice = _choose(rig, plan)
    if not choice.dealing.is_shortened:
        return choice
    shorter = _choose(rig, shorter_plan(rig, choice.dealing))
    is_better = shorter.dealing.n > choice.dealing.n and shorter.dealing.is_enough >= choice.dealing.is_enough
    return shorter if is_better and is_settled(shorter.spans, rig.rate_hz, rig.slowest_hz) else choice


def _choose(rig: Rig, plan: Plan) -> Choice:
    signal = Signal(
        rate_hz=rig.rate_hz,
        healthy_n=np.concatenate([facts.healthy_n for facts in rig.healthy]),
        longest_n=np.array([facts.stretch_n.max() for facts in rig.taken]),
        snapshot_n=_snapshot_n(rig),
        is_torn=any(len(facts.stretch_n) > 1 for facts in rig.taken),
        slowest_hz=rig.slowest_hz,
        limit_n=plan.longest_n,
        n_channel=len(rig.channels),
    )
    spans = choose_spans(signal)
    windows = signal.windows(spans.window_n, spans.hop_n)
    units = [unit for _, unit in rig.channels]
    return Choice(
        rig=rig,
        spans=spans,
        groups=choose_groups(spans, rate_hz=rig.rate_hz, units=units, windows=windows),
        dealing=choose_dealing(rig, spans, plan),
        quality=_merged(*SWITCHED_OFF.values()) if signal.is_slow else {},
        contract=contract_yaml(rig),
    )


def _snapshot_n(rig: Rig) -> int:
    """Length of the snapshots that recordings are made of, nearly all of them equal; 0 for none."""
    lengths = np.concatenate([facts.stretch_n for facts in rig.taken])
    usual_n = int(np.median(lengths))
    same = float(np.mean(lengths == usual_n))
    return usual_n if len(lengths) > len(rig.taken) and same >= _EQUAL_SHARE else 0


def _believable(bench: SensorBench, choice: Choice) -> tuple[Choice, SensorTrial]:
    """The choice with the rules for sensors that this rig's healthy time keeps, without the channels that keep none."""
    trial = bench.try_rules(_spec_of(choice))
    for _ in range(_MOST_TRIALS):
        better = _relaxed(choice, trial) if trial.share < WANTED_SHARE else choice
        if better == choice:
            break
        choice = better
        trial = bench.try_rules(_spec_of(choice))
    return choice, trial


def _spec_of(choice: Choice) -> FeatureSpec:
    return Config.model_validate(yaml.safe_load(config_yaml(choice))).feature_spec()


def _relaxed(choice: Choice, trial: SensorTrial) -> Choice:
    """Without the rules that refuse healthy time; where they are off, in shorter windows; else without a channel."""
    guilty = trial.guilty()
    rules = [SWITCHED_OFF[reason] for _, reason in guilty if reason in SWITCHED_OFF]
    quality = _merged(choice.quality, *rules)
    if quality != choice.quality:
        return replace(choice, quality=quality)
    is_missing = choice.rig.rate_hz <= SLOW_HZ and {reason for _, reason in guilty} == {NOT_FINITE}
    if is_missing and trial.share >= _MISSING_SHARE:
        return choice
    shorter_n = next((n for n in _SHORTER_N if n < choice.spans.window_n), 0)
    if is_missing and shorter_n and trial.is_scattered:
        return _choose_first(choice.rig, shorter_n)
    refused = {name: trial.refused_share(name) for name, _ in choice.rig.channels}
    worst = max(refused, key=lambda name: refused[name])
    is_common = min(refused.values()) >= _COMMON_SHARE * (1.0 - trial.share)
    if is_common or (is_missing and refused[worst] <= _MOST_MISSING):
        return choice
    dead = {name for name, share in refused.items() if share >= _DEAD_SHARE} or {worst}
    kept = tuple(channel for channel in choice.rig.channels if channel[0] not in dead)
    return _choose_first(replace(choice.rig, channels=kept)) if kept else choice


def _merged(*limits: Any) -> dict[str, float]:
    return {name: value for part in limits for name, value in part.items()}
