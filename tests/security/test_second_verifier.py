"""The reference describes the format: a verifier written from it alone comes to the verdicts of the agent."""

from __future__ import annotations

import ast
import sys
from datetime import date
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.layout import COMMISSIONING_POLICY, METRICS
from tests.conftest import small_members, small_spec
from tests.security import second_verifier
from tests.security.attack import Attack
from tests.security.attacks_files import FILE_ATTACKS
from tests.security.attacks_policy import POLICY_ATTACKS, TODAY
from tests.security.attacks_signature import SIGNATURE_ATTACKS
from tests.security.forge import Forge

LINES = 150
ARCHIVES = tuple(
    attack
    for attack in SIGNATURE_ATTACKS + FILE_ATTACKS + POLICY_ATTACKS
    if "folder" not in attack.name and attack.name != "symlink to a bundle"
)
"""Not those of unpacked folders: the second verifier reads archives."""


@pytest.fixture(scope="module")
def forge(tmp_path_factory: pytest.TempPathFactory) -> Forge:
    """Honest members, as `edge-agent bundle install` is offered them in the red-team table."""
    members = small_members(small_spec(), version="3.0.0", sequence=3, expires="2027-03-01")
    key, other_key = (ec.derive_private_key(number, ec.SECP256R1()) for number in (20261128, 666))
    return Forge(members, key, other_key, tmp_path_factory.mktemp("stick"))


def verify(forge: Forge, bundle: bytes) -> str:
    """The second verifier as the agent of the red-team table would run it."""
    public = forge.key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    today = date.fromisoformat(TODAY)
    return str(second_verifier.verify(bundle, [pem], fleet="test", agent="0.1.0", today=today, lowest=3)["bundle_id"])


def test_accepts_what_the_agent_accepts(forge: Forge) -> None:
    """An honest bundle, with and without the optional member."""
    assert verify(forge, forge.seal()) == "small/3.0.0"
    assert verify(forge, forge.seal({COMMISSIONING_POLICY: b"{}"})) == "small/3.0.0"
    assert verify(forge, forge.seal({METRICS: b'{"auc":0.97}'})) == "small/3.0.0"


@pytest.mark.parametrize("attack", ARCHIVES, ids=[attack.label for attack in ARCHIVES])
def test_refuses_what_the_agent_refuses(forge: Forge, attack: Attack) -> None:
    """Every attack of rows 1 to 29 and 39 to 44 that is an archive."""
    made = attack.build(forge)
    assert isinstance(made, bytes)
    with pytest.raises(second_verifier.Refused):
        verify(forge, made)


def test_it_is_small_and_stands_alone() -> None:
    """Fewer than 150 lines, of the standard library and cryptography."""
    text = Path(second_verifier.__file__).read_text(encoding="utf-8")
    assert len(text.splitlines()) < LINES
    tree = ast.parse(text)
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in imported} <= {*sys.stdlib_module_names, "cryptography"}
