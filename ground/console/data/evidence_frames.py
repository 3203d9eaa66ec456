"""The frames of a waveform as a recording: stretches without a gap, as the ground's own code takes them."""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from edge_agent.errors import FrameFileError, WireError
from edge_agent.frame import NS_PER_S, Frame
from edge_agent.frame_file import blocks_of
from edge_agent.stream import STEP_TOLERANCE_NS
from edge_agent.wire import decode_frame
from ground.errors import DataError
from ground.recording import UNLABELLED, PhaseRun, Recording, Stretch
from ground.recording_index import RecordingInfo
from shared_features.spec import CONDITIONS

_MOST_BYTES: Final = 64 * 1024 * 1024


def frames_in(content: bytes, name: str) -> tuple[Frame, ...]:
    """The frames of a file of payloads, in the order of their numbers.

    Raises:
        DataError: The file is none, or frames of several rates or channels are in it.
    """
    try:
        frames = [decode_frame(block, max_bytes=_MOST_BYTES) for block in blocks_of(io.BytesIO(content), Path(name))]
    except (FrameFileError, WireError) as error:
        raise DataError(f"waveform {name}: {error}") from error
    kinds = {(frame.rate_hz, frame.channels, frame.unit) for frame in frames}
    if len(kinds) != 1:
        raise DataError(f"waveform {name}: expected frames of one rate and one set of channels, got {len(kinds)} kinds")
    return tuple(sorted(frames, key=lambda frame: frame.seq))


def recording_of(frames: Sequence[Frame], name: str) -> Recording:
    """Frames of one engine as a recording; a jump of their clock, or a frame that is missing, begins a new stretch.

    Args:
        frames: At least one, all of one rate and one set of channels.
        name: Stands where a recording's name does.
    """
    first = frames[0]
    info = RecordingInfo(
        recording_id=name, file="", dataset="", unit_id=first.engine, aircraft=first.aircraft, engine=first.engine,
        flight=first.flight, start_ns=first.t_ns, sampling_rate_hz=first.rate_hz, channels=first.channels,
        signal_units=first.units, label="unlabelled", fault_type="", severity="", condition="", segment_period_s=0.0,
        healthy_segments=(), faulty_segments=(), speed_hz={}, n_samples=sum(len(frame.samples) for frame in frames),
        data_sha256="",
    )  # fmt: skip
    return Recording(info, CONDITIONS, tuple(_stretch(run) for run in _runs(frames)))


def _runs(frames: Iterable[Frame]) -> list[list[Frame]]:
    runs: list[list[Frame]] = []
    for frame in frames:
        before = runs[-1][-1] if runs else frame
        follows = frame.seq == before.seq + 1 and abs(frame.t_ns - before.end_ns) <= STEP_TOLERANCE_NS
        if runs and follows:
            runs[-1].append(frame)
        else:
            runs.append([frame])
    return runs


def _stretch(frames: Sequence[Frame]) -> Stretch:
    begins = [0, *itertools.accumulate(len(frame.samples) for frame in frames)]
    phases = [PhaseRun(begin, frame.phase) for begin, frame in zip(begins, frames, strict=False)]
    speeds = [[frame.speed_hz.get(name.removesuffix("_hz"), np.nan) for name in CONDITIONS] for frame in frames]
    shafts = sorted({shaft for frame in frames for shaft in frame.tach})
    n = begins[-1]
    return Stretch(
        start_ns=frames[0].t_ns,
        samples=np.concatenate([frame.samples for frame in frames]),
        conditions=np.repeat(np.array(speeds, dtype=np.float64), np.diff(begins), axis=0),
        phases=(phases[0], *(run for before, run in itertools.pairwise(phases) if run.phase != before.phase)),
        labels=np.full(n, UNLABELLED, dtype=np.int8),
        tach={
            shaft: np.concatenate(
                [begin + frame.tach.get(shaft, np.zeros(0)) for begin, frame in zip(begins, frames, strict=False)]
            )
            for shaft in shafts
        },
    )


def sample_at(stretch: Stretch, t_ns: int, rate_hz: float) -> int:
    """Which sample of a stretch a source time is; may lie outside of it."""
    return round((t_ns - stretch.start_ns) * rate_hz / NS_PER_S)
