"""A booted box, packages to install in it, a bundle, and a sensor that sends frames. Run by ``make test-systemd``."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.conftest import ROOT, SignedBundle
from tests.systemd.box import Box, BoxError, as_root

TREE = os.environ.get("SYSTEMD_TREE", "")
OLD, NEW = "1", "2"
"""Debian revisions of the two packages."""

SENSOR = "/root/sensor"
SENSED_S = 120.0

STATUS = "edge-agent status --config /etc/edge-agent/agent.toml --json"

BoxMaker = Callable[[], Box]


@pytest.fixture(scope="session")
def tree() -> Path:
    """The archive of a Debian to boot; what takes minutes hangs on it."""
    if not TREE:
        pytest.skip("takes minutes, and a Debian to boot: run `make test-systemd`")
    return Path(TREE)


@pytest.fixture(scope="session")
def packages(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:  # noqa: ARG001 - for its skip
    """The package, and the same as a later revision, by revision."""
    folder = tmp_path_factory.mktemp("packages")
    return {revision: build_package(folder / revision, "--revision", revision) for revision in (OLD, NEW)}


def build_package(folder: Path, *options: str) -> Path:
    """Build a package into ``folder``."""
    command = [sys.executable, str(ROOT / "packaging" / "build_deb.py"), "--out", str(folder), *options]
    subprocess.run(command, check=True, capture_output=True)
    (package,) = folder.glob("*.deb")
    return package


@pytest.fixture(scope="module")
def make_box(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[BoxMaker]:
    """Boots boxes; they end with the module."""
    _check_means()
    made: list[Box] = []

    def make() -> Box:
        folder = tmp_path_factory.mktemp("box") / "root"
        folder.mkdir(mode=0o755)
        box = Box(tree, folder)
        try:
            box.boot()
        except BoxError as error:
            _give_up(str(error))
        made.append(box)
        return box

    yield make
    for box in made:
        box.stop()


def _check_means() -> None:
    if as_root() and subprocess.run(["sudo", "-n", "true"], check=False, capture_output=True).returncode:
        _give_up("expected root, or sudo without a password, got neither; run it as root")
    if not shutil.which("systemd-nspawn"):
        _give_up("expected systemd-nspawn, got nothing; apt-get install systemd-container")


def _give_up(why: str) -> NoReturn:
    # Not a skip: the target would look as if it had tested something.
    pytest.exit(f"no box can be booted here, nothing was tested: {why}", returncode=1)


def configure(box: Box, bundle: SignedBundle) -> None:
    """Put bundle, key and settings where an agent that is installed later finds them."""
    box.put(bundle.path.read_bytes(), "/etc/edge-agent/detector.bundle")
    box.put(bundle.key.read_bytes(), "/etc/edge-agent/keys/public.pem")
    box.put(b'[agent]\nid = "oo-abc"\nfleet = "test"\n', "/etc/edge-agent/conf.d/10-site.toml")


def install(box: Box, package: Path, *, how: str = "--install") -> None:
    """Let dpkg have a package; the box has no network."""
    box.put(package.read_bytes(), package.name)
    # No terminal asks what to do about a conffile: what the administrator changed stays. The box loses no power.
    box.ask(f"dpkg --force-confold --force-unsafe-io {how} {package.name}")


def install_sensor(box: Box, bundle: SignedBundle) -> None:
    """Give the box a sensor of the bundle's kind, sending ten frames a second in real time, as a service."""
    frames = bundle.frames(SENSED_S, faulty_from_s=SENSED_S)
    lines = (json.dumps(_as_json(frame)) for frame in frames)
    box.put("\n".join(lines).encode(), f"{SENSOR}.json")
    send = f"while read -r line; do echo $line; sleep 0.1; done <{SENSOR}.json"
    box.put(f"{send} | mosquitto_pub -h localhost -t aircraft/OO-ABC/engine/1/vibration -l\n".encode(), SENSOR)


def start_sensor(box: Box) -> None:
    """Let the sensor send from its first frame on."""
    box.ask("systemctl stop sensor 2>/dev/null || true")
    box.ask(f"systemd-run --quiet --collect --unit sensor sh {SENSOR}")


def _as_json(frame: Any) -> dict[str, Any]:
    return {
        "schema": 1, "aircraft": frame.aircraft, "engine": frame.engine, "flight": frame.flight, "phase": frame.phase,
        "unit": frame.unit, "t_ns": frame.t_ns, "seq": frame.seq, "rate_hz": frame.rate_hz,
        "channels": list(frame.channels), "encoding": "f4",
        "samples": base64.b64encode(frame.samples.astype("<f4").tobytes()).decode(),
    }  # fmt: skip
