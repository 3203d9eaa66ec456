"""Where settings come from: agent.toml, conf.d and the environment, each over the one before."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_agent.config import SECTIONS, read_config
from edge_agent.config_layers import DEFAULT, find_text
from edge_agent.config_toml import config_toml, defaults_toml
from edge_agent.errors import ConfigError

MAIN = """\
[agent]
id = "a1"
fleet = "demo"
[bundle]
path = "x.bundle"
keys = ["a.pem", "b.pem"]
[broker]
host = "first"
port = 1001
keepalive_s = 10
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """agent.toml with a folder of drop-ins beside it."""
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "agent.toml").write_text(MAIN)
    return tmp_path / "agent.toml"


def drop_in(path: Path, name: str, text: str) -> Path:
    """A file in conf.d."""
    file = path.parent / "conf.d" / name
    file.write_text(text)
    return file


def test_later_layers_win_key_by_key(path: Path) -> None:
    """Names order the drop-ins, the environment comes last, lists are replaced, other keys stay; origins are told."""
    second = drop_in(path, "20-b.toml", "[broker]\nport = 1003\nusername = 'u'\n[bundle]\nkeys = ['c.pem']\n")
    first = drop_in(path, "10-a.toml", "[broker]\nhost = 'second'\nport = 1002\n")
    drop_in(path, ".hidden.toml", "no TOML")
    drop_in(path, "30-c.toml.dpkg-old", "no TOML")
    read = read_config(path, {"EDGE_AGENT_BROKER__USERNAME": "7", "OTHER": "x"})
    broker = read.config.broker
    assert (broker.host, broker.port, broker.keepalive_s, broker.username) == ("second", 1003, 10, "7")
    assert read.config.bundle.keys == (path.parent / "c.pem",)
    origins = {key: read.merged.origin(f"broker.{key}") for key in ("host", "port", "keepalive_s", "username")}
    assert origins == {
        "host": str(first), "port": str(second), "keepalive_s": str(path), "username": "EDGE_AGENT_BROKER__USERNAME",
    }  # fmt: skip
    assert read.merged.origin("limits.inbox_frames") == DEFAULT


def test_no_drop_ins(path: Path) -> None:
    """The folder of drop-ins need not be there."""
    (path.parent / "conf.d").rmdir()
    assert read_config(path, {}).merged.layers == (str(path),)


VARIABLES: list[tuple[str, str, object]] = [
    ("BROKER__PORT", "1999", 1999),
    ("BROKER__HOST", "10.0.0.1", "10.0.0.1"),
    ("BROKER__PASSWORD_FILE", "pw", "pw"),
    ("BUNDLE__ALLOW_DEVELOPMENT", "true", True),
    ("AGENT__DEADLINE_MS", "20", 20.0),
    ("AGENT__ENGINES", "['a/1', 'b/2']", ("a/1", "b/2")),
]


@pytest.mark.parametrize(("name", "text", "value"), VARIABLES, ids=[row[0] for row in VARIABLES])
def test_variable_by_the_type_of_its_key(path: Path, name: str, text: str, value: object) -> None:
    """Texts and paths are taken as they are, everything else as TOML writes it."""
    drop_in(path, "user.toml", "[broker]\nusername = 'u'\n")
    config = read_config(path, {f"EDGE_AGENT_{name}": text}).config
    section, key = name.lower().split("__")
    expected = path.parent / str(value) if key.endswith("file") else value
    assert getattr(getattr(config, section), key) == expected


MISTAKES: list[tuple[str, str, str, str]] = [
    ("no such table", "EDGE_AGENT_BRKER__PORT", "1", "EDGE_AGENT_BROKER__KEY"),
    ("no key", "EDGE_AGENT_BROKER", "1", "EDGE_AGENT_BROKER__KEY"),
    ("one underscore", "EDGE_AGENT_BROKER_PORT", "1", "EDGE_AGENT_BROKER__KEY"),
    ("no such key", "EDGE_AGENT_BROKER__PRT", "1", "broker.prt: expected one of host"),
    ("no TOML", "EDGE_AGENT_BROKER__PORT", "many", "expected a TOML value, got 'many'"),
    ("out of range", "EDGE_AGENT_BROKER__PORT", "-1", "broker.port: expected 0 to 65535, got -1"),
    ("another type", "EDGE_AGENT_BROKER__PORT", "'1883'", "broker.port: expected a whole number"),
]


