"""What the package holds beside the environment, where it lies, and the data about it that dpkg wants."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
from pathlib import Path

from deb_release import CHANGELOG, Release
from wheels import ROOT

PACKAGE = "enginear-edge-agent"
TEMPLATES = ROOT / "packaging" / "deb"
DOCUMENTS = Path("usr/share/doc") / PACKAGE

COPIES = {
    "systemd/edge-agent.service": "usr/lib/systemd/system/edge-agent.service",
    "systemd/edge-agent-update.service": "usr/lib/systemd/system/edge-agent-update.service",
    "systemd/edge-agent-update.timer": "usr/lib/systemd/system/edge-agent-update.timer",
    "systemd/edge-agent.sysusers": "usr/lib/sysusers.d/edge-agent.conf",
    "systemd/edge-agent.tmpfiles": "usr/lib/tmpfiles.d/edge-agent.conf",
    "packaging/completion/edge-agent": "usr/share/bash-completion/completions/edge-agent",
    "packaging/agent.toml": "etc/edge-agent/agent.toml",
    "packaging/prometheus/alerts.yml": f"{DOCUMENTS}/examples/alerts.yml",
    "packaging/grafana/enginear-agent.json": f"{DOCUMENTS}/examples/enginear-agent.json",
    "packaging/deb/copyright": f"{DOCUMENTS}/copyright",
    "packaging/deb/lintian-overrides": f"usr/share/lintian/overrides/{PACKAGE}",
}
"""Where the files of this repository go."""

FOLDERS = ("etc/edge-agent/conf.d", "etc/edge-agent/keys")
"""Folders that an integrator fills."""

MAINTAINER_SCRIPTS = ("postinst", "prerm", "postrm")
_KIB = 1024


def arrange(root: Path) -> None:
    """Put everything but the environment and ``DEBIAN`` into ``root``."""
    for source, target in COPIES.items():
        (root / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / source, root / target)
    for folder in FOLDERS:
        (root / folder).mkdir(parents=True)
    _compress(CHANGELOG, root / DOCUMENTS / "changelog.Debian.gz")
    _compress(ROOT / "CHANGELOG.md", root / DOCUMENTS / "changelog.gz")
    for page in sorted((ROOT / "packaging" / "man").glob("*.[1-8]")):
        _compress(page, root / f"usr/share/man/man{page.suffix[1:]}" / f"{page.name}.gz")
    command = root / "usr/bin/edge-agent"
    command.parent.mkdir(parents=True)
    command.symlink_to("/opt/enginear/venv/bin/edge-agent")


def finish(root: Path, release: Release, architecture: str) -> None:
    """Write ``DEBIAN`` and give every file its mode and the release's date."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_symlink())
    control = root / "DEBIAN"
    control.mkdir()
    fields = {"version": release.version, "architecture": architecture, "installed_kib": _installed_kib(root)}
    (control / "control").write_text((TEMPLATES / "control").read_text(encoding="utf-8").format(**fields))
    configs = [path for path in files if path.is_relative_to(root / "etc")]
    (control / "conffiles").write_text("".join(f"/{path.relative_to(root)}\n" for path in configs))
    sums = (f"{_md5(path)}  {path.relative_to(root)}\n" for path in files if path not in configs)
    (control / "md5sums").write_text("".join(sums))
    for name in MAINTAINER_SCRIPTS:
        shutil.copyfile(TEMPLATES / name, control / name)
    _settle(root)


def _settle(root: Path) -> None:
    """Modes without the umask's mark, times without the build's."""
    date_s = int(os.environ["SOURCE_DATE_EPOCH"])
    for path in (root, *root.rglob("*")):
        if not path.is_symlink():
            # Some wheels mark libraries and data as programs.
            is_program = path.parent.name == "bin" or path.name in MAINTAINER_SCRIPTS
            path.chmod(0o755 if path.is_dir() or is_program else 0o644)
        os.utime(path, (date_s, date_s), follow_symlinks=False)


def _compress(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(source.read_bytes(), compresslevel=9, mtime=0))


def _installed_kib(root: Path) -> int:
    """The size dpkg shows: files rounded up to KiB, and one for each other entry, as dpkg-gencontrol counts."""
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    others = sum(1 for _ in root.rglob("*")) - len(files)
    return sum(-(-path.stat().st_size // _KIB) for path in files) + others


def _md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
