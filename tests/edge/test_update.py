"""Updates that go well: over HTTP and from a stick, by rollout and wave, with keys, epochs and a shadow."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent import slots
from edge_agent.archive import read_archive, write_archive
from edge_agent.cli import main
from edge_agent.command_audit import log_documents
from edge_agent.doctor_update import check_update
from edge_agent.errors import ConfigError, PolicyRejected, SignatureRejected, SlotRefused, UpdateError
from edge_agent.exit_code import ExitCode
from edge_agent.layout import SIGNATURE
from edge_agent.offer import share_of
from edge_agent.signers import accepted_keys, known_keys
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import give_up, roll_back
from edge_agent.startup import keys_of_config, load_second, load_shadow, slots_of_config, start_configured
from edge_agent.trust import key_hint
from edge_agent.update_choice import MOST_TRIED
from edge_agent.update_disk import STATE_FILES, read_update_state
from ground.sign import sign_members
from tests.conftest import make_small_bundle, small_spec
from tests.faults import bad_block
from tests.security.tuf_repository import NOW_S, Manners, serve
from tests.security.update_rig import Rig, make_rig

KINDS = ("offered", "downloaded", "keys_changed", "update_failed", "halted")


@pytest.fixture
def rig(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> Rig:
    """An agent, and a repository that offers nothing yet."""
    return make_rig(tmp_path, releases[0].key, monkeypatch)


@pytest.fixture
def command(rig: Rig, tmp_path: Path, releases: Any, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs ``edge-agent update`` at the time of the repository; gives its exit code and its JSON."""
    path = tmp_path / "agent.toml"
    path.write_text(
        "[agent]\nid = 'a1'\nfleet = 'test'\nstate_dir = 'state'\n"
        f"[bundle]\nslots = true\nkeys = ['{releases[0].key}']\n"
        f"[update]\nroot = 'root.json'\nurl = '{rig.maker.folder}'\n"
    )

    def run(*arguments: object) -> tuple[int, dict[str, Any]]:
        code = main(["update", *map(str, arguments), "--config", str(path), "--json"])
        return code, json.loads(capsys.readouterr().out)

    return run


def kinds(rig: Rig) -> list[str]:
    """What this command noted, leaving out what the slots note themselves."""
    return [event.kind for event in rig.events if event.kind in KINDS]


def test_takes_the_newest_once(rig: Rig, releases: Any) -> None:
    """Fetched, installed, on trial; then there is nothing new."""
    digest = rig.maker.offer(releases[1].path, sequence=2)
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    found = rig.update()
    assert [each.digest for each in found.active.taken] == [digest]
    assert (rig.slots.stage, rig.slots.active.digest) == ("trial", digest)
    assert rig.update().active.taken == ()
    assert kinds(rig) == ["offered", "downloaded"]
    assert sorted(path.name for path in (rig.state_dir / "update").iterdir()) == ["report.json", "state.0", "state.1"]


def test_over_http_and_from_a_stick(rig: Rig, releases: Any) -> None:
    """One repository, two ways; they share the floors."""
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    with serve(rig.maker.folder, manners := Manners()) as url:
        rig.update(f"{url}/")
    assert rig.slots.active.sequence == 1
    assert sum(path.endswith(".bundle") for path in manners.asked) == 1
    rig.maker.offer(releases[1].path, sequence=2)
    rig.maker.publish()
    rig.update(rig.maker.folder)
    assert rig.slots.active.sequence == 2


def test_look_keeps_nothing(rig: Rig, releases: Any) -> None:
    """It tells what would be taken, and leaves no trace."""
    digest = rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    assert [each.digest for each in rig.look().active.taken] == [digest]
    assert (list(rig.state_dir.glob("**/*")), rig.events) == ([], [])


