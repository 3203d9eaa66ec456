"""The reference of the format says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import edge_agent
from edge_agent import onnx_format
from edge_agent.layout import BUNDLE_CAP, MEMBER_CAPS

AGENT = Path(edge_agent.__file__).parent
REFERENCE = AGENT.parent / "docs" / "reference" / "bundle.md"
ERRORS = {
    "BundleFormatError",
    "SignatureRejected",
    "DigestMismatch",
    "PolicyRejected",
    "ModelRejected",
    "GoldenMismatch",
    "refused",
    "_expect",
}
KIB = 1024


def test_every_reason_stands_in_the_table() -> None:
    """Reasons are an interface of logs and dashboards: the code and the table name the same ones."""
    table = REFERENCE.read_text(encoding="utf-8").partition("## Reasons")[2]
    documented = set(re.findall(r"^\| `([a-z0-9_]+)` \|", table, flags=re.MULTILINE))
    assert documented == _raised()


def test_every_member_stands_in_the_table_with_its_cap() -> None:
    """Names and caps are the code's."""
    text = REFERENCE.read_text(encoding="utf-8")
    documented = dict(re.findall(r"^\| `([A-Za-z_./]+)` \| ([0-9]+) KiB \|", text, flags=re.MULTILINE))
    assert {name: int(kib) * KIB for name, kib in documented.items()} == dict(MEMBER_CAPS)
    assert f"{BUNDLE_CAP // KIB} KiB" in text


def test_every_operator_stands_in_the_list() -> None:
    """The operators that the reference lists are those that run."""
    section = REFERENCE.read_text(encoding="utf-8").partition("### Operators")[2].partition("###")[0]
    assert set(re.findall(r"`([A-Z][A-Za-z0-9]+)`", section)) == onnx_format.OPERATORS


def _raised() -> set[str]:
    reasons: set[str] = set()
    for path in AGENT.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _name(node, path) in ERRORS and isinstance(node.args[0], ast.Constant):
                reasons.add(str(node.args[0].value))
            elif isinstance(node, ast.keyword) and node.arg == "reason" and path.name == "bundle_files.py":
                reasons.add(str(ast.literal_eval(node.value)))
    return reasons


def _name(call: ast.Call, path: Path) -> str:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    return "refused" if (name, path.name) == ("_refused", "statement.py") else name
