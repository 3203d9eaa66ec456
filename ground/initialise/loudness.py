"""Whether the recordings are loud enough for their units, by the features of some healthy windows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ground.faint import faint_text
from ground.initialise.sensors import healthy_windows, spread
from ground.initialise.survey import RecordingFacts
from shared_features.extract import extract_windows
from shared_features.spec import FeatureSpec

_MOST_RECORDINGS = 3
_MOST_WINDOWS = 8
"""Of each: that a unit is too large by far shows in a few."""


def faint_channels(folder: Path, recordings: Sequence[RecordingFacts], spec: FeatureSpec) -> str:
    """Which channels are too faint for their unit; see ``ground.faint``.

    Args:
        folder: The recordings folder.
        recordings: Those with healthy time.
        spec: What would be computed; no group of it follows a shaft.
    """
    # Conditions are no magnitudes: any speed will do.
    speeds = np.ones(len(spec.speeds))
    values = [
        features.values
        for facts in spread(recordings, _MOST_RECORDINGS)
        for window in healthy_windows(folder, facts, spec, _MOST_WINDOWS)
        for features in extract_windows(spec, window, speeds)
        if not features.reason
    ]
    return faint_text(spec, np.array(values)) if values else ""
