"""Running the rules of one table with pandera, so that each says whether it passed, failed or could not run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import pandera.pandas as pa

from ground.contract_rule import Rule
from ground.errors import ContractError

PASSED = "passed"
FAILED = "failed"
NOT_RUN = "not_run"
PRESENCE = "presence"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """What one check of one table said.

    Attributes:
        table: ``recordings`` or ``samples``.
        where: The file.
        column: The column; empty for a check of the whole table.
        check: Name of the check.
        status: ``passed``, ``failed`` or ``not_run``.
        expected: What was expected.
        got: What came instead, or why the check could not run; empty when it passed.
        advice: What to do.
        said: The whole error, where reading the file was the check; empty elsewhere.
    """

    table: str
    where: str
    column: str
    check: str
    status: str
    expected: str
    got: str
    advice: str
    said: str = ""

    @property
    def text(self) -> str:
        """The result as one line for the user."""
        if self.said:
            return self.said
        place = f"{self.where}: {self.column}: " if self.column else f"{self.where}: "
        return f"{place}expected {self.expected}, got {self.got}; {self.advice}"


@dataclass(frozen=True, slots=True)
class ColumnRules:
    """The rules of one column; those after the type run only where the type is right."""

    column: str
    needed: bool
    type_rule: Rule
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True)
class TableRules:
    """The rules of one table."""

    table: str
    columns: tuple[ColumnRules, ...]
    whole: tuple[Rule, ...]


@dataclass(slots=True)
class _Notes:
    """What each rule found, by column and name, noted while pandera runs them."""

    found: dict[tuple[str, str], str] = field(default_factory=dict)

    def check(self, column: str, rule: Rule) -> pa.Check:
        def run(data: Any) -> bool:
            found = rule.find(data)
            self.found[column, rule.name] = found
            return not found

        # A plain function: pandera copies a schema in depth, and a bound method would note into the copy.
        # ignore_na would hide the missing values that some rules are about.
        return pa.Check(run, name=rule.name, error=rule.expected, ignore_na=False)


def run_rules(rules: TableRules, frame: pd.DataFrame, *, where: str, columns: Sequence[str]) -> tuple[CheckResult, ...]:
    """Run every rule over a table.

    Args:
        rules: What to check.
        frame: The table.
        where: The file, as errors name it.
        columns: All columns of the file, those that are not checked included; an error lists them.

    Raises:
        ContractError: pandera did not run a check it was given, or a check raised.
    """
    notes = _Notes()
    _validate(frame, {part.column: _column(part, notes, (part.type_rule,)) for part in rules.columns}, [])
    typed = [part for part in rules.columns if notes.found.get((part.column, part.type_rule.name)) == ""]
    checks = {part.column: _column(part, notes, part.rules) for part in typed}
    _validate(frame, checks, [notes.check("", rule) for rule in rules.whole if not rule.skip])
    writer = _Writer(rules.table, where, tuple(columns), notes)
    results = [writer.result("", rule, rule.skip) for rule in rules.whole]
    return (*results, *(result for part in rules.columns for result in writer.column(part, frame.columns)))


def not_run(rules: TableRules, where: str, why: str) -> tuple[CheckResult, ...]:
    """The results of rules that could not run because the table cannot be read."""
    writer = _Writer(rules.table, where, (), _Notes())
    whole = [writer.result("", rule, why) for rule in rules.whole]
    parts = [(part.column, rule) for part in rules.columns for rule in (part.type_rule, *part.rules)]
    return (*whole, *(writer.result(column, rule, why) for column, rule in parts))


def _column(part: ColumnRules, notes: _Notes, rules: tuple[Rule, ...]) -> pa.Column:
    checks = [notes.check(part.column, rule) for rule in rules if not rule.skip]
    return pa.Column(None, checks=checks, nullable=True, required=part.needed)


def _validate(frame: pd.DataFrame, columns: Mapping[str, pa.Column], checks: list[pa.Check]) -> None:
    schema = pa.DataFrameSchema(dict(columns), checks=checks)
    try:
        schema.validate(frame, lazy=True, inplace=True)
    except pa.errors.SchemaErrors as failures:
        # What failed is in the notes; only a check that raised is not.
        for failure in failures.schema_errors:
            if failure.reason_code is pa.errors.SchemaErrorReason.CHECK_ERROR:
                raise ContractError(f"data contract: {failure}; report this as a defect") from failures


@dataclass(frozen=True, slots=True)
class _Writer:
    """Turns what the rules of one table found into results."""

    table: str
    where: str
    columns: tuple[str, ...]
    notes: _Notes

    def column(self, part: ColumnRules, present: pd.Index) -> list[CheckResult]:
        """The results of one column; those of an optional one that is absent did not run."""
        absent = part.column not in present
        why = f"no column {part.column}" if absent else ""
        results = [self.presence(part.column, absent=absent)] if part.needed or not absent else []
        results.append(self.result(part.column, part.type_rule, why))
        why = why or ("the type is wrong" if self.notes.found[part.column, part.type_rule.name] else "")
        return results + [self.result(part.column, rule, why or rule.skip) for rule in part.rules]

    def presence(self, column: str, *, absent: bool) -> CheckResult:
        """Whether a column is there."""
        return CheckResult(
            table=self.table,
            where=self.where,
            column=column,
            check=PRESENCE,
            status=FAILED if absent else PASSED,
            expected="this column",
            got=f"columns {', '.join(self.columns) or 'none'}" if absent else "",
            advice="add it, or correct the names in config and index",
        )

    def result(self, column: str, rule: Rule, why_not: str) -> CheckResult:
        """What one rule found, or why it could not run."""
        if not why_not and (column, rule.name) not in self.notes.found:
            raise ContractError(
                f"{self.where}: {column}: expected the check {rule.name} to run, got no answer from pandera; "
                "unset the PANDERA_ variables of the environment"
            )
        got = why_not or self.notes.found[column, rule.name]
        return CheckResult(
            table=self.table,
            where=self.where,
            column=column,
            check=rule.name,
            status=NOT_RUN if why_not else FAILED if got else PASSED,
            expected=rule.expected,
            got=got,
            advice=rule.advice,
        )
