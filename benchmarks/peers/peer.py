"""What another library computes of our features, how near it must come, and how it is called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

VIBRATION = "vibration"
NOISE = "white noise"
"""Where definitions weigh lines differently, they only agree on a flat spectrum."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How near a peer's value must come to ours: ``|theirs - ours| <= atol + rtol |ours|``.

    Attributes:
        rtol: Share of our value.
        atol: In the unit of the feature; for values around zero.
        signal: Where they are compared, ``vibration`` or ``white noise``.
        why: Why they differ at all.
    """

    rtol: float
    atol: float = 0.0
    signal: str = VIBRATION
    why: str = "order of summation, our rounding to float32"


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """One library.

    Attributes:
        name: What reports call it.
        packages: The packages whose versions matter.
        prepare: From a recording, (n,) float64, to the call that is timed. It computes every window of the recording.
        values: From the call's result to (n_window,) values by the names of our features; not timed.
        agreements: By the name of each feature that is compared, how near it must come.
        left_out: By name, why a feature of ours is not compared.
    """

    name: str
    packages: tuple[str, ...]
    prepare: Callable[[NDArray[np.float64]], Callable[[], Any]]
    values: Callable[[Any], Mapping[str, NDArray[np.float64]]]
    agreements: Mapping[str, Agreement]
    left_out: Mapping[str, str] = field(default_factory=dict)
