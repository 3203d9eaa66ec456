"""Attacks 15 to 29: members that are not the plain files they should be."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import tarfile
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from edge_agent.archive import write_archive
from edge_agent.layout import BUNDLE_CAP, GOLDEN_SCORES, MANIFEST, MODEL, SIGNATURE
from tests.security.attack import Attack
from tests.security.forge import HEADER_MODE, Forge, npy_saved, npy_with_header

_MANY: Final = 20_000


def _beside(name: str, forge: Forge) -> Path:
    folder = forge.unpacked()
    (folder / name).write_bytes(b"hidden")
    return folder


def _without(name: str, forge: Forge) -> bytes:
    return write_archive({key: content for key, content in forge.sealed().items() if key != name})


def _folder_without(name: str, forge: Forge) -> Path:
    folder = forge.unpacked()
    (folder / name).unlink()
    return folder


def _replaced_by(make: str, forge: Forge) -> Path:
    """The model of an unpacked bundle is another kind of file; the content behind a link would be the honest one."""
    folder = forge.unpacked()
    outside = (folder / MODEL).rename(forge.folder / "outside.onnx")
    if make == "FIFO":
        os.mkfifo(folder / MODEL)
    else:
        (os.symlink if make == "symlink" else os.link)(outside, folder / MODEL)
    return folder


def _link_to_bundle(forge: Forge) -> Path:
    (forge.folder / "real.bundle").write_bytes(forge.seal())
    link = forge.folder / "link.bundle"
    link.symlink_to("real.bundle")
    return link


def _twice(forge: Forge) -> bytes:
    """The first member twice; a reader that lets the last one win sees an honest bundle."""
    good = forge.seal()
    first = min(forge.sealed())
    size = 512 + -(-len(forge.members[first]) // 512) * 512
    return good[:size] + good


def _crowd(forge: Forge) -> bytes:
    """The same empty member twenty thousand times, each with the header that it should have."""
    return write_archive({min(forge.members): b""})[:512] * _MANY + forge.seal()


def _npz(forge: Forge) -> bytes:
    return forge.seal({GOLDEN_SCORES: npy_saved(np.zeros(2_000_000, dtype=np.float32), save=np.savez_compressed)})


def _pickle(forge: Forge) -> bytes:
    return forge.seal({GOLDEN_SCORES: npy_saved(np.array([{}, []], dtype=object), allow_pickle=True)})


def _npy(header: bytes, forge: Forge) -> bytes:
    return forge.seal({GOLDEN_SCORES: npy_with_header(header)})


def _huge_header(forge: Forge) -> bytes:
    return _npy(b"(" * 60_000, forge)


_KINDS = {
    "character device": tarfile.CHRTYPE,
    "block device": tarfile.BLKTYPE,
    "FIFO": tarfile.FIFOTYPE,
}
_HUGE_SHAPE: Final = b"{'descr': '<f4', 'fortran_order': False, 'shape': (999999999,), }"
_CODE: Final = b"__import__('os').abort()"

FILE_ATTACKS: Final = (
    Attack(15, "extra file", partial(Forge.with_entry, name="extra.txt"), "unexpected_member"),
    Attack(15, "extra file in the folder", partial(_beside, "extra.txt"), "unexpected_member"),
    Attack(
        15, "extra file in the folder of the golden vectors", partial(_beside, "golden/extra.npy"), "unexpected_member"
    ),
    Attack(15, "hidden file in the folder", partial(_beside, ".git"), "unexpected_member"),
    Attack(16, "missing model", partial(_without, MODEL), "missing_member"),
    Attack(16, "missing manifest in the folder", partial(_folder_without, MANIFEST), "missing_member"),
    Attack(17, "../ entry", partial(Forge.with_entry, name="../state.0"), "unsafe_name"),
    Attack(17, "../ inside an entry", partial(Forge.with_entry, name="golden/../../state.0"), "unsafe_name"),
    Attack(18, "absolute name", partial(Forge.with_entry, name="/etc/passwd"), "unsafe_name"),
    Attack(
        19,
        "symlink",
        partial(Forge.with_entry, name=MODEL, kind=tarfile.SYMTYPE, linkname="/etc/passwd"),
        "member_type",
    ),
    Attack(19, "symlink in the folder", partial(_replaced_by, "symlink"), "unreadable"),
    Attack(19, "symlink to a bundle", _link_to_bundle, "unreadable"),
    Attack(
        20, "hardlink", partial(Forge.with_entry, name=MODEL, kind=tarfile.LNKTYPE, linkname=SIGNATURE), "member_type"
    ),
    Attack(20, "hardlink in the folder", partial(_replaced_by, "hardlink"), "not_a_file"),
    *(
        Attack(21, kind, partial(Forge.with_entry, name=MODEL, kind=code), "member_type")
        for kind, code in _KINDS.items()
    ),
    Attack(21, "FIFO in the folder", partial(_replaced_by, "FIFO"), "not_a_file"),
    Attack(22, "duplicate entry", _twice, "duplicate_member"),
    Attack(23, "case-fold clash", partial(Forge.with_entry, name="Manifest.json"), "unexpected_member"),
    Attack(23, "case-fold clash in the folder", partial(_beside, "Manifest.json"), "unexpected_member"),
    Attack(24, "too many entries", _crowd, "duplicate_member"),
    Attack(25, "oversize archive", lambda _: bytes(BUNDLE_CAP + 1), "bundle_size"),
    Attack(25, "gzip", lambda f: gzip.compress(f.seal()), "compressed"),
    Attack(25, "bzip2", lambda f: bz2.compress(f.seal()), "compressed"),
    Attack(25, "xz", lambda f: lzma.compress(f.seal()), "compressed"),
    Attack(26, "setuid", partial(Forge.with_header, offset=HEADER_MODE, value=b"0004755"), "header_form"),
    Attack(27, "huge .npy header", _huge_header, "npy_header"),
    Attack(27, "huge .npy shape", partial(_npy, _HUGE_SHAPE), "npy_size"),
    Attack(27, "code in a .npy header", partial(_npy, _CODE), "npy_header"),
    Attack(28, ".npz bomb", _npz, "npy_header"),
    Attack(29, "pickled array", _pickle, "npy_header"),
)
