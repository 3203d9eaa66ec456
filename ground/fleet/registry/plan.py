"""What a person asks for, and the decision that it makes of a history: no disk, no network, no clock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from edge_agent.manifest import RELEASE
from ground.errors import PromotionError
from ground.fleet.registry.decision import NO_EVIDENCE, NOBODY, Basis, Decision, Subject
from ground.fleet.registry.history import History, RegisteredVersion
from ground.fleet.registry.report_check import check_report
from ground.fleet.registry.states import State, check_transition

NO_REPORT: Final = b""
MOST_TEXT: Final = 500
"""Characters of a name or reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Promotion:
    """What is asked for.

    Attributes:
        to: The state to reach.
        approver: Who asks.
        reason: Why.
        report: For active: the JSON of ``ground shadow report --out``; ``NO_REPORT`` where there is none.
        first: For active: that it is the first one, so that there is nothing to compare with.
        replace: For shadow: that the shadow there is may be retired for it.
    """

    to: State
    approver: str
    reason: str
    report: bytes = NO_REPORT
    first: bool = False
    replace: bool = False

    def __post_init__(self) -> None:
        check_person(self.approver, self.reason)
        if self.to in (State.DEVELOPMENT, State.RETIRED):
            raise PromotionError(
                f"to: expected validation, shadow or active, got {self.to.value}; retiring is `ground registry retire`"
            )
        if self.to is not State.ACTIVE and (self.first or self.report != NO_REPORT):
            raise PromotionError(f"to: expected active with a shadow report or as the first, got {self.to.value}")
        if self.first and self.report != NO_REPORT:
            raise PromotionError("first: expected either a shadow report or a first version, got both; leave one out")


@dataclass(frozen=True, slots=True)
class Moment:
    """When and by whom a decision is made.

    Attributes:
        by: Who.
        reason: Why.
        at: UTC, RFC 3339.
    """

    by: str
    reason: str
    at: str


def check_person(by: str, reason: str) -> None:
    """Refuse a decision of nobody, or for no reason.

    Raises:
        PromotionError: A text is empty, too long or not printable.
    """
    for name, text in (("approver", by), ("reason", reason)):
        if not text.strip() or len(text) > MOST_TEXT or not text.isprintable():
            raise PromotionError(
                f"{name}: expected 1 to {MOST_TEXT} printable characters, got {text[:40]!r}; say who decides and why"
            )


def plan_registration(history: History, subject: Subject, moment: Moment) -> Decision:
    """Register a version.

    Raises:
        PromotionError: The version is registered as another bundle.
    """
    decision = _decision(subject, State.DEVELOPMENT, moment, (Basis.BUNDLE, subject.digest), follows=history.head)
    history.with_decision(decision)
    return decision


def plan_promotion(history: History, version: str, asked: Promotion, metrics: bytes, at: str) -> Decision:
    """Promote a version.

    Args:
        history: Of its detector.
        version: Which one.
        asked: To what, by whom, on what evidence.
        metrics: ``metrics.json`` of its bundle.
        at: Now.

    Raises:
        RegistryError: The version is not registered.
        PromotionError: It is not allowed, or its evidence does not do.
    """
    standing = history.version(version)
    subject = standing.subject
    check_transition(subject.name, standing.state, asked.to)
    holder = NOBODY if asked.to is State.VALIDATION else history.holder(asked.to, subject.fleet)
    evidence = {
        State.VALIDATION: lambda: _gates(subject, metrics),
        State.SHADOW: lambda: _validated(standing, holder, asked),
        State.ACTIVE: lambda: _compared(history, standing, asked),
    }[asked.to]()
    moment = Moment(asked.approver, asked.reason, at)
    decision = _decision(subject, asked.to, moment, evidence, follows=history.head, replaces=holder)
    history.with_decision(decision)
    return decision


def plan_retirement(history: History, version: str, moment: Moment) -> Decision:
    """Retire a version.

    Raises:
        RegistryError: It is not registered.
        PromotionError: It is retired already.
    """
    subject = history.version(version).subject
    decision = _decision(subject, State.RETIRED, moment, (Basis.JUDGEMENT, NO_EVIDENCE), follows=history.head)
    history.with_decision(decision)
    return decision


def _decision(
    subject: Subject, state: State, moment: Moment, evidence: tuple[Basis, str], *, follows: str, replaces: str = NOBODY
) -> Decision:
    basis, digest = evidence
    return Decision(
        subject=subject, state=state, replaces=replaces, basis=basis, evidence=digest, by=moment.by,
        reason=moment.reason, at=moment.at, follows=follows,
    )  # fmt: skip


def _gates(subject: Subject, metrics: bytes) -> tuple[Basis, str]:
    from ground.fleet.registry.gates_check import check_gates

    if subject.release_class != RELEASE:
        raise PromotionError(
            f"{subject.name}: expected a release bundle, got a {subject.release_class} one, which stays in "
            "development: not all of its gates are decided, or no change request (ecr) covers it"
        )
    check_gates(subject.name, metrics)
    return Basis.GATES, hashlib.sha256(metrics).hexdigest()


def _validated(standing: RegisteredVersion, holder: str, asked: Promotion) -> tuple[Basis, str]:
    if holder != NOBODY and not asked.replace:
        raise PromotionError(
            f"{standing.subject.name}: expected no shadow in fleet {standing.subject.fleet}, got {holder}; promote or "
            "retire it first, or say --replace, which retires it"
        )
    return Basis.VALIDATION, standing.decision.digest


def _compared(history: History, standing: RegisteredVersion, asked: Promotion) -> tuple[Basis, str]:
    subject = standing.subject
    last = history.last_active(subject.fleet)
    if asked.first:
        if last != NOBODY:
            raise PromotionError(
                f"{subject.name}: expected the first active version of {subject.detector} in fleet {subject.fleet}, "
                f"got one after {last}; compare with that one: --shadow-report"
            )
        return Basis.FIRST, NO_EVIDENCE
    if last == NOBODY:
        raise PromotionError(
            f"{subject.name}: expected an active version to be compared with in fleet {subject.fleet}, got none ever; "
            "say --first, and in the reason why it may fly without a comparison"
        )
    if standing.state is not State.SHADOW:
        raise PromotionError(
            f"{subject.name}: expected a shadow, got one in {standing.state.value}; promote it to shadow first"
        )
    if asked.report == NO_REPORT:
        raise PromotionError(
            f"{subject.name}: expected a shadow report, got none; `ground shadow report --out`, then --shadow-report"
        )
    check_report(subject.name, asked.report, shadow=subject.digest, active=history.version(last).subject.digest)
    return Basis.SHADOW_REPORT, hashlib.sha256(asked.report).hexdigest()
