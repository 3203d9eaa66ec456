"""Scalers of the bundles that decided lately: observers see a window some frames after it was judged."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from edge_agent.detector import LoadedModel
    from edge_agent.scaler import Scaler

MOST_KEPT: Final = 4


class RecentScalers:
    """A scaler by bundle; only the scalers are kept, not the models.

    Args:
        model: The bundle that decides.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._kept: OrderedDict[str, Scaler] = OrderedDict()
        self.follow(model)

    def follow(self, model: LoadedModel) -> None:
        """Another bundle decides from now on."""
        self._kept[model.bundle_digest] = model.scaler
        self._kept.move_to_end(model.bundle_digest)
        while len(self._kept) > MOST_KEPT:
            self._kept.popitem(last=False)

    def of(self, bundle_digest: str) -> Scaler:
        """The scaler of a bundle; of one that is not known (any more), that of the one that decides."""
        return self._kept.get(bundle_digest, next(reversed(self._kept.values())))
