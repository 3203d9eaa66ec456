"""How a fit ended, told the same way by every family with a covariance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ground.models.family import Core, FitData, Fitted, scarcity_warnings
from ground.models.gaussian import gaussian_warnings
from ground.training_loop import divergence_warnings

if TYPE_CHECKING:
    from ground.config import ModelConfig
    from ground.training_loop import LoopResult

CLOSED_FORM = "closed form"


def closed_form(core: Core, data: FitData, settings: ModelConfig) -> Fitted:
    """A fit without epochs."""
    return Fitted(
        core=core.eval(),
        losses=(),
        best_epoch=0,
        stop_reason=CLOSED_FORM,
        warnings=(*scarcity_warnings(data), *gaussian_warnings(data, settings)),
    )


def trained(core: Core, result: LoopResult, data: FitData, settings: ModelConfig) -> Fitted:
    """A fit by ``train_network``."""
    return Fitted(
        core=core.eval(),
        losses=result.losses,
        best_epoch=result.best_epoch,
        stop_reason=result.stop_reason,
        warnings=(*scarcity_warnings(data), *gaussian_warnings(data, settings), *divergence_warnings(result)),
    )
