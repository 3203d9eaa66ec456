"""A share that is looked at again and again while it grows: bounds that hold at every look at once.

A binomial interval of 95 % holds at one look; who looks after each flight and stops when he likes what he sees is wrong
far more often. These bounds follow from a mixture of likelihood ratios, which is a martingale for the true share, and
Ville's inequality (Robbins 1970, "Statistical methods related to the law of the iterated logarithm"): the chance that
they *ever* exclude the true share is at most ``1 - confidence``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.optimize import brentq
from scipy.special import betaln, xlog1py, xlogy

_LEAST = 1e-12


@dataclass(frozen=True, slots=True)
class Prior:
    """The mixture, a beta distribution: it affects how wide bounds are, not whether they hold."""

    a: float = 0.5
    b: float = 0.5


UNINFORMED = Prior()


def bounds(k: int, n: int, *, confidence: float, prior: Prior = UNINFORMED) -> tuple[float, float]:
    """Bounds of a share that hold at every look with this confidence together.

    Args:
        k: Events so far.
        n: Trials so far, each independent of the ones before given the share.
        confidence: Above 0 and below 1, for the two bounds together.
        prior: The mixture, chosen before the first look.

    Returns:
        Lower and upper bound, 0 to 1.

    Raises:
        ValueError: ``k`` is not from 0 to ``n``, or ``confidence`` not between 0 and 1.
    """
    if not 0 <= k <= n or not 0.0 < confidence < 1.0:
        raise ValueError(
            f"expected 0 <= k <= n and a confidence between 0 and 1, got {k}, {n}, {confidence}; correct it"
        )
    most = -math.log1p(-confidence)
    best = k / n if n else 0.5

    def excess(share: float) -> float:
        """Evidence against ``share``, above what is needed to exclude it; falls towards ``best`` from either side."""
        mixture = float(betaln(prior.a + k, prior.b + n - k) - betaln(prior.a, prior.b))
        return mixture - float(xlogy(k, share) + xlog1py(n - k, -share)) - most

    low = 0.0 if k == 0 or excess(_LEAST) <= 0.0 else float(brentq(excess, _LEAST, best))
    high = 1.0 if k == n or excess(1.0 - _LEAST) <= 0.0 else float(brentq(excess, best, 1.0 - _LEAST))
    return low, high


def trials_needed(limit: float, *, confidence: float, share: float = 0.0, prior: Prior = UNINFORMED) -> int:
    """Trials after which the upper bound falls to ``limit``, should events go on coming at ``share``.

    Raises:
        ValueError: ``share`` is not below ``limit``, or ``limit`` not between 0 and 1.
    """
    if not 0.0 <= share < limit < 1.0:
        raise ValueError(f"expected 0 <= share < limit < 1, got {share} and {limit}; no number of trials shows that")
    low, high = 0, 1
    while bounds(round(share * high), high, confidence=confidence, prior=prior)[1] > limit:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        kept = bounds(round(share * middle), middle, confidence=confidence, prior=prior)[1] <= limit
        low, high = (low, middle) if kept else (middle, high)
    return high
