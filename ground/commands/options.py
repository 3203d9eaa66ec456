"""Options that the stages share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ground.password import PasswordSource

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

ConfigOption = Annotated[Path, typer.Option("--config", help="YAML config of the detector.")]
WorkspaceOption = Annotated[Path, typer.Option("--workspace", help="Folder that holds data/, models/ and evaluation/.")]
ForceOption = Annotated[bool, typer.Option("--force", help="Run even where nothing has changed.")]
KeyOption = Annotated[
    Path | None,
    typer.Option(
        "--key", help="Signing key; default: keys/private.pem in the workspace. Where there is none, nothing is signed."
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]
VersionOption = Annotated[str, typer.Option("--version", help="Version of the detector: MAJOR.MINOR.PATCH.")]


def signing_key(key: Path | None, workspace: Path, password_file: Path) -> EllipticCurvePrivateKey | None:
    """The signing key; none where none is named and the workspace has none either."""
    from ground.keys import PRIVATE_KEY, load_private_key

    path = key or workspace / "keys" / PRIVATE_KEY
    if key is None and not path.exists():
        return None
    return load_private_key(path, PasswordSource(password_file).ask)
