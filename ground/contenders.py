"""Who is examined: the family that ships, the other trained families, and plain RMS."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge_agent.scorer import Scorer
from ground import metrics
from ground.calibrate import Rehearsal
from ground.config import Config
from ground.detection import flight_numbers, group_fractions, window_numbers
from ground.evidence import BASELINE, OTHER, SHIPPED, ContenderEvidence
from ground.gates import gates_of
from ground.judge import rehearse, set_thresholds
from ground.models.candidate import Candidate
from ground.onnx_export import export_onnx
from ground.replay import Replay, examined, replay
from ground.window_table import WindowTable, feature_names

RMS = "rms"
CURVE_POINTS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """Somebody who scores windows.

    Attributes:
        name: Model family, or ``rms``.
        kind: ``shipped``, ``other`` or ``baseline``.
        model: ONNX bytes; empty for RMS.
        scores: (n,) float64, one a window; 0 where not assessed.
        rehearsals: What detectors of its kind said that were trained without some of the windows.
    """

    name: str
    kind: str
    model: bytes
    scores: NDArray[np.float64]
    rehearsals: tuple[Rehearsal, ...]


@dataclass(frozen=True, slots=True)
class Examined:
    """A contender's evidence and the answers behind it."""

    evidence: ContenderEvidence
    answers: Replay


def family_contender(name: str, candidate: Candidate, table: WindowTable, config: Config, *, ships: bool) -> Contender:
    """Score every window with the exported model, as the agent's scorer does.

    Args:
        name: The family.
        candidate: The trained model.
        table: Windows in physical units.
        config: Settings of the rehearsals.
        ships: Whether it is the one that ships.

    Raises:
        TrainingError: The graph cannot be exported.
        ScorerError: onnxruntime refuses it.
    """
    n_feature = table.values.shape[1]
    model = export_onnx(candidate.module, n_feature)
    assessed = (table.rows["reason"] == "").to_numpy()
    scores = np.zeros(len(assessed))
    scores[assessed] = Scorer(model, n_feature).score_many(table.values[assessed])
    rehearsals = rehearse(table, config, name)
    return Contender(name=name, kind=SHIPPED if ships else OTHER, model=model, scores=scores, rehearsals=rehearsals)


def rms_contenders(table: WindowTable, config: Config) -> tuple[Contender, ...]:
    """Plain RMS, the mean over the channels; nobody where the table has no RMS (``features.time`` is off)."""
    names = feature_names(config.feature_spec())
    columns = [
        names.index(name) for name in (f"{channel.name}.{RMS}" for channel in config.signal.channels) if name in names
    ]
    if not columns:
        return ()
    scores = table.values[:, columns].mean(axis=1, dtype=np.float64)
    return (Contender(name=RMS, kind=BASELINE, model=b"", scores=scores, rehearsals=()),)


def examine(contender: Contender, table: WindowTable, config: Config) -> Examined:
    """Calibrate on healthy flights, replay the test flights, measure.

    Args:
        contender: Who.
        table: Every window with its role.
        config: Decision and gates.

    Raises:
        CalibrationError: Healthy flights give no threshold.
    """
    judge = set_thresholds(table, contender.scores, config, contender.rehearsals)
    chosen = examined(judge.rows)
    answers = replay(judge.rows[chosen], contender.scores[chosen], judge.thresholds)
    k = judge.thresholds.k
    windows, fractions = window_numbers(answers), group_fractions(answers, k=k)
    judged = answers.select(answers.judged)
    evidence = ContenderEvidence(
        name=contender.name,
        kind=contender.kind,
        windows=windows,
        flights=flight_numbers(answers, k=k, confidence=config.gates.confidence),
        gates=gates_of(
            config.gates,
            auc=fractions.auc,
            n_healthy=fractions.n_healthy,
            n_faulty=fractions.n_faulty,
            precision=fractions.precision,
            recall=fractions.recall,
            false_alarm_rate=fractions.false_alarm_rate,
        ),
        calibration=judge.report,
        thresholds=judge.thresholds,
        roc=metrics.roc_curve(judged.faulty, judged.ratio, points=CURVE_POINTS),
        pr=metrics.pr_curve(judged.faulty, judged.ratio, points=CURVE_POINTS),
    )
    return Examined(evidence, answers)
