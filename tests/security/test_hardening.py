"""What a review with an attacker's eye found, each with the attack that showed it."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from onnx import ModelProto, helper, numpy_helper

from edge_agent import prove_child
from edge_agent.archive import BLOCK, check_names, read_archive
from edge_agent.cli import main
from edge_agent.errors import BundleError
from edge_agent.exit_code import ExitCode
from edge_agent.io_schema import IoSchema
from edge_agent.layout import (
    BUNDLE_CAP,
    GOLDEN_PULSES,
    GOLDEN_SAMPLES,
    GOLDEN_SCORES,
    IO_SCHEMA,
    MANIFEST,
    MEMBER_CAPS,
    MODEL,
    OPTIONAL_MEMBERS,
    SCALER,
    SIGNATURE,
    THRESHOLDS,
)
from edge_agent.npy import write_npy
from edge_agent.onnx_scan import scan_onnx
from edge_agent.slots_disk import STATE_FILES, read_state, write_state
from edge_agent.slots_state import NO_SLOT, PROBATION, Slot, SlotsState, check_offer, mark_good
from edge_agent.strict_json import LARGEST_EXACT_INTEGER, canonical_json, parse_json
from ground.sign import sign_members, sign_payload
from tests.security.conftest import N_FEATURE
from tests.security.forge import npy_with_header

if TYPE_CHECKING:
    from tests.security.conftest import Workshop

ESCAPE = "\x1b]0;owned\x07\n"
MANY = 300_000


def refusal(act: Callable[[], Any]) -> BundleError:
    """How it is refused."""
    with pytest.raises(BundleError) as caught:
        act()
    return caught.value


def test_many_equal_keys() -> None:
    """Each repeated key was counted against all others: hours for what a small file may hold, before any signature."""
    error = refusal(lambda: parse_json(b"{" + b'"a":0,' * MANY + b'"a":0}', where=SIGNATURE))
    assert error.reason == "json_duplicate_key"
    assert len(str(error)) < 200


def test_a_long_list_of_integers_is_no_shape(workshop: Workshop) -> None:
    """The size of a tensor of that shape was computed, a number of millions of digits, outside the limited child."""
    model = ModelProto()
    model.ParseFromString(workshop.members[MODEL])
    model.graph.initializer.append(numpy_helper.from_array(np.full(2_000_000, 2**62), "indices"))
    scan_onnx(model.SerializeToString(), IoSchema.of(N_FEATURE))
    tensor = model.graph.initializer[-1]
    tensor.dims[:] = [1] * 1_000
    assert refusal(lambda: scan_onnx(model.SerializeToString(), IoSchema.of(N_FEATURE))).reason == "onnx_tensor_size"


def test_a_shape_that_is_said_after_it_is_used(workshop: Workshop) -> None:
    """The runtime sorts the nodes: the scan must not depend on their order."""
    model = ModelProto()
    model.ParseFromString(workshop.members[MODEL])
    model.graph.node.append(helper.make_node("Expand", ["axes", "shape"], ["huge"]))
    model.graph.node.append(helper.make_node("Constant", [], ["shape"], value_ints=[1 << 30]))
    assert refusal(lambda: scan_onnx(model.SerializeToString(), IoSchema.of(N_FEATURE))).reason == "onnx_expansion"


def test_members_whose_archive_would_be_too_large() -> None:
    """A folder within every member's cap was taken, proven and kept, and its slot refused at every use."""
    members = {name: b"" for name in MEMBER_CAPS if name not in OPTIONAL_MEMBERS}
    members[GOLDEN_SAMPLES] = bytes(MEMBER_CAPS[GOLDEN_SAMPLES])
    members[MODEL] = bytes(BUNDLE_CAP - len(members[GOLDEN_SAMPLES]) - BLOCK * (len(members) + 2))
    check_names(members)
    members[MODEL] += b"\x00"
    assert refusal(lambda: check_names(members)).reason == "bundle_size"


SCHEMAS = {MANIFEST: "manifest_schema", IO_SCHEMA: "io_schema", SCALER: "scaler", THRESHOLDS: "thresholds"}


@pytest.mark.parametrize("member", SCHEMAS)
@pytest.mark.parametrize("write", [bool, float])
def test_versions_are_integers(workshop: Workshop, member: str, write: Callable[[Any], Any]) -> None:
    """``true`` and ``1.0`` equal 1 in Python, and in no other reader."""
    document = parse_json(workshop.members[member], where=member)
    document["schema"] = write(document["schema"])
    assert refusal(lambda: workshop.open(workshop.seal({member: canonical_json(document)}))).reason == SCHEMAS[member]


