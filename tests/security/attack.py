"""One attack of the red-team table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.security.forge import Forge


@dataclass(frozen=True)
class Attack:
    """A bundle to be refused.

    Attributes:
        number: Row of the table.
        name: What is wrong with it.
        build: Makes the archive, or files of it.
        reason: Why it must be refused.
    """

    number: int
    name: str
    build: Callable[[Forge], bytes | Path]
    reason: str

    @property
    def label(self) -> str:
        """Number and name."""
        return f"{self.number:02} {self.name}"

    def source(self, forge: Forge) -> Path:
        """The attack on disk, as it would lie on a stick."""
        made = self.build(forge)
        if isinstance(made, Path):
            return made
        path = forge.folder / "offered.bundle"
        path.write_bytes(made)
        return path
