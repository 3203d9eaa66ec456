"""A forge: an honest bundle that the agent would take, and the tools to turn it into an attack."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from cryptography.hazmat.primitives.asymmetric import ec
from onnx import ModelProto

from edge_agent.archive import BLOCK, write_archive
from edge_agent.layout import MODEL, SIGNATURE
from edge_agent.statement import Statement
from edge_agent.strict_json import canonical_json, parse_json
from ground.sign import sign_members, sign_payload

HEADER_MODE: Final = 100
HEADER_SUM: Final = slice(148, 156)


@dataclasses.dataclass(frozen=True)
class Forge:
    """Makes bundles out of honest members.

    Attributes:
        members: The honest members, unsigned.
        key: The key that the agent pins.
        other_key: One that it does not.
        folder: For attacks that are files.
    """

    members: Mapping[str, bytes]
    key: ec.EllipticCurvePrivateKey
    other_key: ec.EllipticCurvePrivateKey
    folder: Path

    def sealed(self, changes: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
        """The members with ``changes``, signed over them."""
        members = {**self.members, **(changes or {})}
        return {**members, SIGNATURE: sign_members("forged", members, self.key)}

    def seal(self, changes: Mapping[str, bytes] | None = None) -> bytes:
        """The same as an archive."""
        return write_archive(self.sealed(changes))

    def seal_json(self, member: str, **fields: Any) -> bytes:
        """Fields of a JSON member changed, and signed so."""
        document = parse_json(self.members[member], where=member)
        return self.seal({member: canonical_json({**document, **fields})})

    def with_signature(self, signature: bytes) -> bytes:
        """The honest members under another ``bundle.sig``."""
        return write_archive({**self.members, SIGNATURE: signature})

    def with_envelope(self, change: Callable[[Any], None]) -> bytes:
        """The honest members under a changed envelope."""
        document = json.loads(self.sealed()[SIGNATURE])
        change(document)
        return self.with_signature(canonical_json(document))

    def with_statement(self, change: Callable[[Any], None]) -> bytes:
        """The honest members under a changed statement that the pinned key has signed."""
        document = json.loads(Statement.of("forged", self.members).to_json())
        change(document)
        return self.with_signature(sign_payload(canonical_json(document), self.key))

    def with_model(self, change: Callable[[ModelProto], None]) -> bytes:
        """The honest model changed, and signed so."""
        model = ModelProto()
        model.ParseFromString(self.members[MODEL])
        change(model)
        return self.seal({MODEL: model.SerializeToString()})

    def with_entry(self, name: str, kind: bytes = tarfile.REGTYPE, *, linkname: str = "") -> bytes:
        """The honest archive with one more entry in front."""
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, linkname
        return entry.tobuf(format=tarfile.USTAR_FORMAT) + self.seal()

    def with_header(self, offset: int, value: bytes) -> bytes:
        """The honest archive with bytes of its first header changed and the sum set right."""
        good = self.seal()
        header = bytearray(good[:BLOCK])
        header[offset : offset + len(value)] = value
        header[HEADER_SUM] = b" " * 8
        header[HEADER_SUM] = b"%06o\x00 " % sum(header)
        return bytes(header) + good[BLOCK:]

    def unpacked(self) -> Path:
        """The honest bundle as a folder of files."""
        folder = self.folder / "unpacked"
        for name, content in self.sealed().items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        return folder


def at(*path: str | int, value: Any) -> Callable[[Any], None]:
    """A change that sets the field at ``path``."""

    def change(document: Any) -> None:
        for step in path[:-1]:
            document = document[step]
        document[path[-1]] = value

    return change


def flipped(content: bytes, offset: int) -> bytes:
    """One bit of ``content`` flipped."""
    damaged = bytearray(content)
    damaged[offset] ^= 1 << (offset % 8)
    return bytes(damaged)


def npy_saved(array: Any, *, save: Callable[..., None] = np.save, **options: Any) -> bytes:
    """What numpy saves of an array."""
    stream = io.BytesIO()
    save(stream, array, **options)
    return stream.getvalue()


def npy_with_header(text: bytes, data: bytes = bytes(8)) -> bytes:
    """A ``.npy`` file of version 1.0 with any header."""
    header = text + b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data
