"""Tampering with the audit log, by the table: each is found, and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent import audit_files
from edge_agent.audit import AuditLog
from edge_agent.audit_check import check_log
from edge_agent.audit_files import AUDIT_FILE, parts
from edge_agent.audit_record import AuditLine, Head
from edge_agent.cli import main
from edge_agent.exit_code import ExitCode
from edge_agent.strict_json import canonical_json
from edge_agent.trust_event import REFUSED, TrustEvent

LINES = 8


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The growing file of a log of eight lines, none put aside."""
    write(tmp_path / "state")
    return tmp_path / "state" / AUDIT_FILE


def write(folder: Path, *, n: int = LINES, what: str = "line") -> None:
    """Note some decisions."""
    for number in range(n):
        AuditLog(folder).note(TrustEvent(kind=REFUSED, reason="expired", detail=f"{what} {number}"))


@pytest.fixture
def rotated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a log in at least three files, of which nothing was dropped yet."""
    monkeypatch.setattr(audit_files, "PART_BYTES", 600)
    write(tmp_path / "state")
    assert len(parts(tmp_path / "state")) >= 3
    return tmp_path / "state"


Lines = list[bytes]


def edited(line: bytes, **fields: object) -> bytes:
    """A line with other values, in the one form a line may have."""
    return canonical_json({**json.loads(line), **fields})


TAMPERING: list[tuple[str, Callable[[Lines], Lines], str, int]] = [
    ("a line removed", lambda a: a[:3] + a[4:], "sequence", 4),
    ("the first line removed", lambda a: a[1:], "beginning_missing", 0),
    ("two lines swapped", lambda a: [*a[:3], a[4], a[3], *a[5:]], "sequence", 4),
    ("a line repeated", lambda a: [*a[:4], a[3], *a[4:]], "sequence", 5),
    ("a line inserted", lambda a: [*a[:3], edited(a[3], detail="x"), *a[3:]], "sequence", 5),
    ("a line edited", lambda a: [*a[:3], edited(a[3], detail="x"), *a[4:]], "chain", 5),
    ("a line edited and chained", lambda a: [*a[:3], edited(a[3], before="f" * 64), *a[4:]], "chain", 4),
    ("a byte changed", lambda a: [*a[:3], a[3].replace(b"line 3", b"line X"), *a[4:]], "chain", 5),
    ("a space added", lambda a: [*a[:3], a[3].replace(b":", b": ", 1), *a[4:]], "line_form", 4),
    ("a field added", lambda a: [*a[:3], edited(a[3], extra=1), *a[4:]], "line_form", 4),
    ("a field removed", lambda a: [*a[:3], a[3].replace(b'"reason":"expired",', b""), *a[4:]], "line_form", 4),
    ("a key repeated", lambda a: [*a[:3], b'{"kind":"refused",' + a[3][1:], *a[4:]], "line_form", 4),
    ("a blank line", lambda a: [*a[:3], b"", *a[3:]], "line_form", 4),
    ("nonsense appended", lambda a: [*a, b"nonsense"], "line_form", LINES + 1),
    ("a line of its own appended", lambda a: [*a, edited(a[-1], seq=LINES)], "chain", LINES + 1),
    ("numbered anew", lambda a: [edited(a[1], seq=0), *a[2:]], "chain", 1),
]


@pytest.mark.parametrize(("name", "tamper", "reason", "line"), TAMPERING, ids=[row[0] for row in TAMPERING])
def test_tampering(log: Path, name: str, tamper: Callable[[Lines], Lines], reason: str, line: int) -> None:
    """Found without anything to compare with."""
    log.write_bytes(b"".join(each + b"\n" for each in tamper(log.read_bytes().splitlines())))
    [fault] = check_log(log.parent).faults
    assert (fault.reason, fault.line, fault.file) == (reason, line, AUDIT_FILE), name


def test_every_byte_counts(log: Path) -> None:
    """A flip of any byte but those of the last line breaks it; one in the last line differs from the head."""
    good, head = log.read_bytes(), check_log(log.parent).head
    for at in range(0, len(good), 31):
        log.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        assert not check_log(log.parent, expected=head).is_whole, at


def rewrite(folder: Path) -> None:
    """Write all of it anew, chained and numbered as it should be."""
    for path in parts(folder):
        path.unlink()
    write(folder, what="forged")


WITH_HEAD: list[tuple[str, Callable[[Path], object], str]] = [
    (
        "cut short",
        lambda log: log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1])),
        "head_missing",
    ),
    ("emptied", lambda log: log.write_bytes(b""), "head_missing"),
    ("removed", Path.unlink, "head_missing"),
    ("written anew", lambda log: rewrite(log.parent), "head_differs"),
    (
        "the last line edited",
        lambda log: log.write_bytes(log.read_bytes().replace(b"line 7", b"line X")),
        "head_differs",
    ),
]


@pytest.mark.parametrize(("name", "tamper", "reason"), WITH_HEAD, ids=[row[0] for row in WITH_HEAD])
def test_tampering_against_a_head(log: Path, name: str, tamper: Callable[[Path], object], reason: str) -> None:
    """A chain that ends early, or is another one, is whole in itself: it takes a head to find it."""
    head = check_log(log.parent).head
    tamper(log)
    assert check_log(log.parent).is_whole, name
    [fault] = check_log(log.parent, expected=head).faults
    assert fault.reason == reason


def test_every_line_is_a_head(log: Path) -> None:
    """Also an older one, as the ground may have it."""
    whole = check_log(log.parent)
    assert all(check_log(log.parent, expected=Head(*each)).is_whole for each in whole.hashes.items())


FILES: list[tuple[str, Callable[[list[Path]], object], str]] = [
    ("the oldest missing", lambda files: files[0].unlink(), "beginning_missing"),
    ("one between missing", lambda files: files[1].unlink(), "sequence"),
    ("two exchanged", lambda files: exchange(files[0], files[1]), "file_name"),
    ("renamed", lambda files: files[0].rename(files[0].with_name(f"audit.log.{1:020d}")), "file_name"),
    ("cut short", lambda files: files[0].write_bytes(files[0].read_bytes()[:-1]), "line_form"),
    (
        "a line cut off",
        lambda files: files[0].write_bytes(files[0].read_bytes().splitlines(keepends=True)[0]),
        "sequence",
    ),
    ("a link", lambda files: (files[0].rename(files[0].with_name("x")), files[0].symlink_to("x")), "file_unreadable"),
    ("a folder", lambda files: (files[0].unlink(), files[0].mkdir()), "file_unreadable"),
    ("endless", lambda files: files[0].write_bytes(bytes(10_000_000)), "file_unreadable"),
]


def exchange(one: Path, other: Path) -> None:
    """Let two files change places."""
    first, second = one.read_bytes(), other.read_bytes()
    one.write_bytes(second)
    other.write_bytes(first)


@pytest.mark.parametrize(("name", "tamper", "reason"), FILES, ids=[row[0] for row in FILES])
def test_tampering_with_files(rotated: Path, name: str, tamper: Callable[[list[Path]], object], reason: str) -> None:
    """A file that was put aside is missed, wherever it was."""
    assert check_log(rotated).is_whole
    tamper(parts(rotated))
    assert [fault.reason for fault in check_log(rotated).faults] == [reason], name


def test_head_that_made_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was dropped for room cannot be compared, and is not called forged."""
    monkeypatch.setattr(audit_files, "PART_BYTES", 1_000)
    monkeypatch.setattr(audit_files, "PARTS", 2)
    write(tmp_path, n=2)
    head = check_log(tmp_path).head
    write(tmp_path, n=20)
    assert check_log(tmp_path).is_whole
    [fault] = check_log(tmp_path, expected=head).faults
    assert fault.reason == "head_dropped"


