"""Cutting recordings by time: those too short for it, and windows that reach into faulty time. Pure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from ground.row_groups import rows_by_name


def cut_by_time(
    start_ns: NDArray[np.int64], end_ns: NDArray[np.int64], shares: Mapping[str, float], *, otherwise: str
) -> NDArray[np.object_]:
    """Roles of one recording's healthy windows, (n,) in time order: one part after the other.

    Args:
        start_ns: (n,) starts, ascending.
        end_ns: (n,) ends.
        shares: Share of each role.
        otherwise: Role of windows that are too near to the part before.
    """
    n = len(start_ns)
    parts = np.cumsum([0.0, *shares.values()])
    edges = np.round(parts / parts[-1] * n).astype(int)
    role = np.full(n, otherwise, dtype=object)
    open_from_ns = np.iinfo(np.int64).min
    for name, first, end in zip(shares, edges[:-1], edges[1:], strict=True):
        part = np.arange(first, end)
        part = part[start_ns[part] >= open_from_ns]
        role[part] = name
        if len(part):
            open_from_ns = int(end_ns[part[-1]] + (end_ns[part] - start_ns[part]).max())
    return role


def deal_whole(windows: Mapping[str, int], shares: Mapping[str, float]) -> dict[str, str]:
    """Deal recordings, in their order, to the role that lacks most of its share.

    Neighbours go to different roles, so that operating conditions, which come in blocks, are known to each.

    Args:
        windows: Windows of each recording.
        shares: Share of each role; they need not add up to 1.

    Returns:
        Role by recording.
    """
    total = sum(shares.values())
    given = dict.fromkeys(shares, 0)
    seen_n = 0
    roles = {}
    for name, n in windows.items():
        seen_n += n
        lacking = {role: share / total * seen_n - given[role] for role, share in shares.items()}
        roles[name] = max(lacking, key=lambda role: lacking[role])
        given[roles[name]] += n
    return roles


def touches_others(
    recordings: NDArray[np.str_], start_ns: NDArray[np.int64], end_ns: NDArray[np.int64], others: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """(n,) whether a window shares time with one of ``others``, (n,), of its recording: at an onset they overlap."""
    touches = np.zeros(len(recordings), dtype=bool)
    own_rows = rows_by_name(recordings, np.ones_like(others))
    for recording, found in rows_by_name(recordings, others).items():
        rows = own_rows[recording]
        chosen = found[np.argsort(start_ns[found], kind="stable")]
        # Windows are equally long: of those that begin before this one ends, the last reaches farthest.
        before = np.searchsorted(start_ns[chosen], end_ns[rows])
        touches[rows] = (before > 0) & (end_ns[chosen[np.maximum(before - 1, 0)]] > start_ns[rows])
    return touches
