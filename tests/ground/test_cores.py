"""Cores: those that this process may use, which in a container are fewer than the machine has."""

from __future__ import annotations

import os

import pytest

from ground import cores

QUOTAS = {
    "two whole cores": ("200000 100000", 2),
    "one and a half": ("150000 100000", 2),
    "less than one": ("50000 100000", 1),
    "no quota": ("max 100000", os.cpu_count()),
    "not to be read": ("", os.cpu_count()),
}


@pytest.mark.parametrize("name", QUOTAS)
def test_the_quota_of_a_group_counts(tmp_path, name):
    """Of its own, and of those above it."""
    text, expected = QUOTAS[name]
    own = tmp_path / "groups" / "machine.slice" / "x.scope"
    own.mkdir(parents=True)
    (tmp_path / "cgroup").write_text("1:cpu:/elsewhere\n0::/machine.slice/x.scope\n")
    (own.parent / "cpu.max").write_text(text)
    assert min(cores._quotas(tmp_path / "cgroup", tmp_path / "groups")) == expected


def test_where_the_kernel_tells_nothing_all_cores_count(tmp_path):
    """As on a kernel without groups."""
    assert cores._quotas(tmp_path / "cgroup", tmp_path) == [os.cpu_count()]


def test_the_affinity_counts(monkeypatch):
    """A process that was pinned works on that core."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert cores.available_cores() == 1


def test_the_smaller_of_both_counts(tmp_path, monkeypatch):
    """A container of one core on a large machine is not filled with processes."""
    (tmp_path / "cgroup").write_text("0::/\n")
    (tmp_path / "cpu.max").write_text("100000 100000")
    monkeypatch.setattr(cores, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "_GROUPS", tmp_path)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(64)))
    assert cores.available_cores() == 1
