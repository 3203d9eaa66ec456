"""The evidence of a run: what the same config gives again byte for byte, and how fast this machine was.

Latencies differ from one run to the next, so they lie in a file of their own beside ``metrics.json`` and enter no
bundle: with them in it, no bundle could be made again. What they decide, a bundle or none and its release class, holds
all the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from edge_agent.manifest import DEVELOPMENT, RELEASE
from ground.evidence import Evidence, plain
from ground.evidence_schema import SCHEMA
from ground.gates import PASS, Gate, RunVerdict, refuse_failed, with_gate
from ground.latency import LatencyNumbers

NO_CHANGE_REQUEST = "ecr: a release needs an Engineering Change Request, the config names none"


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyEvidence:
    """What was measured of the agent's path.

    Attributes:
        config_digest: sha256 of the config.
        model_digest: sha256 of the model that was timed.
        gate: The gate on its 99th percentile.
        numbers: Quantiles.
    """

    config_digest: str
    model_digest: str
    gate: Gate
    numbers: LatencyNumbers

    def to_json(self) -> bytes:
        """``latency.json``, in the form of ``metrics.json``."""
        document = {"schema": SCHEMA, **plain(self)}
        return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")


@dataclass(frozen=True, slots=True)
class RunEvidence:
    """Both together.

    Attributes:
        evidence: ``metrics.json``.
        latency: ``latency.json``.
    """

    evidence: Evidence
    latency: LatencyEvidence

    @property
    def gates(self) -> tuple[Gate, ...]:
        """Every gate, latency last."""
        return (*self.evidence.gates, self.latency.gate)

    @property
    def verdict(self) -> RunVerdict:
        """The verdict over every gate."""
        return with_gate(self.evidence.verdict, self.latency.gate)

    @property
    def may_be_released(self) -> bool:
        """Whether a release may be made of it: every gate passed, and a change request covers the config."""
        return self.verdict.verdict == PASS and bool(self.evidence.ecr)


def gates_document(run: RunEvidence) -> dict[str, Any]:
    """The verdict, why, and each gate, for a script."""
    return {**plain(run.verdict), "gates": [plain(gate) for gate in run.gates]}


def release_class_of(run: RunEvidence) -> tuple[str, tuple[str, ...]]:
    """Whether a run makes a release or a development bundle, and why not the former.

    Raises:
        GateError: A gate failed.
    """
    verdict = run.verdict
    refuse_failed(verdict)
    reasons = verdict.reasons if run.evidence.ecr else (*verdict.reasons, NO_CHANGE_REQUEST)
    return (RELEASE if run.may_be_released else DEVELOPMENT), reasons
