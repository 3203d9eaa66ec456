"""What index and file state about samples, held against the samples: a file cut short is no shorter recording."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ground.errors import DataError
from ground.recording_files import SampleFile, sample_batches
from ground.recording_index import RecordingInfo

_RATE_TOLERANCE = 1e-4
"""Share by which two texts of one rate may differ: 48828.1 and 48828.125, or 1/60 with so many digits."""


def stated_batches(info: RecordingInfo, path: Path) -> Iterator[SampleFile]:
    """A file some rows at a time, held at its end against what the index states of its samples.

    Args:
        info: Its row of the index.
        path: The file.

    Raises:
        DataError: Missing, truncated, or not of its format; after the last batch, as of ``check_stated``.
    """
    digest = hashlib.sha256()
    n_samples = 0
    for file in sample_batches(path, info.channels):
        yield file
        n_samples += file.n_samples
        if info.data_sha256:
            digest.update(sample_bytes(file, info.channels[0]))
    check_count(info, path, n_samples)
    # The digest is over one channel after the other.
    for name in info.channels[1:] if info.data_sha256 else ():
        for file in sample_batches(path, [name], only=True):
            digest.update(sample_bytes(file, name))
    check_digest(info, path, digest.hexdigest())


def check_stated(info: RecordingInfo, file: SampleFile) -> None:
    """Hold a file against what the index states of its samples.

    Raises:
        DataError: Their number or their checksum differs, or a channel is missing.
    """
    check_count(info, file.path, file.n_samples)
    if info.data_sha256:
        digest = hashlib.sha256()
        for name in info.channels:
            digest.update(sample_bytes(file, name))
        check_digest(info, file.path, digest.hexdigest())


def sample_bytes(file: SampleFile, channel: str) -> bytes:
    """What ``data_sha256`` of the index is the digest of, one channel after the other.

    Raises:
        DataError: The channel is missing, or holds no numbers.
    """
    return np.ascontiguousarray(file.numbers(channel), dtype=np.float32).tobytes()


def check_digest(info: RecordingInfo, path: Path, digest: str) -> None:
    """Hold the digest of all samples against that of the index.

    Raises:
        DataError: They differ.
    """
    if not digest.startswith(info.data_sha256.lower()):
        raise DataError(
            f"{path}: expected samples with data_sha256 {info.data_sha256}, as in the index, got "
            f"{digest[: len(info.data_sha256)]}; copy the file again"
        )


def check_count(info: RecordingInfo, path: Path, n_samples: int) -> None:
    """Hold the number of samples against that of the index.

    Raises:
        DataError: They differ.
    """
    if info.n_samples not in {0, n_samples}:
        raise DataError(
            f"{path}: expected {info.n_samples} samples, as n_samples of the index, got {n_samples}; "
            "copy the file again or correct the index"
        )


def check_rate(info: RecordingInfo, file: SampleFile) -> None:
    """Hold the rate that a Parquet file states in its metadata against the one that it is read with.

    Raises:
        DataError: They differ.
    """
    if file.stated_rate and not is_rate(file.stated_rate, info.sampling_rate_hz):
        raise DataError(
            f"{file.path}: expected {info.sampling_rate_hz:.12g} Hz, as in the index or of the detector, got "
            f"{file.stated_rate!r:.40} in the file's metadata; correct the one that is wrong"
        )


def is_rate(stated: str, rate_hz: float) -> bool:
    """Whether a text states that rate, be it rounded."""
    try:
        return math.isclose(float(stated), rate_hz, rel_tol=_RATE_TOLERANCE)
    except ValueError:
        return False
