"""docs/how-to/sign.md: its commands, run as they stand, make keys and sign with a file, a token and a command."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edge_agent.trust import TrustedKeys
from ground.pack import unpack_bundle
from tests.conftest import ROOT

PAGE = ROOT / "docs" / "how-to" / "sign.md"
NEEDED = ("openssl", "softhsm2-util", "pkcs11-tool")


@pytest.mark.skipif(not all(map(shutil.which, NEEDED)), reason=f"one of {', '.join(NEEDED)} is not installed")
def test_page(tmp_path: Path, development_bundle: Any) -> None:
    """All of it in order, in a workspace with an unsigned release; every bundle is by the key that the page says."""
    pytest.importorskip("pkcs11")
    release = tmp_path / "models" / "small" / "1.0.0"
    unpack_bundle(development_bundle.path.read_bytes(), release)
    (release / "bundle.sig").unlink()
    (tmp_path / "tokens").mkdir()
    (tmp_path / "softhsm2.conf").write_text(f"directories.tokendir = {tmp_path / 'tokens'}\n")
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "GROUND_KEY_PASSWORD": "correct horse",
        "SOFTHSM2_CONF": str(tmp_path / "softhsm2.conf"),
    }
    done = subprocess.run(
        ["/bin/sh", "-euxc", "\n".join(blocks)],
        check=False,
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    [own], [token] = (TrustedKeys.from_files([tmp_path / name]).by_hint for name in ("keys/public.pem", "token.pem"))
    signers = {"by-token": token, "by-openssl": own, "by-command": token, "models/small/1.0.0/small-1.0.0": own}
    for name, hint in signers.items():
        assert hint.encode() in (tmp_path / f"{name}.bundle").read_bytes(), name
    assert f"follows      {own} (keys-2/predecessor.pem)" in done.stdout
