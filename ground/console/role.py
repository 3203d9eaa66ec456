"""What a person may do in the console."""

from __future__ import annotations

from enum import Enum
from typing import Final


class Role(Enum):
    """Each role may do what the ones before it may."""

    VIEWER = "viewer"
    ENGINEER = "engineer"
    APPROVER = "approver"

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where ``needed`` is asked for."""
        return _RANKS[self] >= _RANKS[needed]


_RANKS: Final = {role: rank for rank, role in enumerate(Role)}
MEANINGS: Final = {
    Role.VIEWER: "looks at everything, changes nothing",
    Role.ENGINEER: "also judges alerts",
    Role.APPROVER: "also promotes bundles",
}
