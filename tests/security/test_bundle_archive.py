"""The archive: every file that is not exactly one we would write is refused, by a named rule."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_agent.archive import BLOCK, END, read_archive, write_archive
from edge_agent.errors import BundleFormatError
from edge_agent.layout import BUNDLE_CAP, MANIFEST, MEMBER_CAPS, MODEL, MODEL_CARD, SIGNATURE

MEMBERS = {name: f"content of {name}".encode() for name in MEMBER_CAPS}
GOOD = write_archive(MEMBERS)
FIRST = min(MEMBERS)


def with_entry(name: str, kind: bytes = tarfile.REGTYPE, **fields: Any) -> bytes:
    """The good archive with one more entry in front, its checksum right."""
    entry = tarfile.TarInfo(name)
    entry.type = kind
    for field, value in fields.items():
        setattr(entry, field, value)
    return entry.tobuf(format=tarfile.USTAR_FORMAT) + GOOD


def changed_header(offset: int, value: bytes) -> bytes:
    """The good archive with bytes of its first header changed and the checksum set right again."""
    header = bytearray(GOOD[:BLOCK])
    header[offset : offset + len(value)] = value
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\x00 " % sum(header)
    return bytes(header) + GOOD[BLOCK:]


def with_name(old: str, new: str) -> bytes:
    """An archive in which member ``old`` is called ``new``."""
    return write_archive({new if name == old else name: content for name, content in MEMBERS.items()})


def twice(name: str) -> bytes:
    """The good archive with its first member twice."""
    assert name == FIRST
    size = BLOCK + len(MEMBERS[name]) + -len(MEMBERS[name]) % BLOCK
    return GOOD[:size] + GOOD


def without(name: str) -> bytes:
    """An archive that lacks member ``name``."""
    return write_archive({key: content for key, content in MEMBERS.items() if key != name})


REFUSED: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty file": (lambda: b"", "truncated"),
    "only the end": (lambda: END, "missing_member"),
    "half a block more": (lambda: GOOD + bytes(100), "truncated"),
    "cut inside a member": (lambda: GOOD[: 2 * BLOCK], "truncated"),
    "cut before its end": (lambda: GOOD[: -len(END)], "truncated"),
    "one closing block": (lambda: GOOD[:-BLOCK], "truncated"),
    "three closing blocks": (lambda: GOOD + bytes(BLOCK), "archive_end"),
    "something after its end": (lambda: GOOD + b"x" * BLOCK, "archive_end"),
    "larger than the cap": (lambda: bytes(BUNDLE_CAP + 1), "bundle_size"),
    "gzip": (lambda: gzip.compress(GOOD), "compressed"),
    "bzip2": (lambda: bz2.compress(GOOD), "compressed"),
    "xz": (lambda: lzma.compress(GOOD), "compressed"),
    "zip": (lambda: b"PK\x03\x04" + bytes(2044), "compressed"),
    "no archive": (lambda: b"\x00\x01" * 1024, "not_ustar"),
    "GNU magic": (lambda: changed_header(257, b"ustar  \x00"), "not_ustar"),
    "wrong checksum": (lambda: GOOD[:148] + b"000000\x00 " + GOOD[156:], "header_checksum"),
    "extra member": (lambda: with_entry("extra.txt"), "unexpected_member"),
    "case-fold clash": (lambda: with_entry("Manifest.json"), "unexpected_member"),
    "no name": (lambda: with_entry(""), "unexpected_member"),
    "absolute name": (lambda: with_entry("/etc/passwd"), "unsafe_name"),
    "name with ..": (lambda: with_entry("golden/../../manifest.json"), "unsafe_name"),
    "name with a backslash": (lambda: with_entry("golden\\samples.npy"), "unsafe_name"),
    "name with ./": (lambda: with_entry("./manifest.json"), "unexpected_member"),
    "name that is not ASCII": (lambda: changed_header(0, "Ünïcode".encode()), "unsafe_name"),
    "name hidden behind a NUL": (lambda: changed_header(50, b"hidden"), "unexpected_member"),
    "prefix field": (lambda: changed_header(345, b"golden"), "header_form"),
    "symbolic link": (lambda: with_entry(MANIFEST, tarfile.SYMTYPE, linkname="/etc/passwd"), "member_type"),
    "hard link": (lambda: with_entry(MANIFEST, tarfile.LNKTYPE, linkname=SIGNATURE), "member_type"),
    "character device": (lambda: with_entry(MANIFEST, tarfile.CHRTYPE), "member_type"),
    "block device": (lambda: with_entry(MANIFEST, tarfile.BLKTYPE), "member_type"),
    "FIFO": (lambda: with_entry(MANIFEST, tarfile.FIFOTYPE), "member_type"),
    "folder": (lambda: with_entry("golden", tarfile.DIRTYPE), "member_type"),
    "pax header": (lambda: with_entry("pax", tarfile.XHDTYPE), "member_type"),
    "GNU long name": (lambda: with_entry("long", tarfile.GNUTYPE_LONGNAME), "member_type"),
    "sparse file": (lambda: with_entry(MANIFEST, tarfile.GNUTYPE_SPARSE), "member_type"),
    "device numbers": (lambda: changed_header(329, b"0000001"), "header_form"),
    "old-style regular file": (lambda: with_entry(FIRST, tarfile.AREGTYPE), "member_type"),
    "setuid": (lambda: changed_header(100, b"0004755"), "header_form"),
    "owner": (lambda: changed_header(108, b"0001750"), "header_form"),
    "owner name": (lambda: changed_header(265, b"root"), "header_form"),
    "time": (lambda: changed_header(136, b"00000000001"), "header_form"),
    "link target on a file": (lambda: changed_header(157, b"manifest.json"), "header_form"),
    "size in base 256": (lambda: changed_header(124, b"\x80" + bytes(10) + b"\x10"), "header_form"),
    "size with spaces": (lambda: changed_header(124, b"         24\x00"), "header_form"),
    "negative size": (lambda: changed_header(124, b"-0000000024\x00"), "header_form"),
    "size beyond the cap": (lambda: changed_header(124, b"77777777777\x00"), "member_size"),
    "size beyond the file": (lambda: changed_header(124, b"00000200000\x00"), "truncated"),
    "padding in use": (lambda: GOOD[: 2 * BLOCK - 1] + b"x" + GOOD[2 * BLOCK :], "padding"),
    "duplicate member": (lambda: twice(FIRST), "duplicate_member"),
    "members out of order": (lambda: write_archive({MODEL: b""})[:BLOCK] + GOOD, "member_order"),
    "missing member": (lambda: without(MANIFEST), "missing_member"),
    "unsigned": (lambda: without(SIGNATURE), "missing_member"),
    "renamed member": (lambda: with_name(MODEL_CARD, "README.md"), "unexpected_member"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses_every_other_archive(name: str) -> None:
    """Each foreign archive is refused by the rule that its row names."""
    make, reason = REFUSED[name]
    with pytest.raises(BundleFormatError) as refusal:
        read_archive(make())
    assert refusal.value.reason == reason


def test_reads_what_it_writes() -> None:
    """Members survive a round trip, whatever the order they were given in."""
    backwards = dict(reversed(list(MEMBERS.items())))
    assert write_archive(backwards) == GOOD
    assert read_archive(GOOD) == MEMBERS


def test_the_archive_is_the_one_of_gnu_tar(tmp_path: Path) -> None:
    """GNU tar, told to leave out what varies, writes the same bytes: a bundle needs no tool of ours."""
    for name, content in MEMBERS.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
        (tmp_path / name).chmod(0o644)
    names = sorted(MEMBERS)
    options = ["--format=ustar", "--owner=:0", "--group=:0", "--mtime=@0", "--numeric-owner", "--blocking-factor=1"]
    made = subprocess.run(["tar", "-c", *options, *names], cwd=tmp_path, capture_output=True, check=True).stdout
    assert made == GOOD


def test_common_tools_read_it() -> None:
    """Python's tarfile, strict about its errors, sees the same members: the file is plain USTAR."""
    with tarfile.open(fileobj=io.BytesIO(GOOD), mode="r:", errorlevel=2) as archive:
        seen = {entry.name: entry for entry in archive}
        content = {name: stream.read() for name in seen if (stream := archive.extractfile(seen[name]))}
    assert content == MEMBERS
    assert {(entry.mode, entry.uid, entry.mtime, entry.isreg()) for entry in seen.values()} == {(0o644, 0, 0, True)}


