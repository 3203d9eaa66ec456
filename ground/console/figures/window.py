"""The window of an alert, cut out of its waveform, as the agent saw it."""

from __future__ import annotations

from dataclasses import dataclass

from ground.console.data.alert import AlertDetail
from ground.console.data.evidence_frames import sample_at
from ground.errors import DataError
from ground.features.excerpt import Excerpt, check_fit, excerpt_of
from ground.features.window_search import WindowPart
from ground.interim_stream import slice_piece
from ground.recording import Recording
from ground.report import words
from shared_features.spec import FeatureSpec


@dataclass(frozen=True, slots=True)
class AlertWindow:
    """The window, and the channel that the alert names first.

    Attributes:
        excerpt: The window.
        channel: Which channel of the spec.
    """

    excerpt: Excerpt
    channel: int

    @property
    def channel_name(self) -> str:
        """Name of that channel."""
        return self.excerpt.spec.channels[self.channel].name


def alert_window(alert: AlertDetail, recording: Recording, spec: FeatureSpec) -> AlertWindow:
    """Cut the window of an alert out of its waveform.

    Raises:
        DataError: The waveform does not hold it, or does not fit the spec.
    """
    check_fit(recording.info, spec)
    hop_n = spec.hop_records * spec.record_n
    for stretch in recording.stretches:
        first_n = sample_at(stretch, alert.start_ns, spec.sampling_rate_hz)
        if 0 <= first_n <= len(stretch.samples) - spec.window_n:
            lead = 1 if first_n >= hop_n else 0
            part = slice_piece(stretch, first_n - lead * hop_n, first_n + spec.window_n)
            excerpt = excerpt_of(recording.info, spec, WindowPart(part, lead * spec.hop_records, lead))
            return AlertWindow(excerpt, channel_of(alert, spec))
    raise DataError("The waveform does not hold the whole window of the alert.")


def channel_of(alert: AlertDetail, spec: FeatureSpec) -> int:
    """Place of the channel of the first feature that an alert names; 0 where it names none."""
    known = [channel.name for channel in spec.channels]
    named = [words.channel_of(part.feature) for part in alert.contributions]
    return next((known.index(name) for name in named if name in known), 0)
