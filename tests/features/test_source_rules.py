"""Rules that keep bits equal, read from the source. Each rule is shown a bad line here, so that it can fail.

What a rule cannot know from the source (how long a row is, whether an array is complex) is watched while features are
computed, in ``tests/determinism``.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import shared_features

FOLDER = Path(shared_features.__file__).parent
SOURCES = sorted(FOLDER.glob("*.py"))
Finding = tuple[int, str]

BLAS = {
    "dot", "matmul", "vdot", "vecdot", "matvec", "vecmat", "inner", "tensordot", "einsum", "einsum_path", "norm",
    "linalg", "correlate", "convolve", "cov", "corrcoef", "polyfit", "lstsq",
}  # fmt: skip
UNEQUAL = {
    "sin", "cos", "tan", "arcsin", "arccos", "arctan", "arctan2", "asin", "acos", "atan", "atan2", "sinh", "cosh",
    "tanh", "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "logaddexp", "power", "pow", "float_power",
    "cbrt", "hypot", "sinc", "i0", "angle",
}  # fmt: skip
FLOAT32 = {"float32", "single", "half", "float16", "complex64", "csingle", "f4", "<f4", "f", "c8", "<c8"}
SUMS = {
    "sum", "mean", "std", "var", "median", "average", "prod", "nansum", "nanmean", "nanstd", "nanvar", "nanmedian",
    "trapezoid", "percentile", "quantile",
}  # fmt: skip
SQUARE = 2
DOORS = {"extract.py", "vector.py", "record.py", "waveform.py", "quality.py", "envelope.py", "segments.py"}
ALLOWED_ROOTS = {"numpy", "shared_features", "__future__"} | (
    set(sys.stdlib_module_names) - {"time", "random", "os", "io", "pathlib", "socket", "secrets", "statistics"}
)

ALLOWED = {
    ("unequal", "spectral.py", "_shape"): "exp and logarithms: a few places of float64, float32 keeps none",
    ("unequal", "spectral.py", "_sums"): "logarithms: a few places of float64, float32 keeps none",
    ("unequal", "twiddles.py", "_first_quadrant"): "numpy's own recipe for its twiddle factors",
    ("fft", "library_transforms.py", "*"): "the one door to numpy's transforms",
    ("complex", "fourier.py", "fft"): "signs alone: nothing is multiplied",
    ("leading axis", "segments.py", "density"): "more than one column, whatever the spec: numpy adds row to row",
    ("sums", "vector.py", "__init__"): "a count",
    ("sums", "scratch.py", "*"): "a count",
    ("sums", "fourier.py", "_noise"): "a count",
    ("sums", "quality.py", "_is_stuck"): "the middle of sorted samples, no sum",
    ("sums", "quality.py", "_is_clipped"): "a count",
    ("power", "twiddles.py", "*"): "powers of whole numbers and of -1",
    ("power", "order_tracking.py", ""): "powers of -1",
}
"""Exceptions: (rule, file, function, or ``*``), and why the bits stay equal."""


def called(node: ast.AST) -> str:
    """The last name of what a call calls; empty for anything else."""
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def names(tree: ast.AST) -> Iterator[Finding]:
    """Every attribute, every plain name that is called, and every imported one, with its line."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield node.lineno, node.func.id
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, alias.name) for alias in node.names)


def blas(tree: ast.AST) -> Iterator[Finding]:
    """BLAS sums in another order on other processors."""
    yield from (found for found in names(tree) if found[1] in BLAS)
    yield from ((n.lineno, "@") for n in ast.walk(tree) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.MatMult))


def outside_world(tree: ast.AST) -> Iterator[Finding]:
    """Files, clocks and chance have no place here."""
    yield from (found for found in names(tree) if found[1] in {"open", "print", "input", "default_rng", "eval", "exec"})
    for node in ast.walk(tree):
        imported = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        imported += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from ((node.lineno, name) for name in imported if name.split(".")[0] not in ALLOWED_ROOTS)


