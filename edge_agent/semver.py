"""Versions by Semantic Versioning 2.0.0, with the precedence of its section 11; build metadata is not used here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_NUMBER = r"(0|[1-9][0-9]{0,8})"
_IDENTIFIER = "[0-9A-Za-z-]{1,32}"
_PATTERN = re.compile(rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-({_IDENTIFIER}(?:\.{_IDENTIFIER})*))?")


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """``major.minor.patch``, with dotted pre-release identifiers where there are any."""

    release: tuple[int, int, int]
    pre_release: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Version:
        """Read a version.

        Raises:
            ValueError: Not ``major.minor.patch`` or ``major.minor.patch-pre``.
        """
        match = _PATTERN.fullmatch(text)
        if match is None:
            raise ValueError(f"version: expected major.minor.patch such as 1.0.0, got {text!r}; correct it")
        major, minor, patch, pre_release = match.groups()
        return cls((int(major), int(minor), int(patch)), tuple(pre_release.split(".")) if pre_release else ())

    def __lt__(self, other: Version) -> bool:
        return self._precedence() < other._precedence()

    def _precedence(self) -> tuple[tuple[int, int, int], bool, tuple[tuple[bool, int, str], ...]]:
        # Numeric identifiers come before others and compare as numbers; a release comes after its pre-releases.
        identifiers = tuple((False, int(part), "") if part.isdigit() else (True, 0, part) for part in self.pre_release)
        return self.release, not self.pre_release, identifiers
