"""The data contract of a detector: what its recordings must be, and the checks that say whether they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from open_data_contract_standard.model import DataQuality, SchemaObject, SchemaProperty

from ground.config import Config
from ground.contract_custom import (
    ALWAYS,
    INDEX_CHECKS,
    PRESENCES,
    SAMPLE_CHECKS,
    CustomCheck,
    IndexContext,
    SamplesContext,
    custom_check,
    needed_in_index,
    needed_in_samples,
)
from ground.contract_file import custom_property, read_document, schema_object
from ground.contract_library import metric_rule, property_rules, type_rule
from ground.contract_rule import Rule
from ground.contract_run import CheckResult, ColumnRules, TableRules, not_run, run_rules
from ground.errors import ContractError
from ground.recording_files import SampleFile
from ground.recording_index import IndexTable, RecordingInfo, with_identities

PACKAGED = "engine_vibration.contract.yaml"
RECORDINGS = "recordings"
SAMPLES = "samples"
EACH_CHANNEL = "{channel}"

_TEXT = "text"
_LIBRARY = "library"
_CUSTOM = "custom"


@dataclass(frozen=True, slots=True)
class ColumnTerms:
    """What the contract says about one column; ``column`` may be ``EACH_CHANNEL``."""

    column: str
    presence: str
    type_rule: Rule
    rules: tuple[Rule, ...]
    customs: tuple[CustomCheck, ...]


@dataclass(frozen=True, slots=True)
class TableTerms:
    """What the contract says about one table."""

    name: str
    columns: tuple[ColumnTerms, ...]
    rules: tuple[Rule, ...]
    customs: tuple[CustomCheck, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """A data contract, ready to check.

    Attributes:
        name: Its file's name.
        version: Its version.
        digest: Lower-case hex sha256 of the file.
        index: Terms of ``recordings.csv``.
        samples: Terms of each sample file.
    """

    name: str
    version: str
    digest: str
    index: TableTerms
    samples: TableTerms

    def check_index(self, table: IndexTable, config: Config) -> tuple[CheckResult, ...]:
        """Check the index of a recordings folder; every check that the contract names is in the results."""
        custom = _index_rule(IndexContext(config))
        columns = tuple(
            _bind(terms, terms.column, needed=needed_in_index(terms.presence), custom=custom)
            for terms in self.index.columns
        )
        rules = TableRules(self.index.name, columns, (*self.index.rules, *map(custom, self.index.customs)))
        return run_rules(rules, _index_frame(table), where=table.path.name, columns=table.columns)

    def check_samples(self, file: SampleFile, info: RecordingInfo, config: Config) -> tuple[CheckResult, ...]:
        """Check one sample file against contract, config and its row of the index."""
        rules = self._sample_rules(SamplesContext(config, info, file))
        return run_rules(rules, file.table.to_pandas(split_blocks=True), where=info.file, columns=file.columns)

    def skip_samples(self, file: SampleFile, info: RecordingInfo, config: Config) -> tuple[CheckResult, ...]:
        """The results for a file that cannot be read: no check ran."""
        rules = self._sample_rules(SamplesContext(config, info, file))
        return not_run(rules, info.file, "the file cannot be read")

    def _sample_rules(self, context: SamplesContext) -> TableRules:
        channels = tuple(channel.name for channel in context.config.signal.channels)
        custom = _samples_rule(context)
        columns = tuple(
            _bind(terms, column, needed=needed_in_samples(terms.presence, column, context), custom=custom)
            for terms in self.samples.columns
            for column in (channels if terms.column == EACH_CHANNEL else (terms.column,))
        )
        return TableRules(self.samples.name, columns, (*self.samples.rules, *map(custom, self.samples.customs)))


def contract_of(config: Config, base: Path) -> Contract:
    """The contract that a config names, or the packaged one.

    Args:
        config: Names it in ``contract``; empty takes the packaged one.
        base: Folder that the name is relative to: that of the config file.

    Raises:
        ContractError: Unreadable, not ODCS 3, or with a line that we would not check.
    """
    if not config.contract:
        return parse_contract((resources.files("ground") / "configs" / PACKAGED).read_bytes(), PACKAGED)
    path = base / config.contract
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ContractError(
            f"{path}: expected the data contract, got {error}; correct contract in the config"
        ) from error
    return parse_contract(data, path.name)


def parse_contract(data: bytes, where: str) -> Contract:
    """Read a contract.

    Args:
        data: ODCS YAML.
        where: Name of the file, for errors and reports.

    Raises:
        ContractError: Not ODCS 3, or with a line that we would not check.
    """
    document = read_document(data, where)
    return Contract(
        name=where,
        version=document.version or "",
        digest=hashlib.sha256(data).hexdigest(),
        index=_table_terms(schema_object(document, RECORDINGS, where), INDEX_CHECKS, where),
        samples=_table_terms(schema_object(document, SAMPLES, where), SAMPLE_CHECKS, where),
    )


def _table_terms(part: SchemaObject, known: Mapping[str, Any], where: str) -> TableTerms:
    place = f"{where}: {part.name}"
    is_index = part.name == RECORDINGS
    columns = tuple(
        _column_terms(column, known, f"{place}.{column.name}", of_text=is_index) for column in part.properties or []
    )
    rules, customs = _quality(part.quality, known, place)
    return TableTerms(str(part.name), columns, rules, customs)


def _column_terms(part: SchemaProperty, known: Mapping[str, Any], where: str, *, of_text: bool) -> ColumnTerms:
    presence = custom_property(part.customProperties, "presence", ALWAYS)
    if presence not in PRESENCES:
        raise ContractError(f"{where}.presence: expected one of {', '.join(PRESENCES)}, got {presence!r}; correct it")
    quality, customs = _quality(part.quality, known, where)
    rules = (*property_rules(part, where), *quality)
    names = [*(rule.name for rule in rules), *(check.name for check in customs)]
    if len(set(names)) != len(names):
        raise ContractError(f"{where}.quality: expected a different name for each check, got {names}; rename them")
    return ColumnTerms(
        part.physicalName or str(part.name), presence, type_rule(part, where, of_text=of_text), rules, customs
    )


def _quality(
    parts: list[DataQuality] | None, known: Mapping[str, Any], where: str
) -> tuple[tuple[Rule, ...], tuple[CustomCheck, ...]]:
    rules, customs = [], []
    for index, part in enumerate(parts or []):
        place = f"{where}.quality.{part.name or index}"
        kind = part.type or _LIBRARY
        if kind == _CUSTOM:
            customs.append(custom_check(part, known, place))
        elif kind == _LIBRARY:
            rules.append(metric_rule(part, place))
        elif kind != _TEXT:
            raise ContractError(f"{place}.type: expected {_LIBRARY}, {_CUSTOM} or {_TEXT}, got {kind}; remove it")
    return tuple(rules), tuple(customs)


def _bind(terms: ColumnTerms, column: str, *, needed: bool, custom: Callable[[CustomCheck], Rule]) -> ColumnRules:
    return ColumnRules(column, needed, terms.type_rule, (*terms.rules, *map(custom, terms.customs)))


def _index_rule(context: IndexContext) -> Callable[[CustomCheck], Rule]:
    return lambda check: INDEX_CHECKS[check.check](check, context)


def _samples_rule(context: SamplesContext) -> Callable[[CustomCheck], Rule]:
    return lambda check: SAMPLE_CHECKS[check.check](check, context)


def _index_frame(table: IndexTable) -> pd.DataFrame:
    """The index with the identities filled in, empty cells as missing values, and each row named by its recording."""
    rows = [with_identities(row) for row in table.rows]
    columns = list(dict.fromkeys((*table.columns, *with_identities(dict.fromkeys(table.columns, "")))))
    frame = pd.DataFrame(rows, columns=columns, dtype="str").replace("", np.nan)
    frame.index = pd.Index([row["recording_id"] for row in rows], dtype="object")
    return frame
