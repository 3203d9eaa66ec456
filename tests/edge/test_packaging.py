"""Package, container file and conda environment: complete, and of the lock's versions. `make test-systemd` installs."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

from edge_agent.version import AGENT_VERSION

ROOT = Path(__file__).resolve().parents[2]
PACKAGING = ROOT / "packaging"
LOCKED = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", (PACKAGING / "edge.lock").read_text(), re.MULTILINE))


def test_changelog_and_code_agree_on_the_version() -> None:
    """What dpkg and pip call the package is what the agent calls itself."""
    project = tomllib.loads((ROOT / "edge_agent" / "pyproject.toml").read_text())["project"]
    assert project["version"] == AGENT_VERSION
    assert re.match(rf"enginear-edge-agent \({re.escape(project['version'])}-\d+\) ", _deb("changelog"))


def test_copyright_names_every_library() -> None:
    """Each library that the package brings has its licence stated, and no other one has."""
    assert set(re.findall(r"^Comment: ([a-z0-9-]+)$", _deb("copyright"), re.MULTILINE)) == set(LOCKED)


def test_dependencies_are_direct_and_locked() -> None:
    """What the agent asks for is in the lock."""
    project = tomllib.loads((ROOT / "edge_agent" / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["ota"]]
    asked = {re.split(r"[=<>]", each)[0] for each in lines} - {"enginear-shared-features"}
    assert asked <= set(LOCKED)


@pytest.mark.parametrize(
    ("there", "starts"),
    [("", False), ("etc/detector.bundle", True), ("state/bundles/state.0", True), ("state/bundles/state.1", True)],
)
def test_a_first_start_needs_a_bundle(tmp_path: Path, there: str, *, starts: bool) -> None:
    """The file of ``bundle.path``, or the state of slots, which outlives a removal as settings do."""
    for folder in ("etc", "state/bundles", "system", "bin"):
        (tmp_path / folder).mkdir(parents=True)
    for tool in ("systemd-sysusers", "systemd-tmpfiles", "deb-systemd-helper", "systemctl", "deb-systemd-invoke"):
        (tmp_path / "bin" / tool).write_text(f'#!/bin/sh\necho {tool} "$@"\n')
        (tmp_path / "bin" / tool).chmod(0o755)
    if there:
        (tmp_path / there).touch()
    text = _deb("postinst").replace("/etc/edge-agent", f"{tmp_path}/etc")
    text = text.replace("/var/lib/private/edge-agent", f"{tmp_path}/state").replace("/run/systemd", str(tmp_path))
    environment = {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}
    run = subprocess.run(
        ["sh", "-c", text, "postinst", "configure"], check=True, capture_output=True, text=True, env=environment
    )
    assert ("deb-systemd-invoke start edge-agent.service" in run.stdout) == starts
    assert ("not started" in run.stdout) != starts


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_maintainer_scripts_are_sh(script: str) -> None:
    """Debian's sh runs them; an error in one leaves a package half installed."""
    path = PACKAGING / "deb" / script
    assert path.read_text().startswith("#!/bin/sh\n")
    assert subprocess.run(["sh", "-n", path], check=False, capture_output=True, text=True).stderr == ""


def test_container_copies_what_exists_and_checks_hashes() -> None:
    """Every source of COPY is in the tree, and the libraries come by the lock."""
    text = (PACKAGING / "Containerfile").read_text()
    sources = re.findall(r"^COPY (?!--from)(\S+) ", text, re.MULTILINE)
    assert sources
    assert [source for source in sources if not (ROOT / source).exists()] == []
    assert "--require-hashes -r /source/edge.lock" in text


def test_container_starts_what_the_unit_starts() -> None:
    """Program, arguments and environment are the unit's."""
    text = (PACKAGING / "Containerfile").read_text()
    unit = (ROOT / "systemd" / "edge-agent.service").read_text()
    entry, arguments = (" ".join(re.findall(r'"([^"]+)"', line)) for line in text.splitlines()[-2:])
    assert f"ExecStart={entry} {arguments}\n" in unit
    for setting in re.findall(r"^Environment=(.+)$", unit, re.MULTILINE):
        assert setting in text


def test_conda_takes_the_lock() -> None:
    """The conda environment is of the agent's Python, and takes its libraries from the lock itself."""
    path = PACKAGING / "conda" / "environment.yml"
    *_, libraries = yaml.safe_load(path.read_text())["dependencies"]
    (option,) = libraries["pip"]
    assert (path.parent / option.removeprefix("-r ")).resolve() == PACKAGING / "edge.lock"
    assert "python=3.11" in path.read_text()


def _deb(name: str) -> str:
    return (PACKAGING / "deb" / name).read_text()
