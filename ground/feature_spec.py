"""The frozen FeatureSpec: the one that features were made with, and every later stage uses."""

from __future__ import annotations

from edge_agent.layout import FEATURE_SPEC
from ground.config import Config
from ground.demodulation import CHOICE, BandChoice
from ground.errors import DataError
from ground.features_config import awaits_band, with_band
from ground.workspace import Workspace, write_atomic
from shared_features.errors import SpecError
from shared_features.spec import FeatureSpec


def freeze(workspace: Workspace, spec: FeatureSpec, choice: BandChoice | None) -> None:
    """Keep the spec that features are made with, and how its demodulation band was chosen.

    Args:
        workspace: Receives ``data/features/feature_spec.json`` and, with a choice, ``demodulation.json``.
        spec: The spec.
        choice: Nothing where the config states the band; what an earlier run chose is then removed.
    """
    if choice:
        write_atomic(workspace.features / CHOICE, choice.to_json())
    else:
        (workspace.features / CHOICE).unlink(missing_ok=True)
    write_atomic(workspace.features / FEATURE_SPEC, spec.to_json())


def frozen_spec(config: Config, workspace: Workspace) -> FeatureSpec:
    """The spec that the features of a workspace were made with.

    It is the config's, and where the config left the demodulation band to be chosen, with the band that was.

    Raises:
        DataError: Nothing was featurized yet, or with another config.
    """
    path = workspace.features / FEATURE_SPEC
    try:
        spec = FeatureSpec.from_json(path.read_bytes())
    except OSError as error:
        raise DataError(
            f"{path}: expected the feature spec, got {error.strerror}; run `ground featurize` first"
        ) from error
    except SpecError as error:
        raise DataError(f"{path}: {error}; run `ground featurize` again") from error
    expected = config.feature_spec()
    if awaits_band(config.features):
        expected = with_band(expected, spec.envelope.band_hz)
    if spec.digest != expected.digest:
        raise DataError(
            f"{path}: expected features of spec {expected.digest[:12]} (this config's), got {spec.digest[:12]}; "
            "run `ground featurize` with this config"
        )
    return spec
