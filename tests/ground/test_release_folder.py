"""The folder of a release: signed at once or later, the same files; a version that exists is never replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from edge_agent.archive import read_archive
from edge_agent.layout import METRICS, MODEL_CARD, SIGNATURE
from ground.errors import ConfigError
from ground.keys import load_private_key, new_key_pair
from ground.pack import pack_bundle
from ground.release_folder import publish_release, sign_release
from ground.signer import SigningKey

BESIDE = {"thresholds.yaml": b"# for people\n"}


@pytest.fixture
def members(development_bundle: Any) -> dict[str, bytes]:
    """The members of a bundle, without a signature."""
    members = read_archive(development_bundle.path.read_bytes())
    return {name: content for name, content in members.items() if name != SIGNATURE}


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """A private key."""
    return load_private_key(new_key_pair(tmp_path / "keys").private)


def contents(folder: Path) -> dict[str, bytes]:
    """Every file of a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_signed_at_once_or_later(tmp_path: Path, members: dict[str, bytes], key: SigningKey) -> None:
    """With the key at hand, by `ground sign`, or by exporting again with a key: the same files, byte for byte."""
    publish_release(tmp_path / "once", members, pack_bundle(members, key), BESIDE)
    expected = contents(tmp_path / "once")
    assert set(expected) == {*members, *BESIDE, SIGNATURE, "small-1.0.0.bundle"}
    for name in ("later", "again"):
        publish_release(tmp_path / name, members, b"", BESIDE)
        assert contents(tmp_path / name) == {**members, **BESIDE}
    assert sign_release(tmp_path / "later", key) == tmp_path / "later" / "small-1.0.0.bundle"
    publish_release(tmp_path / "again", members, pack_bundle(members, key), BESIDE)
    assert contents(tmp_path / "later") == contents(tmp_path / "again") == expected


def test_exporting_again_without_a_key_takes_no_signature_away(
    tmp_path: Path, members: dict[str, bytes], key: SigningKey
) -> None:
    """Nothing has changed, so nothing is written."""
    publish_release(tmp_path / "release", members, pack_bundle(members, key), BESIDE)
    before = contents(tmp_path / "release")
    publish_release(tmp_path / "release", members, b"", BESIDE)
    assert contents(tmp_path / "release") == before


@pytest.mark.parametrize("change", ["other", "one more", "one less"])
def test_another_release_of_the_version_is_refused(
    tmp_path: Path, members: dict[str, bytes], key: SigningKey, change: str
) -> None:
    """Signed or not, what lies there stays as it is."""
    publish_release(tmp_path / "release", members, b"", BESIDE)
    if change == "one more":
        (tmp_path / "release" / "commissioning.json").write_text("{}")
    elif change == "one less":
        (tmp_path / "release" / MODEL_CARD).unlink()
    before = contents(tmp_path / "release")
    others = {**members, METRICS: b'{"n":1}'} if change == "other" else members
    for bundle in (b"", pack_bundle(others, key)):
        with pytest.raises(ConfigError, match="expected a new version, got one that exists"):
            publish_release(tmp_path / "release", others, bundle, BESIDE)
    assert contents(tmp_path / "release") == before


def test_a_failure_leaves_nothing(tmp_path: Path, members: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that could not be put in place whole is not there at all."""

    def fail(_: Path, __: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="No space"):
        publish_release(tmp_path / "models" / "release", members, b"", BESIDE)
    assert list((tmp_path / "models").iterdir()) == []
