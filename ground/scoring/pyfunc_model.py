"""The model that MLflow loads: a signed bundle behind ``predict``. MLflow copies this file and runs it; no pickle.

Its artefacts are ``bundle`` and the public keys (``key_0``, ...): the signature is verified at each load.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext

from ground.scoring.detector import Detector

WINDOWS = "windows"
"""Name of the input that holds the windows, where there are speeds beside it."""
PHASE = "phase"
BUNDLE = "bundle"
KEY = "key_"
_SAID = ["score", "threshold", "state", "reason", "contributions"]


class BundleModel(PythonModel):
    """A bundle as MLflow's ``python_function``."""

    def load_context(self, context: PythonModelContext) -> None:
        """Verify and load the bundle; refused as ``Detector.from_bundle`` refuses it."""
        artefacts = context.artifacts
        keys = [path for name, path in sorted(artefacts.items()) if name.startswith(KEY)]
        self._detector = Detector.from_bundle(artefacts[BUNDLE], key=keys)

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,  # bare: MLflow takes other hints for schemas
        params: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """What is said of each window.

        Args:
            context: Not used.
            model_input: (n_window, n_channel, n_sample) float32, or a dict of it (``windows``) and of (n_window,)
                shaft speeds, Hz (``n1_hz``, ...).
            params: ``phase``, the flight phase; empty where the detector knows at most one.

        Returns:
            (n_window) rows: score, threshold (None where not assessed), state, reason, contributions.
        """
        del context
        given: Mapping[str, Any] = {WINDOWS: model_input}
        if isinstance(model_input, Mapping):
            given = model_input
        speeds = {name.removesuffix("_hz"): np.asarray(given[name]) for name in given if name != WINDOWS}
        table = self._detector.score(given[WINDOWS], phase=(params or {}).get(PHASE, ""), speed_hz=speeds)[_SAID]
        # NaN is no JSON: a server would send what no strict reader takes.
        known = table[["score", "threshold"]].astype(object).where(table["score"].notna(), None)
        return table.assign(score=known["score"], threshold=known["threshold"])


set_model(BundleModel())
