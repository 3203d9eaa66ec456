"""The package in a real dpkg: upgrade, downgrade, remove and purge leave what they should."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import SignedBundle
from tests.systemd.box import Box
from tests.systemd.conftest import NEW, OLD, BoxMaker, build_package, configure, install

STARTS = "journalctl --no-pager -o cat -u edge-agent | grep -c 'agent started' || true"
KEPT = "/etc/edge-agent/agent.toml /etc/edge-agent/conf.d/10-site.toml /etc/edge-agent/keys/public.pem"


@pytest.fixture(scope="module")
def box(make_box: BoxMaker, packages: dict[str, Path], small_bundle: SignedBundle) -> Box:
    """A box whose agent runs, with something in its state folder."""
    box = make_box()
    configure(box, small_bundle)
    install(box, packages[OLD])
    box.ask("echo kept >/var/lib/edge-agent/something; echo '# mine' >>/etc/edge-agent/agent.toml")
    return box


def starts(box: Box) -> int:
    """How many times the agent has started."""
    return int(box.ask(STARTS))


def kept(box: Box) -> str:
    """What must stay: digests of settings and bundle, and the state."""
    return box.ask(f"cat {KEPT} /etc/edge-agent/detector.bundle | sha256sum; cat /var/lib/private/edge-agent/something")


def version(box: Box) -> str:
    """Debian revision of the installed package."""
    return box.ask("dpkg-query -W -f '${Version}' enginear-edge-agent").rpartition("-")[2]


@pytest.mark.parametrize("revision", [NEW, OLD], ids=["upgrade", "downgrade"])
def test_another_version(revision: str, box: Box, packages: dict[str, Path]) -> None:
    """Settings, an edited conffile and state stay, and the agent is started once more, and runs."""
    before, started = kept(box), starts(box)
    install(box, packages[revision])
    assert (version(box), kept(box)) == (revision, before)
    assert box.ask("systemctl is-active edge-agent") == "active"
    assert starts(box) == started + 1


def test_what_was_stopped_or_disabled_stays_so(box: Box, packages: dict[str, Path]) -> None:
    """An upgrade does not undo what an administrator has done."""
    box.ask("systemctl disable --now edge-agent")
    install(box, packages[NEW])
    install(box, packages[OLD])
    found = box.ask("systemctl is-enabled edge-agent || true; systemctl is-active edge-agent || true")
    box.ask("systemctl enable --now edge-agent")
    assert found.split() == ["disabled", "inactive"]


def test_a_half_installed_one_is_mended(box: Box, packages: dict[str, Path]) -> None:
    """Unpacked and not configured, as after a power cut: the old agent runs on, and configuring ends it well."""
    install(box, packages[NEW], how="--unpack")
    assert box.ask("systemctl is-active edge-agent") == "active"
    box.ask("dpkg --configure --pending")
    assert (version(box), box.ask("systemctl is-active edge-agent")) == (NEW, "active")


def test_remove_keeps_and_installing_again_goes_on(box: Box, packages: dict[str, Path]) -> None:
    """Removed: no program, no running service, all that is ours to keep. Installed again: it runs at once."""
    before = kept(box)
    box.ask("dpkg --remove enginear-edge-agent")
    assert box.run("test -e /opt/enginear || test -e /usr/bin/edge-agent || pgrep -f edge-agent").returncode != 0
    assert kept(box) == before
    install(box, packages[OLD])
    assert (kept(box), box.ask("systemctl is-active edge-agent")) == (before, "active")


def test_purge_keeps_nothing_but_the_group(box: Box) -> None:
    """No file is left whose name tells of the agent, and nothing fails."""
    box.ask("dpkg --purge enginear-edge-agent")
    places = "-not -path '/root/*' -not -path '/proc/*' -not -path '/sys/*'"
    assert box.ask(f"find / -xdev -name '*edge-agent*' {places}; find / -xdev -path /opt/enginear") == ""
    assert box.ask("getent group enginear; systemctl --failed --quiet").startswith("enginear:")


def test_same_sources_same_bytes(packages: dict[str, Path], tmp_path: Path) -> None:
    """Built again, elsewhere and under another umask, the package is the same to the byte."""
    usual = os.umask(0o077)
    try:
        again = build_package(tmp_path / "again")
    finally:
        os.umask(usual)
    assert _sha256(again) == _sha256(packages[OLD])


@pytest.mark.usefixtures("tree")
def test_the_other_architecture(tmp_path: Path) -> None:
    """The arm64 package holds arm64 libraries, all of them, and says so."""
    package = build_package(tmp_path / "arm64", "--arch", "arm64")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path / "root"], check=True)
    libraries = [path for path in (tmp_path / "root").rglob("*.so*") if path.is_file()]
    machines = {int.from_bytes(path.read_bytes()[18:20], "little") for path in libraries}
    field = subprocess.run(["dpkg-deb", "--field", package, "Architecture"], check=True, capture_output=True, text=True)
    # ELF's e_machine: EM_AARCH64.
    assert (machines, field.stdout.strip()) == ({183}, "arm64")


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
