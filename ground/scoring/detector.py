"""A signed detector for notebooks and scripts: the agent's own code, with the faces of pandas and scikit-learn."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from edge_agent.assessment import Assessment
from edge_agent.bundle import Bundle, open_path
from edge_agent.detector import LoadedModel
from edge_agent.load import prove_model
from edge_agent.manifest import Manifest
from edge_agent.policy import ANY_FLEET, Policy
from edge_agent.trust import TrustedKeys
from edge_agent.unit_store import FixedUnits
from edge_agent.version import AGENT_VERSION
from ground.batch import assess_recording, known_units
from ground.keys import default_public_key
from ground.recording import Recording, RecordingStream
from ground.scoring.errors import WindowsError
from ground.scoring.score_table import predictions, score_table
from ground.scoring.window_array import Conditions, window_recordings
from shared_features.makers import Makers
from shared_features.spec import FeatureSpec

NO_PHASE = ""
"""Windows without a stated phase: of the detector's own phase, where it knows but one."""

Samples = ArrayLike | pd.DataFrame | os.PathLike[str] | str
"""What can be scored; see ``Detector.score``."""


class Given(TypedDict, total=False):
    """What may come with an array; see ``Detector.score``."""

    phase: str | Sequence[str]
    speed_hz: Mapping[str, ArrayLike]
    tach: Mapping[str, Sequence[ArrayLike]]


