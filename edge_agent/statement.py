"""The signed statement: which members a bundle has and the sha256 of each.

An in-toto statement v1 with the predicate of OpenSSF Model Signing v1.0. Builder and parser stand side by side; the
parser accepts only what the builder writes, where the public verifier also takes ignored paths and an older predicate.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from edge_agent.errors import DigestMismatch, SignatureRejected
from edge_agent.layout import OPTIONAL_MEMBERS, SIGNED_MEMBERS
from edge_agent.strict_json import canonical_json, parse_json

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "https://model_signing/signature/v1.0"

_ALGORITHM = "sha256"
_WHERE = "bundle.sig payload"
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Statement:
    """What was signed.

    Attributes:
        name: Name of the bundle, for people; the manifest is what counts.
        digests: Lower-case hex sha256 by member name.
    """

    name: str
    digests: Mapping[str, str]

    @classmethod
    def of(cls, name: str, members: Mapping[str, bytes]) -> Statement:
        """The statement about ``members``."""
        digests = {member: hashlib.sha256(members[member]).hexdigest() for member in sorted(members)}
        return cls(name, MappingProxyType(digests))

    def to_json(self) -> bytes:
        """The payload to sign; the subject's digest is the sha256 of the raw member digests in the order listed."""
        return canonical_json(
            {
                "_type": STATEMENT_TYPE,
                "subject": [{"name": self.name, "digest": {_ALGORITHM: _root(self.digests)}}],
                "predicateType": PREDICATE_TYPE,
                "predicate": {
                    "resources": [
                        {"name": name, "algorithm": _ALGORITHM, "digest": self.digests[name]}
                        for name in sorted(self.digests)
                    ],
                    "serialization": {"method": "files", "hash_type": _ALGORITHM, "allow_symlinks": False},
                },
            }
        )

    @classmethod
    def from_json(cls, payload: bytes) -> Statement:
        """Read a payload whose signature was verified.

        Raises:
            SignatureRejected: Another predicate, ignored paths, other members than a bundle has, or any other form.
            BundleFormatError: Not strict JSON.
        """
        document = parse_json(payload, where=_WHERE)
        try:
            statement = _read(document)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise _refused("statement_form", f"the fields of a statement, got {error!r}") from error
        odd = sorted((set(statement.digests) ^ SIGNED_MEMBERS) - (set(statement.digests) & OPTIONAL_MEMBERS))
        if odd:
            raise _refused(
                "signed_members", f"the digests of the members of a bundle, got a difference in {', '.join(odd)}"
            )
        if statement.to_json() != payload:
            raise _refused("statement_form", "the canonical form of the statement, got another one")
        return statement

    def check_members(self, members: Collection[str]) -> None:
        """Check that the statement is about exactly these members: an optional one can be neither added nor taken out.

        Raises:
            SignatureRejected: ``signed_members``.
        """
        odd = sorted(set(self.digests) ^ set(members))
        if odd:
            raise _refused("signed_members", f"the digests of all members, got a difference in {', '.join(odd)}")

    def authentic(self, members: Mapping[str, bytes], name: str) -> bytes:
        """The content of member ``name``, which is then the one that was signed.

        Raises:
            DigestMismatch: The member differs from what was signed.
        """
        content = members[name]
        digest = hashlib.sha256(content).hexdigest()
        if not hmac.compare_digest(digest, self.digests[name]):
            raise DigestMismatch(
                "digest_mismatch", f"{name}: expected sha256 {self.digests[name]}, got {digest}; copy the bundle again"
            )
        return content


def _read(document: Any) -> Statement:
    if document["predicateType"] != PREDICATE_TYPE:
        raise _refused("predicate_type", f"predicate {PREDICATE_TYPE}, got {document['predicateType']!r}")
    predicate = document["predicate"]
    if "ignore_paths" in predicate["serialization"]:
        raise _refused("ignore_paths", "no ignored paths, got some: files could hide from the signature")
    resources = [(_text(resource["name"]), _digest(resource["digest"])) for resource in predicate["resources"]]
    digests = MappingProxyType(dict(resources))
    if document["subject"][0]["digest"][_ALGORITHM] != _root(digests):
        raise _refused("root_digest", "a subject digest that sums up the listed ones, got another one")
    return Statement(_text(document["subject"][0]["name"]), digests)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


def _digest(value: Any) -> str:
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError(value)
    return value


def _root(digests: Mapping[str, str]) -> str:
    return hashlib.sha256(b"".join(bytes.fromhex(digests[name]) for name in sorted(digests))).hexdigest()


def _refused(reason: str, difference: str) -> SignatureRejected:
    return SignatureRejected(reason, f"{_WHERE}: expected {difference}; sign the bundle with this version of ground")
