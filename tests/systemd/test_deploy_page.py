"""docs/how-to/deploy.md, command for command, on a booted Debian without a network."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, SignedBundle
from tests.systemd.box import Box
from tests.systemd.conftest import NEW, OLD, STATUS, BoxMaker, install_sensor, start_sensor

PAGE = ROOT / "docs" / "how-to" / "deploy.md"
_SECTION = re.compile(r"^## (?P<title>.+?)$(?P<text>.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RESULT = "mosquitto_sub -h localhost -t 'aircraft/+/engine/+/result' -C 1 -W 30 -F %t"
PASSWORD = b"not a secret"
BROKER = """
per_listener_settings true
listener 1883 127.0.0.1
allow_anonymous true
listener 1884 127.0.0.1
allow_anonymous false
password_file /etc/mosquitto/users
"""


def sections() -> dict[str, list[str]]:
    """The commands of the page, by heading; only headings that have some."""
    found = {match["title"]: _BLOCK.findall(match["text"]) for match in _SECTION.finditer(PAGE.read_text())}
    return {title: blocks for title, blocks in found.items() if blocks}


def is_running(box: Box) -> bool:
    """Whether the agent runs, fresh and online."""
    return json.loads(box.ask(STATUS))["state"] == "online" and box.ask("systemctl is-active edge-agent") == "active"


def has_password(box: Box) -> bool:
    """Whether the link stands, through the listener that asks for a password."""
    box.wait("systemctl show -P StatusText edge-agent | grep -q 'connected to localhost:1884'")
    return is_running(box)


def is_closed(box: Box) -> bool:
    """Whether the drop-in holds."""
    return "127.0.0.0/8" in box.ask("systemctl show edge-agent -p IPAddressAllow")


def version(box: Box) -> str:
    """Debian revision of the installed package."""
    return box.ask("dpkg-query -W -f '${Version}' enginear-edge-agent").rpartition("-")[2]


def is_purged(box: Box) -> bool:
    """Whether nothing of the package is left but the group."""
    places = "/etc/edge-agent /var/lib/edge-agent /var/lib/private/edge-agent /run/edge-agent /opt/enginear"
    gone = box.run(f"for each in {places}; do ! test -e $each || echo $each; done").stdout
    left = box.run(
        "find / -xdev -name '*edge-agent*' -not -path '/root/*' -not -path '/proc/*' -not -path '/var/log/*'"
    )
    return (gone, left.stdout) == ("", "")


CHECKS: dict[str, Callable[[Box], bool]] = {
    "Install": lambda box: (
        box.ask("systemctl is-enabled edge-agent; systemctl is-active edge-agent || true") == "enabled\ninactive"
    ),
    "Check the bundle": lambda _: True,
    "Configure": lambda _: True,
    "Start": is_running,
    "See that it watches": lambda box: "aircraft/OO-ABC/engine/1/result" in box.ask(RESULT),
    "A broker with a password": has_password,
    "Change settings while it runs": is_running,
    "Restrict it further": is_closed,
    "Upgrade": lambda box: is_running(box) and version(box) == NEW,
    "Roll back": lambda box: is_running(box) and version(box) == OLD,
    "When no results come": is_running,
    "Remove": is_purged,
}
"""What must hold after a section's commands."""


@pytest.fixture(scope="module")
def box(make_box: BoxMaker, packages: dict[str, Path], small_bundle: SignedBundle) -> Box:
    """A bare Debian with a broker, a sensor, and what the page says one has in hand."""
    box = make_box()
    for folder, package in (("", packages[OLD]), ("new/", packages[NEW])):
        box.put(package.read_bytes(), f"{folder}{package.name}")
    box.put(small_bundle.path.read_bytes(), "detector.bundle")
    box.put(small_bundle.key.read_bytes(), "public.pem")
    box.put(PASSWORD, "mqtt-password")
    listeners = "listener 1883 127.0.0.1\nlistener 1884 127.0.0.1\n"
    rules = "per_listener_settings true\n" + listeners.replace("1\n", "1\nallow_anonymous true\n", 1)
    box.put(
        f"{rules}allow_anonymous false\npassword_file /etc/mosquitto/users\n".encode(), "/etc/mosquitto/conf.d/box.conf"
    )
    box.ask(f"mosquitto_passwd -b -c /etc/mosquitto/users oo-abc '{PASSWORD.decode()}'; chmod 644 /etc/mosquitto/users")
    box.ask("systemctl restart mosquitto")
    install_sensor(box, small_bundle)
    return box


def test_every_section_is_known() -> None:
    """No section of commands without a check, and no check without its section, in this order."""
    assert list(sections()) == list(CHECKS)


@pytest.mark.parametrize("title", CHECKS)
def test_section(title: str, box: Box) -> None:
    """The section's commands succeed, one block after the other, and leave what they promise."""
    if title in {"See that it watches", "When no results come"}:
        start_sensor(box)
    for block in sections()[title]:
        box.ask(block)
    assert CHECKS[title](box)