class Detector:
    """A verified detector; made by ``from_bundle``.

    Args:
        bundle: A bundle that was verified.
        units: What an agent knew of the units; of nobody by default.
    """

    def __init__(self, bundle: Bundle, units: FixedUnits | None = None) -> None:
        self._manifest = bundle.manifest
        self._units = units or FixedUnits()
        self._model = prove_model(bundle)
        self._makers = Makers(self._model.spec)

    @classmethod
    def from_bundle(
        cls,
        path: str | os.PathLike[str],
        *,
        key: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
        units: str | os.PathLike[str] | None = None,
    ) -> Detector:
        """Verify and load a bundle as an agent does; development bundles are welcome on the ground.

        There is no way to load one that is unsigned.

        Args:
            path: A ``.bundle`` file, or the folder of its members.
            key: File of the public key in PEM, or several; by default ``keys/public.pem`` of the workspace in which
                ``models/<detector>/<version>`` lies.
            units: Copied ``state_dir/units`` of an agent that commissioned its engines: recordings of a folder are
                then held against what it knew of theirs.

        Raises:
            ConfigError: (of ``edge_agent.errors``) A key file is missing or no public key.
            BundleError: Refused; ``reason`` names the check.
            DataError: ``units`` cannot be read.
        """
        bundle = Path(path)
        given = [key] if isinstance(key, str | os.PathLike) else key
        keys = TrustedKeys.from_files([Path(each) for each in given] or [default_public_key(bundle)])
        policy = Policy(fleet=ANY_FLEET, agent_version=AGENT_VERSION, allow_development=True)
        return cls(open_path(bundle, keys=keys, policy=policy), known_units(Path(units) if units is not None else None))

    def __repr__(self) -> str:
        manifest = self._manifest
        return f"<Detector {manifest.bundle_id}, {manifest.release_class}, digest {self._model.bundle_digest[:12]}>"

    @property
    def manifest(self) -> Manifest:
        """What the bundle says it is and for whom."""
        return self._manifest

    @property
    def model(self) -> LoadedModel:
        """What the agent works with: session, thresholds, scaler."""
        return self._model

    @property
    def spec(self) -> FeatureSpec:
        """What is computed, from which channels, over which spans."""
        return self._model.spec

    @property
    def window_shape(self) -> tuple[int, int]:
        """(n_channel, n_sample) of one window."""
        return len(self.spec.channels), self.spec.window_n

    def score(
        self,
        samples: Samples,
        *,
        phase: str | Sequence[str] = NO_PHASE,
        speed_hz: Mapping[str, ArrayLike] | None = None,
        tach: Mapping[str, Sequence[ArrayLike]] | None = None,
    ) -> pd.DataFrame:
        """What the agent would say: score, threshold, state, reason and contributions, to the agent's bits.

        An array holds windows that stand alone: each is judged by its own score, so its state is ``normal``,
        ``warning`` (above the threshold) or ``not_assessed``. A DataFrame and a folder hold whole recordings: windows
        are cut as on board, and persistence makes alarms of warnings.

        Args:
            samples: (n_window, n_channel, n_sample) numbers in the units of ``spec``; or a DataFrame of one recording,
                a row a sample, columns as in a recording's file; or a folder with ``recordings.csv``.
            phase: Flight phase of the windows of an array, one for all or one each; may be left out where the detector
                knows at most one. Recordings bring their own.
            speed_hz: For an array, where the detector needs them: shaft speeds by shaft name, Hz, as one number for
                all, (n_window,), or (n_window, n_sample).
            tach: For an array, likewise: tachometer pulses by shaft name, for each window the positions in samples.

        Returns:
            One row a window; see ``ground.scoring.score_table``.

        Raises:
            WindowsError: The samples are not what ``spec`` asks for; the text says what is.
            DataError: A recording cannot be read.
        """
        is_stated = not isinstance(phase, str) or phase != NO_PHASE
        if isinstance(samples, pd.DataFrame | os.PathLike | str):
            if is_stated or speed_hz or tach:
                raise WindowsError(
                    "phase, speed_hz, tach: expected with an array alone, got them with recordings; "
                    "those bring their own columns"
                )
            return score_table(list(self._of_recordings(self._recordings(samples))))
        conditions = Conditions(phase=self._phase(phase), speed_hz=speed_hz or {}, tach=tach or {})
        windows = window_recordings(self.spec, samples, conditions)
        return score_table(list(self._of_windows(windows)))

    def score_samples(self, samples: Samples, **given: Unpack[Given]) -> NDArray[np.float64]:
        """(n,) scores with the sign of scikit-learn's: the lower, the stranger; NaN where not assessed."""
        return -self.score(samples, **given)["score"].to_numpy(dtype=np.float64)

    def decision_function(self, samples: Samples, **given: Unpack[Given]) -> NDArray[np.float64]:
        """(n,) threshold of the window's phase less its score: negative for outliers; NaN where not assessed."""
        table = self.score(samples, **given)
        return (table["threshold"] - table["score"]).to_numpy(dtype=np.float64)

    def predict(self, samples: Samples, **given: Unpack[Given]) -> NDArray[np.int64]:
        """(n,) -1 for outliers (warning or alarm), 1 for inliers, 0 where not assessed."""
        return predictions(self.score(samples, **given))

    def _phase(self, phase: str | Sequence[str]) -> str | Sequence[str]:
        thresholds = self._model.thresholds
        known = sorted({*thresholds.phases, *thresholds.domain.phases})
        if not isinstance(phase, str) or phase != NO_PHASE:
            return phase
        if len(known) > 1:
            raise WindowsError(f"phase: expected one of {', '.join(known)}, got nothing; pass phase=...")
        return known[0] if known else "steady"

    def _recordings(self, samples: pd.DataFrame | os.PathLike[str] | str) -> Iterator[Recording | RecordingStream]:
        # Imported here: who scores arrays needs no reader of files.
        from ground.recordings import GAP_TOLERANCE_S, read_index, stream_recording
        from ground.scoring.sample_frame import frame_recording

        if isinstance(samples, pd.DataFrame):
            yield frame_recording(self.spec, samples, gap_tolerance_s=GAP_TOLERANCE_S)
            return
        folder = Path(samples)
        for info in read_index(folder):
            yield stream_recording(folder, info, conditions=self.spec.speeds, piece_n=self.spec.record_n)

    def _of_recordings(self, recordings: Iterable[Recording | RecordingStream]) -> Iterator[tuple[str, Assessment]]:
        for recording in recordings:
            for assessment in assess_recording(self._model, recording, self._units, self._makers):
                yield recording.info.recording_id, assessment

    def _of_windows(self, windows: Iterable[Recording]) -> Iterator[tuple[str, Assessment]]:
        """One assessment a window; one for which there is none would be a fault of ours."""
        for window in windows:
            (found,) = self._of_recordings([window])
            yield found
