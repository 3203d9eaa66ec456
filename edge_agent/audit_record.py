"""A line of the audit log: a decision, what holds after it, and the hash of the line before. No I/O."""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Self

from edge_agent.errors import BundleFormatError
from edge_agent.slots_state import NO_SLOT, SlotsState
from edge_agent.strict_json import canonical_json, parse_json
from edge_agent.trust_event import TrustEvent
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SCHEMA: Final = 1
FIRST: Final = "0" * 64
"""What the first line is chained to."""
MAX_LINE_BYTES: Final = 16 * 1024

_LONGEST_DETAIL = 500
_LONGEST_NAME = 200
_HEAD = re.compile(r"(\d{1,16}):([0-9a-f]{64})")
_LOGIN = re.compile(r"://[^/@\s]*@")
_EMPTY: Final = SlotsState().document()
_EMPTY_JSON: Final = parse_json(canonical_json(_EMPTY), where="slots")


@dataclass(frozen=True, slots=True)
class Head:
    """Which line is the last one.

    Attributes:
        seq: Its number; -1 where there is none.
        hash: Hex sha256 of its bytes, without the line feed.
    """

    seq: int = -1
    hash: str = FIRST

    def __str__(self) -> str:
        """``SEQ:HASH``."""
        return f"{self.seq}:{self.hash}"

    @classmethod
    def parse(cls, text: str) -> Head:
        """Read ``SEQ:HASH``.

        Raises:
            ValueError: It is not of that form.
        """
        match = _HEAD.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"expected SEQ:HASH, a number and 64 hexadecimal digits, got {text[:100]!r}")
        return cls(int(match[1]), match[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What holds after a line. Each line carries it: what changed without a line shows at the next one.

    Attributes:
        first: Number of the oldest line that need still be there.
        keys: Hints of the pinned keys, shortened, in order.
        running: Digest of the bundle of ``bundle.path`` that was last started; empty for none.
        expired: Digest of the bundle that was last found running although it has expired; empty for none.
        slots: The slots as last told of, without what is no decision.
    """

    first: int = 0
    keys: tuple[str, ...] = ()
    running: str = ""
    expired: str = ""
    slots: SlotsState = field(default_factory=SlotsState)

    def document(self) -> dict[str, Any]:
        """As JSON types; of the slots, what differs from empty ones."""
        known = {name: value for name, value in self.slots.document().items() if value != _EMPTY[name]}
        return {"first": self.first, "keys": list(self.keys), "running": self.running, "expired": self.expired,
                "slots": known}  # fmt: skip

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Read ``document``; slots of another version of the agent count as unknown, that is, as empty.

        Raises:
            SpecError: Not such a document.
        """
        facts = dict(document) if isinstance(document, dict) else {"standing": document}
        known = facts.pop("slots", {})
        try:
            slots = SlotsState.from_document({**_EMPTY_JSON, **known})
        except (ValueError, TypeError, SpecError):
            slots = SlotsState()
        facts["slots"] = {name: value for name, value in _EMPTY_JSON.items() if name != "schema"}
        return replace(from_mapping(cls, facts, where="standing"), slots=slots)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One line.

    Attributes:
        seq: Its number, from 0.
        utc: Wall time, ISO 8601 in UTC.
        clock: How far it can be believed, as ``clock_quality`` says.
        event: The decision.
        standing: What holds after it.
        before: Hash of the line before, or ``FIRST``.
    """

    seq: int
    utc: str
    clock: str
    event: TrustEvent
    standing: Standing
    before: str

    def document(self) -> dict[str, Any]:
        """The line as JSON types."""
        return {
            "schema": SCHEMA, "seq": self.seq, "utc": self.utc, "clock": self.clock, **asdict(self.event),
            "standing": self.standing.document(), "before": self.before,
        }  # fmt: skip

    @classmethod
    def from_bytes(cls, data: bytes) -> AuditLine:
        """Read a line, without its line feed.

        Raises:
            ValueError: Not a line of this schema in its one form.
        """
        try:
            document = parse_json(data, where="line")
            if not isinstance(document, dict) or document.get("schema") != SCHEMA or canonical_json(document) != data:
                raise ValueError(f"expected canonical JSON of schema {SCHEMA}, got {data[:40]!r}")
            event = from_mapping(
                TrustEvent, {name: document.pop(name, None) for name in TrustEvent.__slots__}, where="line"
            )
            return _build(document, event)
        except (BundleFormatError, SpecError, KeyError) as error:
            raise ValueError(str(error)) from error


def _build(document: dict[str, Any], event: TrustEvent) -> AuditLine:
    rest = {name: value for name, value in document.items() if name not in ("schema", "standing")}
    facts = from_mapping(_Facts, rest, where="line")
    standing = Standing.from_document(document["standing"])
    return AuditLine(**asdict(facts), event=event, standing=standing)


@dataclass(frozen=True, kw_only=True)
class _Facts:
    seq: int
    utc: str
    clock: str
    before: str


def hash_of(line: bytes) -> str:
    """Hex sha256 of a line, without its line feed."""
    return hashlib.sha256(line).hexdigest()


def decided(state: SlotsState) -> SlotsState:
    """A state without what is no decision: boots, and what is only there to return to."""
    return replace(state, previous=NO_SLOT, boots_left=0, rejected=(), reason="")


def clean(event: TrustEvent) -> TrustEvent:
    """An event that may stand in the log: short, printable (nothing that a terminal obeys), without a login."""
    return replace(
        event,
        digest=_printable(event.digest, _LONGEST_NAME),
        bundle_id=_printable(event.bundle_id, _LONGEST_NAME),
        reason=_printable(event.reason, _LONGEST_NAME),
        detail=_printable(_LOGIN.sub("://***@", event.detail), _LONGEST_DETAIL),
    )


def _printable(text: str, longest: int) -> str:
    return "".join(each if each.isprintable() else "?" for each in text[:longest])
