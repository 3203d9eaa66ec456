"""How much of the test was assessed: a detector that says little has few false alarms, and must not gain by it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ground.replay import Replay


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Windows of one label, of engines with sound sensors.

    Attributes:
        examined: All of them, in the test flights.
        assessed: Those with a score.
        not_assessed: The rest by reason, most frequent first.
    """

    examined: int
    assessed: int
    not_assessed: tuple[tuple[str, int], ...]

    @property
    def share(self) -> float:
        """Assessed share; NaN without any window."""
        return self.assessed / self.examined if self.examined else float("nan")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverages:
    """Of windows labelled healthy, and of those labelled faulty."""

    healthy: Coverage
    faulty: Coverage


def coverages(answers: Replay) -> Coverages:
    """Count the windows of ``answers``."""
    sound = answers.sound
    return Coverages(healthy=_coverage(sound, sound.healthy), faulty=_coverage(sound, sound.faulty))


def _coverage(sound: Replay, chosen: NDArray[np.bool_]) -> Coverage:
    reasons = sound.rows["reason"][chosen & ~sound.assessed].value_counts()
    return Coverage(
        examined=int(np.count_nonzero(chosen)),
        assessed=int(np.count_nonzero(chosen & sound.assessed)),
        not_assessed=tuple((str(name), int(n)) for name, n in reasons.items()),
    )
