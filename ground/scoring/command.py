"""``ground pyfunc``: a signed bundle as an MLflow model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ground.terminal import say


def pyfunc(
    model: Annotated[Path, typer.Option("--model", help="models/<detector>/<version>, or a .bundle file.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the MLflow model; must not exist yet.")],
    key: Annotated[
        list[Path] | None,
        typer.Option("--key", help="Public key(s); default: keys/public.pem of the model's workspace."),
    ] = None,
) -> None:
    """Save a signed bundle as an MLflow model (python_function), for `mlflow models serve` and MLflow's registry."""
    from ground.keys import default_public_key
    from ground.scoring.pyfunc import save_pyfunc

    save_pyfunc(model, key or [default_public_key(model)], out)
    say(f"MLflow model: {out}")