def test_wave_and_percentage(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Agents of an earlier wave take it, of this wave those below the percentage, of a later one none."""
    for wave, above, taken in ((1, 0, 1), (2, 1, 1), (2, 0, 0), (3, 1, 0)):
        folder = tmp_path / f"{wave}{above}"
        folder.mkdir()
        rig = make_rig(folder, releases[0].key, monkeypatch, update={"wave": wave})
        digest = rig.maker.offer(releases[0].path, sequence=1)
        percent = int(share_of("a1", digest)) + above
        rig.maker.offer(releases[0].path, sequence=1, wave=2, percent=percent)
        rig.maker.publish()
        found = rig.look()
        assert (len(found.active.taken), len(found.active.waiting)) == (taken, 1 - taken), (wave, above)


def test_a_halted_rollout(rig: Rig, releases: Any) -> None:
    """It is not taken, which is noted once; resumed, it is taken."""
    rig.maker.offer(releases[0].path, sequence=1, halted=True)
    rig.maker.publish()
    for _ in range(2):
        found = rig.update()
        assert (len(found.active.halted), found.active.taken) == (1, ())
    assert kinds(rig) == ["halted"]
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    rig.update()
    assert rig.slots.active.sequence == 1


def test_what_was_left_is_not_taken_again(rig: Rig, releases: Any) -> None:
    """Returned from by hand or rejected: the same bundle is left alone, a newer one is taken."""
    ledger = SlotLedger(rig.state_dir)
    for index, sequence in enumerate((1, 2)):
        rig.maker.offer(releases[index].path, sequence=sequence)
        rig.maker.publish()
        rig.update()
        rig.prove()
    ledger.change(roll_back)
    assert rig.update().active.taken == ()
    rig.maker.offer(releases[2].path, sequence=3)
    rig.maker.publish()
    rig.update()
    assert rig.slots.active.sequence == 3
    ledger.change(lambda state: give_up(state, "policy", reject=False))
    assert rig.update().active.taken == ()


def test_a_refused_bundle_is_not_fetched_again(rig: Rig, releases: Any) -> None:
    """An agent whose config lacks the key tries again every hour, and fetches once; the same refusal is noted once."""
    rig.maker.offer(resigned(releases[0].path, other_key(), rig.maker.folder), sequence=1)
    rig.maker.publish()
    with serve(rig.maker.folder, manners := Manners()) as url:
        for _ in range(3):
            with pytest.raises(SignatureRejected):
                rig.update(url)
    assert sum(path.endswith(".bundle") for path in manners.asked) == 1
    assert kinds(rig) == ["offered", "downloaded", "update_failed"]
    assert rig.events[-1].digest


def other_key() -> ec.EllipticCurvePrivateKey:
    """The key of an engineer who came later."""
    return ec.derive_private_key(424_242, ec.SECP256R1())


def resigned(bundle: Path, key: ec.EllipticCurvePrivateKey, folder: Path) -> Path:
    """The same bundle, signed by another key."""
    members = {name: content for name, content in read_archive(bundle.read_bytes()).items() if name != SIGNATURE}
    path = folder / f"{bundle.parent.name}.bundle"
    path.write_bytes(write_archive({**members, SIGNATURE: sign_members("small", members, key)}))
    return path


def list_key(rig: Rig, key: ec.EllipticCurvePublicKey, *, kind: str = "bundle-key") -> str:
    """List a key in the repository."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    rig.maker.key(key_hint(key), pem, kind=kind)
    return key_hint(key)


def test_keys_come_and_go_with_the_repository(rig: Rig, releases: Any) -> None:
    """A listed key signs; one that is gone signs nothing new, and what it signed in a slot is started."""
    hint = list_key(rig, other_key().public_key())
    rig.maker.offer(resigned(releases[0].path, other_key(), rig.maker.folder), sequence=1)
    rig.maker.publish()
    rig.update()
    assert hint in accepted_keys(rig.config).by_hint
    assert kinds(rig) == ["keys_changed", "offered", "downloaded"]
    del rig.maker.signed["targets"].targets[f"keys/{hint}.pem"]
    rig.maker.offer(resigned(releases[1].path, other_key(), rig.maker.folder), sequence=2)
    rig.maker.publish()
    with pytest.raises(SignatureRejected) as refusal:
        rig.update()
    assert refusal.value.reason == "unknown_key"
    assert (hint in accepted_keys(rig.config).by_hint, hint in known_keys(rig.config).by_hint) == (False, True)
    assert start_configured(rig.config).bundle_id == "small/1.0.0"


def test_a_pinned_key_is_revoked_for_good(rig: Rig, releases: Any) -> None:
    """Stolen: nothing of it is taken any more, what runs goes on; that it vanishes from the list changes nothing."""
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    rig.update()
    (pinned,) = accepted_keys(rig.config).by_hint.values()
    hint = list_key(rig, pinned, kind="revoked-bundle-key")
    rig.maker.offer(releases[1].path, sequence=2)
    rig.maker.publish()
    for _ in range(2):
        with pytest.raises(SignatureRejected) as refusal:
            rig.update()
        assert refusal.value.reason == "revoked_key"
        rig.maker.signed["targets"].targets.pop(f"keys/{hint}.pem", None)
        rig.maker.publish()
    with pytest.raises(SignatureRejected):
        slots_of_config(rig.config, accepted_keys(rig.config)).open_active()
    assert start_configured(rig.config).bundle_id == "small/1.0.0"


def test_a_revocation_is_not_held_back_with_a_key(rig: Rig) -> None:
    """A mirror that hides the file of a new key hides no revocation."""
    (pinned,) = accepted_keys(rig.config).by_hint.values()
    revoked = list_key(rig, pinned, kind="revoked-bundle-key")
    hint = list_key(rig, other_key().public_key())
    next(rig.maker.folder.glob(f"targets/keys/*.{hint}.pem")).unlink()
    rig.maker.publish()
    rig.refuses("missing", seen=True)
    assert accepted_keys(rig.config).revoked == {revoked}
    assert kinds(rig) == ["keys_changed", "update_failed"]


@pytest.mark.parametrize("is_key", [True, False])
def test_a_key_under_another_name_is_refused(rig: Rig, releases: Any, *, is_key: bool) -> None:
    """Whoever lists it may not choose what it is called; nor list what is no key."""
    rig.maker.key("a" * 64, releases[0].key.read_bytes() if is_key else b"no key")
    rig.maker.publish()
    rig.refuses("bad_key", seen=True)


def test_an_epoch_opens(rig: Rig, releases: Any) -> None:
    """Only the root can: afterwards the slots know it."""
    rig.maker.open_epoch(3)
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    rig.update()
    rig.update()
    assert rig.slots.epoch == 3
    assert kinds(rig) == ["offered", "downloaded"]
    # The slots note it themselves, once it is on disk.
    noted = [line["kind"] for line in log_documents(rig.config.agent.state_dir)]
    assert noted[0] == "epoch_raised"
    assert noted.count("epoch_raised") == 1


def test_the_shadow_has_its_place(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes where ``[shadow] path`` points, if that is in the state folder, and never backwards."""
    rig = make_rig(tmp_path, releases[0].key, monkeypatch, shadow={"path": "state/shadow.bundle"})
    rig.maker.offer(releases[1].path, sequence=2, role="shadow")
    rig.maker.publish()
    found = rig.update()
    assert (len(found.shadow.taken), found.active.taken) == (1, ())
    assert (rig.state_dir / "shadow.bundle").read_bytes() == releases[1].path.read_bytes()
    assert load_shadow(rig.config).state == "running"
    rig.maker.offer(releases[0].path, sequence=1, role="shadow")
    rig.maker.publish()
    assert rig.update().shadow.taken == ()


def development(folder: Path, number: int) -> Path:
    """A release that this agent does not take."""
    made = folder / f"development{number}"
    made.mkdir()
    manifest = {"version": f"{number}.0.0", "sequence": number, "release_class": "development"}
    return make_small_bundle(made, small_spec(), **manifest).path


def test_the_newest_keeps_no_older_one_out(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused for itself, it is told of each time, fetched once, and what is for all is taken; so is the shadow."""
    rig = make_rig(tmp_path, releases[0].key, monkeypatch, shadow={"path": "state/shadow.bundle"})
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    rig.update()
    rig.prove()
    refused = [rig.maker.offer(development(tmp_path, number), sequence=number) for number in (4, 5)]
    taken = rig.maker.offer(releases[1].path, sequence=2)
    shadow = rig.maker.offer(releases[2].path, sequence=3, role="shadow")
    shadow_refused = rig.maker.offer(development(tmp_path, 6), sequence=6, role="shadow")
    rig.maker.publish()
    rig.events.clear()
    with serve(rig.maker.folder, manners := Manners()) as url:
        for _ in range(2):
            with pytest.raises(PolicyRejected, match="small/5") as refusal:
                rig.update(url)
            assert refusal.value.reason == "development_not_allowed"
            assert (rig.slots.active.digest, load_second(rig.config).bundle_digest) == (taken, shadow)
    assert sum(path.endswith(".bundle") for path in manners.asked) == 5
    failed = [event for event in rig.events if event.kind == "update_failed"]
    assert sorted((event.digest, event.reason) for event in failed) == sorted(
        (digest, "development_not_allowed") for digest in (*refused, shadow_refused)
    )
    assert {path.name[:64] for path in (rig.state_dir / "update").glob("*.bundle")} == {*refused, shadow_refused}
    assert rig.look().active.taken[0].digest == refused[1]


def test_not_everything_is_tried(rig: Rig, releases: Any, tmp_path: Path) -> None:
    """Each costs the link: after a few the rest is left."""
    rig.maker.offer(releases[0].path, sequence=1)
    for number in range(2, 2 + MOST_TRIED):
        rig.maker.offer(development(tmp_path, number), sequence=number)
    rig.maker.publish()
    with pytest.raises(PolicyRejected):
        rig.update()
    assert rig.slots.stage == "empty"
    assert kinds(rig).count("offered") == MOST_TRIED


@pytest.mark.parametrize(("reason", "n_tried"), [("no_child", 1), ("model_limits", 2)])
def test_what_the_machine_refused(
    rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch, reason: str, n_tried: int
) -> None:
    """It would refuse an older one as well; but too large a model may be the newest one's own fault."""

    def prove(*_: object, **__: object) -> None:
        raise SlotRefused(reason, "x")

    monkeypatch.setattr(slots, "prove_in_child", prove)
    for index, sequence in enumerate((1, 2)):
        rig.maker.offer(releases[index].path, sequence=sequence)
    rig.maker.publish()
    with pytest.raises(SlotRefused):
        rig.update()
    assert kinds(rig).count("downloaded") == n_tried


def test_a_shadow_elsewhere_is_the_integrators(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path outside the state folder is not written to."""
    rig = make_rig(tmp_path, releases[0].key, monkeypatch, shadow={"path": "shadow.bundle"})
    rig.maker.offer(releases[1].path, sequence=2, role="shadow")
    rig.maker.publish()
    assert rig.update().shadow.taken == ()
    assert not (tmp_path / "shadow.bundle").exists()


def test_other_fleets_and_no_delegation(
    rig: Rig, tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A repository that knows nothing of this fleet has nothing for it."""
    folder = tmp_path / "other"
    folder.mkdir()
    other = make_rig(folder, releases[0].key, monkeypatch, agent={"fleet": "other"})
    other.maker.offer(releases[0].path, sequence=1)
    other.maker.publish()
    assert other.update().active.taken == ()
    assert rig.update().active.taken == ()


def test_the_command(command: Any, rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit codes and JSON of each outcome."""
    monkeypatch.setattr("time.time", lambda: NOW_S)
    digest = rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    code, document = command("--check")
    assert (code, document["check"], document["active"]["taken"][0]["part_number"]) == (ExitCode.OK, True, "EV-1")
    code, document = command()
    assert (code, [each["digest"] for each in document["active"]["taken"]]) == (ExitCode.OK, [digest])
    assert command()[1]["active"]["taken"] == []
    code, document = command("--from", "http://127.0.0.1:1/")
    assert (code, document["error"].split(":")[0]) == (ExitCode.UPDATE_UNREACHABLE, "unreachable")
    rig.maker.publish(timestamp=rig.maker.signers["root"])
    code, document = command()
    assert (code, document["error"].split(":")[0]) == (ExitCode.UPDATE_REFUSED, "under_threshold")
    assert command("--from", "stick")[0] == ExitCode.USAGE


@pytest.mark.parametrize(
    ("table", "named"),
    [
        ({"update": {"root": "none.json"}}, "update.root"),
        ({"bundle": {"slots": False, "path": "a.bundle"}}, "bundle.slots"),
    ],
)
def test_what_an_update_needs(
    tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch, table: dict[str, Any], named: str
) -> None:
    """Slots, and the pinned root."""
    rig = make_rig(tmp_path, releases[0].key, monkeypatch, **table)
    with pytest.raises(ConfigError, match=named):
        rig.update()


def test_an_address_needs_a_root(tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address alone is no anchor; and it is the web's, or an absolute path."""
    for update in ({"url": "https://x", "root": "/dev/null"}, {"url": "ftp://x"}):
        folder = tmp_path / update["url"][:3]
        folder.mkdir()
        with pytest.raises(ConfigError, match="update"):
            make_rig(folder, releases[0].key, monkeypatch, update=update)


def test_a_pinned_root_that_is_none(rig: Rig, tmp_path: Path) -> None:
    """A file that is no root.json is told as such."""
    (tmp_path / "root.json").write_bytes(b"{}")
    rig.refuses("bad_root")


@pytest.mark.parametrize("name", ["tempfile.mkdtemp", "tuf.ngclient.Updater._persist_file"])
def test_no_room_for_temporary_files(rig: Rig, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A refusal as any other, noted and reported: no fault of ours, of which the doctor hears nothing."""

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    rig.maker.publish()
    monkeypatch.setattr(name, full)
    assert "No space left on device" in rig.refuses("disk_error")


def test_another_pinned_root_begins_anew(
    rig: Rig, tmp_path: Path, releases: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a ceremony from nothing, an integrator installs the new root: floors of the old root do not hold it up."""
    rig.maker.open_epoch(0)
    rig.maker.publish()
    rig.update()
    folder = tmp_path / "new"
    folder.mkdir()
    new = make_rig(folder, releases[0].key, monkeypatch)
    new.maker.signed["root"].unrecognized_fields["x-ceremony"] = 2
    new.maker.write_root()
    (tmp_path / "root.json").write_bytes(new.maker.pinned_root)
    for _ in range(3):
        new.maker.publish()
    rig.update(new.maker.folder)


def test_the_daemon_never_loads_tuf() -> None:
    """What `edge-agent run` imports, and what it imports later on, holds none of the updater's libraries."""
    script = (
        "import sys, pkgutil, importlib, edge_agent\n"
        "for each in pkgutil.iter_modules(edge_agent.__path__):\n"
        "    if each.name not in ('update_fetch', 'update_refusal', 'update_repository', 'update_run', '__main__'):\n"
        "        importlib.import_module('edge_agent.' + each.name)\n"
        "print([name for name in ('tuf', 'securesystemslib', 'urllib3', 'requests') if name in sys.modules])\n"
    )
    found = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert found.stdout.strip() == "[]"


def test_keys_of_the_config_are_enough_without_updates(rig: Rig) -> None:
    """Where no update ever ran, nothing changes."""
    assert set(keys_of_config(rig.config).by_hint) == set(accepted_keys(rig.config).by_hint)


def test_a_damaged_state_keeps_no_engine_from_being_watched(rig: Rig, releases: Any) -> None:
    """What runs is started by the pinned keys; nothing new is taken, for nobody knows what was revoked."""
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    rig.update()
    for name in ("state.0", "state.1"):
        (rig.state_dir / "update" / name).write_bytes(b"rot")
    assert start_configured(rig.config).bundle_id == "small/1.0.0"
    with pytest.raises(UpdateError, match="remove them"):
        accepted_keys(rig.config)


@pytest.mark.parametrize("n_bad", [1, 2])
def test_a_bad_block_below_the_state_keeps_no_engine_from_being_watched(
    rig: Rig, releases: Any, monkeypatch: pytest.MonkeyPatch, n_bad: int
) -> None:
    """Nor does a disk that does not even give the bytes; a folder in a copy's place is no better."""
    rig.maker.offer(releases[0].path, sequence=1)
    rig.maker.publish()
    rig.update()
    before = read_update_state(rig.state_dir)
    names = [STATE_FILES[(before.generation + 1) % 2], STATE_FILES[before.generation % 2]]
    for name in names[:n_bad]:
        bad_block.under(rig.state_dir / "update" / name, monkeypatch)
    assert start_configured(rig.config).bundle_id == "small/1.0.0"
    if n_bad == 1:
        assert read_update_state(rig.state_dir) == before
    else:
        with pytest.raises(UpdateError, match="remove them"):
            accepted_keys(rig.config)


def test_a_folder_in_the_place_of_a_copy(rig: Rig) -> None:
    """It is damage, and the other copy counts."""
    rig.maker.publish()
    rig.update()
    before = read_update_state(rig.state_dir)
    other = rig.state_dir / "update" / STATE_FILES[(before.generation + 1) % 2]
    other.unlink()
    other.mkdir()
    assert read_update_state(rig.state_dir) == before


def test_the_doctor_looks_at_updates(rig: Rig, tmp_path: Path) -> None:
    """Never looked, succeeded, nearly over, failed, and without its root."""

    def finding() -> tuple[str, str]:
        (found,) = check_update(rig.config)
        return found.level, found.text

    assert finding()[0] == "warn"
    rig.maker.now = datetime.now(UTC)
    rig.maker.signed["timestamp"].expires = rig.maker.now + timedelta(days=30)
    rig.maker.publish()
    rig.update(now_s=rig.maker.now.timestamp())
    assert finding()[0] == "ok"
    rig.maker.signed["timestamp"].expires = rig.maker.now + timedelta(days=3)
    rig.maker.publish()
    rig.update(now_s=rig.maker.now.timestamp())
    assert finding()[0] == "warn"
    rig.refuses("missing", tmp_path / "none")
    assert "missing" in finding()[1]
    (tmp_path / "root.json").unlink()
    assert finding()[0] == "fail"
