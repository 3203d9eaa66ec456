"""docs/how-to/update.md, command for command, under systemd: a web server on the box, and a stick."""

from __future__ import annotations

import io
import json
import re
import tarfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, SignedBundle
from tests.security.tuf_repository import Maker
from tests.systemd.box import Box
from tests.systemd.conftest import OLD, BoxMaker, install
from tests.systemd.test_deploy_page import _BLOCK, _SECTION

PAGE = ROOT / "docs" / "how-to" / "update.md"
SERVER = "python3 -m http.server 8000 --bind 127.0.0.1 --directory /srv/repository"
STATUS = "edge-agent bundle status --config /etc/edge-agent/agent.toml --json"


def sections() -> dict[str, list[str]]:
    """The commands of the page, by heading."""
    found = {match["title"]: _BLOCK.findall(match["text"]) for match in _SECTION.finditer(PAGE.read_text())}
    return {title: blocks for title, blocks in found.items() if blocks}


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    """A repository of today."""
    return Maker(tmp_path_factory.mktemp("tuf") / "repository", datetime.now(UTC))


@pytest.fixture(scope="module")
def box(make_box: BoxMaker, packages: dict[str, Path], maker: Maker, releases: tuple[SignedBundle, ...]) -> Box:
    """A box with the package, without a bundle, and with what the page asks for."""
    box = make_box()
    install(box, packages[OLD])
    box.put(b'[agent]\nid = "oo-abc"\nfleet = "test"\n', "/etc/edge-agent/conf.d/10-site.toml")
    box.put(maker.pinned_root, "root.json")
    box.put(releases[0].key.read_bytes(), "public.pem")
    box.ask("echo 127.0.0.1 updates >>/etc/hosts")
    offer(box, maker, releases, 1)
    box.ask(f"systemd-run --quiet --unit updates {SERVER}")
    box.wait(
        "mosquitto_pub -h localhost -t x -n && python3 -c 'import urllib.request as u; u.urlopen(\"http://updates:8000\")'"
    )
    return box


def offer(
    box: Box, maker: Maker, releases: tuple[SignedBundle, ...], sequence: int, place: str = "/srv/repository"
) -> None:
    """Publish a release, and copy the repository into the box."""
    maker.offer(releases[sequence - 1].path, sequence=sequence)
    maker.publish()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(maker.folder, arcname=".")
    box.put(archive.getvalue(), "repository.tar")
    box.ask(f"rm -rf {place}; mkdir -p {place}; tar xf repository.tar -C {place} --no-same-owner")


def run(box: Box, title: str) -> str:
    """Run a section; what its commands print."""
    return "\n".join(box.ask(block) for block in sections()[title])


def active(box: Box) -> dict[str, Any]:
    """The active slot."""
    slot: dict[str, Any] = json.loads(box.ask(STATUS))["active"]
    return slot


def test_by_hand_then_by_itself_then_by_stick(box: Box, maker: Maker, releases: tuple[SignedBundle, ...]) -> None:
    """The whole page, in its order."""
    assert "accepted" not in run(box, "Prepare the box")
    assert "taken     small/1.0.0, sequence 1" in run(box, "Update by hand")
    box.wait("systemctl is-active --quiet edge-agent")
    assert active(box)["sequence"] == 1

    offer(box, maker, releases, 2)
    assert "taken     small/2.0.0, sequence 2" in run(box, "Update by itself")
    assert active(box)["sequence"] == 2
    # What root wrote by hand and what the unit wrote belong to one user, the agent's, and to nobody else.
    owners = box.ask("find /var/lib/private/edge-agent -path '*/evidence*' -prune -o -printf '%U\\n' | sort -u")
    assert owners == box.ask("stat -c %u /run/edge-agent")
    assert box.ask("systemctl is-active edge-agent") == "active"

    offer(box, maker, releases, 3, "/media/stick/public")
    run(box, "Update from a stick")
    assert active(box)["sequence"] == 3
    assert re.search("ok +update +root version 1", run(box, "See how it went"))
    run(box, "A shadow")


def test_an_old_repository_makes_the_unit_fail_and_silence_does_not(box: Box) -> None:
    """The web server still has the second one: refused, and the unit says so; without a server it does not fail."""
    assert box.run("systemctl start edge-agent-update.service").returncode != 0
    assert "rollback: " in box.run("journalctl --no-pager -u edge-agent-update").stdout
    box.ask("systemctl stop updates; systemctl start edge-agent-update.service")
    assert box.ask("systemctl --failed --quiet") == ""
    assert active(box)["sequence"] == 3


def test_the_timer_stays_as_it_was_chosen(box: Box, packages: dict[str, Path]) -> None:
    """An upgrade leaves it enabled; removing the package leaves nothing failed."""
    install(box, packages[OLD])
    assert box.ask(
        "systemctl is-enabled edge-agent-update.timer; systemctl is-active edge-agent-update.timer"
    ).split() == [
        "enabled",
        "active",
    ]
    box.ask("systemctl disable --now edge-agent-update.timer")
    install(box, packages[OLD])
    assert box.run("systemctl is-enabled edge-agent-update.timer").stdout.strip() == "disabled"
    box.ask("dpkg --purge enginear-edge-agent")
    assert box.ask("systemctl --failed --quiet; find / -xdev -name '*edge-agent-update*' -not -path '/proc/*'") == ""