@pytest.mark.parametrize(("name", "text", "said"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_wrong_variable_is_named(path: Path, name: str, text: str, said: str) -> None:
    """A mistake in the environment names the variable."""
    with pytest.raises(ConfigError, match=f"^{name}: ") as caught:
        read_config(path, {name: text})
    assert said in str(caught.value)
    assert re.search("expected .*, got .*; ", str(caught.value))


def test_wrong_drop_in_is_named(path: Path) -> None:
    """A mistake in a drop-in names that file, not agent.toml."""
    file = drop_in(path, "10-a.toml", "[broker]\nport = 'x'\n")
    with pytest.raises(ConfigError, match=f"^{re.escape(str(file))}: broker.port: "):
        read_config(path, {})


def test_mistake_of_several_layers_names_all(path: Path) -> None:
    """What only the layers together get wrong names them all."""
    file = drop_in(path, "10-a.toml", "[broker]\npassword_file = 'pw'\n")
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{path}, {file}')}: broker.username: "):
        read_config(path, {})


def test_text_out_of_a_wrong_config(path: Path) -> None:
    """One key is found although the rest is wrong: the last readable layer counts, what is no text does not."""
    path.write_text("nonsense = 1\n[agent]\nstate_dir = 'a'\n")
    drop_in(path, "10-a.toml", "[agent]\nstate_dir = 'b'\n")
    drop_in(path, "20-b.toml", "[agent\n")
    drop_in(path, "30-c.toml", "[agent]\nstate_dir = 3\n")
    assert find_text(path, {}, "agent", "state_dir") == "b"
    assert find_text(path, {"EDGE_AGENT_AGENT__STATE_DIR": "c"}, "agent", "state_dir") == "c"
    assert find_text(path.parent / "none" / "agent.toml", {}, "agent", "state_dir") == ""


def test_shown_settings_read_back_equal(path: Path) -> None:
    """What `config show` prints is the same config, whatever is in it."""
    drop_in(
        path,
        "10-a.toml",
        "[broker]\nclient_id = 'é \\u0022 # \\\\'\n[agent]\nengines = ['a/1']\n".replace("'é", '"é').replace(
            "\\\\'", '\\\\"'
        ),
    )
    read = read_config(path, {})
    again = path.parent / "again.toml"
    again.write_text(config_toml(read.config, read.merged))
    (path.parent / "conf.d" / "10-a.toml").unlink()
    assert read_config(again, {}).config == read.config


def test_defaults_hold_every_key(path: Path) -> None:
    """`config defaults` with the required keys filled in is the config of these keys alone."""
    text = defaults_toml(SECTIONS)
    for line in ("id = 'a1'", "fleet = 'demo'", "keys = ['y']"):
        key = line.split(" = ", maxsplit=1)[0]
        text = re.sub(f"^# {key} = .*$", line, text, flags=re.MULTILINE)
    # The first path is the bundle's: it may be left out, but then there have to be slots.
    text = text.replace('path = "/dev/null"', "path = 'x'", 1)
    path.write_text(text)
    full = read_config(path, {}).config
    path.write_text("[agent]\nid = 'a1'\nfleet = 'demo'\n[bundle]\npath = 'x'\nkeys = ['y']\n")
    assert full == read_config(path, {}).config


def test_toml_too_deep_is_wrong_and_no_fault(path: Path) -> None:
    """The reader of the library gives up with an error of its own, which must not end an agent that reloads."""
    path.write_text("a = " + "[" * 20_000)
    with pytest.raises(ConfigError, match="expected TOML, got"):
        read_config(path, {})
