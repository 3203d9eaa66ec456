"""Rules that no source shows, watched while every group computes: what is added up, in which order and type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from shared_features.extract import extract_windows
from shared_features.quality import quality_of
from shared_features.spec import LONGEST_ROW_N
from shared_features.waveform import WaveformMaker
from tests.determinism.golden_cases import SPECS, cases

CASES = [case for case in cases() if case.name.endswith(("/machine", "/run_up"))]
COMPARISONS = {
    np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal, np.isfinite, np.isnan, np.minimum,
    np.maximum, np.signbit, np.logical_and, np.logical_or,
}  # fmt: skip


class WatchedAdd:
    """Stands in for ``np.add`` and looks at what is reduced."""

    def __init__(self) -> None:
        self.rows = 0
        self._add: Any = np.add

    def __call__(self, *arguments: Any, **keywords: Any) -> Any:
        """Add."""
        return self._add(*arguments, **keywords)

    def __getattr__(self, name: str) -> Any:
        """Everything else that ``np.add`` has."""
        return getattr(self._add, name)

    def reduce(self, x: Any, axis: int = 0, **keywords: Any) -> Any:
        """Reduce rows of which numpy knows one order only; or columns, more than one, row to row."""
        x = np.asarray(x)
        self.rows += 1
        assert x.dtype.kind == "i" or x.dtype == np.float64, x.dtype
        if axis % x.ndim == x.ndim - 1:
            assert x.shape[-1] <= LONGEST_ROW_N, x.shape
            assert x.shape[-1] == 1 or x.strides[-1] == x.itemsize, x.strides
        else:
            assert x.shape[-1] > 1, x.shape
            assert x.flags.c_contiguous
        return self._add.reduce(x, axis=axis, **keywords)


@pytest.fixture
def watched(monkeypatch) -> WatchedAdd:
    """``np.add`` with a look at every reduction."""
    add = WatchedAdd()
    monkeypatch.setattr(np, "add", add)
    return add


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_only_short_contiguous_rows_are_added_up(case, watched):
    """Longer rows changed their order between numpy 2.2 and 2.3; strided ones have an order of their own."""
    windows = extract_windows(case.spec, case.samples, case.speeds, case.pulses)
    assert windows
    assert watched.rows > len(windows)


@pytest.mark.parametrize(
    "bad",
    [
        lambda: np.add.reduce(np.zeros(LONGEST_ROW_N + 1)),
        lambda: np.add.reduce(np.zeros((9, 1)), axis=0),
        lambda: np.add.reduce(np.zeros((4, 6))[:, ::2], axis=1),
        lambda: np.add.reduce(np.zeros(3, dtype=np.float32)),
        lambda: np.add.reduce(np.zeros(3, dtype=np.complex128)),
    ],
)
@pytest.mark.usefixtures("watched")
def test_the_watch_can_bark(bad: Callable[[], Any]):
    """Each rule of the watch, broken."""
    with pytest.raises(AssertionError):
        bad()


class Single(np.ndarray):
    """float32 samples that may be compared and converted, never computed with."""

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **keywords: Any) -> Any:
        """Refuse arithmetic that would round to float32."""
        if any(getattr(x, "dtype", None) == np.float32 for x in inputs):
            assert ufunc in COMPARISONS, f"{ufunc.__name__} of float32"
        plain = [x.view(np.ndarray) if isinstance(x, Single) else x for x in inputs]
        keywords["out"] = tuple(x.view(np.ndarray) if isinstance(x, Single) else x for x in keywords.pop("out", ()))
        return getattr(ufunc, method)(*plain, **{name: value for name, value in keywords.items() if value != ()})


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_single_precision_is_never_computed_with(case):
    """Samples become float64 before anything happens to them; comparing them is exact in either type."""
    maker = WaveformMaker(case.spec)
    samples = np.ascontiguousarray(case.samples[: case.spec.record_n, 0]).view(Single)
    assert maker.load(samples)
    quality_of(samples, maker.deviation, maker.measure(), case.spec.quality)


def test_the_guard_of_single_precision_can_bark():
    """One product is enough."""
    x = np.zeros(3, dtype=np.float32).view(Single)
    assert not np.any(x > 1.0)
    with pytest.raises(AssertionError, match="multiply of float32"):
        x * x


def test_every_group_is_watched():
    """A group that no watched case computes would go unseen."""
    groups = {name for case in CASES for name in ("velocity", "envelope", "orders") if getattr(case.spec, name).enabled}
    assert groups == {"velocity", "envelope", "orders"}
    assert len(CASES) == 2 * sum(golden.record_count > 0 for golden in SPECS.values())
