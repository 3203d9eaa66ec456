"""What results depend on beside data and model: the code, the libraries, and the processor that ran them."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import numpy as np

import edge_agent
import ground
import shared_features

_PACKAGES = ("enginear-ground", "numpy", "onnxruntime", "pyarrow", "msgpack")
_OURS = (ground, edge_agent, shared_features)
_SHOWN_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Platform:
    """The software, and the kind of machine.

    Attributes:
        versions: Of packages, by name.
        code: Digest of our own sources; an edited checkout keeps its version.
        machine: As in ``x86_64``.
    """

    versions: tuple[tuple[str, str], ...]
    code: str
    machine: str

    @classmethod
    @cache
    def here(cls) -> Platform:
        """This process's."""
        return cls(tuple((name, version(name)) for name in _PACKAGES), _code(), platform.machine())

    def __str__(self) -> str:
        return ", ".join((*(f"{name} {number}" for name, number in self.versions), f"code {self.code}", self.machine))


@cache
def vector_units() -> str:
    """What numpy found of this processor's vector units, for which libraries have kernels of their own."""
    return " ".join(np.show_config(mode="dicts")["SIMD Extensions"]["found"]) or "no vector units"


def _code() -> str:
    digest = hashlib.sha256()
    for package in _OURS:
        folder = Path(str(package.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            name = path.relative_to(folder)
            if name.parts[0] != "build":
                digest.update(repr((folder.name, name.as_posix(), path.read_bytes())).encode())
    return digest.hexdigest()[:_SHOWN_DIGITS]
