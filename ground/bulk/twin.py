"""Digital twin: recordings as an engine would have sent them, to a broker in the pace of the signal, or into a file."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_agent.frame import Frame
from edge_agent.frame_file import write_blocks
from edge_agent.wire import encode_frame
from ground.bulk.failures import failure_of
from ground.bulk.fetching import Local, at_hand
from ground.bulk.listing import Failure, Source, files_of, list_recordings
from ground.bulk.store import Store
from ground.errors import DataError
from ground.frames import frames_for
from ground.progress import Progress
from ground.publish import Broker, PublishReport, publish_flights
from ground.recordings import Recording, RecordingStream, stream_recording
from shared_features.spec import FeatureSpec


@dataclass(slots=True)
class Twin:
    """Recordings of a store as frames: those in which ``ground batch`` feeds a detector.

    Attributes:
        spec: What the frames are for.
        store: Where the recordings lie.
        sources: Which of them, in their order.
        failures: Those that could not be read to their end so far.
    """

    spec: FeatureSpec
    store: Store
    sources: tuple[Source, ...]
    failures: list[Failure] = field(default_factory=list)

    @classmethod
    def of(cls, spec: FeatureSpec, data: str, names: Sequence[str]) -> Twin:
        """The twin of some recordings of a store; of all where none is named.

        Raises:
            DataError: The store cannot be read, or lacks one.
        """
        store = Store.of(data)
        listing = list_recordings(store, spec)
        known = {source.info.recording_id: source for source in listing.sources}
        failures = [each for each in listing.failures if not names or each.recording_id in names]
        missing = set(names) - set(known) - {each.recording_id for each in failures}
        if missing:
            raise DataError(
                f"{store}: expected recordings {', '.join(sorted(missing))}, got none of that name; correct it"
            )
        asked = [name for name in dict.fromkeys(names or known) if name in known]
        return cls(spec, store, tuple(known[name] for name in asked), failures)

    def to_broker(self, broker: Broker, *, speed: float, progress: Progress) -> PublishReport:
        """Publish the recordings one after the other.

        Args:
            broker: Where to.
            speed: Times real time.
            progress: Told after each recording.

        Raises:
            PublishError: The broker is not there, or takes nothing.
        """
        named = ((source.info.recording_id, self._frames(source)) for source in self.sources)
        return publish_flights(named, broker, speed=speed, total=len(self.sources), progress=progress)

    def to_file(self, path: Path, *, progress: Progress) -> int:
        """Write the payloads of all frames to a file that ``edge-agent replay`` reads; gives their number.

        Raises:
            FrameFileError: The file cannot be written.
        """
        return write_blocks(path, self._payloads(progress))

    def _payloads(self, progress: Progress) -> Iterator[bytes]:
        for done, source in enumerate(self.sources):
            progress("replay", done, len(self.sources))
            yield from map(encode_frame, self._frames(source))
        progress("replay", len(self.sources), len(self.sources))

    def _frames(self, source: Source) -> Iterator[Frame]:
        """The frames of a recording; none where it cannot be read to its end, as a batch leaves it out as a whole."""
        try:
            with at_hand(self.store, source.info, files_of(self.store, source)) as local:
                recording = self._opened(local)
                if isinstance(recording, RecordingStream):
                    deque(frames_for(self.spec, recording), maxlen=0)
                    recording = self._opened(local)
                yield from frames_for(self.spec, recording)
        except Exception as error:  # noqa: BLE001 - whatever a decoder or a store raises, it ends one recording only
            self.failures.append(failure_of(self.store, source, error))

    def _opened(self, local: Local) -> Recording | RecordingStream:
        return stream_recording(local.folder, local.info, conditions=self.spec.speeds, piece_n=self.spec.record_n)
