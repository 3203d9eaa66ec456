"""Rules that keep bits equal, read from the source: no BLAS, no single-precision arithmetic, no I/O, numpy only."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

import shared_features

FOLDER = Path(shared_features.__file__).parent
SOURCES = sorted(FOLDER.glob("*.py"))
BLAS = {"dot", "matmul", "vdot", "vecdot", "inner", "tensordot", "einsum", "norm", "linalg"}
FORBIDDEN_CALLS = {"open", "print", "input", "default_rng"}
ALLOWED_ROOTS = {"numpy", "shared_features", "__future__"} | (
    set(sys.stdlib_module_names) - {"time", "random", "os", "io", "pathlib", "socket"}
)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_no_blas_and_no_io(path):
    """BLAS sums in another order on other processors; files, clocks and chance have no place here."""
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)), f"{path.name}:{node.lineno}"
        if isinstance(node, ast.Attribute):
            assert node.attr not in BLAS, f"{path.name}:{node.lineno} uses {node.attr}"
        if isinstance(node, ast.Name):
            assert node.id not in FORBIDDEN_CALLS, f"{path.name}:{node.lineno} uses {node.id}"


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_only_numpy_is_imported(path):
    """shared_features is numpy and the standard library."""
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert {name.split(".")[0] for name in names} <= ALLOWED_ROOTS, path.name


def test_float32_appears_only_at_the_doors():
    """Samples come in and vectors go out as float32; in between everything is float64."""
    doors = {"extract.py", "vector.py", "record.py", "waveform.py", "envelope.py", "quality.py"}
    users = {path.name for path in SOURCES if "float32" in path.read_text()}
    assert users <= doors
