"""``repo.json``: how long what is signed stays valid."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Final

from edge_agent.errors import BundleFormatError
from edge_agent.strict_json import parse_json
from ground.errors import RepositoryError
from ground.fleet.repo.roles import DELEGATION
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SETTINGS: Final = "repo.json"
SCHEMA: Final = 1
LONGEST_DAYS: Final = 3650


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Days until what is signed today expires, by role.

    An aircraft that is served by stick sees the repository once a maintenance visit: an A check comes every eight to
    ten weeks. A stick that was written at the last refresh must still be good at the next visit, so timestamp and
    snapshot live 90 days, not the day or week of a repository that is always online. The price: whoever holds back
    news from an agent (a freeze) is found out after 90 days at most.

    Attributes:
        root: The root of trust; its holders meet before it ends.
        targets: Delegations and bundle keys.
        bundles: Offers of a fleet.
        snapshot: What belongs together.
        timestamp: What is newest.
    """

    root: int = 730
    targets: int = 365
    bundles: int = 365
    snapshot: int = 90
    timestamp: int = 90

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 1 <= getattr(self, field.name) <= LONGEST_DAYS:
                raise SpecError(
                    f"{SETTINGS}.lifetime_days.{field.name}: expected 1 to {LONGEST_DAYS} days, got "
                    f"{getattr(self, field.name)}; correct it"
                )

    def of(self, role: str) -> timedelta:
        """The lifetime of a role."""
        return timedelta(days=getattr(self, "bundles" if role.startswith(DELEGATION) else role))

    def document(self) -> dict[str, object]:
        """The content of ``repo.json``."""
        return {"schema": SCHEMA, "lifetime_days": asdict(self)}


def read_lifetimes(folder: Path) -> Lifetimes:
    """Read ``repo.json`` of a repository.

    Raises:
        RepositoryError: Missing, or not such a file.
    """
    path = folder / SETTINGS
    try:
        document = parse_json(path.read_bytes(), where=str(path))
        if not isinstance(document, dict) or set(document) != {"schema", "lifetime_days"}:
            raise RepositoryError(f"{path}: expected schema and lifetime_days, got other fields; correct it")
        if document["schema"] != SCHEMA:
            raise RepositoryError(f"{path}.schema: expected {SCHEMA}, got {document['schema']!r}; update ground")
        return from_mapping(Lifetimes, document["lifetime_days"], where=f"{path}.lifetime_days")
    except OSError as error:
        raise RepositoryError(
            f"{path}: expected the settings of a repository, got {error.strerror}; give --repo, or `ground repo init`"
        ) from error
    except (BundleFormatError, SpecError) as error:
        raise RepositoryError(str(error)) from error
