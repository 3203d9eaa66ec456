"""The audit log: every decision of trust, one line each, chained by hashes; lines are only ever added.

docs/reference/audit.md describes the format. Agent, commands and updater add to it in turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

import structlog

from edge_agent.audit_files import End, append, cut, find_end, first_kept, held, is_full, last_events, put_aside
from edge_agent.audit_record import MAX_LINE_BYTES, AuditLine, Head, Standing, clean, decided, hash_of
from edge_agent.clock import clock_quality
from edge_agent.errors import ConfigError
from edge_agent.health import Counters, utc_now
from edge_agent.output import complain
from edge_agent.slot_events import events_of, missed
from edge_agent.status_file import prepare_folder
from edge_agent.strict_json import canonical_json
from edge_agent.trust_event import ACTIVATED, EXPIRED, KEYS_CHANGED, LOG_DAMAGED, LOG_TORN, LOG_TRIMMED, TrustEvent

if TYPE_CHECKING:
    from edge_agent.slots_state import SlotsState

NOT_NOTED: Final = "audit_not_noted"
_HINT_DIGITS = 16
_MOST_KEYS = 32
_BUNDLES_OF_A_START = 2
"""The active one and the one before it may be refused, each with a line."""

FAULTS: Final = Counters()
"""``audit_not_noted``: decisions that this process could not note."""

_UNNOTED = "decision not noted in the audit log"
_log = structlog.get_logger(__name__)

_Entries = tuple[list[TrustEvent], Standing]


class AuditLog:
    """The audit log of one agent.

    Nothing here raises: a decision that was taken stands, whether it can be noted or not.

    Args:
        state_dir: The agent's state folder.
    """

    def __init__(self, state_dir: Path) -> None:
        self._folder = state_dir

    def running(self) -> str:
        """Digest of the bundle of ``bundle.path`` that was last proven and started; empty where none can be read."""
        with suppress(OSError):
            return find_end(self._folder).standing.running
        return ""

    def note(self, *events: TrustEvent) -> None:
        """Add decisions, and wait until they are on disk."""
        self._add(lambda standing: (list(events), standing))

    def note_refused_start(self, event: TrustEvent) -> None:
        """Add that a start was refused, where the last lines do not say so: another is tried every few seconds."""

        def entries(standing: Standing) -> _Entries:
            told = [replace(each, detail="") for each in last_events(self._folder, _BUNDLES_OF_A_START)]
            return ([] if replace(clean(event), detail="") in told else [event]), standing

        self._add(entries)

    def note_slots(self, before: SlotsState, after: SlotsState) -> None:
        """Add what a change of the slots decided, and what an earlier one decided and did not live to note."""

        def entries(standing: Standing) -> _Entries:
            found = missed(standing.slots, before) + events_of(before, after)
            return found, replace(standing, slots=decided(after))

        self._add(entries)

    def note_keys(self, pinned: Iterable[str], *, revoked: Iterable[str] = ()) -> None:
        """Add which keys the config pins and which it revokes, by hint, where that differs from what was last noted."""
        shut_out = (f"revoked {hint[:_HINT_DIGITS]}" for hint in sorted(revoked))
        keys = (*sorted(hint[:_HINT_DIGITS] for hint in pinned), *shut_out)[:_MOST_KEYS]

        def entries(standing: Standing) -> _Entries:
            if keys == standing.keys:
                return [], standing
            gained, lost = _listed(set(keys) - set(standing.keys)), _listed(set(standing.keys) - set(keys))
            event = TrustEvent(kind=KEYS_CHANGED, detail=f"added {gained}; removed {lost}")
            return [event], replace(standing, keys=keys)

        self._add(entries)

    def note_running(self, digest: str, bundle_id: str) -> None:
        """Add that the bundle of ``bundle.path`` was verified and started, where it is another one than last time."""
        event = TrustEvent(
            kind=ACTIVATED, digest=digest, bundle_id=bundle_id, reason="path", detail="verified and started"
        )
        self._add(lambda now: ([], now) if now.running == digest else ([event], replace(now, running=digest)))

    def note_expired(self, digest: str, bundle_id: str, last_day: str) -> None:
        """Add, once for each bundle, that it runs on although it has expired."""
        event = TrustEvent(
            kind=EXPIRED, digest=digest, bundle_id=bundle_id, reason="expired", detail=f"runs on after {last_day}"
        )
        self._add(lambda now: ([], now) if now.expired == digest else ([event], replace(now, expired=digest)))

    def _add(self, entries: Callable[[Standing], _Entries]) -> None:
        try:
            prepare_folder(self._folder)
            with held(self._folder):
                end = find_end(self._folder)
                events, standing = entries(end.standing)
                if events:
                    self._write(end, [clean(event) for event in events], standing)
        except (OSError, ConfigError) as error:
            _tell(str(error))
        except Exception as error:  # noqa: BLE001 - a fault of ours, which must not undo a decision
            _tell(f"internal error: {type(error).__name__}: {error}")

    def _write(self, end: End, events: list[TrustEvent], standing: Standing) -> None:
        folder, head, now = self._folder, end.head, end.standing
        if end.torn_bytes:
            cut(folder, end.torn_bytes)
        if is_full(folder):
            if first := first_kept(folder, head):
                now, standing = replace(now, first=first), replace(standing, first=first)
                # Before they go: a log that begins later than it says was tampered with.
                head = self._append(head, [_trimmed(first)], now, now)
            put_aside(folder, head)
        self._append(head, [*_repairs(end), *events], now, standing)

    def _append(self, head: Head, events: list[TrustEvent], now: Standing, standing: Standing) -> Head:
        """Add lines in one go. Only the last one states what holds after all of them: the disk may take but some."""
        content = b""
        for index, event in enumerate(events, 1):
            line = _encode(head, event, standing if index == len(events) else now)
            head = Head(head.seq + 1, hash_of(line))
            content += line + b"\n"
        append(self._folder, content)
        return head


def _tell(error: str) -> None:
    """Count a decision that was not noted, and say so where the agent's log goes, or where people look."""
    FAULTS.add(NOT_NOTED)
    if structlog.is_configured():
        _log.error(_UNNOTED, error=error)
    else:
        complain(f"{_UNNOTED}: {error}; it stands all the same")


def _encode(head: Head, event: TrustEvent, standing: Standing) -> bytes:
    line = canonical_json(
        AuditLine(
            seq=head.seq + 1,
            utc=utc_now(),
            clock=clock_quality(),
            event=event,
            standing=standing,
            before=head.hash,
        ).document()
    )
    if len(line) > MAX_LINE_BYTES:
        raise ValueError(f"line: expected at most {MAX_LINE_BYTES} bytes, got {len(line)}; report it")
    return line


def _repairs(end: End) -> list[TrustEvent]:
    """What was found wrong at the end of the log, told by it."""
    found = []
    if end.torn_bytes:
        detail = f"{end.torn_bytes} bytes of a line that was never acknowledged were cut off"
        found.append(TrustEvent(kind=LOG_TORN, reason="torn", detail=detail))
    if end.damaged:
        detail = f"{end.damaged} lines before this one are not as they were written"
        found.append(TrustEvent(kind=LOG_DAMAGED, reason="damaged", detail=detail))
    return found


def _trimmed(first: int) -> TrustEvent:
    return TrustEvent(kind=LOG_TRIMMED, reason="size", detail=f"lines before number {first} make room")


def _listed(hints: set[str]) -> str:
    return ", ".join(sorted(hints)) or "none"
