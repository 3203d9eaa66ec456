"""Bounds that hold at every look: the closed form, the promise in simulation, and tables of what they say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import binom

from ground.fleet.sequential import Prior, bounds, trials_needed
from ground.intervals import fewest_for_bound


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (1, 400)])
def test_the_bound_is_where_the_mixture_outweighs_it(k, n):
    """By integration: the mean likelihood over the mixture is 1 / (1 - confidence) times that of the bound."""
    low, high = bounds(k, n, confidence=0.95)

    def likelihood(share):
        return binom.pmf(k, n, share)

    mixture, _ = quad(lambda share: likelihood(share) / (np.pi * np.sqrt(share * (1 - share))), 0.0, 1.0, limit=400)
    for share in (low, high):
        if 0.0 < share < 1.0:
            assert mixture / likelihood(share) == pytest.approx(20.0, rel=1e-6)
    assert 0.0 <= low <= k / n <= high <= 1.0


def test_nothing_is_known_at_first():
    """No flight, no bound."""
    assert bounds(0, 0, confidence=0.95) == (0.0, 1.0)


def test_more_of_the_same_narrows_it():
    """And it never leaves the share that was seen."""
    widths = [high - low for low, high in (bounds(n // 10, n, confidence=0.9) for n in (10, 100, 1_000, 100_000))]
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < 0.01


@pytest.mark.parametrize("share", [0.0, 0.02, 0.05, 0.3])
def test_the_true_share_is_hardly_ever_left_out(share):
    """Looked at after each of 300 flights, in 400 fleets: at most 5 % of the fleets ever see a bound that is wrong.

    A binomial interval at each look is wrong at some look in far more of them.
    """
    rng = np.random.default_rng(20_261_128)
    table = {(k, n): bounds(k, n, confidence=0.95) for n in range(10, 301, 20) for k in range(n + 1)}
    wrong = 0
    for _ in range(400):
        counts = np.cumsum(rng.random(300) < share)
        looks = ((int(counts[n - 1]), n) for n in range(10, 301, 20))
        wrong += any(not table[look][0] <= share <= table[look][1] for look in looks)
    assert wrong <= binom.ppf(0.999, 400, 0.05)


@pytest.mark.parametrize("limit", [0.2, 0.05, 0.02])
def test_trials_needed_is_the_first_that_is_enough(limit):
    """One less is not."""
    n = trials_needed(limit, confidence=0.95)
    assert bounds(0, n, confidence=0.95)[1] <= limit < bounds(0, n - 1, confidence=0.95)[1]


def test_a_mixture_that_expects_rare_events_is_narrower_there():
    """It is a choice of where to be sharp, made before the first look."""
    assert bounds(0, 50, confidence=0.95, prior=Prior(0.5, 10.0))[1] < bounds(0, 50, confidence=0.95)[1]


@pytest.mark.parametrize(("k", "n", "confidence"), [(-1, 3, 0.9), (4, 3, 0.9), (1, 3, 1.0), (1, 3, 0.0)])
def test_nonsense_is_refused(k, n, confidence):
    """With what was expected."""
    with pytest.raises(ValueError, match="expected 0 <= k <= n"):
        bounds(k, n, confidence=confidence)


@pytest.mark.parametrize(("share", "limit"), [(0.1, 0.1), (0.2, 0.1), (0.1, 1.0)])
def test_what_no_number_shows_is_refused(share, limit):
    """A share that is not below the limit."""
    with pytest.raises(ValueError, match="no number of trials"):
        trials_needed(limit, confidence=0.95, share=share)


def test_the_page_names_these_numbers():
    """docs/how-to/shadow-report.md says what looking at every flight costs."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "how-to" / "shadow-report.md").read_text()
    always, once = trials_needed(0.05, confidence=0.95), fewest_for_bound(0.05, 0.95)
    assert (
        f"takes {always} flights to show 5 %, where a single look at a number fixed beforehand would take {once}"
        in page
    )
