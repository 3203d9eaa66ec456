"""A signed bundle as an MLflow model: saved to a folder, or logged to a run."""

from __future__ import annotations

import importlib.metadata
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge_agent.bundle import Bundle, open_path
from edge_agent.policy import ANY_FLEET, Policy
from edge_agent.stream import tach_shafts
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from ground.errors import ConfigError

PACKAGES: Final = ("ground", "edge_agent", "shared_features")
"""Ours; their source lies in the model, for no index has them."""
REQUIREMENTS: Final = ("numpy", "pandas", "onnxruntime", "msgpack", "cryptography", "mlflow-skinny")
"""What our source needs to score windows; pinned to what is installed."""
MODEL_FILE: Final = Path(__file__).with_name("pyfunc_model.py")


def save_pyfunc(bundle: Path, keys: Sequence[Path], out: Path) -> None:
    """Save a bundle and the public keys as an MLflow model: whole, or not at all.

    Args:
        bundle: A ``.bundle`` file, or the folder of its members.
        keys: Public keys in PEM; one of them must have signed.
        out: Folder of the model; must not exist yet.

    Raises:
        BundleError: The bundle is refused.
        ConfigError: ``out`` exists, or the detector needs what MLflow's schema cannot say.
    """
    if out.exists():
        raise ConfigError(f"--out: expected a folder that is not there yet, got {out}; choose another, or remove it")
    opened = _opened(bundle, keys)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as folder, _quiet_mlflow() as mlflow:
        made = Path(folder) / "model"
        mlflow.pyfunc.save_model(path=str(made), **_parts(opened, bundle, keys, Path(folder) / "code"))
        made.replace(out)


def log_pyfunc(bundle: Path, keys: Sequence[Path], name: str = "detector") -> Any:
    """Log a bundle to the active MLflow run, or to one that begins for it; see ``save_pyfunc``.

    Args:
        bundle: As for ``save_pyfunc``.
        keys: As for ``save_pyfunc``.
        name: Of the logged model.

    Returns:
        MLflow's ``ModelInfo``; its ``model_uri`` is what ``mlflow.pyfunc.load_model`` takes.

    Raises:
        BundleError: The bundle is refused.
        ConfigError: The detector needs what MLflow's schema cannot say.
    """
    opened = _opened(bundle, keys)
    with tempfile.TemporaryDirectory() as folder, _quiet_mlflow() as mlflow:
        return mlflow.pyfunc.log_model(name=name, **_parts(opened, bundle, keys, Path(folder)))


def _opened(path: Path, keys: Sequence[Path]) -> Bundle:
    policy = Policy(fleet=ANY_FLEET, agent_version=AGENT_VERSION, allow_development=True)
    opened = open_path(path, keys=TrustedKeys.from_files(keys), policy=policy)
    shafts = tach_shafts(opened.spec)
    if shafts:
        raise ConfigError(
            f"{path}: expected a detector without tachometer pulses, got one that needs those of {', '.join(shafts)}, "
            "of which each window has another number; use ground.Detector"
        )
    return opened


def _parts(opened: Bundle, bundle: Path, keys: Sequence[Path], code: Path) -> dict[str, Any]:
    """The arguments that saving and logging share."""
    artefacts = {"bundle": str(bundle), **{f"key_{index}": str(key) for index, key in enumerate(keys)}}
    return {
        "python_model": str(MODEL_FILE),
        "artifacts": artefacts,
        "code_paths": _copied_code(code),
        "pip_requirements": [f"{name}=={importlib.metadata.version(name)}" for name in REQUIREMENTS],
        "signature": _signature(opened),
        "input_example": _example(opened),
        "metadata": {"bundle_id": opened.manifest.bundle_id, "bundle_digest": opened.digest},
    }


def _copied_code(folder: Path) -> list[str]:
    """Our source alone, without what a build or an editor has left beside it."""
    for name in PACKAGES:
        package = Path(str(importlib.import_module(name).__file__)).parent
        for source in sorted(package.rglob("*.py")):
            target = folder / name / source.relative_to(package)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    return [str(folder / name) for name in PACKAGES]


def _signature(opened: Bundle) -> Any:
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
    from mlflow.types.schema import Map

    shape = (-1, len(opened.spec.channels), opened.spec.window_n)
    float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
    if opened.spec.speeds:
        speeds = [TensorSpec(float64, (-1,), name) for name in opened.spec.speeds]
        inputs = Schema([TensorSpec(float32, shape, "windows"), *speeds])
    else:
        inputs = Schema([TensorSpec(float32, shape)])
    numbers = [ColSpec(DataType.double, name, required=False) for name in ("score", "threshold")]
    texts = [ColSpec(DataType.string, name) for name in ("state", "reason")]
    outputs = Schema([*numbers, *texts, ColSpec(Map(DataType.double), "contributions")])
    return ModelSignature(
        inputs=inputs, outputs=outputs, params=ParamSchema([ParamSpec("phase", DataType.string, "")])
    )  # fmt: skip


def _example(opened: Bundle) -> tuple[NDArray[np.float32] | dict[str, NDArray[Any]], dict[str, str]]:
    """The bundle's first golden window, and a phase that the detector knows."""
    windows = np.ascontiguousarray(np.swapaxes(opened.golden.samples[:1], 1, 2), dtype=np.float32)
    phases = sorted({*opened.thresholds.phases, *opened.thresholds.domain.phases})
    params = {"phase": phases[0] if phases else ""}
    if not opened.spec.speeds:
        return windows, params
    speeds = dict(zip(opened.spec.speeds, np.asarray(opened.golden.speeds[:1], dtype=np.float64).T, strict=True))
    return {"windows": windows, **speeds}, params


@contextmanager
def _quiet_mlflow() -> Iterator[Any]:
    """MLflow, which reads these variables while it is imported, and warns of what is its own."""
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    with warnings.catch_warnings():
        for kind in (DeprecationWarning, UserWarning):
            warnings.simplefilter("ignore", kind)
        import mlflow.pyfunc

        yield mlflow
