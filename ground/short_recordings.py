"""Healthy recordings that are too short to be cut into roles: each goes to one role, whole. Pure."""

from __future__ import annotations

from collections.abc import Mapping


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
