"""A start with a wrong config: by the last one that ran, but never by what that says of whom to trust."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from edge_agent.config import load_config
from edge_agent.config_source import KEPT_FILE, ConfigSource
from edge_agent.errors import ConfigError

HINT = "ab" * 32
MAIN = "[agent]\nid = 'shipped'\nfleet = 'test'\nstate_dir = 'state'\n[bundle]\npath = 'b.bundle'\nkeys = ['k.pem']\n"
SITE = "[agent]\nid = 'a1'\n[broker]\nhost = 'far'\nport = 1884\nusername = 'u'\npassword_file = 'pw'\n"


class Box:
    """An agent's config, which ran once."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "agent.toml"
        self.site = folder / "conf.d" / "10-site.toml"
        self.keys = folder / "conf.d" / "20-keys.toml"
        self.kept = folder / "state" / KEPT_FILE
        for each in (self.site.parent, self.kept.parent):
            each.mkdir()
        self.path.write_text(MAIN)
        self.site.write_text(SITE)
        (folder / "pw").write_text("hush")
        self.good = load_config(self.path, {})
        ConfigSource(self.path, {}).keep(self.good)

    def refused(self, environment: dict[str, str] | None = None) -> str:
        """The start is refused, as the files are; what it says."""
        with pytest.raises(ConfigError) as wrong:
            load_config(self.path, environment or {})
        with pytest.raises(ConfigError) as caught:
            ConfigSource(self.path, environment or {}).at_start()
        assert str(caught.value) == str(wrong.value)
        return str(caught.value)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    """See ``Box``."""
    return Box(tmp_path)


