"""The red-team table, rows 1 to 45, by the command that an attacker's victim runs: `edge-agent bundle install`."""

from __future__ import annotations

import dataclasses
import functools
import json
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent import slots, startup
from edge_agent.bundle import open_members
from edge_agent.cli import main
from edge_agent.config import load_config
from edge_agent.exit_code import ExitCode
from edge_agent.prove_child import prove_in_child
from edge_agent.slots_ledger import SLOTS_FOLDER, SlotLedger
from edge_agent.slots_state import give_up, loaded, mark_good
from edge_agent.trust_event import REFUSED
from tests.conftest import small_members, small_spec
from tests.security import red_team
from tests.security.attack import Attack
from tests.security.attacks_files import FILE_ATTACKS
from tests.security.attacks_model import MODEL_ATTACKS
from tests.security.attacks_policy import POLICY_ATTACKS, TODAY
from tests.security.attacks_signature import SIGNATURE_ATTACKS, low_order_pem
from tests.security.forge import Forge

ATTACKS = SIGNATURE_ATTACKS + FILE_ATTACKS + MODEL_ATTACKS + POLICY_ATTACKS
AUDIT_FILE = "audit.log"
PROVEN, OFFERED = 2, 3
WALL_S = 1.0
"""Instead of five minutes, for what would take hours."""


@dataclasses.dataclass(frozen=True)
class Victim:
    """An agent with a proven bundle of sequence 2.

    Attributes:
        folder: Holds its config, its key and its state.
        tell: Takes what the command has printed.
    """

    folder: Path
    tell: Callable[[], str]

    @property
    def config(self) -> Path:
        """Its config."""
        return self.folder / "agent.toml"

    @property
    def state(self) -> Path:
        """Its state folder."""
        return self.folder / "state"

    def run(self, *arguments: object) -> tuple[int, dict[str, Any]]:
        """Run ``edge-agent bundle``; exit code and JSON."""
        code = main(["bundle", *map(str, arguments), "--config", str(self.config), "--json"])
        return code, json.loads(self.tell())

    def pin(self, *keys: ec.EllipticCurvePrivateKey) -> None:
        """Write a config that pins ``keys``."""
        for index, key in enumerate(keys):
            public = key.public_key()
            pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            (self.folder / f"key{index}.pem").write_bytes(pem)
        names = [f"key{index}.pem" for index in range(len(keys))]
        self.config.write_text(
            "[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
            f"[bundle]\nslots = true\nkeys = {json.dumps(names)}\n"
        )

    def slots(self) -> dict[str, tuple[bytes, int, int]]:
        """Content, inode and time of every file among the slots."""
        files = sorted((self.state / SLOTS_FOLDER).iterdir())
        return {path.name: (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in files}

    def noted(self) -> list[dict[str, Any]]:
        """The audit log."""
        log = self.state / AUDIT_FILE
        return [json.loads(line) for line in log.read_bytes().splitlines()] if log.exists() else []

    def refuses(self, action: str, what: object, reason: str) -> None:
        """It does not take that, for that reason; nothing changes, and the decision is noted."""
        before, noted_before = self.slots(), self.noted()
        code, document = self.run(action, what)
        assert (code, document["exit_code"]) == (ExitCode.BUNDLE_REFUSED, ExitCode.BUNDLE_REFUSED), document
        assert document["error"].startswith(f"{reason}: "), document
        assert document["error"].isprintable(), document
        assert self.slots() == before
        # Once the command notes what it takes, it has to note what it refuses.
        if noted_before:
            new = self.noted()[len(noted_before) :]
            assert [(line["kind"], line["reason"]) for line in new] == [(REFUSED, reason)]


@pytest.fixture(scope="module")
def key() -> ec.EllipticCurvePrivateKey:
    """The key that the victim pins."""
    return ec.derive_private_key(20261128, ec.SECP256R1())


@pytest.fixture(scope="module")
def honest() -> dict[str, bytes]:
    """Members that the victim would take."""
    return small_members(small_spec(), version="3.0.0", sequence=OFFERED, expires="2027-03-01")


@pytest.fixture(scope="module")
def proven(tmp_path_factory: pytest.TempPathFactory, key: ec.EllipticCurvePrivateKey, honest: dict[str, bytes]) -> Path:
    """The folder of a victim whose bundle has passed its probation."""
    folder = tmp_path_factory.mktemp("victim")
    victim = Victim(folder, lambda: "{}")
    victim.pin(key)
    forge = Forge(honest, key, key, folder)
    forge = dataclasses.replace(forge, members=small_members(small_spec(), version="2.0.0", sequence=PROVEN))
    (folder / "first.bundle").write_bytes(forge.seal())
    assert victim.run("install", folder / "first.bundle")[0] == ExitCode.OK
    (installed,) = (folder / "state" / SLOTS_FOLDER).glob("*.bundle")
    digest = installed.stem
    assert victim.run("activate", digest)[0] == ExitCode.OK
    SlotLedger(folder / "state").change(lambda state: mark_good(loaded(state, digest), digest))
    return folder


@pytest.fixture
def victim(proven: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Victim:
    """A victim of its own for each attack, whose clock is right."""
    monkeypatch.setattr(startup, "today", lambda: date.fromisoformat(TODAY))
    shutil.copytree(proven, tmp_path / "victim")
    capsys.readouterr()
    return Victim(tmp_path / "victim", lambda: capsys.readouterr().out)


@pytest.fixture
def forge(honest: dict[str, bytes], key: ec.EllipticCurvePrivateKey, tmp_path: Path) -> Forge:
    """The attacker's tools; the signed attacks suppose that he has got something signed."""
    folder = tmp_path / "stick"
    folder.mkdir()
    return Forge(honest, key, ec.derive_private_key(666, ec.SECP256R1()), folder)


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.label for attack in ATTACKS])
def test_attack(victim: Victim, forge: Forge, attack: Attack, monkeypatch: pytest.MonkeyPatch) -> None:
    """1-12, 14-29, 31-44: refused by the named reason, the slots as they were, the decision noted."""
    if attack.reason == "model_limits":
        monkeypatch.setattr(slots, "prove_in_child", functools.partial(prove_in_child, wall_s=WALL_S))
    victim.refuses("install", attack.source(forge), attack.reason)


