"""docs/how-to/ceremony.md: its commands, run as they stand under another root, in their order, an agent included."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_agent.layout import METRICS
from edge_agent.slots_ledger import SlotLedger
from edge_agent.slots_state import loaded, mark_good
from ground.fleet.repo.repository import Repository
from ground.keys import load_private_key, new_key_pair
from ground.pack import pack_bundle
from ground.workspace import write_atomic
from tests.conftest import ROOT, small_members, small_spec, wait_until
from tests.ground.command_server import write_commands

PAGE = ROOT / "docs" / "how-to" / "ceremony.md"
PLACES = ("/srv/", "/home/", "/media/", "/etc/")
LAST_SEQUENCE = 2**53 - 1
AGENT = """
[agent]
id = "edge-1"
fleet = "test"
state_dir = "/srv/state"
[bundle]
slots = true
keys = ["/srv/enginear/bundle-key/public.pem"]
"""


class Shell:
    """One shell that lives through the page, as its reader's does."""

    def __init__(self, root: Path, programs: Path) -> None:
        self._root = root
        self._log = root / "shell.log"
        environment = {
            **os.environ,
            "PATH": f"{programs}:{os.environ['PATH']}",
            "GROUND_KEY_PASSWORD": "correct horse",
            "PYTHONPATH": str(ROOT),
        }
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["sh", "-e"], stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT, env=environment
            )
        self._blocks = 0

    def run(self, block: str) -> None:
        """Run a block; each of its commands must do."""
        self._blocks += 1
        done = self._root / f"block{self._blocks}"
        assert self._process.stdin is not None
        self._process.stdin.write(f"{moved(block, self._root)}\n: >{done}\n".encode())
        self._process.stdin.flush()
        while not done.exists() and self._process.poll() is None:
            time.sleep(0.01)
        assert done.exists(), f"{block}\n{self._log.read_text()}"

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def moved(text: str, root: Path) -> str:
    """The text with its places below ``root``."""
    return re.sub(f"(?<![\\w/.])({'|'.join(PLACES)})", lambda match: f"{root}{match[1]}", text)


def sections() -> Iterator[tuple[str, list[str]]]:
    """Headings of the page, each with its blocks of shell, but for those of which it says that nobody runs them."""
    for section in re.split(r"^##+ ", PAGE.read_text(), flags=re.MULTILINE):
        blocks = re.findall(r"(<!-- not run: .*? -->\n)?```sh\n(.*?)```", section, re.DOTALL)
        yield section.partition("\n")[0], [block for is_left, block in blocks if not is_left]


@pytest.fixture
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Folder of the commands."""
    folder = tmp_path_factory.mktemp("cmd")
    path = write_commands(folder)
    with subprocess.Popen([sys.executable, "-m", "tests.ground.command_server", str(folder)], cwd=ROOT) as server:
        wait_until((folder / "socket").exists, "the server of commands")
        yield path
        server.kill()


def lay_out(root: Path) -> None:
    """What the page takes as given: a bundle and its key, members of later ones, an agent's config, a stick."""
    pair = new_key_pair(root / "srv/enginear/bundle-key")
    key = load_private_key(pair.private)
    write_atomic(root / "srv/enginear/detector.bundle", pack_bundle(members(version="1.0.0", sequence=7), key))
    for name, fields in (
        ("next", {"version": "2.0.0", "sequence": LAST_SEQUENCE}),
        ("anew", {"version": "3.0.0", "sequence": 1, "epoch": 1}),
    ):
        for member, content in members(**fields).items():
            write_atomic(root / "srv/enginear" / name / member, content)
    (root / "media/stick").mkdir(parents=True)
    (table,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    write_atomic(root / "etc/edge-agent/agent.toml", moved(AGENT + table, root).encode())


def members(**manifest: object) -> dict[str, bytes]:
    """Members of a bundle that has passed its gates."""
    return {**small_members(small_spec(), **manifest), METRICS: b'{"verdict":{"verdict":"PASS"}}'}


RUNS = {
    "5. A bundle, in waves": "small/1.0.0",
    "The key that signs bundles is stolen": "small/2.0.0",
    "A sequence was driven to its end": "small/3.0.0",
}
"""What the agent of the page is to run at the end of a section."""


@pytest.mark.timeout(1200)
def test_page(tmp_path: Path, programs: Path) -> None:
    """From the first key to the last recovery."""
    lay_out(tmp_path)
    shell = Shell(tmp_path, programs)
    ledger = SlotLedger(tmp_path / "srv/state")
    versions: dict[str, int] = {}
    try:
        for title, blocks in sections():
            for block in blocks:
                shell.run(block)
            if title in RUNS:
                active = ledger.state().active
                assert active.bundle_id == RUNS[title], title
                ledger.change(lambda state, digest=active.digest: mark_good(loaded(state, digest), digest))
            if (tmp_path / "srv/enginear/repo/public").exists():
                published = Repository(tmp_path / "srv/enginear/repo").published
                versions = {role: metadata.signed.version for role, metadata in published.items()}
    finally:
        shell.close()
    assert ledger.state().epoch == 1
    assert versions["root"] == 7
    assert not Repository(tmp_path / "srv/enginear/repo").staged
    report = json.loads((tmp_path / "srv/state/update/report.json").read_bytes())
    assert report["reason"] == ""
