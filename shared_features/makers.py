"""Makers: what computes records and vectors by one spec, and may be shared by many streams of one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared_features.record import RecordMaker
from shared_features.vector import VectorMaker

if TYPE_CHECKING:
    from shared_features.spec import FeatureSpec


class Makers:
    """The constants and the scratch memory of a spec: a megabyte for a second of 25.6 kHz, most of what a stream takes.

    Nothing is kept from one record or vector to the next, so streams that share makers give the bits they give alone.
    They must all be used by one thread.
    """

    def __init__(self, spec: FeatureSpec) -> None:
        self.records = RecordMaker(spec)
        self.vectors = VectorMaker(spec)
