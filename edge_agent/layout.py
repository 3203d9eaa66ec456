"""The members of a bundle and how large each may be."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

KIB = 1024
MIB = 1024 * KIB

MANIFEST = "manifest.json"
MODEL = "model.onnx"
FEATURE_SPEC = "feature_spec.json"
SCALER = "scaler.json"
THRESHOLDS = "thresholds.json"
COMMISSIONING_POLICY = "commissioning.json"
"""Optional: what an agent may learn about a new unit."""
IO_SCHEMA = "signature.json"
METRICS = "metrics.json"
MODEL_CARD = "MODEL_CARD.md"
GOLDEN_SAMPLES = "golden/samples.npy"
GOLDEN_SPEEDS = "golden/speeds.npy"
GOLDEN_PULSES = "golden/pulses.npy"
GOLDEN_FEATURES = "golden/features.npy"
GOLDEN_SCORES = "golden/scores.npy"
SIGNATURE = "bundle.sig"
"""The cryptographic signature; ``signature.json`` is the model's input and output schema."""

MEMBER_CAPS: Mapping[str, int] = MappingProxyType(
    {
        MANIFEST: 16 * KIB,
        MODEL: 32 * MIB,
        FEATURE_SPEC: 256 * KIB,
        SCALER: MIB,
        THRESHOLDS: MIB,
        COMMISSIONING_POLICY: 8 * MIB,
        IO_SCHEMA: 64 * KIB,
        METRICS: 4 * MIB,
        MODEL_CARD: MIB,
        GOLDEN_SAMPLES: 64 * MIB,
        GOLDEN_SPEEDS: MIB,
        GOLDEN_PULSES: 8 * MIB,
        GOLDEN_FEATURES: 4 * MIB,
        GOLDEN_SCORES: 64 * KIB,
        SIGNATURE: 64 * KIB,
    }
)
"""Every member and its largest size in bytes; a bundle has exactly these, the optional ones or not."""

OPTIONAL_MEMBERS = frozenset({COMMISSIONING_POLICY})

SIGNED_MEMBERS = frozenset(MEMBER_CAPS) - {SIGNATURE} - OPTIONAL_MEMBERS
"""What every signature is over; over the optional ones, too, where they are there."""

BUNDLE_CAP = 96 * MIB
"""Largest bundle file in bytes: checked before a byte of it is read."""