def test_a_block_aligned_member_has_no_padding() -> None:
    """A content of whole blocks, and an empty one, survive too."""
    members = {**MEMBERS, MANIFEST: b"m" * BLOCK, MODEL_CARD: b""}
    assert read_archive(write_archive(members)) == members


def test_no_header_byte_is_free() -> None:
    """Any bit flip in a header, in padding or in the end is refused: the archive has one form."""
    contents = {index for start, size in _contents() for index in range(start, start + size)}
    for index in set(range(len(GOOD))) - contents:
        flipped = bytearray(GOOD)
        flipped[index] ^= 1 << (index % 8)
        with pytest.raises(BundleFormatError):
            read_archive(bytes(flipped))


def test_random_bytes_only_raise_bundle_errors() -> None:
    """Noise patched into an archive gives a refusal or an archive, never another error."""
    rng = np.random.default_rng(20261123)
    for _ in range(500):
        noisy = bytearray(GOOD)
        start = int(rng.integers(len(noisy)))
        patch = rng.bytes(int(rng.integers(1, 64)))
        noisy[start : start + len(patch)] = patch
        try:
            members = read_archive(bytes(noisy))
        except BundleFormatError:
            continue
        assert write_archive(members) == noisy


def _contents() -> list[tuple[int, int]]:
    places: list[tuple[int, int]] = []
    offset = 0
    for name in sorted(MEMBERS):
        size = len(MEMBERS[name])
        places.append((offset + BLOCK, size))
        offset += BLOCK + size + -size % BLOCK
    return places