WRONG: dict[str, Callable[[Box], object]] = {
    "a key that there is not": lambda box: box.site.write_text(SITE + "hots = 'far'\n"),
    "a value out of range": lambda box: box.site.write_text(SITE.replace("1884", "70000")),
    "what does not go together": lambda box: box.site.write_text(SITE + "ca_file = 'x'\n"),
    "no TOML": lambda box: box.site.write_text("[agent]\nid = a1\n"),
    "half a file": lambda box: box.site.write_text(SITE[:45]),
    "no TOML, and a certificate of that name": lambda box: box.site.write_text(SITE + 'ca_file = "/x/ca-bundle.crt\n'),
    "no TOML, and a comment that names it": lambda box: box.site.write_text(f"# [bundle]\n{SITE}x # shadow\n"),
    "no TOML, and a key that begins so": lambda box: box.site.write_text(f"bundle_dir = 'x'\n{SITE}x\n"),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_a_wrong_file_does_not_silence_a_box(box: Box, spoil: Callable[[Box], object]) -> None:
    """It starts as it ran, and knows why."""
    spoil(box)
    source = ConfigSource(box.path, {})
    assert "a start goes on" in source.outlook()
    assert source.at_start() == box.good
    with pytest.raises(ConfigError) as wrong:
        source.read()
    assert source.error == str(wrong.value)


def test_a_variable_that_names_no_key(box: Box) -> None:
    """As a wrong file."""
    source = ConfigSource(box.path, {"EDGE_AGENT_BROKR__HOST": "x"})
    assert source.at_start() == box.good
    assert "EDGE_AGENT_BROKR__HOST" in source.error


def test_what_an_operator_changed_counts(box: Box) -> None:
    """Where the files are right, the copy is not asked."""
    box.site.write_text(SITE.replace("far", "near"))
    source = ConfigSource(box.path, {})
    assert (source.at_start().broker.host, source.error) == ("near", "")


def test_the_copy_holds_no_secret(box: Box) -> None:
    """Paths of files that hold one, for the agent's user and group alone."""
    assert "hush" not in box.kept.read_text()
    assert str(box.path.parent / "pw") in box.kept.read_text()
    assert box.kept.stat().st_mode & 0o777 == 0o640


def test_it_is_written_when_it_changes(box: Box) -> None:
    """A disk wears out."""
    before = box.kept.stat().st_ino
    ConfigSource(box.path, {}).keep(box.good)
    assert box.kept.stat().st_ino == before
    ConfigSource(box.path, {}).keep(dataclasses.replace(box.good, agent=dataclasses.replace(box.good.agent, id="a2")))
    assert "a2" in box.kept.read_text()


def test_a_disk_that_refuses_the_copy(box: Box, log_lines: list[dict[str, object]]) -> None:
    """Is told of."""
    box.kept.unlink()
    box.kept.mkdir()
    ConfigSource(box.path, {}).keep(box.good)
    assert [line["event"] for line in log_lines] == ["config not kept"]


def forge(box: Box, section: str, **values: object) -> None:
    """Lay a copy that the agent's own user has written."""
    document = json.loads(box.kept.read_bytes())
    document["config"][section].update(values)
    box.kept.write_text(json.dumps(document))


def test_whom_to_trust_is_read_from_the_files(box: Box) -> None:
    """Neither what the copy says of it counts, nor where it says that it lies."""
    box.keys.write_text(f"[bundle]\nrevoked_keys = ['{HINT}']\n[shadow]\nkeys = ['s.pem']\n")
    good = load_config(box.path, {})
    ConfigSource(box.path, {}).keep(good)
    forge(box, "bundle", keys=["/evil.pem"], revoked_keys=[], allow_development=True, path="/evil.bundle")
    forge(box, "shadow", keys=["/evil.pem"], allow_development=True, path="/evil.bundle")
    forge(box, "agent", state_dir="/elsewhere")
    box.site.write_text(SITE + "hots = 'far'\n")
    assert ConfigSource(box.path, {}).at_start() == good


def test_a_key_that_was_revoked_meanwhile(box: Box) -> None:
    """Is so, whatever else is wrong; by a variable, too."""
    box.site.write_text(f"[bundle]\nrevoked_keys = ['{HINT}']\n[broker]\nhots = 'far'\n")
    assert ConfigSource(box.path, {}).at_start().bundle.revoked_keys == (HINT,)
    environment = {"EDGE_AGENT_BUNDLE__REVOKED_KEYS": "[]"}
    assert ConfigSource(box.path, environment).at_start().bundle.revoked_keys == ()


TYPO = "[broker]\nhots = 'far'\n"


def test_a_box_that_was_moved(box: Box) -> None:
    """One edit with a typo in it: the new bundle is that of the new fleet, and the new name goes with both."""
    box.path.write_text(MAIN.replace("'test'", "'new'").replace("b.bundle", "new.bundle"))
    box.site.write_text(f"[agent]\nid = 'a2'\n{TYPO}")
    config = ConfigSource(box.path, {}).at_start()
    assert (config.agent.fleet, config.agent.id, config.bundle.path.name) == ("new", "a2", "new.bundle")
    assert config.broker == box.good.broker
    config = ConfigSource(box.path, {"EDGE_AGENT_AGENT__FLEET": "newer"}).at_start()
    assert config.agent.fleet == "newer"


def test_the_fleet_is_never_the_copys(box: Box) -> None:
    """It says whose bundles are run."""
    forge(box, "agent", fleet="other")
    box.site.write_text(SITE + "hots = 'far'\n")
    assert ConfigSource(box.path, {}).at_start().agent.fleet == "test"


def test_a_name_that_is_none(box: Box) -> None:
    """It is no matter of trust: the box keeps the one that it had."""
    for name in ("'a 1'", "12"):
        box.site.write_text(SITE.replace("'a1'", name))
        assert ConfigSource(box.path, {}).at_start() == box.good


def test_a_box_whose_name_cannot_be_read(box: Box) -> None:
    """What is left of the files is what the package shipped: the box is what it was."""
    box.path.write_text(MAIN.replace("'test'", "'shipped'"))
    box.site.write_text(SITE.replace("id = 'a1'", "id = 'a1'\nfleet = 'test'"))
    ConfigSource(box.path, {}).keep(load_config(box.path, {}))
    box.site.write_text(box.site.read_text() + "x\n")
    config = ConfigSource(box.path, {}).at_start()
    assert (config.agent.fleet, config.agent.id) == ("test", "a1")


MOVED = MAIN.replace("'test'", "'new'")
BROKEN = "[broker]\nport = 18x83\n"
ELSEWHERE = {
    "an unrelated typo": BROKEN,
    "the old fleet in a comment": f"[agent]\n# fleet = 'test'\n{BROKEN}",
    "a fleet that begins so": f"[agent]\nfleet = 'test-2'\n{BROKEN}",
    "another key": f"[agent]\nsub-fleet = 'test'\n{BROKEN}",
}


@pytest.mark.parametrize("text", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_box_that_was_moved_with_a_file_that_is_no_toml(box: Box, text: str) -> None:
    """It is not what it was, and by half of the files it is nobody: the error says both."""
    box.path.write_text(MOVED)
    box.site.write_text(text)
    source = ConfigSource(box.path, {})
    with pytest.raises(ConfigError, match=r"10-site.toml: expected TOML, .*; agent.fleet: expected 'test'.* got 'new'"):
        source.at_start()
    assert "NO START is possible" in source.outlook()


def test_the_last_file_that_names_a_fleet_decides(box: Box) -> None:
    """Also among those that are no TOML; and so does a variable, and what is no fleet."""
    box.path.write_text(MOVED)
    box.site.write_text(SITE.replace("'a1'", "'a1' fleet = test"))
    assert ConfigSource(box.path, {}).at_start() == box.good
    for fleet in ("'new'", "12"):
        box.keys.write_text(f"[agent]\nfleet = {fleet}\n")
        with pytest.raises(ConfigError, match=r"agent.fleet: expected 'test'"):
            ConfigSource(box.path, {}).at_start()
    assert ConfigSource(box.path, {"EDGE_AGENT_AGENT__FLEET": "test"}).at_start() == box.good


OPEN: dict[str, Callable[[Box], object]] = {
    "no TOML, and it speaks of bundles": lambda box: box.keys.write_text("[bundle]\nrevoked_keys = [\n"),
    "no TOML, and a key of that table": lambda box: box.keys.write_text("x\nbundle.revoked_keys = []\n"),
    "no TOML, and quotes": lambda box: box.keys.write_text("x\n[ 'shadow' ]\n"),
    "no TOML, and lines that were joined": lambda box: box.keys.write_text("port = 1883 [bundle]\n"),
    "no TOML, and lines that were joined behind a topic": lambda box: box.keys.write_text(
        f"[topics]\ninput = ['aircraft/+/engine/#'] [bundle]\nrevoked_keys = ['{HINT}']\n"
    ),
    "no TOML, and a mark before it": lambda box: box.keys.write_text("\ufeffbundle.revoked_keys = []\n"),
    "no TOML, and escapes": lambda box: box.keys.write_text('x\n["b\\u0075ndle"]\n'),
    "a value that is wrong there": lambda box: box.keys.write_text("[bundle]\nrevoked_keys = ['x']\n"),
    "a key that there is not there": lambda box: box.keys.write_text("[shadow]\nkey = 'x'\n"),
    "no text": lambda box: box.keys.write_text("[bundle]\n", encoding="utf-16"),
    "a fleet that is none": lambda box: box.site.write_text(SITE.replace("'a1'", "'a1'\nfleet = 'x y'")),
    "a fleet without quotes": lambda box: box.site.write_text(SITE.replace("'a1'", "'a1'\nfleet = 12")),
    "no fleet": lambda box: box.path.write_text(MAIN.replace("fleet = 'test'\n", "")),
    "no main file": lambda box: box.path.unlink(),
    "a main file that is none": lambda box: box.path.write_text(MAIN + "x\n"),
    "a drop-in that cannot be read": lambda box: box.keys.mkdir(),
}


@pytest.mark.parametrize("spoil", OPEN.values(), ids=OPEN)
def test_where_nobody_knows_whom_to_trust(box: Box, spoil: Callable[[Box], object]) -> None:
    """The start is refused."""
    spoil(box)
    box.refused()
    assert "NO START is possible" in ConfigSource(box.path, {}).outlook()


def test_a_syntax_error_in_the_main_file(box: Box) -> None:
    """It may hide a key that was revoked: no start goes on without, and whoever asks is told so."""
    environment = {"EDGE_AGENT_AGENT__STATE_DIR": str(box.kept.parent)}
    box.path.write_text(MAIN + f"revoked_keys = ['{HINT}'\n")
    box.refused(environment)
    outlook = ConfigSource(box.path, environment).outlook()
    assert "NO START is possible: the files leave open whose bundles to run" in outlook


def test_a_copy_that_only_others_may_read(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever may not look does not know."""
    box.path.write_text(MAIN + "x\n")
    read = Path.read_bytes

    def refuse(path: Path) -> bytes:
        if path == box.kept:
            raise PermissionError
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refuse)
    monkeypatch.setenv("EDGE_AGENT_AGENT__STATE_DIR", str(box.kept.parent))
    assert ConfigSource(box.path).outlook().startswith("ask as the agent's user or as root")


def test_a_revocation_that_was_broken_off(box: Box) -> None:
    """What is left of the file says nothing of it, but the copy knows better."""
    box.keys.write_text(f"# keys\n[bundle]\nrevoked_keys = ['{HINT}']\n")
    ConfigSource(box.path, {}).keep(load_config(box.path, {}))
    box.keys.write_text("# keys\n[")
    box.refused()


COPIES: dict[str, Callable[[Box], object]] = {
    "none": lambda box: box.kept.unlink(),
    "no JSON": lambda box: box.kept.write_bytes(b"{"),
    "a list": lambda box: box.kept.write_bytes(b"[]"),
    "too deep": lambda box: box.kept.write_bytes(b"[" * 100_000),
    "no tables": lambda box: box.kept.write_text(json.dumps({"schema": 1, "of": str(box.path), "config": []})),
    "a table that is none": lambda box: box.kept.write_text(
        json.dumps({"schema": 1, "of": str(box.path), "config": {"agent": 1}})
    ),
    "a later agent's": lambda box: forge(box, "agent", colour="red"),
    "another config's": lambda box: box.kept.write_text(box.kept.read_text().replace("agent.toml", "other.toml")),
}


@pytest.mark.parametrize("spoil", COPIES.values(), ids=COPIES)
def test_a_copy_that_does_not_count(box: Box, spoil: Callable[[Box], object]) -> None:
    """The start is refused, and says what is wrong with the file that somebody is to correct."""
    spoil(box)
    box.site.write_text("[broker]\nhots = 'far'\n")
    assert "broker.hots" in box.refused()
    assert "holds no last config" in ConfigSource(box.path, {}).outlook()
