"""What ``ground registry`` prints: tables for people, JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ground.fleet.registry.comparison import Comparison, Measured
from ground.fleet.registry.decision import Decision
from ground.fleet.registry.history import History, RegisteredVersion
from ground.terminal import say_json

_SHORT: Final = 16
_WIDE_COLUMNS: Final = 200
"""Into a file or a pipe a row stays a line, so that it can be searched."""


def show_version(version: RegisteredVersion, *, as_json: bool) -> None:
    """One version, and what decided its state."""
    if as_json:
        say_json(_version_document(version))
        return
    decision = version.decision
    typer.echo(f"{version.subject.name} is {version.state.value} since {decision.at}, by {decision.by}")
    if decision.replaces and decision.subject == version.subject:
        typer.echo(f"{version.subject.detector}/{decision.replaces} is retired: this one has its place")


def show_versions(versions: Sequence[RegisteredVersion], *, as_json: bool) -> None:
    """Versions, one a row."""
    if as_json:
        say_json([_version_document(each) for each in versions])
        return
    table = Table("version", "state", "fleet", "class", "since", "by", "digest")
    for each in versions:
        subject, decision = each.subject, each.decision
        table.add_row(
            subject.name, each.state.value, subject.fleet, subject.release_class, decision.at, escape(decision.by),
            subject.digest[:_SHORT],
        )  # fmt: skip
    _print(table)


def show_history(version: RegisteredVersion, history: History, *, as_json: bool) -> None:
    """One version and every decision about it."""
    about = [each for each in history.decisions if version.subject.version in (each.subject.version, each.replaces)]
    if as_json:
        say_json({**_version_document(version), "decisions": [each.document() for each in about]})
        return
    subject = version.subject
    facts = {
        "version": subject.name, "state": version.state.value, "fleet": subject.fleet,
        "class": subject.release_class, "epoch, sequence": f"{subject.epoch}, {subject.sequence}",
        "bundle": subject.digest, "feature spec": subject.spec_digest,
    }  # fmt: skip
    for name, text in facts.items():
        typer.echo(f"{name:16} {text}")
    table = Table("at", "state", "by", "reason", "evidence")
    for each in about:
        table.add_row(each.at, _state_of(each, version), escape(each.by), escape(each.reason), _evidence(each))
    _print(table)


def show_comparison(found: Comparison, *, as_json: bool) -> None:
    """Two versions, side by side."""
    if as_json:
        say_json(found.document())
        return
    table = Table("measured", "unit", found.before, found.after)
    for row in found.measures:
        table.add_row(row.name, row.unit, _measured(row.before), _measured(row.after))
    _print(table)
    for note in found.notes:
        typer.echo(f"note: {note}")
    table = Table("threshold", found.before, found.after)
    for row in found.thresholds:
        table.add_row(row.name, _number(row.before.point), _number(row.after.point))
    _print(table)
    table = Table("fact", found.before, found.after)
    for fact in found.facts:
        table.add_row(fact.name, escape(fact.before), "the same" if fact.is_same else escape(fact.after))
    _print(table)


def _version_document(version: RegisteredVersion) -> dict[str, Any]:
    subject = version.subject
    return {
        "name": subject.name, "detector": subject.detector, "version": subject.version, "state": version.state.value,
        "fleet": subject.fleet, "epoch": subject.epoch, "sequence": subject.sequence,
        "release_class": subject.release_class, "spec_digest": subject.spec_digest, "digest": subject.digest,
        "decision": version.decision.document(),
    }  # fmt: skip


def _state_of(decision: Decision, version: RegisteredVersion) -> str:
    if decision.subject == version.subject:
        return decision.state.value
    return f"retired: {decision.subject.version} is {decision.state.value}"


def _evidence(decision: Decision) -> str:
    return f"{decision.basis.value} {decision.evidence[:_SHORT]}".rstrip()


def _measured(value: Measured) -> str:
    text = _number(value.point)
    if math.isfinite(value.bounds.lower) or math.isfinite(value.bounds.upper):
        text += f" ({_number(value.bounds.lower)} to {_number(value.bounds.upper)})"
    return " ".join(part for part in (text, f"n={value.n}" if value.n else "", value.verdict) if part)


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.4g}"


def _print(table: Table) -> None:
    console = Console()
    (console if console.is_terminal else Console(width=_WIDE_COLUMNS)).print(table)
