"""From a bundle on disk to a model that may decide: verified, built, and proven on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edge_agent.bundle import Bundle, open_path
from edge_agent.detector import LoadedModel
from edge_agent.errors import ModelRejected, ScorerError
from edge_agent.golden import replay_golden, replay_scores
from edge_agent.scorer import Scorer
from edge_agent.sealed_file import sealed

if TYPE_CHECKING:
    from pathlib import Path

    from edge_agent.policy import Policy
    from edge_agent.trust import TrustedKeys


def load_model(path: Path, *, keys: TrustedKeys, policy: Policy) -> LoadedModel:
    """Open a bundle, make its session and replay its golden vectors.

    Args:
        path: A ``.bundle`` file, or a folder of its unpacked members.
        keys: The pinned public keys.
        policy: What this agent accepts.

    Raises:
        BundleError: Refused; ``reason`` names the check.
    """
    return prove_model(open_path(path, keys=keys, policy=policy))


def prove_model(bundle: Bundle) -> LoadedModel:
    """Make the session of a verified bundle and replay its golden vectors; see ``load_model``."""
    try:
        scorer = Scorer(bundle.onnx_model, len(bundle.scaler.names))
        replay_golden(bundle.golden, bundle.spec, scorer)
    except ScorerError as error:
        raise ModelRejected("model_interface", str(error)) from error
    return _loaded(bundle, scorer)


def load_beside(bundle: Bundle) -> LoadedModel:
    """Make the session of a bundle that a child has proven, and warm it, while another thread of this process decides.

    onnxruntime holds the interpreter while it makes a session. From a sealed file it copies the model once less, and
    lets go of it in the middle: 20 ms at a time for the largest model there may be, where it would be 40 ms.

    Raises:
        BundleError: Refused; ``reason`` names the check.
    """
    try:
        with sealed(bundle.onnx_model) as path:
            scorer = Scorer(path, len(bundle.scaler.names))
        replay_scores(bundle.golden, scorer)
    except ScorerError as error:
        raise ModelRejected("model_interface", str(error)) from error
    return _loaded(bundle, scorer)


def _loaded(bundle: Bundle, scorer: Scorer) -> LoadedModel:
    return LoadedModel(
        bundle_id=bundle.manifest.bundle_id,
        bundle_digest=bundle.digest,
        spec=bundle.spec,
        scaler=bundle.scaler,
        thresholds=bundle.thresholds,
        commissioning=bundle.commissioning,
        scorer=scorer,
        part_number=bundle.manifest.part_number,
        expires=bundle.manifest.expires,
    )
