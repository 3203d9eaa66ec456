"""``signature.json``: the model's inputs and outputs."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from edge_agent.errors import BundleFormatError, ModelRejected
from edge_agent.layout import IO_SCHEMA
from edge_agent.strict_json import canonical_json, is_schema, parse_json
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

SCHEMA = 1
FLOAT32 = "float32"
INPUT = "input_features"
RECONSTRUCTION = "reconstruction"
SCORE = "anomaly_score"

BATCH = -1
"""Size of an axis that is open: the number of feature vectors."""


@dataclass(frozen=True, slots=True)
class TensorSchema:
    """One input or output: name, dtype, and its shape, in which ``BATCH`` is open."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class IoSchema:
    """Inputs and outputs in the order of the graph."""

    inputs: tuple[TensorSchema, ...]
    outputs: tuple[TensorSchema, ...]

    @classmethod
    def of(cls, n_feature: int) -> IoSchema:
        """The schema of every model: features in; reconstruction and anomaly score out."""
        return cls(
            inputs=(TensorSchema(INPUT, FLOAT32, (BATCH, n_feature)),),
            outputs=(
                TensorSchema(RECONSTRUCTION, FLOAT32, (BATCH, n_feature)),
                TensorSchema(SCORE, FLOAT32, (BATCH,)),
            ),
        )

    def to_json(self) -> bytes:
        """The canonical JSON of the member."""
        return canonical_json({"schema": SCHEMA, **asdict(self)})

    @classmethod
    def from_json(cls, data: bytes) -> IoSchema:
        """Read the member.

        Raises:
            BundleFormatError: Not strict JSON, another schema, or unknown or missing fields.
        """
        document = parse_json(data, where=IO_SCHEMA)
        if not isinstance(document, dict) or not is_schema(document.pop("schema", 0), SCHEMA):
            raise BundleFormatError(
                "io_schema", f"{IO_SCHEMA}.schema: expected {SCHEMA}, got another one; export it again"
            )
        try:
            return from_mapping(cls, document, where=IO_SCHEMA)
        except SpecError as error:
            raise BundleFormatError("io_schema", str(error)) from error

    def check(self, n_feature: int) -> None:
        """Check that this is the schema for ``n_feature`` features.

        Raises:
            ModelRejected: ``io_schema``.
        """
        if self != IoSchema.of(n_feature):
            raise ModelRejected(
                "io_schema",
                f"{IO_SCHEMA}: expected {INPUT} (batch, {n_feature}) in, {RECONSTRUCTION} (batch, {n_feature}) and "
                f"{SCORE} (batch,) out, got another schema; export the model for this feature spec",
            )
