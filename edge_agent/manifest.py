"""``manifest.json``: what a bundle says about itself."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from edge_agent.errors import BundleFormatError
from edge_agent.layout import MANIFEST
from edge_agent.semver import Version
from edge_agent.strict_json import LARGEST_EXACT_INTEGER, canonical_json, is_schema, parse_json
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SCHEMA = 2
FIRST_SCHEMA = 1
"""Of bundles made before there were epochs; they are of ``FIRST_EPOCH``."""
FIRST_EPOCH = 0
RELEASE = "release"
DEVELOPMENT = "development"
RELEASE_CLASSES = (RELEASE, DEVELOPMENT)

NEVER = ""
"""Value of ``expires`` of a bundle that does not expire."""

_TEXT_CAP = 256
_DETECTOR = re.compile(r"[a-z][a-z0-9_]{0,63}")
_FLEET = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a bundle is and for whom.

    Attributes:
        detector: Name of the detector.
        version: Version of the detector (Semantic Versioning).
        fleet: The fleet it is made for.
        sequence: Grows with every release of the detector, whatever the version says; below 2^53.
        epoch: Sequences count anew in each; an agent takes none that the root of trust has not opened. Below 2^53.
        release_class: ``release``, or ``development`` where a gate could not be decided.
        spec_digest: Hex sha256 of the member ``feature_spec.json``.
        min_agent_version: Oldest agent that understands it.
        expires: Last day of use, UTC, as ``YYYY-MM-DD`` (RFC 3339 full-date); ``NEVER`` for no end.
        ecr: Engineering Change Request that allowed the release; may be empty in a development bundle.
        part_number: The operator's part number; may be empty.

    Raises:
        BundleFormatError: ``manifest_value``; the text names the field.
    """

    detector: str
    version: str
    fleet: str
    sequence: int
    release_class: str
    spec_digest: str
    min_agent_version: str
    expires: str = NEVER
    ecr: str = ""
    part_number: str = ""
    epoch: int = FIRST_EPOCH

    def __post_init__(self) -> None:
        _check_names(self)
        _check_versions(self)
        _check_expiry(self.expires)

    @property
    def bundle_id(self) -> str:
        """``<detector>/<version>``."""
        return f"{self.detector}/{self.version}"

    @property
    def last_day(self) -> date:
        """Last day of use; the last day there is when the bundle does not expire."""
        return date.max if self.expires == NEVER else date.fromisoformat(self.expires)

    def to_json(self) -> bytes:
        """The canonical JSON of the member."""
        return canonical_json({"schema": SCHEMA, "bundle_id": self.bundle_id, **asdict(self)})

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Read the member.

        Raises:
            BundleFormatError: Not strict JSON, another schema, unknown, missing or impossible fields.
        """
        document = parse_json(data, where=MANIFEST)
        if not isinstance(document, dict) or not is_schema(document.get("schema"), FIRST_SCHEMA, SCHEMA):
            raise BundleFormatError(
                "manifest_schema",
                f"{MANIFEST}.schema: expected {SCHEMA}, got another one; update the agent or export again",
            )
        manifest = _build(document)
        if document.get("bundle_id") != manifest.bundle_id:
            raise _refused("bundle_id", f"{manifest.bundle_id}, as detector and version say", document.get("bundle_id"))
        return manifest


def _build(document: dict[str, Any]) -> Manifest:
    fields = {name: value for name, value in document.items() if name not in ("schema", "bundle_id")}
    if document["schema"] == FIRST_SCHEMA:
        if "epoch" in fields:
            raise BundleFormatError(
                "manifest_fields", f"{MANIFEST}: expected schema {SCHEMA} where there is an epoch; export it again"
            )
        fields["epoch"] = FIRST_EPOCH
    try:
        return from_mapping(Manifest, fields, where=MANIFEST)
    except SpecError as error:
        raise BundleFormatError("manifest_fields", str(error)) from error


def _check_names(manifest: Manifest) -> None:
    patterns = (("detector", _DETECTOR), ("fleet", _FLEET), ("spec_digest", _DIGEST))
    for field, pattern in patterns:
        if not pattern.fullmatch(getattr(manifest, field)):
            raise _refused(field, f"text of the form {pattern.pattern}", getattr(manifest, field))
    for field in ("ecr", "part_number"):
        text = getattr(manifest, field)
        if len(text) > _TEXT_CAP or not (text.isprintable() or text == ""):
            raise _refused(field, f"at most {_TEXT_CAP} printable characters", text[:_TEXT_CAP])
    if manifest.release_class not in RELEASE_CLASSES:
        raise _refused("release_class", f"one of {', '.join(RELEASE_CLASSES)}", manifest.release_class)


def _check_versions(manifest: Manifest) -> None:
    for field in ("version", "min_agent_version"):
        try:
            Version.parse(getattr(manifest, field))
        except ValueError as error:
            raise BundleFormatError("manifest_value", f"{MANIFEST}.{field}: {error}") from error
    for field in ("sequence", "epoch"):
        if not 0 <= getattr(manifest, field) <= LARGEST_EXACT_INTEGER:
            raise _refused(field, f"0 to {LARGEST_EXACT_INTEGER}", getattr(manifest, field))


def _check_expiry(expires: str) -> None:
    if expires == NEVER:
        return
    # The pattern first: date.fromisoformat also reads 20270301 and 2027-W09-1.
    expected = "a day such as 2027-03-01, or an empty text for never"
    if not _DATE.fullmatch(expires):
        raise _refused("expires", expected, expires)
    try:
        date.fromisoformat(expires)
    except ValueError as error:
        raise _refused("expires", expected, expires) from error


def _refused(field: str, expected: str, got: object) -> BundleFormatError:
    return BundleFormatError("manifest_value", f"{MANIFEST}.{field}: expected {expected}, got {got!r}; export it again")
