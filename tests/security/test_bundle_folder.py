"""Unpacked bundles: the folder that people and public tools read is held to the same rules as the file."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization

from edge_agent.bundle import open_path
from edge_agent.bundle_files import read_bundle_file, read_folder
from edge_agent.errors import BundleError
from edge_agent.layout import BUNDLE_CAP, GOLDEN_SCORES, MANIFEST, MEMBER_CAPS, METRICS, MODEL, MODEL_CARD, SIGNATURE
from ground.errors import SigningError
from ground.pack import unpack_bundle

if TYPE_CHECKING:
    from conftest import Workshop


@pytest.fixture
def folder(workshop: Workshop, tmp_path: Path) -> Path:
    """An honest bundle, unpacked."""
    unpack_bundle(workshop.seal(), tmp_path / "release")
    return tmp_path / "release"


def test_folder_and_file_are_one_bundle(workshop: Workshop, folder: Path) -> None:
    """Either face gives the same bundle, digest included."""
    file = folder.parent / "engine_vibration-1.0.0.bundle"
    file.write_bytes(workshop.seal())
    from_file = open_path(file, keys=workshop.keys, policy=workshop.policy())
    from_folder = open_path(folder, keys=workshop.keys, policy=workshop.policy())
    assert from_folder.digest == from_file.digest
    assert from_folder.manifest == from_file.manifest


def test_a_release_folder_may_hold_its_companions(workshop: Workshop, folder: Path) -> None:
    """The bundle file and the readable thresholds lie beside the members; neither is read."""
    (folder / "engine_vibration-1.0.0.bundle").write_bytes(b"anything")
    (folder / "thresholds.yaml").write_bytes(b"pooled: 99.0\n")
    opened = open_path(folder, keys=workshop.keys, policy=workshop.policy())
    assert opened.thresholds.pooled == 3.0


def replace_by_link(folder: Path) -> None:
    """A member becomes a symbolic link to a file of the same content."""
    (folder / MODEL).rename(folder.parent / "model")
    (folder / MODEL).symlink_to(folder.parent / "model")


def replace_folder_by_link(folder: Path) -> None:
    """The folder of golden vectors becomes a symbolic link."""
    (folder / "golden").rename(folder.parent / "golden")
    (folder / "golden").symlink_to(folder.parent / "golden")


def replace_by_fifo(folder: Path) -> None:
    """A member becomes a pipe that nobody writes to."""
    (folder / METRICS).unlink()
    os.mkfifo(folder / METRICS)


def replace_by_folder(folder: Path) -> None:
    """A member becomes a folder."""
    (folder / METRICS).unlink()
    (folder / METRICS).mkdir()


def flip(folder: Path) -> None:
    """One bit of a member is flipped."""
    data = bytearray((folder / MODEL).read_bytes())
    data[0] ^= 1
    (folder / MODEL).write_bytes(data)


def hide_in_git(folder: Path) -> None:
    """A file under ``.git``, which the public verifier does not look at."""
    (folder / ".git").mkdir()
    (folder / ".git" / "model.onnx").write_bytes(b"x")


CHANGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "flipped bit": (flip, "digest_mismatch"),
    "extra file": (lambda folder: (folder / "extra.txt").write_bytes(b""), "unexpected_member"),
    "extra file among the golden vectors": (
        lambda folder: (folder / "golden" / "x.npy").write_bytes(b""),
        "unexpected_member",
    ),
    "bundle file among the golden vectors": (
        lambda folder: (folder / "golden" / "x.bundle").write_bytes(b""),
        "unexpected_member",
    ),
    "extra empty folder": (lambda folder: (folder / "more").mkdir(), "unexpected_member"),
    "file under .git": (hide_in_git, "unexpected_member"),
    "pickle": (lambda folder: (folder / "scaler.pkl").write_bytes(b"\x80\x04N."), "unexpected_member"),
    "missing member": (lambda folder: (folder / GOLDEN_SCORES).unlink(), "missing_member"),
    "unsigned": (lambda folder: (folder / SIGNATURE).unlink(), "missing_member"),
    "symbolic link": (replace_by_link, "unreadable"),
    "symbolic link to a folder": (replace_folder_by_link, "unexpected_member"),
    "hard link": (lambda folder: (folder.parent / "twin").hardlink_to(folder / MODEL), "not_a_file"),
    "pipe": (replace_by_fifo, "not_a_file"),
    "folder in place of a file": (replace_by_folder, "unreadable"),
    "oversize member": (
        lambda folder: (folder / MANIFEST).write_bytes(bytes(MEMBER_CAPS[MANIFEST] + 1)),
        "member_size",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_refuses_changed_folders(workshop: Workshop, folder: Path, name: str) -> None:
    """Each changed folder is refused by the rule that its row names."""
    change, reason = CHANGES[name]
    change(folder)
    with pytest.raises(BundleError) as refusal:
        open_path(folder, keys=workshop.keys, policy=workshop.policy())
    assert refusal.value.reason == reason


def test_a_missing_path_is_named(workshop: Workshop, tmp_path: Path) -> None:
    """The message names the path."""
    with pytest.raises(BundleError, match=r"absent\.bundle: expected a readable file") as refusal:
        open_path(tmp_path / "absent.bundle", keys=workshop.keys, policy=workshop.policy())
    assert refusal.value.reason == "unreadable"


def test_a_folder_that_vanished_is_named(tmp_path: Path) -> None:
    """Reading a folder that is not there is a refusal, not a traceback."""
    with pytest.raises(BundleError, match="absent"):
        read_folder(tmp_path / "absent")


def test_an_oversize_file_is_not_read_whole(tmp_path: Path) -> None:
    """Of a sparse file ten times above the cap no more than the cap is read into memory."""
    path = tmp_path / "huge.bundle"
    with path.open("wb") as stream:
        stream.truncate(BUNDLE_CAP * 10)
    tracemalloc.start()
    try:
        with pytest.raises(BundleError) as refusal:
            read_bundle_file(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refusal.value.reason == "bundle_size"
    assert peak < 3 * BUNDLE_CAP


def test_unpacking_needs_an_empty_folder(workshop: Workshop, folder: Path) -> None:
    """Old files would stay between the new ones."""
    with pytest.raises(SigningError, match="empty folder"):
        unpack_bundle(workshop.seal(), folder)


def public_tool(workshop: Workshop, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run ``model_signing verify key``, the verifier of OpenSSF, over a folder."""
    key = folder.parent / "public.pem"
    key.write_bytes(
        workshop.key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )
    signature = str(folder / SIGNATURE)
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(folder)]
    return subprocess.run(
        [*command, "--signature", signature, "--public_key", str(key), *options],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_public_tool_accepts_our_bundle(workshop: Workshop, folder: Path) -> None:
    """OpenSSF Model Signing verifies the unpacked bundle with the public key alone."""
    verdict = public_tool(workshop, folder)
    assert (verdict.returncode, verdict.stdout.strip()) == (0, "Verification succeeded"), verdict.stderr
    assert "WARNING" not in verdict.stdout


def test_the_public_tool_accepts_a_release_folder(workshop: Workshop, folder: Path) -> None:
    """With companions beside the members it has to be told to look at signed files only."""
    (folder / "thresholds.yaml").write_bytes(b"pooled: 3.0\n")
    assert public_tool(workshop, folder).returncode == 1
    assert public_tool(workshop, folder, "--ignore_unsigned_files").returncode == 0


@pytest.mark.parametrize("name", [MODEL, MANIFEST, GOLDEN_SCORES, MODEL_CARD])
def test_the_public_tool_refuses_a_flipped_byte(workshop: Workshop, folder: Path, name: str) -> None:
    """What we refuse as a digest mismatch, it refuses too."""
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    verdict = public_tool(workshop, folder)
    assert verdict.returncode == 1
    assert "Hash mismatch for" in verdict.stderr
    assert name in verdict.stderr