@pytest.mark.parametrize("name", [7, None, True, ["model.onnx"]], ids=repr)
def test_signed_names_that_are_no_text(workshop: Workshop, name: Any) -> None:
    """They ended in a TypeError, which no caller takes for a refusal."""
    document = workshop.statement()
    for resource in document["predicate"]["resources"]:
        resource["name"] = name
    document["predicate"]["resources"] = document["predicate"]["resources"][:1]
    raw = bytes.fromhex(document["predicate"]["resources"][0]["digest"])
    document["subject"][0]["digest"]["sha256"] = hashlib.sha256(raw).hexdigest()
    payload = canonical_json(document)
    assert refusal(lambda: workshop.open(workshop.seal_payload(payload))).reason == "statement_form"


def test_arrays_have_one_form(workshop: Workshop) -> None:
    """Leading zeros in a shape, and rows of pulses for no shaft."""
    header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (02,), }"
    changes = {GOLDEN_SCORES: npy_with_header(header, workshop.members[GOLDEN_SCORES][-8:])}
    assert refusal(lambda: workshop.open(workshop.seal(changes))).reason == "npy_header"
    changes = {GOLDEN_PULSES: write_npy(np.zeros((2, 0, 7)))}
    assert refusal(lambda: workshop.open(workshop.seal(changes))).reason == "golden_shape"


def _renamed_entry(workshop: Workshop) -> bytes:
    entry = tarfile.TarInfo(ESCAPE)
    entry.type = tarfile.SYMTYPE
    return entry.tobuf(format=tarfile.USTAR_FORMAT) + workshop.seal()


def _hinted(workshop: Workshop) -> bytes:
    document = json.loads(sign_members("test", workshop.members, workshop.key))
    document["verificationMaterial"]["publicKey"]["hint"] = ESCAPE
    return workshop.seal(signature=canonical_json(document))


@pytest.mark.parametrize("make", [_renamed_entry, _hinted])
def test_no_file_commands_the_terminal(
    workshop: Workshop, tmp_path: Path, capsys: pytest.CaptureFixture[str], make: Callable[[Workshop], bytes]
) -> None:
    """Names and hints of an unsigned file stand in errors: they must not be obeyed there, nor forge a line."""
    (tmp_path / "evil.bundle").write_bytes(make(workshop))
    (tmp_path / "public.pem").write_bytes(pem_of(workshop))
    code = main(["verify", str(tmp_path / "evil.bundle"), "--key", str(tmp_path / "public.pem")])
    shown = capsys.readouterr().err
    assert code == ExitCode.BUNDLE_REFUSED
    assert shown[:-1].isprintable()
    assert "x1b]0;owned" in shown


def pem_of(workshop: Workshop) -> bytes:
    """The workshop's public key."""
    return workshop.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def test_a_folder_in_the_place_of_a_state_file(tmp_path: Path) -> None:
    """It is damage, like a link, and the other generation counts."""
    write_state(tmp_path, SlotsState(generation=1))
    (tmp_path / STATE_FILES[0]).mkdir()
    assert read_state(tmp_path).generation == 1
    (tmp_path / STATE_FILES[1]).unlink()
    assert refusal(lambda: read_state(tmp_path)).reason == "state_corrupt"


def test_the_largest_sequence_can_be_proven() -> None:
    """44: it is legal, so the agent that runs it must survive its probation (a fuzzer found that it did not)."""
    slot = Slot("ab" * 32, "small/9.0.0", LARGEST_EXACT_INTEGER)
    state = SlotsState(stage=PROBATION, active=slot, previous=NO_SLOT)
    good = mark_good(state, slot.digest)
    assert good.mark == LARGEST_EXACT_INTEGER
    assert SlotsState.from_document(json.loads(canonical_json(good.document()))) == good
    other = Slot("cd" * 32, "small/9.0.1", LARGEST_EXACT_INTEGER)
    assert refusal(lambda: check_offer(good, other)).reason == "old_sequence"


@pytest.mark.parametrize("answer", [b"", b"{", b"[]", b'{"reason":""}', b"[0,0]"])
def test_a_child_that_gives_no_verdict(workshop: Workshop, monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    """Whatever the model did to the child: no verdict is a refusal, not a fault of ours."""

    def run(*_: Any, **__: Any) -> subprocess.CompletedProcess[bytes]:
        return subprocess.CompletedProcess([], 0, stdout=answer, stderr=b"")

    monkeypatch.setattr(subprocess, "run", run)
    members = read_archive(workshop.seal())
    assert refusal(lambda: prove_child.prove_in_child(members)).reason == "model_limits"


def test_honest_statement_still_opens(workshop: Workshop) -> None:
    """What the statements above start from."""
    assert workshop.open(workshop.seal(signature=sign_payload(canonical_json(workshop.statement()), workshop.key)))
