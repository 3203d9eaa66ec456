"""Reading a data contract: Open Data Contract Standard YAML in which every line is understood or refused."""

from __future__ import annotations

from typing import Any

import yaml
from open_data_contract_standard.model import OpenDataContractStandard, SchemaObject
from pydantic import BaseModel, ValidationError

from ground.errors import ContractError

KIND = "DataContract"
API_VERSIONS = "v3."


def read_document(data: bytes, where: str) -> OpenDataContractStandard:
    """Parse a contract.

    Args:
        data: YAML.
        where: Name of the file, for errors.

    Raises:
        ContractError: Not YAML, not a contract of version 3, or with a key that the standard does not know: such a
            line would be a check that silently does not run.
    """
    try:
        document = yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ContractError(f"{where}: expected YAML, got {error}; correct the syntax") from error
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise ContractError(
            f"{where}: kind: expected {KIND} (Open Data Contract Standard), got another file; see the docs"
        )
    if not str(document.get("apiVersion", "")).startswith(API_VERSIONS):
        raise ContractError(
            f"{where}: apiVersion: expected {API_VERSIONS}x, got {document.get('apiVersion')!r}; convert the contract"
        )
    try:
        contract = OpenDataContractStandard.model_validate(document)
    except ValidationError as error:
        raise ContractError("\n".join(_explain(where, detail) for detail in error.errors())) from error
    unknown = _unknown_keys(document, contract.model_dump(by_alias=True, exclude_unset=True))
    if unknown:
        raise ContractError(f"{where}: expected keys of the standard, got {', '.join(unknown)}; correct or remove them")
    return contract


def schema_object(contract: OpenDataContractStandard, name: str, where: str) -> SchemaObject:
    """The table ``name`` of a contract.

    Raises:
        ContractError: The contract has none of that name.
    """
    found = [table for table in contract.schema_ or [] if table.name == name]
    if len(found) != 1:
        names = [str(table.name) for table in contract.schema_ or []]
        raise ContractError(f"{where}: schema: expected one object named {name}, got {', '.join(names)}; add it")
    return found[0]


def custom_property(properties: list[Any] | None, name: str, default: str) -> str:
    """The value of a custom property, or ``default``."""
    values = [str(item.value) for item in properties or [] if item.property == name]
    return values[0] if values else default


def stated_keys(part: BaseModel) -> dict[str, Any]:
    """What a part of a contract states, without the keys it leaves out."""
    return part.model_dump(by_alias=True, exclude_unset=True)


def _unknown_keys(written: Any, understood: Any, path: str = "") -> list[str]:
    if isinstance(written, dict) and isinstance(understood, dict):
        lost = [f"{path}{key}" for key in written if key not in understood]
        kept = [key for key in written if key in understood]
        return lost + [name for key in kept for name in _unknown_keys(written[key], understood[key], f"{path}{key}.")]
    if isinstance(written, list) and isinstance(understood, list):
        pairs = enumerate(zip(written, understood, strict=True))
        return [name for index, (old, new) in pairs for name in _unknown_keys(old, new, f"{path}{index}.")]
    return []


def _explain(where: str, detail: Any) -> str:
    place = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {place}: {detail['msg']}, got {detail['input']!r:.80}; correct it"
