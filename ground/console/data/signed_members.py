"""What a bundle says of itself: out of the file that was signed, not of what lies beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from edge_agent.archive import read_archive
from edge_agent.layout import FEATURE_SPEC, MANIFEST, METRICS, MODEL_CARD, SCALER, THRESHOLDS
from ground.console.data.kept import Kept
from ground.errors import DataError

_READ: Final = (FEATURE_SPEC, MANIFEST, METRICS, MODEL_CARD, SCALER, THRESHOLDS)
_MOST_KEPT: Final = 32
_kept: Final[Kept[str, Mapping[str, bytes]]] = Kept(_MOST_KEPT)


def signed_members(digest: str, fetch: Callable[[], bytes]) -> Mapping[str, bytes]:
    """The members of a bundle that pages read, by name; kept, since a digest names the same bytes for ever.

    Args:
        digest: sha256 of the bundle.
        fetch: Gives the whole file; asked only where the members are not kept.

    Raises:
        DataError: It gave another file.
        BundleFormatError: That file is no bundle.
    """
    return _kept.of(digest, lambda: _members(digest, fetch()))


def _members(digest: str, content: bytes) -> Mapping[str, bytes]:
    got = hashlib.sha256(content).hexdigest()
    if got != digest:
        raise DataError(f"bundle: expected the one with digest {digest:.12}, got {got:.12}; load the page again")
    members = read_archive(content)
    return MappingProxyType({name: members[name] for name in _READ})
