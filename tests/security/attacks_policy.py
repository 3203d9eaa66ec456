"""Attacks 39 to 44: genuine bundles that are not for this agent, or not for today."""

from __future__ import annotations

from functools import partial
from typing import Final

from edge_agent.layout import MANIFEST
from edge_agent.strict_json import parse_json
from tests.security.attack import Attack
from tests.security.forge import Forge

TODAY: Final = "2026-11-28"
"""What the clock of the agent says, and that it can be believed."""

LARGEST: Final = 2**63


def _manifest(forge: Forge, **fields: object) -> bytes:
    return forge.seal_json(MANIFEST, **fields)


def _beyond(forge: Forge) -> bytes:
    """A sequence that json would write, and that no later one could exceed."""
    text = forge.members[MANIFEST]
    sequence = parse_json(text, where=MANIFEST)["sequence"]
    return forge.seal({MANIFEST: text.replace(b'"sequence":%d' % sequence, b'"sequence":%d' % LARGEST)})


POLICY_ATTACKS: Final = (
    Attack(39, "lower sequence", partial(_manifest, sequence=1), "old_sequence"),
    Attack(39, "equal sequence", partial(_manifest, sequence=2), "old_sequence"),
    Attack(40, "wrong feature spec", partial(_manifest, spec_digest="ab" * 32), "spec_digest"),
    Attack(41, "wrong fleet", partial(_manifest, fleet="other"), "wrong_fleet"),
    Attack(42, "agent too old", partial(_manifest, min_agent_version="999.0.0"), "agent_too_old"),
    Attack(43, "expired", partial(_manifest, expires="2026-11-27"), "expired"),
    Attack(44, "sequence 2^63", _beyond, "json_number"),
    Attack(44, "sequence 2^63 as a float", partial(_manifest, sequence=float(LARGEST)), "manifest_fields"),
)
