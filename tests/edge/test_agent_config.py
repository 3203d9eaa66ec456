"""agent.toml: defaults, paths, and an error with file, key, expectation and advice for every mistake."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from edge_agent.config import AgentConfig, BundleSection, load_config
from edge_agent.errors import ConfigError
from edge_agent.topics_section import TopicsSection

ROOT = Path(__file__).resolve().parents[2]

SMALLEST = """\
[agent]
id = "a1"
fleet = "demo"
[bundle]
path = "x.bundle"
keys = ["public.pem"]
"""

MISTAKES: list[tuple[str, str, str]] = [
    ("unknown table", SMALLEST + "[brokr]\n", "brokr"),
    ("key outside any table", 'id = "a1"\n' + SMALLEST, "id"),
    ("table that is a text", 'broker = "localhost"\n' + SMALLEST, "broker"),
    ("missing table", SMALLEST.split("[bundle]", maxsplit=1)[0], "bundle"),
    ("missing key", SMALLEST.replace('id = "a1"\n', ""), "agent.id"),
    ("unknown key", SMALLEST + "kees = []\n", "bundle.kees"),
    ("text for number", SMALLEST + '[broker]\nport = "1883"\n', "broker.port"),
    ("real for whole number", SMALLEST + "[broker]\nport = 1883.0\n", "broker.port"),
    ("truth value for number", SMALLEST + "[broker]\nport = true\n", "broker.port"),
    ("number for truth value", SMALLEST + "allow_development = 1\n", "bundle.allow_development"),
    ("number for path", SMALLEST.replace('"x.bundle"', "7"), "bundle.path"),
    ("text for list", SMALLEST.replace('["public.pem"]', '"public.pem"'), "bundle.keys"),
    ("number in list of paths", SMALLEST.replace('"public.pem"', "7"), "bundle.keys[0]"),
    ("no keys", SMALLEST.replace('["public.pem"]', "[]"), "bundle.keys"),
    ("port too large", SMALLEST + "[broker]\nport = 65536\n", "broker.port"),
    ("keepalive too short", SMALLEST + "[broker]\nkeepalive_s = 1\n", "broker.keepalive_s"),
    ("empty host", SMALLEST + '[broker]\nhost = ""\n', "broker.host"),
    ("password without user", SMALLEST + '[broker]\npassword_file = "pw"\n', "broker.username"),
    ("authority without TLS", SMALLEST + '[broker]\nca_file = "ca.pem"\n', "broker.tls"),
    ("certificate without TLS", SMALLEST + '[broker]\ncert_file = "a.pem"\n', "broker.tls"),
    ("unchecked name without TLS", SMALLEST + "[broker]\ncheck_server_name = false\n", "broker.tls"),
    ("key without certificate", SMALLEST + '[broker]\ntls = true\nkey_file = "a.key"\n', "broker.cert_file"),
    ("password of no key", SMALLEST + '[broker]\ntls = true\nkey_password_file = "p"\n', "broker.cert_file"),
    ("probes too often", SMALLEST + "[broker]\nprobe_interval_s = 0\n", "broker.probe_interval_s"),
    ("infinite deadline", SMALLEST.replace("[bundle]", "deadline_ms = inf\n[bundle]"), "agent.deadline_ms"),
    ("deadline that is no number", SMALLEST.replace("[bundle]", "deadline_ms = nan\n[bundle]"), "agent.deadline_ms"),
    ("negative interval", SMALLEST.replace("[bundle]", "status_interval_s = -1\n[bundle]"), "agent.status_interval_s"),
    ("name with a slash", SMALLEST.replace('"a1"', '"a/1"'), "agent.id"),
    ("empty fleet", SMALLEST.replace('"demo"', '""'), "agent.fleet"),
    ("engine without aircraft", SMALLEST.replace("[bundle]", 'engines = ["1"]\n[bundle]'), "agent.engines[0]"),
    (
        "more engines than places",
        SMALLEST.replace("[bundle]", 'engines = ["a/1", "a/2"]\n[bundle]') + "[limits]\nmax_streams = 1\n",
        "limits.max_streams",
    ),
    ("log level", SMALLEST.replace("[bundle]", 'log_level = "loud"\n[bundle]'), "agent.log_level"),
    ("no inputs", SMALLEST + "[topics]\ninput = []\n", "topics.input"),
    ("unknown place", SMALLEST + '[topics]\ninput = ["a/{tail}"]\n', "topics.input[0]"),
    ("half a wildcard", SMALLEST + '[topics]\ninput = ["a/x+"]\n', "topics.input[0]"),
    ("rest in the middle", SMALLEST + '[topics]\ninput = ["a/#/b"]\n', "topics.input[0]"),
    ("empty topic", SMALLEST + '[topics]\ninput = [""]\n', "topics.input[0]"),
    ("result without engine", SMALLEST + '[topics]\nresult = "r/{aircraft}"\n', "topics.result"),
    ("alert with wildcard", SMALLEST + '[topics]\nalert = "{aircraft}/{engine}/+"\n', "topics.alert"),
    ("status without agent", SMALLEST + '[topics]\nstatus = "status"\n', "topics.status"),
    ("result that is an input", SMALLEST + '[topics]\ninput = ["aircraft/#"]\n', "topics.result"),
    ("probe that is an input", SMALLEST + '[topics]\ninput = ["enginear/+/probe"]\n', "topics.probe"),
    ("probe on another topic", SMALLEST + '[topics]\nprobe = "enginear/{agent}/status"\n', "topics.probe"),
    ("payload limit", SMALLEST + "[limits]\nmax_payload_bytes = 10\n", "limits.max_payload_bytes"),
    ("no room for frames", SMALLEST + "[limits]\ninbox_frames = 0\n", "limits.inbox_frames"),
    ("no engines at all", SMALLEST + "[limits]\nmax_streams = 0\n", "limits.max_streams"),
]


def load(folder: Path, text: str) -> AgentConfig:
    """The config of ``text``."""
    path = folder / "agent.toml"
    path.write_text(text)
    return load_config(path)


@pytest.mark.parametrize(("text", "key"), [row[1:] for row in MISTAKES], ids=[row[0] for row in MISTAKES])
def test_mistake_is_named(tmp_path: Path, text: str, key: str) -> None:
    """A mistake is refused; the text names the file and the key, what was expected, and what to do."""
    with pytest.raises(ConfigError, match=r"expected .*, got .*; ") as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(f"{tmp_path / 'agent.toml'}: {key}: ")


@pytest.mark.parametrize(
    ("keys", "port"), [("", 1883), ("tls = true", 8883), ("port = 9", 9), ("tls = true\nport = 1883", 1883)]
)
def test_usual_port(tmp_path: Path, keys: str, port: int) -> None:
    """The port follows from TLS where it is not given."""
    assert load(tmp_path, f"{SMALLEST}[broker]\n{keys}\n").broker.port == port


@pytest.mark.parametrize("text", ["[agent", "\xff", 'a = "\n'])
def test_not_toml(tmp_path: Path, text: str) -> None:
    """A file that is no TOML is refused by name."""
    path = tmp_path / "agent.toml"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}: expected TOML"):
        load_config(path)


def test_missing_file(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ConfigError, match=r"none\.toml: expected a readable file, got No such file"):
        load_config(tmp_path / "none.toml")


def test_example_holds_the_defaults(tmp_path: Path) -> None:
    """packaging/agent.toml with every default uncommented is the same config as with none."""
    text = (ROOT / "packaging" / "agent.toml").read_text()
    uncommented = re.sub(r"^# (?=\w+ = )", "", text, flags=re.MULTILINE)
    assert uncommented != text
    assert load(tmp_path, uncommented) == load(tmp_path, text)


def test_example_names_every_key() -> None:
    """packaging/agent.toml and docs/reference/agent.md name every key there is."""
    example = (ROOT / "packaging" / "agent.toml").read_text()
    reference = (ROOT / "docs" / "reference" / "agent.md").read_text()
    config = load_config(ROOT / "packaging" / "agent.toml")
    for table in AgentConfig.__dataclass_fields__:
        assert f"[{table}]" in example
        for key in getattr(config, table).__dataclass_fields__:
            assert re.search(rf"^(# )?{key} = ", example, re.MULTILINE), f"{table}.{key}"
            assert f"`{table}.{key}`" in reference


def test_the_table_of_topics_is_complete() -> None:
    """docs/reference/payload.md names all that goes over MQTT: a broker's access rules are written from it."""
    page = (ROOT / "docs" / "reference" / "payload.md").read_text()
    rows = page.split("| topic (default) |")[1].split("\n\n")[0].splitlines()
    listed = {name for row in rows if row.startswith("| `") for name in re.findall(r"`([^`]+)`", row.split("|")[1])}
    topics = TopicsSection()
    written = {getattr(topics, each.name) for each in fields(topics) if each.name not in {"input", "thin_edge_health"}}
    only_if_asked_for = {"topics.thin_edge_health", "homeassistant/device/<id>/config", "interop.home_assistant"}
    assert listed == {*topics.input, *written, *only_if_asked_for}


def test_paths_start_at_the_file(tmp_path: Path) -> None:
    """Relative paths belong to the config file's folder, absolute ones stay."""
    config = load(tmp_path, SMALLEST.replace('"public.pem"', '"keys/a.pem", "/etc/b.pem"'))
    assert config.bundle == BundleSection(
        path=tmp_path / "x.bundle", keys=(tmp_path / "keys" / "a.pem", Path("/etc/b.pem"))
    )


def test_whole_number_for_real(tmp_path: Path) -> None:
    """A whole number is a fine value of a real key."""
    assert load(tmp_path, SMALLEST.replace("[bundle]", "deadline_ms = 20\n[bundle]")).agent.deadline_ms == 20.0


def test_names_made_from_the_agent(tmp_path: Path) -> None:
    """Client id and status topic follow from the agent's name."""
    config = load(tmp_path, SMALLEST)
    assert (config.client_id, config.status_topic) == ("edge-agent-a1", "enginear/a1/status")
