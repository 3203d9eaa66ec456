"""``edge-agent diag``: one archive to send along when one asks for help."""

from __future__ import annotations

import io
import os
import tarfile
import time
from pathlib import Path

from edge_agent.diag import gather
from edge_agent.exit_code import ExitCode
from edge_agent.logs import mute_logs
from edge_agent.output import complain, say, say_json

_MODE = 0o600


def diag(config_path: Path, *, output: Path, as_json: bool) -> ExitCode:
    """Write a ``.tar.gz`` with status, config, versions, checks and logs, readable for its owner alone.

    Args:
        config_path: The config of the agent; a wrong one is told of in the archive.
        output: The file to write; one that is there is left alone.
        as_json: Whether to tell of it in JSON.
    """
    mute_logs()
    files = gather(config_path)
    try:
        _write(output, files)
    except OSError as error:
        complain(f"{output}: expected a new file that can be written, got {error.strerror}; choose another --output")
        return ExitCode.BAD_INPUT
    if as_json:
        say_json({"output": str(output), "files": {name: len(text.encode()) for name, text in files.items()}})
    else:
        say(
            f"{output}: {len(files)} files; what is known to be a secret, or looks like one, is taken out. "
            "Look before you send it."
        )
    return ExitCode.OK


def default_output() -> Path:
    """A name that tells when it was made, UTC."""
    return Path(time.strftime("edge-agent-diag-%Y%m%dT%H%M%SZ.tar.gz", time.gmtime()))


def _write(output: Path, files: dict[str, str]) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, _MODE)
    with os.fdopen(descriptor, "wb") as stream, tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in files.items():
            data = text.encode()
            member = tarfile.TarInfo(f"edge-agent-diag/{name}")
            member.size, member.mtime, member.mode = len(data), int(time.time()), _MODE
            archive.addfile(member, io.BytesIO(data))
