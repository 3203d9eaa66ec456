"""The files of an evaluation: the evidence, the answers, and what the bundle takes from it."""

from __future__ import annotations

import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from edge_agent.layout import COMMISSIONING_POLICY, METRICS, MODEL, THRESHOLDS
from ground.calibration_report import CalibrationReport
from ground.commissioning_report import CommissioningReport
from ground.config import Config
from ground.contenders import Examined
from ground.evidence import Evidence
from ground.replay import Replay
from ground.run_evidence import RunEvidence
from ground.window_table import ROLE_COLUMNS, WINDOW_COLUMNS
from ground.workspace import LATENCY, SCORES, THRESHOLDS_YAML, Workspace, write_atomic


def write_evaluation(
    config: Config, workspace: Workspace, run: RunEvidence, examined: Sequence[Examined], *, model: bytes, policy: bytes
) -> None:
    """Write everything, the evidence last: whoever finds it finds the rest.

    Args:
        config: Names the detector.
        workspace: Where.
        run: The record.
        examined: All contenders, the shipped one first.
        model: ONNX bytes of the shipped one.
        policy: What an agent may learn of a new unit; empty for nothing.
    """
    shipped = examined[0]
    candidate = workspace.candidate(config.detector)
    write_atomic(candidate / MODEL, model)
    (candidate / COMMISSIONING_POLICY).unlink(missing_ok=True)
    if policy:
        write_atomic(candidate / COMMISSIONING_POLICY, policy)
    write_atomic(candidate / THRESHOLDS, shipped.evidence.thresholds.to_json())
    write_atomic(candidate / THRESHOLDS_YAML, thresholds_yaml(run.evidence))
    write_atomic(workspace.evaluation / SCORES, scores_bytes(examined))
    write_atomic(workspace.evaluation / LATENCY, run.latency.to_json())
    write_atomic(workspace.evaluation / METRICS, run.evidence.to_json())


def scores_bytes(examined: Sequence[Examined]) -> bytes:
    """The answers as a Parquet file, one row a replayed window.

    Args:
        examined: All contenders, the shipped one first; scores and thresholds of the others follow in columns named
            after them.
    """
    answers = examined[0].answers
    known = pa.schema([*WINDOW_COLUMNS, *ROLE_COLUMNS])
    columns = {field.name: pa.array(answers.rows[field.name].tolist(), field.type) for field in known}
    columns |= {"score": pa.array(answers.score), "threshold": pa.array(answers.threshold)}
    columns |= {"state": pa.array(answers.state.tolist(), pa.string()), "raised": pa.array(answers.raised)}
    for other in examined[1:]:
        columns |= _other_columns(other.evidence.name, other.answers)
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    return sink.getvalue()


def thresholds_yaml(evidence: Evidence) -> bytes:
    """The thresholds for people: what is promised, how it was calibrated."""
    shipped = evidence.contenders[0]
    thresholds, report = shipped.thresholds, shipped.calibration
    document = {
        "detector": evidence.detector,
        "family": evidence.family,
        "promise": (
            f"at most {thresholds.false_alarm_rate:.1%} of healthy flights raise an alarm, "
            f"at confidence {report.confidence:.3f}"
        ),
        "persistence": f"{thresholds.k} of the last {thresholds.n} assessed windows above the threshold",
        "release": f"all {thresholds.n} below {thresholds.release_ratio:g} of the threshold",
        "pooled": thresholds.pooled,
        "phases": dict(thresholds.phases),
        "domain": {
            "conditions": {name: list(ends) for name, ends in thresholds.domain.conditions.items()},
            "phases": list(thresholds.domain.phases),
        },
        "calibration": _calibration(report),
        "commissioning": _commissioning(evidence.commissioning),
    }
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=120)
    return f"# For people; the agent reads {THRESHOLDS}.\n{text}".encode()


def _calibration(report: CalibrationReport) -> dict[str, object]:
    return {
        "summary": report.summary,
        "flights": report.n_flights,
        "needed_flights": report.needed_flights,
        "level": report.level,
        "level_set_by": report.basis,
        "rehearsals": {bound.name: {"groups": bound.n_groups, "level": bound.level} for bound in report.rehearsals},
        "pooled_scale": report.pooled_scale,
        "phase_scales": {
            phase.phase: "pooled" if phase.is_pooled else {"scale": phase.scale, "fit_flights": phase.n_flights}
            for phase in report.phases
        },
    }


def _commissioning(report: CommissioningReport) -> object:
    if not report.digest:
        return f"none: {report.refusal}"
    return {
        "flights": report.flights,
        "pooled": report.pooled,
        "summary": report.summary,
        "units": {
            "limits": report.limit_units,
            "rehearsed": report.rehearsed_units,
            "completed": report.completed_units,
            "known": report.known_units,
        },
    }


def _other_columns(name: str, answers: Replay) -> dict[str, pa.Array]:
    return {f"score_{name}": pa.array(answers.score), f"threshold_{name}": pa.array(answers.threshold)}
