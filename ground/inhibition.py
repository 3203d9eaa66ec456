"""Inhibition: where the agent says nothing by design, because the operation changes; sensor and detector are sound."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.stream import PHASE_CHANGE
from edge_agent.transients import TRANSIENT

REASONS: Final = (PHASE_CHANGE, TRANSIENT)


def is_inhibited(reasons: NDArray[np.object_]) -> NDArray[np.bool_]:
    """(n,) whether a window is not assessed because its phase or its conditions change.

    Args:
        reasons: (n,) why each is not assessed; empty where it is.
    """
    return np.isin(reasons.astype(str), REASONS)
