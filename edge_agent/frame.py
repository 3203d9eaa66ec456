"""Frame: some samples of every channel of one engine, as one MQTT message brings them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from shared_features.groups import UNIT_SEPARATOR

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """Some consecutive samples of every channel.

    Attributes:
        aircraft: Identity of the aircraft (or site).
        engine: Identity of the monitored machine on it.
        flight: Identity of the flight (or run).
        phase: Flight phase during the frame.
        t_ns: Source time of the first sample, nanoseconds since 1970 UTC.
        seq: Counts frames of one flight; +1 each.
        rate_hz: Samples per second.
        unit: Unit of the samples; where the channels differ, one each in their order with ``;`` between them.
        channels: Names of the sample columns.
        samples: (n, n_channel) float32, n >= 1.
        speed_hz: Reported shaft speeds by shaft name (``n1``, ``n2``).
        tach: Tachometer pulses by shaft name: (n_pulse,) float64 positions in samples from the frame's first one,
            strictly ascending, 0 <= position < n. A shaft with no position has a tachometer that gave no pulse.
    """

    aircraft: str
    engine: str
    flight: str
    phase: str
    t_ns: int
    seq: int
    rate_hz: float
    unit: str
    channels: tuple[str, ...]
    samples: NDArray[np.float32]
    speed_hz: Mapping[str, float] = field(default_factory=dict)
    tach: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each channel; of another length than ``channels`` where ``unit`` names neither one nor all."""
        parts = tuple(self.unit.split(UNIT_SEPARATOR))
        return parts * len(self.channels) if len(parts) == 1 else parts

    @property
    def end_ns(self) -> int:
        """Source time just after the last sample."""
        return self.t_ns + samples_ns(len(self.samples), self.rate_hz)


def samples_ns(n: int, rate_hz: float) -> int:
    """Time that ``n`` samples take at ``rate_hz``, in whole nanoseconds."""
    return round(n * NS_PER_S / rate_hz)
