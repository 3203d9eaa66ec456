"""The lock on the state folder: one agent each, released by any end of its process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from edge_agent.errors import ConfigError
from edge_agent.folder_lock import FolderLock

HOLDER = """\
import sys, time
from pathlib import Path
from edge_agent.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


def test_second_agent_is_refused(tmp_path: Path) -> None:
    """While one process has the folder another one is told so; after a SIGKILL the folder is free at once."""
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(ConfigError, match=r"agent\.state_dir: .* which another one uses; stop that one"):
            FolderLock(tmp_path)
        holder.kill()
    FolderLock(tmp_path).close()


def test_no_folder(tmp_path: Path) -> None:
    """A folder that is not there is named."""
    with pytest.raises(ConfigError, match=r"got .*/none: No such file"):
        FolderLock(tmp_path / "none")
