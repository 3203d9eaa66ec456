"""The chain of decisions of one detector, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from ground.errors import PromotionError, RegistryError
from ground.fleet.registry.decision import NOBODY, Decision, Subject, read_decision
from ground.fleet.registry.states import PLACES, State, check_transition

_SHORT: Final = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """A decision as it was written.

    Attributes:
        number: From 1 on, in the order of the registry.
        text: Its JSON.
    """

    number: int
    text: bytes


@dataclass(frozen=True, slots=True)
class RegisteredVersion:
    """A version, and the decision that gave it its state.

    Attributes:
        subject: The version.
        state: Its state.
        decision: Who gave it when; where another one took its place, the decision about that one.
    """

    subject: Subject
    state: State
    decision: Decision


@dataclass(frozen=True, slots=True)
class History:
    """The decisions that count, oldest first, and the versions they left.

    Attributes:
        detector: Whose.
        decisions: Those that count.
        versions: By version, in the order of registration.
        overtaken: Entries that count for nothing, since another one came first.
    """

    detector: str
    decisions: tuple[Decision, ...] = ()
    versions: Mapping[str, RegisteredVersion] = field(default_factory=dict)
    overtaken: int = 0

    @property
    def head(self) -> str:
        """Digest of the last decision."""
        return self.decisions[-1].digest if self.decisions else NOBODY

    def version(self, version: str) -> RegisteredVersion:
        """A version.

        Raises:
            RegistryError: It is not registered.
        """
        if version not in self.versions:
            known = ", ".join(self.versions) or "none"
            raise RegistryError(
                f"{self.detector}/{version}: expected a registered version ({known}), got another; "
                "`ground registry register`"
            )
        return self.versions[version]

    def holder(self, state: State, fleet: str) -> str:
        """The version that has a place in a fleet; ``NOBODY`` where none has."""
        found = [each for each in self.versions.values() if (each.state, each.subject.fleet) == (state, fleet)]
        return found[0].subject.version if found else NOBODY

    def last_active(self, fleet: str) -> str:
        """The version that was made active last in a fleet, whether it still is or not; ``NOBODY``: none ever was."""
        made = [each for each in self.decisions if (each.state, each.subject.fleet) == (State.ACTIVE, fleet)]
        return made[-1].subject.version if made else NOBODY

    def with_decision(self, decision: Decision) -> History:
        """One decision on.

        Raises:
            PromotionError: It is not allowed here.
        """
        self._check(decision)
        subject = decision.subject
        versions = {**self.versions, subject.version: RegisteredVersion(subject, decision.state, decision)}
        if decision.replaces != NOBODY:
            replaced = self.versions[decision.replaces].subject
            versions[replaced.version] = RegisteredVersion(replaced, State.RETIRED, decision)
        return replace(self, decisions=(*self.decisions, decision), versions=versions)

    def _check(self, decision: Decision) -> None:
        subject = decision.subject
        if subject.detector != self.detector:
            raise PromotionError(f"{subject.name}: expected a version of {self.detector}, got another detector's")
        if subject.version not in self.versions:
            if decision.state is not State.DEVELOPMENT or decision.replaces != NOBODY:
                raise PromotionError(f"{subject.name}: expected a registered version, got one that is not")
            return
        before = self.versions[subject.version]
        if before.subject != subject:
            raise PromotionError(
                f"{subject.name}: expected bundle {before.subject.digest[:_SHORT]}, as registered, got "
                f"{subject.digest[:_SHORT]}; a version is for ever one bundle: choose another version"
            )
        check_transition(subject.name, before.state, decision.state)
        holder = self.holder(decision.state, subject.fleet) if decision.state in PLACES else NOBODY
        if decision.replaces != holder:
            raise PromotionError(
                f"{subject.name}: expected to take the place of {holder or 'none'}, got {decision.replaces or 'none'}"
            )


def history_of(detector: str, entries: Iterable[Entry]) -> History:
    """Follow the chain.

    Raises:
        RegistryError: An entry is missing or no decision, follows an unknown one, or is not allowed where it counts.
    """
    history, known, overtaken = History(detector), {NOBODY}, 0
    for place, entry in enumerate(sorted(entries, key=lambda each: each.number), start=1):
        where = f"decision {entry.number} of {detector}"
        if entry.number != place:
            raise RegistryError(f"decision {place} of {detector}: expected it, got none; restore the registry")
        decision = read_decision(entry.text, where=where)
        if decision.follows not in known:
            raise RegistryError(
                f"{where}: expected one that follows a decision before it, got one that follows an unknown one: one of "
                "them was changed or removed; restore the registry from a copy"
            )
        if decision.follows != history.head:
            overtaken += 1
            continue
        try:
            history = history.with_decision(decision)
        except PromotionError as error:
            raise RegistryError(f"{where}: expected one that is allowed, got {error}; restore the registry") from error
        known.add(decision.digest)
    return replace(history, overtaken=overtaken)