def unequal(tree: ast.AST) -> Iterator[Finding]:
    """C libraries and vector code round these differently."""
    yield from ((n.lineno, called(n)) for n in ast.walk(tree) if called(n) in UNEQUAL)
    yield from (
        (n.lineno, alias.name)
        for n in ast.walk(tree)
        if isinstance(n, ast.ImportFrom)
        for alias in n.names
        if alias.name in UNEQUAL
    )


def power(tree: ast.AST) -> Iterator[Finding]:
    """``x ** y`` is the C library's pow, but for squares."""
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Pow)
            and getattr(node.right, "value", None) != SQUARE
        ):
            yield node.lineno, "**"


def complex_products(tree: ast.AST) -> Iterator[Finding]:
    """Products of complex numbers are fused where the processor can: real and imaginary parts stay apart."""
    yield from (found for found in names(tree) if found[1] in {"conj", "conjugate"})
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, complex):
            yield node.lineno, str(node.value)


def fft(tree: ast.AST) -> Iterator[Finding]:
    """Transforms of numpy fuse operations on some processors."""
    yield from (
        (n.lineno, f"fft.{n.attr}")
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Attribute) and n.value.attr == "fft"
    )
    yield from (
        (n.lineno, n.module) for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module == "numpy.fft"
    )


def leading_axis(tree: ast.AST) -> Iterator[Finding]:
    """A sum along the first axis changes its order when the other axes have one column."""
    for node in ast.walk(tree):
        if called(node) in {"reduce", *SUMS}:
            axes = [keyword.value for keyword in node.keywords if keyword.arg == "axis"] + node.args[1:2]
            yield from ((node.lineno, "axis=0") for axis in axes if isinstance(axis, ast.Constant) and axis.value == 0)


def sums(tree: ast.AST) -> Iterator[Finding]:
    """Sums of numpy take rows of any length, and medians average; Python's own sum rounds otherwise since 3.12."""
    yield from ((n.lineno, called(n)) for n in ast.walk(tree) if called(n) in SUMS)


def order(tree: ast.AST) -> Iterator[Finding]:
    """What is equal must come out in one order: stable sorts, and no walk through a set."""
    for node in ast.walk(tree):
        if called(node) in {"argpartition", "partition"}:
            yield node.lineno, called(node)
        if called(node) == "argsort":
            kinds = [keyword.value for keyword in node.keywords if keyword.arg in {"kind", "stable"}]
            if not any(isinstance(kind, ast.Constant) and kind.value in {"stable", True} for kind in kinds):
                yield node.lineno, "argsort"
        if isinstance(node, ast.For | ast.comprehension):
            walked = node.iter
            if isinstance(walked, ast.Set | ast.SetComp) or called(walked) in {"set", "frozenset"}:
                yield walked.lineno, "walk through a set"


def float32(tree: ast.AST) -> Iterator[Finding]:
    """Single precision is a type of arrays at the doors, never a function, a number, or a type anywhere else."""
    fine = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript) or called(node) in {"astype", "empty", "zeros", "ascontiguousarray"}
        for part in (
            [node.slice]
            if isinstance(node, ast.Subscript)
            else [*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "dtype")]
        )
    }
    for node in ast.walk(tree):
        name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "value", None)
        if isinstance(node, ast.Attribute | ast.Constant) and name in FLOAT32 and id(node) not in fine:
            yield node.lineno, str(name)


RULES: dict[str, Callable[[ast.AST], Iterator[Finding]]] = {
    "blas": blas,
    "outside world": outside_world,
    "unequal": unequal,
    "power": power,
    "complex": complex_products,
    "fft": fft,
    "leading axis": leading_axis,
    "sums": sums,
    "order": order,
    "float32": float32,
}


def function_at(tree: ast.AST, line: int) -> str:
    """The innermost function that holds a line; empty outside of all."""
    holders = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    return max(holders, key=lambda node: node.lineno).name if holders else ""


