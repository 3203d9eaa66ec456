"""The same samples under two names: known by their features, of which a state at rest tells nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ground.errors import SplitError

FEWEST: Final = 2
"""Different windows that two groups share if they are copies: one alone may be a plant that was at rest in both."""


def check_contents(rows: pd.DataFrame, values: NDArray[np.float32]) -> None:
    """Refuse groups that are copies of each other.

    Args:
        rows: Columns recording_id and group, of windows that are ``is_telling``.
        values: (n, n_feature) their features.

    Raises:
        SplitError: Equal features in two groups; the text names the recordings.
    """
    content = rows[["recording_id", "group"]].assign(content=_contents(values))
    pairs = content[["content", "group"]].drop_duplicates()
    found = next(_copied(pairs), None)
    if found is not None:
        names = sorted(content["recording_id"][content["content"] == found].unique())
        raise SplitError(
            f"split: expected each window once, got equal features in several groups, in {' and '.join(names)}; the "
            "same recording stands in recordings.csv twice: remove one, or, where its values stand still, leave such "
            "channels or recordings out (signal.channels, preprocess.leave_out)"
        )


def is_telling(rows: pd.DataFrame, values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """(n,) whether a copy of a window is known by its features.

    It is not where the window was not assessed, nor where a recording holds the same features twice in a row: values
    that stand still repeat themselves.

    Args:
        rows: Columns recording_id and reason, each recording in the order of time.
        values: (n, n_feature) features.
    """
    assessed = (rows["reason"] == "").to_numpy(dtype=bool)
    content = pd.Series(_contents(values[assessed]), dtype=object)
    before = content.groupby(rows["recording_id"][assessed].to_numpy(dtype=object)).shift()
    telling = assessed.copy()
    telling[assessed] = ~content.isin(content[content == before]).to_numpy()
    return telling


def is_recognised(rows: pd.DataFrame, values: NDArray[np.float32], part: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(n,) windows of the recordings whose windows in ``part`` would be found, copied under another name.

    Args:
        rows: Columns recording_id and reason.
        values: (n, n_feature) features.
        part: (n,) what would be copied.
    """
    telling = part & is_telling(rows, values)
    names = rows["recording_id"].to_numpy(dtype=object)
    different = pd.Series(_contents(values[telling]), dtype=object).groupby(names[telling]).nunique()
    return telling & np.isin(names.astype(str), different.index[different >= FEWEST].to_numpy(dtype=str))


def _copied(pairs: pd.DataFrame) -> Iterator[bytes]:
    """Contents that tell of a copy: two groups share ``FEWEST``, or so many are all that some groups hold.

    Args:
        pairs: Columns content and group, each pair once.
    """
    shared = pairs[pairs.duplicated("content", keep=False)]
    holders: Mapping[Hashable, Sequence[str]] = shared.groupby("content", sort=False)["group"].agg(list).to_dict()
    for group, contents in shared.groupby("group", sort=False)["content"]:
        together = Counter(chain.from_iterable(holders[each] for each in contents))
        del together[group]
        yield from (
            each for each in contents if any(together[other] >= FEWEST for other in holders[each] if other != group)
        )
    alone = shared[shared["group"].isin(pairs["group"].drop_duplicates(keep=False))]
    repeated = alone["content"][alone.duplicated("content")].unique()
    yield from repeated if len(repeated) >= FEWEST else ()


def _contents(values: NDArray[np.float32]) -> list[bytes]:
    return [row.tobytes() for row in np.ascontiguousarray(values)]
