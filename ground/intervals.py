"""Exact one-sided confidence bounds of a proportion, and the order statistics that bound a quantile.

Sources: C. Clopper, E. Pearson, Biometrika 26 (1934); for the tolerance bound S. Wilks, Ann. Math. Statist. 12 (1941).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import beta, binom

NO_RANK = 0
"""No order statistic of so small a sample bounds the quantile at the confidence asked for."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Two one-sided bounds, each of the same confidence; together they hold less."""

    lower: float
    upper: float


def proportion_bounds(x: float, n: int, *, confidence: float) -> Bounds:
    """Clopper-Pearson bounds of a proportion, each one-sided at ``confidence``.

    For whole ``x`` they are exact. The beta quantiles carry them on to real ``x``: the sum of ``n`` independent
    fractions spreads no wider than that of ``n`` yes-or-no outcomes of the same mean.

    Args:
        x: Successes, 0 to ``n``; a fraction counts for its part.
        n: Independent observations; with none, nothing is known: (0, 1).
        confidence: Of each bound, 0 to 1.

    Raises:
        ValueError: ``x`` is not within 0 to ``n``.
    """
    if not 0.0 <= x <= n:
        raise ValueError(f"x: expected 0 to {n}, got {x}; count each observation once")
    lower = float(beta.ppf(1.0 - confidence, x, n - x + 1.0)) if x > 0.0 else 0.0
    upper = float(beta.ppf(confidence, x + 1.0, n - x)) if x < n else 1.0
    return Bounds(lower, upper)


def fewest_for_bound(share: float, confidence: float) -> int:
    """The smallest sample whose largest value bounds all but ``share`` of the population at ``confidence`` (Wilks)."""
    return math.ceil(math.log1p(-confidence) / math.log1p(-share))


def upper_rank(n: int, share: float, confidence: float) -> int:
    """The smallest rank (from 1) whose order statistic bounds all but ``share`` of the population from above.

    The share of the population up to the value of rank r is beta(r, n - r + 1) distributed, so that value bounds
    ``1 - share`` of it with probability ``binom.cdf(r - 1, n, 1 - share)``.

    Returns:
        The rank, or ``NO_RANK`` where even the largest of ``n`` values does not reach ``confidence``.
    """
    rank = int(binom.ppf(confidence, n, 1.0 - share)) + 1 if n else 1
    return rank if rank <= n else NO_RANK


def lower_rank(n: int, share: float, confidence: float) -> int:
    """The largest rank whose order statistic bounds the quantile ``1 - share`` from below; ``NO_RANK`` if none does."""
    return int(binom.ppf(1.0 - confidence, n, 1.0 - share)) if n else NO_RANK


def confidence_of_rank(rank: int, n: int, share: float) -> float:
    """The confidence at which the value of ``rank`` out of ``n`` bounds all but ``share`` of the population."""
    return float(binom.cdf(rank - 1, n, 1.0 - share))
