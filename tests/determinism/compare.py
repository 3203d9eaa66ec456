"""Compare two golden sets bit by bit and name what differs: window, feature, both values, distance.

Run ``python -m tests.determinism.compare A.npz B.npz``; exits 1 when a bit of a feature differs.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_features.vector import columns_of
from tests.determinism.golden_cases import SPECS

_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Difference:
    """One value with differing bits; ``ulps`` is its distance in units of the last place of float32."""

    case: str
    window: int
    feature: str
    left: float
    right: float
    ulps: int

    def __str__(self) -> str:
        return (
            f"{self.case} window {self.window} {self.feature}: {self.left!r} and {self.right!r}, {self.ulps} ulp apart"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two golden sets have and have not in common.

    Attributes:
        windows: Windows compared.
        values: float32 features compared.
        inputs: Cases whose inputs differ: what they give is no evidence.
        reasons: Windows that one side assesses and the other does not, or for other reasons.
        differences: Features with differing bits.
        exact_differing: float64 values that differ before they are rounded.
        exact_features: Names of the features, without their channels, that they belong to.
        expected: How many float32 values such float64 differences change on average: the sum of the distances, in units
            of the last place of float32.
        worst: Largest of those distances, and the feature it belongs to.
    """

    windows: int
    values: int
    inputs: tuple[str, ...]
    reasons: tuple[str, ...]
    differences: tuple[Difference, ...]
    exact_differing: int
    exact_features: frozenset[str]
    expected: float
    worst: tuple[float, str]

    @property
    def equal(self) -> bool:
        """Whether every feature has the same bits, from the same inputs."""
        return not (self.inputs or self.reasons or self.differences)

    def __str__(self) -> str:
        head = (
            f"{self.windows} windows, {self.values} features: {len(self.differences)} differ in float32, "
            f"{self.exact_differing} in float64 before rounding (expected to show: {self.expected:.2g}; "
            f"farthest {self.worst[0]:.2g} ulp of float32, {self.worst[1]})"
        )
        lines = [head, *(f"{name}: the inputs differ" for name in self.inputs)]
        lines += [f"{text}: the reasons differ" for text in self.reasons]
        lines += [str(difference) for difference in self.differences[:_SHOWN]]
        return "\n".join(lines)


def ordered(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """float32 as integers in the order of the numbers: neighbours differ by one, and both zeros are 0."""
    raw = values.view(np.int32).astype(np.int64)
    return np.where(raw < 0, -(raw & 0x7FFFFFFF), raw)


def compare(left: dict[str, NDArray[Any]], right: dict[str, NDArray[Any]]) -> Comparison:
    """Compare two golden sets as ``load`` gives them."""
    names = [key.removesuffix("/values") for key in left if key.endswith("/values")]
    inputs = [name for name in names if left[f"{name}/input"] != right[f"{name}/input"]]
    reasons = [
        f"{name} window {window}"
        for name in names
        for window in np.flatnonzero(left[f"{name}/reasons"] != right[f"{name}/reasons"])
    ]
    distances = [exact_distances(name, left, right) for name in names]
    worst = max((float(np.max(distance, initial=0.0)), name) for distance, name in zip(distances, names, strict=True))
    return Comparison(
        windows=sum(len(left[f"{name}/values"]) for name in names),
        values=sum(left[f"{name}/values"].size for name in names),
        inputs=tuple(inputs),
        reasons=tuple(reasons),
        differences=tuple(difference for name in names for difference in _differences(name, left, right)),
        exact_differing=int(sum(np.count_nonzero(distance) for distance in distances)),
        exact_features=frozenset().union(*map(_features_at, names, distances)),
        expected=float(sum(np.minimum(distance, 1.0).sum() for distance in distances)),
        worst=worst,
    )


def _columns(name: str) -> list[str]:
    return [column.name for column in columns_of(SPECS[name.split("/", maxsplit=1)[0]].spec)]


def _features_at(name: str, distances: NDArray[np.float64]) -> set[str]:
    columns = _columns(name)
    return {columns[index].partition(".")[2] for index in np.flatnonzero(np.any(distances, axis=1))}


def _differences(name: str, left: dict[str, NDArray[Any]], right: dict[str, NDArray[Any]]) -> list[Difference]:
    columns = _columns(name)
    a, b = left[f"{name}/values"], right[f"{name}/values"]
    # Bits, not numbers: a zero of the other sign is a difference too.
    where = np.argwhere(a.view(np.int32) != b.view(np.int32))
    ulps = np.abs(ordered(a) - ordered(b))
    return [Difference(name, int(i), columns[j], float(a[i, j]), float(b[i, j]), int(ulps[i, j])) for i, j in where]


def exact_distances(name: str, left: dict[str, NDArray[Any]], right: dict[str, NDArray[Any]]) -> NDArray[np.float64]:
    """Distances of the float64 values, in units of the last place of float32, of the windows that both sides assess."""
    assessed = (left[f"{name}/reasons"] == "") & (right[f"{name}/reasons"] == "")
    a, b = left[f"{name}/exact"][:, assessed], right[f"{name}/exact"][:, assessed]
    with np.errstate(over="ignore"):
        unit = np.spacing(np.abs(a).astype(np.float32)).astype(np.float64)
    return np.asarray(np.abs(a - b) / unit)


def load(path: Path) -> dict[str, NDArray[Any]]:
    """A golden set from its file."""
    with np.load(path) as archive:
        return dict(archive)


def about(golden: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """What computed a golden set."""
    return dict(json.loads(str(golden["about"])))


def main(left: Path, right: Path) -> int:
    """Print the comparison; 1 when a bit differs."""
    comparison = compare(load(left), load(right))
    sys.stdout.write(f"{comparison}\n")
    return 0 if comparison.equal else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2])))