def used_and_broken(path: Path, rule: str) -> tuple[set[tuple[str, str, str]], list[str]]:
    """Which exceptions a file makes use of, and where it breaks the rule without one."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    used, broken = set(), []
    for line, what in RULES[rule](tree):
        keys = {(rule, path.name, function_at(tree, line)), (rule, path.name, "*")} & ALLOWED.keys()
        used |= keys
        if not keys:
            broken.append(f"{path.name}:{line} in {function_at(tree, line)}: {what}; {RULES[rule].__doc__}")
    return used, broken


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_source_breaks_a_rule(path, rule):
    """An exception needs its reason in ``ALLOWED``."""
    assert not used_and_broken(path, rule)[1]


def test_no_exception_outlives_its_need():
    """What is no longer there needs no leave."""
    used = set().union(*(used_and_broken(path, rule)[0] for path in SOURCES for rule in RULES))
    assert used == ALLOWED.keys()


def test_single_precision_is_met_at_the_doors_alone():
    """Samples come in and vectors go out as float32; in between everything is float64."""
    users = {
        path.name
        for path in SOURCES
        if {"float32", "single"} & {name for _, name in names(ast.parse(path.read_text()))}
    }
    assert users <= DOORS


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        ("blas", "y = a @ b"),
        ("blas", "y = np.dot(a, b)"),
        ("blas", "y = np.linalg.norm(a)"),
        ("blas", "from numpy.linalg import norm"),
        ("blas", "y = a.dot(b)"),
        ("blas", "y = np.convolve(a, b)"),
        ("outside world", "import time"),
        ("outside world", "from random import random"),
        ("outside world", "import scipy.signal"),
        ("outside world", "rng = np.random.default_rng()"),
        ("outside world", "open('x')"),
        ("unequal", "y = np.log(x)"),
        ("unequal", "y = math.exp(x)"),
        ("unequal", "y = np.hypot(a, b)"),
        ("unequal", "from math import sin"),
        ("power", "y = x ** 1.5"),
        ("complex", "y = x * np.conj(x)"),
        ("complex", "y = x * 1j"),
        ("fft", "y = np.fft.rfft(x)"),
        ("fft", "from numpy.fft import rfft"),
        ("leading axis", "y = np.add.reduce(x, axis=0)"),
        ("leading axis", "y = np.add.reduce(x, 0)"),
        ("leading axis", "y = x.sum(axis=0)"),
        ("sums", "y = np.mean(x)"),
        ("sums", "y = x.sum()"),
        ("sums", "y = sum(a)"),
        ("sums", "y = np.median(x)"),
        ("order", "y = np.argsort(x)"),
        ("order", "y = np.argsort(x, kind='quicksort')"),
        ("order", "y = np.argpartition(x, 3)"),
        ("order", "for name in {1, 2}:\n    pass"),
        ("order", "y = [name for name in set(a)]"),
        ("float32", "y = np.float32(x)"),
        ("float32", "y = np.multiply(x, x, dtype=np.float32)"),
        ("float32", "y = np.sqrt(x, dtype='f4')"),
        ("float32", "z = np.single"),
    ],
)
def test_each_rule_can_fail(rule, source):
    """A bad line is found."""
    assert list(RULES[rule](ast.parse(source)))


@pytest.mark.parametrize(
    ("rule", "source"),
    [
        ("leading axis", "y = np.add.reduce(x, axis=1)"),
        ("leading axis", "y = x.max(axis=0)"),
        ("leading axis", "y = np.add.accumulate(x, axis=0)"),
        ("order", "y = np.argsort(x, kind='stable')"),
        ("order", "y = sorted(set(a))"),
        ("float32", "y = x.astype(np.float32)"),
        ("float32", "y = np.empty(3, dtype=np.float32)"),
        ("float32", "def f(x: NDArray[np.float32]) -> None: ..."),
        ("sums", "y = np.add.reduce(x, axis=1)"),
        ("power", "y = x ** 2"),
        ("complex", "y = x.real * x.real"),
    ],
)
def test_no_rule_cries_wolf(rule, source):
    """What is meant to be used passes."""
    assert not list(RULES[rule](ast.parse(source)))
