"""What the package's changelog says: version and date."""

from __future__ import annotations

import re
import sys
import tomllib
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

from wheels import ROOT

CHANGELOG = ROOT / "packaging" / "deb" / "changelog"
_ENTRY = re.compile(
    r"enginear-edge-agent \((?P<upstream>[^)-]+)-(?P<revision>[^)]+)\) .*?^ -- .*?>  (?P<date>.+?)$",
    re.DOTALL | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Release:
    """One version of the package.

    Attributes:
        version: Debian's version, ``upstream-revision``.
        date_s: When it was released, seconds since 1970.
    """

    version: str
    date_s: int


def read_release(*, revision: str) -> Release:
    """The newest release of the changelog, under another ``revision`` where that is not empty.

    Exits where the changelog's version is not the code's.
    """
    entry = _ENTRY.match(CHANGELOG.read_text(encoding="utf-8"))
    if entry is None:
        sys.exit(f"{CHANGELOG}: expected an entry of a Debian changelog, got something else; see deb-changelog(5)")
    code = tomllib.loads((ROOT / "edge_agent" / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    if entry["upstream"] != code:
        sys.exit(f"{CHANGELOG}: expected version {code}, got {entry['upstream']}; add an entry for this version")
    date_s = int(parsedate_to_datetime(entry["date"]).timestamp())
    return Release(f"{code}-{revision or entry['revision']}", date_s)