def test_what_all_attacks_start_from(victim: Victim, forge: Forge) -> None:
    """The honest bundle is taken: each attack is refused for itself alone."""
    (forge.folder / "honest.bundle").write_bytes(forge.seal())
    assert victim.run("install", forge.folder / "honest.bundle")[0] == ExitCode.OK


def test_low_order_key_pinned(victim: Victim, forge: Forge) -> None:
    """12: a key that fits every message cannot be pinned, whoever talks an operator into it."""
    (victim.folder / "key0.pem").write_bytes(low_order_pem(forge))
    (forge.folder / "honest.bundle").write_bytes(forge.seal())
    before = victim.slots()
    code, document = victim.run("install", forge.folder / "honest.bundle")
    assert code == ExitCode.USAGE
    assert "expected an ECDSA P-256 public key" in document["error"]
    assert victim.slots() == before


def test_revoked_key(victim: Victim, forge: Forge, key: ec.EllipticCurvePrivateKey) -> None:
    """13: what a key signed is no longer taken once it is no longer pinned, though it was before."""
    successor = forge.other_key
    victim.pin(successor, key)
    stick = forge.folder / "old_key.bundle"
    stick.write_bytes(forge.seal())
    assert victim.run("install", stick)[0] == ExitCode.OK
    victim.pin(successor)
    victim.refuses("install", stick, "unknown_key")


def test_swapped_while_it_is_installed(victim: Victim, forge: Forge, monkeypatch: pytest.MonkeyPatch) -> None:
    """30: what is kept is what was verified, whatever lies on the stick by then."""
    stick = forge.folder / "swapped.bundle"
    good = forge.seal()
    stick.write_bytes(good)

    def verify_and_swap(*arguments: Any, **options: Any) -> Any:
        bundle = open_members(*arguments, **options)
        stick.write_bytes(b"swapped")
        return bundle

    monkeypatch.setattr(slots, "open_members", verify_and_swap)
    code, document = victim.run("install", stick)
    assert code == ExitCode.OK
    assert stick.read_bytes() == b"swapped"
    assert (victim.state / SLOTS_FOLDER / f"{document['digest']}.bundle").read_bytes() == good


@pytest.mark.parametrize("kind", ["genuine", "flipped", "link"])
def test_swapped_in_its_slot(victim: Victim, forge: Forge, kind: str) -> None:
    """30: what was swapped in its slot is neither activated nor run, not even for another genuine bundle."""
    stick = forge.folder / "honest.bundle"
    stick.write_bytes(forge.seal())
    digest = victim.run("install", stick)[1]["digest"]
    slot = victim.state / SLOTS_FOLDER / f"{digest}.bundle"
    good = slot.read_bytes()
    reason = _swap(kind, slot, forge)
    victim.refuses("activate", digest, reason)
    slot.unlink()
    slot.write_bytes(good)
    assert victim.run("activate", digest)[0] == ExitCode.OK
    slot.unlink()
    _swap(kind, slot, forge, good)
    model = startup.start_configured(load_config(victim.config))
    assert model.bundle_id == "small/2.0.0"
    assert SlotLedger(victim.state).state().reason == reason


def _swap(kind: str, slot: Path, forge: Forge, content: bytes = b"") -> str:
    good = content or slot.read_bytes()
    slot.unlink(missing_ok=True)
    if kind == "genuine":
        slot.write_bytes(forge.seal_json("manifest.json", ecr="another"))
        return "slot_damaged"
    if kind == "link":
        (forge.folder / "elsewhere").write_bytes(good)
        slot.symlink_to(forge.folder / "elsewhere")
        return "unreadable"
    slot.write_bytes(good.replace(b"# Small", b"# Smell"))
    return "digest_mismatch"


def test_failed_digest_offered_again(victim: Victim, forge: Forge) -> None:
    """45: what failed here is not taken again, whoever offers it."""
    stick = forge.folder / "honest.bundle"
    stick.write_bytes(forge.seal())
    digest = victim.run("install", stick)[1]["digest"]
    victim.run("activate", digest)
    SlotLedger(victim.state).change(lambda state: give_up(loaded(state, digest), "golden_scores", reject=True))
    victim.refuses("install", stick, "rejected_digest")
    victim.refuses("activate", digest, "rejected_digest")


def test_every_row_is_carried_out() -> None:
    """Rows 1 to 69, each once in the table, each by a test that bears its number."""
    assert len(red_team.NAMES) == 69
    by_attack = {attack.number for attack in ATTACKS}
    here = red_team.numbers_in(Path(__file__))
    assert by_attack | {13, 30, 45} == here == set(range(1, 46))


@pytest.mark.parametrize("number", range(46, 70), ids=lambda number: f"{number} {red_team.NAMES[number - 1]}")
def test_rows_of_other_files(number: int) -> None:
    """Rows 46 to 69 are carried out by the files that the table names."""
    numbers = red_team.numbers_in(*red_team.files_of(number))
    if number in red_team.AWAITED - numbers:
        pytest.skip("awaited")
    assert number in numbers
