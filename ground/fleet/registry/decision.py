"""One decision about a version: who, when, why, on what evidence, and which decision it follows."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any, Final

from edge_agent.errors import BundleFormatError
from edge_agent.strict_json import canonical_json, is_schema, parse_json
from ground.errors import RegistryError
from ground.fleet.registry.states import State
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SCHEMA: Final = 1
NOBODY: Final = ""
"""Value of ``Decision.replaces`` where nothing had the place, and of ``follows`` of a detector's first decision."""
NO_EVIDENCE: Final = ""


class Basis(Enum):
    """What a decision rests on."""

    BUNDLE = "bundle"
    """A bundle whose signature and members were verified; its digest is the evidence."""
    GATES = "gates"
    """Its ``metrics.json``, in which every gate passed."""
    VALIDATION = "validation"
    """The decision that it is validated."""
    SHADOW_REPORT = "shadow_report"
    """A report of ``ground shadow report`` that is kept beside the bundles."""
    FIRST = "first"
    """None: the first active version of a detector in its fleet has nothing to be compared with."""
    JUDGEMENT = "judgement"
    """None: whoever retires a version says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """The bundle that a decision is about.

    Attributes:
        detector: Name of the detector.
        version: Its version.
        fleet: The fleet that the bundle is made for.
        sequence: Of its manifest.
        epoch: Of its manifest.
        release_class: ``release`` or ``development``.
        spec_digest: Hex sha256 of its feature spec.
        digest: Hex sha256 of the bundle file.
    """

    detector: str
    version: str
    fleet: str
    sequence: int
    epoch: int
    release_class: str
    spec_digest: str
    digest: str

    @property
    def name(self) -> str:
        """``<detector>/<version>``, the id of the bundle."""
        return f"{self.detector}/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision.

    Attributes:
        subject: What it is about.
        state: The state that it gives.
        replaces: The version whose place it takes, and which is retired by that; ``NOBODY``.
        basis: What it rests on.
        evidence: Hex sha256 of that; ``NO_EVIDENCE``.
        by: Who decided, as they gave it.
        reason: Why.
        at: When, UTC, RFC 3339.
        follows: Digest of the decision before; ``NOBODY`` for a detector's first.
    """

    subject: Subject
    state: State
    replaces: str
    basis: Basis
    evidence: str
    by: str
    reason: str
    at: str
    follows: str

    @property
    def digest(self) -> str:
        """Hex sha256 of its canonical JSON."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def document(self) -> dict[str, Any]:
        """The decision as JSON types."""
        return {"schema": SCHEMA, **asdict(self), "state": self.state.value, "basis": self.basis.value}

    def to_json(self) -> bytes:
        """Its canonical JSON."""
        return canonical_json(self.document())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Written:
    """A decision as JSON has it."""

    subject: Subject
    state: str
    replaces: str
    basis: str
    evidence: str
    by: str
    reason: str
    at: str
    follows: str


def read_decision(data: bytes, *, where: str) -> Decision:
    """Read a decision.

    Args:
        data: What ``Decision.to_json`` wrote.
        where: The place named in errors.

    Raises:
        RegistryError: Another schema, or no decision.
    """
    try:
        document = parse_json(data, where=where)
        if not isinstance(document, dict) or not is_schema(document.pop("schema", 0), SCHEMA):
            raise RegistryError(f"{where}: expected a decision of schema {SCHEMA}, got another; update ground")
        written = from_mapping(_Written, document, where=where)
        fields = {name: getattr(written, name) for name in _Written.__dataclass_fields__}
        return Decision(**{**fields, "state": State(written.state), "basis": Basis(written.basis)})
    except (BundleFormatError, SpecError, ValueError) as error:
        raise RegistryError(f"{where}: expected a decision, got {error}; restore the registry from a copy") from error
