"""Whether the evidence in a bundle says that every gate passed."""

from __future__ import annotations

from edge_agent.layout import METRICS
from edge_agent.strict_json import parse_json
from ground.errors import PromotionError
from ground.evidence import Evidence
from ground.gates import PASS
from ground.report.evidence_file import record_of


def read_metrics(name: str, metrics: bytes) -> Evidence:
    """The evidence of a bundle.

    Raises:
        DataError: Not an evaluation of this schema.
        BundleFormatError: No strict JSON.
    """
    where = f"{name}: {METRICS}"
    return record_of(Evidence, parse_json(metrics, where=where), where=where)


def check_gates(name: str, metrics: bytes) -> None:
    """Refuse evidence that does not pass.

    Args:
        name: Of the bundle.
        metrics: Its ``metrics.json``. The gate on latency is not in it: that the bundle is a release says that one.

    Raises:
        PromotionError: A gate did not pass, or there is none.
        DataError: Not an evaluation of this schema.
    """
    evidence = read_metrics(name, metrics)
    failed = [gate.reason for gate in evidence.gates if gate.verdict != PASS]
    if evidence.verdict.verdict != PASS or failed or not evidence.gates:
        reasons = "; ".join((*evidence.verdict.reasons, *failed)) or "no gate in it"
        raise PromotionError(
            f"{name}: expected a verdict of {PASS}, got {evidence.verdict.verdict or 'none'}: {reasons}; evaluate and "
            "export another version"
        )