@pytest.fixture
def config_file(log: Path, small_bundle: object) -> Path:
    """An agent.toml of the log's folder."""
    path = log.parent.parent / "agent.toml"
    path.write_text(
        "[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
        f"[bundle]\npath = 'x.bundle'\nkeys = ['{small_bundle.key}']\n"  # type: ignore[attr-defined]
    )
    return path


def test_command(config_file: Path, log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code, the first bad line, and a head; the lines themselves, from a time on."""
    verify = ["audit", "verify", "--config", str(config_file)]
    assert main([*verify, "--json"]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["whole"], document["lines"], document["fault"]) == (True, LINES, {})
    assert main([*verify, "--head", document["head"]]) == ExitCode.OK
    assert main([*verify, "--head", "7:feed"]) == ExitCode.USAGE
    capsys.readouterr()
    show = ["audit", "show", "--config", str(config_file)]
    lines = [AuditLine.from_bytes(data) for data in log.read_bytes().splitlines()]
    assert main([*show, "--json", "--since", lines[5].utc]) == ExitCode.OK
    assert [each["seq"] for each in json.loads(capsys.readouterr().out)["lines"]][-3:] == [5, 6, 7]
    assert main([*show, "--since", "yesterday"]) == ExitCode.USAGE
    log.write_bytes(log.read_bytes().replace(b"line 3", b"line X"))
    capsys.readouterr()
    assert main(verify) == ExitCode.AUDIT_BROKEN
    assert capsys.readouterr().out.startswith("BROKEN  audit.log, line 5: chain: expected it chained to line 3, got")
    log.write_bytes(log.read_bytes().replace(b"{", b"[", 1))
    assert main(show) == ExitCode.OK
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("audit.log:1: damaged: ")
    assert len(shown) == LINES


def test_no_log_is_whole(tmp_path: Path) -> None:
    """Nothing was decided yet."""
    assert check_log(tmp_path).is_whole
