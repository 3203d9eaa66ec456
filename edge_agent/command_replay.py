"""``edge-agent replay``: the detector over recorded payloads, to the bytes that the stream gave."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_agent.assessment import encode_assessment
from edge_agent.config import LimitsSection
from edge_agent.errors import FrameFileError, WireError
from edge_agent.exit_code import ExitCode
from edge_agent.frame_file import LONGEST_BLOCK, read_blocks, write_blocks
from edge_agent.load import load_model
from edge_agent.output import complain, say, say_json
from edge_agent.streams import Streams
from edge_agent.trust import TrustedKeys
from edge_agent.wire import decode_frame

if TYPE_CHECKING:
    from edge_agent.assessment import Assessment
    from edge_agent.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What to replay.

    Attributes:
        bundle: A ``.bundle`` file, or a folder of its unpacked members.
        keys: Trusted public keys in PEM.
        frames: File of length-prefixed payloads.
        out: File to write, of length-prefixed assessments.
        first_seq: ``seq`` of the first assessment of the first flight: evidence begins within one.
        json: Whether to print JSON.
    """

    bundle: Path
    keys: Sequence[Path]
    frames: Path
    out: Path
    first_seq: int = 0
    json: bool = False


@dataclass(slots=True)
class _Tally:
    frames: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    evicted: list[str] = field(default_factory=list)
    states: Counter[str] = field(default_factory=Counter)
    fault: str = ""

    def document(self) -> dict[str, Any]:
        """What happened, for a script."""
        return {
            "frames": self.frames,
            "refused": dict(sorted(self.refused.items())),
            "evictions": len(self.evicted),
            "states": dict(sorted(self.states.items())),
            "fault": self.fault,
        }


def replay(options: ReplayOptions, policy: Policy) -> ExitCode:
    """Assess the frames of a file, as a stream of them would have been.

    Raises:
        BundleError: The bundle is refused.
        FrameFileError: The frames cannot be read at all, or the results not be written.
    """
    model = load_model(options.bundle, keys=TrustedKeys.from_files(options.keys), policy=policy)
    tally = _Tally()
    limit = LimitsSection().max_streams
    streams = Streams(model, engines=(), limit=limit, on_evict=tally.evicted.append)
    assessments = _counted_from(options.first_seq, _assess(options.frames, streams, tally))
    n = write_blocks(options.out, map(encode_assessment, assessments))
    if options.json:
        say_json({"out": str(options.out), "assessments": n, **tally.document()})
    else:
        states = ", ".join(f"{count} {state}" for state, count in sorted(tally.states.items()))
        say(f"{options.out}: {n} assessments of {tally.frames} frames{f' ({states})' if states else ''}")
    _complain(options, tally, limit)
    return ExitCode.BAD_INPUT if tally.fault else ExitCode.OK


def _complain(options: ReplayOptions, tally: _Tally, limit: int) -> None:
    for reason, count in sorted(tally.refused.items()):
        complain(f"{options.frames}: {count} payloads refused: {reason}")
    if tally.evicted:
        complain(f"{options.frames}: {len(tally.evicted)} evictions: more than {limit} engines")
    if tally.fault:
        complain(tally.fault)


def _counted_from(first_seq: int, assessments: Iterator[Assessment]) -> Iterator[Assessment]:
    """The assessments, those of the first flight counted from ``first_seq`` on."""
    flight = ""
    for assessment in assessments:
        flight = flight or assessment.flight
        yield replace(assessment, seq=assessment.seq + first_seq) if assessment.flight == flight else assessment


def _assess(frames: Path, streams: Streams, tally: _Tally) -> Iterator[Assessment]:
    try:
        for payload in read_blocks(frames):
            tally.frames += 1
            yield from _assess_payload(payload, streams, tally)
    except FrameFileError as error:
        if tally.frames == 0:
            raise
        tally.fault = str(error)


def _assess_payload(payload: bytes, streams: Streams, tally: _Tally) -> list[Assessment]:
    try:
        frame = decode_frame(payload, max_bytes=LONGEST_BLOCK)
        assessments = streams.detector_of(frame).push(frame)
    except WireError as error:
        tally.refused[error.reason] += 1
        return []
    tally.states.update(assessment.state for assessment in assessments)
    return assessments
