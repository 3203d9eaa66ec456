"""A recording as the frames in which an engine would have sent it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from edge_agent.frame import Frame, samples_ns
from ground.errors import DataError
from ground.recording import Recording, RecordingStream, Stretch
from shared_features.groups import joined_units
from shared_features.spec import FeatureSpec

LONGEST_FRAME_S = 0.1
"""Of frames whose shaft speeds matter: a run-up of 10 %/s moves by one percent in one."""

_SKIPPED_SEQ = 1
"""A gap takes one sequence number, so that a receiver sees it however short it was."""


def frame_s_of(spec: FeatureSpec) -> float:
    """Length of the frames in which the ground feeds recordings to ``spec``: a record, or less where shafts turn.

    A frame carries one value of each speed, so a run-up is seen only through short ones. A record is cut into as few
    frames as are at most ``LONGEST_FRAME_S`` long, of one length but for the last, which may be shorter. Without shafts
    a record takes the values of its first sample.
    """
    if not spec.shafts:
        return spec.record_s
    longest_n = max(1, math.floor(LONGEST_FRAME_S * spec.sampling_rate_hz))
    frames_n = -(-spec.record_n // longest_n)
    return -(-spec.record_n // frames_n) / spec.sampling_rate_hz


def frames_for(spec: FeatureSpec, recording: Recording | RecordingStream) -> Iterator[Frame]:
    """Cut a recording into the frames in which the ground feeds it to ``spec``: each record begins with one.

    Args:
        spec: What the frames are for.
        recording: As for ``frames_of``; pieces end with a record, or with their stretch.

    Raises:
        DataError: As for ``frames_of``.
    """
    return _checked(recording, frame_s_of(spec), spec.record_s)


def frames_of(recording: Recording | RecordingStream, *, frame_s: float) -> Iterator[Frame]:
    """Cut a recording into frames, in the order of time.

    Frames lie on a grid of ``frame_s`` from the start of each stretch, so records that are a whole multiple begin with
    a frame; a change of phase cuts a frame in two, and so does the end of a piece that is no whole number of frames.
    ``seq`` counts up by one, and by two across a gap.

    Args:
        recording: Shafts whose speed is unknown at a frame's first sample are left out of ``speed_hz``.
        frame_s: Length of a frame.

    Raises:
        DataError: ``frame_s`` is shorter than a sample.
    """
    return _checked(recording, frame_s, frame_s)


def _checked(recording: Recording | RecordingStream, frame_s: float, record_s: float) -> Iterator[Frame]:
    info = recording.info
    frame_n = round(frame_s * info.sampling_rate_hz)
    if frame_n < 1:
        raise DataError(
            f"frame_s: expected at least one sample at {info.sampling_rate_hz} Hz, got {frame_s} s; lengthen it"
        )
    return _frames(recording, frame_n, round(record_s * info.sampling_rate_hz))


def _frames(recording: Recording | RecordingStream, frame_n: int, record_n: int) -> Iterator[Frame]:
    info = recording.info
    unit = joined_units(info.signal_units)
    seq = 0
    for index, stretch in enumerate(recording.stretches):
        seq += _SKIPPED_SEQ if index and not stretch.first_n else 0
        for first, last, phase in _pieces(stretch, frame_n, record_n):
            yield Frame(
                aircraft=info.aircraft,
                engine=info.engine,
                flight=info.flight,
                phase=phase,
                t_ns=stretch.start_ns + samples_ns(stretch.first_n + first, info.sampling_rate_hz),
                seq=seq,
                rate_hz=info.sampling_rate_hz,
                unit=unit,
                channels=info.channels,
                samples=stretch.samples[first:last],
                speed_hz=_speeds(recording, stretch, first),
                tach=_pulses(stretch, first, last),
            )
            seq += 1


def _pieces(stretch: Stretch, frame_n: int, record_n: int) -> Iterator[tuple[int, int, str]]:
    """First sample, end and phase of each frame of a stretch."""
    ends = [*(run.first_n for run in stretch.phases[1:]), len(stretch.samples)]
    for run, end in zip(stretch.phases, ends, strict=True):
        first = run.first_n
        while first < end:
            into_n = (stretch.first_n + first) % record_n
            last = min(end, first + min(frame_n - into_n % frame_n, record_n - into_n))
            yield first, last, run.phase
            first = last


def _speeds(recording: Recording | RecordingStream, stretch: Stretch, n: int) -> Mapping[str, float]:
    speeds = zip(recording.conditions, stretch.conditions[n].tolist(), strict=True)
    return {name.removesuffix("_hz"): speed for name, speed in speeds if not math.isnan(speed)}


def _pulses(stretch: Stretch, first: int, last: int) -> Mapping[str, NDArray[np.float64]]:
    return {
        shaft: pulses[slice(*np.searchsorted(pulses, (first, last)))] - first for shaft, pulses in stretch.tach.items()
    }
