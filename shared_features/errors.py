"""Errors of shared_features.

FeatureError
├── SpecError      a FeatureSpec that cannot be built or read
└── SignalError    samples that do not fit the FeatureSpec
"""

from __future__ import annotations


class FeatureError(ValueError):
    """Base of every error raised by shared_features."""


class SpecError(FeatureError):
    """A FeatureSpec is impossible, unreadable or of another schema."""


class SignalError(FeatureError):
    """Samples have the wrong shape, dtype or channel count for the spec."""
