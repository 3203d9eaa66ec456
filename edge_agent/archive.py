"""The archive: a USTAR file with one form, so that its bytes follow from its members.

An own reader of 512-byte blocks, not tarfile: that one follows pax and GNU extensions, lets the last of two equal
names win and knows links and devices. Here a header is either the one ``write_archive`` makes or it is refused.
Nothing is extracted to a disk; members stay in memory, and the bytes that were verified are the ones that are loaded.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping

from edge_agent.errors import BundleFormatError
from edge_agent.layout import BUNDLE_CAP, MEMBER_CAPS, OPTIONAL_MEMBERS

BLOCK = 512
END = bytes(2 * BLOCK)

_COMPRESSED = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\x00", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"PK\x03\x04")
_NAME = slice(0, 100)
_SIZE = slice(124, 136)
_CHECKSUM = slice(148, 156)
_TYPE = slice(156, 157)
_MAGIC = slice(257, 265)
_SLICE_BYTES = 1024 * 1024
"""Copied at once: the interpreter is held meanwhile, and the agent answers while a bundle is read beside it."""
_USTAR = b"ustar\x0000"
_REGULAR = b"0"
_TYPES = {
    b"1": "a hard link",
    b"2": "a symbolic link",
    b"3": "a character device",
    b"4": "a block device",
    b"5": "a folder",
    b"6": "a FIFO",
    b"x": "a pax header",
    b"g": "a pax header",
    b"L": "a GNU long name",
    b"S": "a sparse file",
}


def write_archive(members: Mapping[str, bytes]) -> bytes:
    """Write ``members`` as USTAR: sorted by name, mode 0644, owner 0, time 0, two closing blocks and no more.

    Args:
        members: Content by member name; names are ASCII, shorter than 100 bytes.

    Returns:
        The archive; equal members give equal bytes.
    """
    return b"".join(_blocks(members))


def archive_digest(members: Mapping[str, bytes]) -> str:
    """Lower-case hex sha256 of what ``write_archive`` gives, without a second copy of it in memory."""
    digest = hashlib.sha256()
    for block in _blocks(members):
        digest.update(block)
    return digest.hexdigest()


def _blocks(members: Mapping[str, bytes]) -> Iterator[bytes]:
    for name in sorted(members):
        content = members[name]
        yield from (_header(name, len(content)), content, bytes(-len(content) % BLOCK))
    yield END


def read_archive(data: bytes) -> dict[str, bytes]:
    """Read the members of an archive that ``write_archive`` could have written.

    Args:
        data: The whole file.

    Returns:
        Content by member name: the names of ``MEMBER_CAPS``, with or without the optional ones.

    Raises:
        BundleFormatError: Any other archive; ``reason`` names the rule.
    """
    _check_size(data)
    members: dict[str, bytes] = {}
    offset = 0
    while data[offset : offset + BLOCK] != END[:BLOCK]:
        name, size = _read_header(data[offset : offset + BLOCK], after=max(members, default=""))
        offset += BLOCK
        members[name] = _read_content(data, offset, size, name)
        offset += size + -size % BLOCK
    if data[offset:] != END:
        raise BundleFormatError(
            "archive_end",
            f"bundle: expected two empty blocks at its end, got {len(data) - offset} more bytes; copy it again",
        )
    check_names(members)
    return members


def check_names(members: Mapping[str, bytes]) -> None:
    """Check that ``members`` are the members of a bundle, no more and no fewer, each within its cap.

    Raises:
        BundleFormatError: ``unexpected_member``, ``missing_member`` or ``member_size``.
    """
    for name, content in members.items():
        check_member(name, len(content))
    missing = sorted(set(MEMBER_CAPS) - OPTIONAL_MEMBERS - set(members))
    if missing:
        raise BundleFormatError(
            "missing_member", f"bundle: expected {', '.join(missing)}, got nothing; export the bundle again"
        )
    # Unpacked members may be within their caps, and their archive above its own: no slot could hold it.
    _check_cap(sum(BLOCK + len(content) + -len(content) % BLOCK for content in members.values()) + len(END))


def check_member(name: str, size: int) -> None:
    """Check one name and size against the layout, before any memory is spent on it.

    Raises:
        BundleFormatError: ``unsafe_name``, ``unexpected_member`` or ``member_size``.
    """
    if name.startswith("/") or "\\" in name or ".." in name.split("/"):
        raise BundleFormatError(
            "unsafe_name", f"bundle: expected a plain member name, got {name!r}; do not use this file"
        )
    if name not in MEMBER_CAPS:
        raise BundleFormatError(
            "unexpected_member", f"bundle: expected only the known members, got {name!r}; remove it"
        )
    if size > MEMBER_CAPS[name]:
        raise BundleFormatError(
            "member_size", f"{name}: expected at most {MEMBER_CAPS[name]} bytes, got {size}; make it smaller"
        )


def _check_size(data: bytes) -> None:
    _check_cap(len(data))
    if data.startswith(_COMPRESSED):
        raise BundleFormatError(
            "compressed", "bundle: expected an uncompressed USTAR file, got a compressed one; unpack it"
        )
    if len(data) < len(END) or len(data) % BLOCK:
        raise BundleFormatError(
            "truncated", f"bundle: expected whole blocks of {BLOCK} bytes, got {len(data)} bytes; copy the file again"
        )


def _check_cap(size: int) -> None:
    if size > BUNDLE_CAP:
        raise BundleFormatError(
            "bundle_size", f"bundle: expected at most {BUNDLE_CAP} bytes, got {size}; make it smaller"
        )


def _read_header(header: bytes, *, after: str) -> tuple[str, int]:
    if header[_MAGIC] != _USTAR:
        raise BundleFormatError(
            "not_ustar", f"bundle: expected a USTAR header, got {header[_MAGIC]!r}; copy the file again"
        )
    if header[_CHECKSUM] != _checksum(header):
        raise BundleFormatError(
            "header_checksum", "bundle: expected an intact header, got a wrong checksum; copy it again"
        )
    name = header[_NAME].rstrip(b"\x00").decode("ascii", "backslashreplace")
    if header[_TYPE] != _REGULAR:
        kind = _TYPES.get(header[_TYPE], "another kind of entry")
        raise BundleFormatError("member_type", f"{name!r}: expected a regular file, got {kind}; do not use this file")
    size = _read_size(header[_SIZE], name)
    check_member(name, size)
    if header != _header(name, size):
        raise BundleFormatError(
            "header_form", f"{name}: expected mode 0644, owner 0, time 0, got another header; pack with ground"
        )
    if name == after:
        raise BundleFormatError("duplicate_member", f"{name}: expected it once, got it again; do not use this file")
    if name < after:
        raise BundleFormatError(
            "member_order", f"{name}: expected members sorted by name, got it after {after}; pack with ground"
        )
    return name, size


def _read_size(field: bytes, name: str) -> int:
    digits = field[:-1]
    if field[-1:] != b"\x00" or not digits.isdigit() or b"8" in digits or b"9" in digits:
        raise BundleFormatError(
            "header_form", f"{name!r}: expected a size of eleven octal digits, got {field!r}; pack with ground"
        )
    return int(digits, 8)


def _read_content(data: bytes, offset: int, size: int, name: str) -> bytes:
    padding_end = offset + size + -size % BLOCK
    if padding_end + len(END) > len(data):
        raise BundleFormatError(
            "truncated", f"{name}: expected {size} bytes, got a file that ends before; copy it again"
        )
    if any(data[offset + size : padding_end]):
        raise BundleFormatError(
            "padding", f"{name}: expected zeros up to the next block, got other bytes; pack with ground"
        )
    return _copy(data, offset, offset + size)


def _copy(data: bytes, start: int, end: int) -> bytes:
    """``data[start:end]``, so that other threads take their turns between the slices."""
    if end - start <= _SLICE_BYTES:
        return data[start:end]
    copy, view = io.BytesIO(), memoryview(data)
    for begin in range(start, end, _SLICE_BYTES):
        copy.write(view[begin : min(begin + _SLICE_BYTES, end)])
    return copy.getvalue()


def _header(name: str, size: int) -> bytes:
    fields = (
        (name.encode("ascii"), 100),
        (b"0000644", 8),
        (b"0000000", 8),
        (b"0000000", 8),
        (b"%011o" % size, 12),
        (b"00000000000", 12),
        (b" " * 8, 8),
        (_REGULAR, 1),
        (b"", 100),
        (_USTAR, 8),
        (b"", 64),
        (b"0000000", 8),
        (b"0000000", 8),
        (b"", 167),
    )
    header = b"".join(value.ljust(width, b"\x00") for value, width in fields)
    return header[: _CHECKSUM.start] + _checksum(header) + header[_CHECKSUM.stop :]


def _checksum(header: bytes) -> bytes:
    total = sum(header) - sum(header[_CHECKSUM]) + 8 * ord(" ")
    return b"%06o\x00 " % total
