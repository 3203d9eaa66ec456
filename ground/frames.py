"""A recording as the frames in which an engine would have sent it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from edge_agent.frame import Frame, samples_ns
from ground.errors import DataError
from ground.recording import Recording, Stretch

_SKIPPED_SEQ = 1
"""A gap takes one sequence number, so that a receiver sees it however short it was."""


def frames_of(recording: Recording, *, frame_s: float) -> Iterator[Frame]:
    """Cut a recording into frames, in the order of time.

    Frames lie on a grid of ``frame_s`` from the start of each stretch, so records that are a whole multiple begin with
    a frame; a change of phase cuts a frame in two. ``seq`` counts up by one, and by two across a gap.

    Args:
        recording: Shafts whose speed is unknown at a frame's first sample are left out of ``speed_hz``.
        frame_s: Length of a frame.

    Raises:
        DataError: ``frame_s`` is shorter than a sample, or the channels have different units.
    """
    info = recording.info
    frame_n = round(frame_s * info.sampling_rate_hz)
    if frame_n < 1:
        raise DataError(
            f"frame_s: expected at least one sample at {info.sampling_rate_hz} Hz, got {frame_s} s; lengthen it"
        )
    if len(set(info.signal_units)) != 1:
        raise DataError(
            f"{info.recording_id}: signal_units: expected one unit for all channels of a frame, got "
            f"{', '.join(info.signal_units)}; split the recording"
        )
    return _frames(recording, frame_n)


def _frames(recording: Recording, frame_n: int) -> Iterator[Frame]:
    info = recording.info
    seq = 0
    for stretch in recording.stretches:
        for first, last, phase in _pieces(stretch, frame_n):
            yield Frame(
                aircraft=info.aircraft,
                engine=info.engine,
                flight=info.flight,
                phase=phase,
                t_ns=stretch.start_ns + samples_ns(first, info.sampling_rate_hz),
                seq=seq,
                rate_hz=info.sampling_rate_hz,
                unit=info.signal_units[0],
                channels=info.channels,
                samples=stretch.samples[first:last],
                speed_hz=_speeds(recording, stretch, first),
            )
            seq += 1
        seq += _SKIPPED_SEQ


def _pieces(stretch: Stretch, frame_n: int) -> Iterator[tuple[int, int, str]]:
    """First sample, end and phase of each frame of a stretch."""
    ends = [*(run.first_n for run in stretch.phases[1:]), len(stretch.samples)]
    for run, end in zip(stretch.phases, ends, strict=True):
        first = run.first_n
        while first < end:
            last = min(end, (first // frame_n + 1) * frame_n)
            yield first, last, run.phase
            first = last


def _speeds(recording: Recording, stretch: Stretch, n: int) -> Mapping[str, float]:
    speeds = zip(recording.conditions, stretch.conditions[n].tolist(), strict=True)
    return {name.removesuffix("_hz"): speed for name, speed in speeds if not math.isnan(speed)}
