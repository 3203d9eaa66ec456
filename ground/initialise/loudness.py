"""Whether the recordings are loud enough for their units, by the features of some healthy windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ground.faint import faint_text
from ground.initialise.sensors import healthy_windows, spread
from ground.initialise.survey import RecordingFacts
from ground.progress import Progress
from shared_features.extract import extract_windows
from shared_features.spec import FeatureSpec

STEP = "init: compute features"

_MOST_RECORDINGS = 3
_MOST_WINDOWS = 8
"""Of each: that a unit is too large by far shows in a few."""


def faint_channels(folder: Path, recordings: Sequence[RecordingFacts], spec: FeatureSpec, *, progress: Progress) -> str:
    """Which channels are too faint for their unit; see ``ground.faint``.

    Args:
        folder: The recordings folder.
        recordings: Those with healthy time.
        spec: What would be computed; no group of it follows a shaft.
        progress: Told after each recording that was read.
    """
    # Conditions are no magnitudes: any speed will do.
    speeds = np.ones(len(spec.speeds))
    some = spread(recordings, _MOST_RECORDINGS)
    values: list[NDArray[np.float32]] = []
    for done, facts in enumerate(some, start=1):
        for window in healthy_windows(folder, facts, spec, _MOST_WINDOWS):
            values.extend(found.values for found in extract_windows(spec, window, speeds) if not found.reason)
        progress(STEP, done, len(some))
    return faint_text(spec, np.array(values)) if values else ""
