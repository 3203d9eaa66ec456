"""Whether the evidence in a bundle says that every gate passed."""

from __future__ import annotations

from typing import Any

from edge_agent.layout import METRICS
from edge_agent.strict_json import parse_json
from ground.errors import DataError, PromotionError
from ground.evidence_schema import SCHEMA
from ground.gates import PASS


def check_gates(name: str, metrics: bytes) -> None:
    """Refuse evidence that does not pass.

    Args:
        name: Of the bundle.
        metrics: Its ``metrics.json``. The gate on latency is not in it: that the bundle is a release says that one.

    Raises:
        PromotionError: A gate did not pass, or there is none, or they are of another schema.
        DataError: It holds no evaluation.
        BundleFormatError: No strict JSON.
    """
    where = f"{name}: {METRICS}"
    # Not as a record of ground.evidence: that takes torch with it, and seconds.
    document = parse_json(metrics, where=where)
    try:
        verdict, gates = document["verdict"]["verdict"], [_gate(each) for each in document["gates"]]
        reasons = [str(each) for each in document["verdict"]["reasons"]]
    except (KeyError, TypeError) as error:
        raise DataError(f"{where}: expected an evaluation, got none: {error!r:.80}; export it again") from error
    if document.get("schema") != SCHEMA:
        raise PromotionError(
            f"{where}: expected schema {SCHEMA}, got {document.get('schema')!r}, whose gates measure something else; "
            "run `ground evaluate` again and export another version"
        )
    reasons += [reason for passed, reason in gates if not passed]
    if verdict != PASS or reasons or not gates:
        why = "; ".join(reasons) or ("no gate in it" if not gates else "no reason in it")
        raise PromotionError(
            f"{name}: expected a verdict of {PASS}, got {verdict or 'none'}: {why}; evaluate and export another version"
        )


def _gate(gate: dict[str, Any]) -> tuple[bool, str]:
    """Whether it passed, and what it says."""
    verdict = gate["verdict"]
    return verdict == PASS, str(gate.get("reason") or f"{gate['name']}: expected {PASS}, got {verdict!r}")
