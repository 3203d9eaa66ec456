"""A trained, not yet exported model: its folder, and the record of how it was trained."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from edge_agent.layout import SCALER
from ground.errors import TrainingError
from ground.feature_spec import frozen_spec
from ground.models.conditioner import Conditioner
from ground.models.detector_module import DetectorModule
from ground.models.families import load_core
from ground.training_data import read_scaler
from ground.training_loop import EpochLosses
from ground.weights import load_arrays, module_arrays, pack, unpack
from ground.workspace import write_atomic
from shared_features.errors import SpecError
from shared_features.parse import from_mapping

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ground.config import Config
    from ground.models.family import Core
    from ground.workspace import Workspace

SCHEMA = 2
WEIGHTS = "weights.npz"
RECORD = "training.json"
CHECKPOINT = "checkpoint.npz"

_CONDITIONER = "conditioner."
_CORE = "core."
_ROWS_AND_COLUMNS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSummary:
    """Scores of the healthy validation windows."""

    mean: float
    median: float
    p95: float
    p99: float
    maximum: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRecord:
    """How a candidate came about; the same config on the same data gives the same record.

    Attributes:
        family: Name of the model family.
        detector: Name of the detector.
        settings_digest: Settings of its training; see ``settings_digest``.
        spec_digest: FeatureSpec of its features.
        scaler_digest: sha256 (hex) of the scaler's file.
        data_digest: sha256 (hex) of the rows it was fitted to and stopped by.
        weights_digest: sha256 (hex) of ``weights.npz``.
        seed: Seed of everything random in it.
        n_feature: Length of the feature vector.
        fit_rows: Healthy windows fitted to.
        validation_rows: Healthy windows held out to stop by.
        best_epoch: Epoch (from 1) of the weights; 0 for a closed form.
        stop_reason: Why training ended.
        losses: Losses of every epoch; empty for a closed form.
        validation_score: How healthy validation windows score.
        warnings: What a reader of the model must know.
        torch_version: Version of torch.
    """

    family: str
    detector: str
    settings_digest: str
    spec_digest: str
    scaler_digest: str
    data_digest: str
    weights_digest: str
    seed: int
    n_feature: int
    fit_rows: int
    validation_rows: int
    best_epoch: int
    stop_reason: str
    losses: tuple[EpochLosses, ...]
    validation_score: ScoreSummary
    warnings: tuple[str, ...]
    torch_version: str

    def to_json(self) -> bytes:
        """The file ``training.json``, indented for people."""
        document = {"schema": SCHEMA, **asdict(self)}
        return (json.dumps(document, sort_keys=True, indent=1, allow_nan=False) + "\n").encode("ascii")

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> TrainingRecord:
        """Read the file back.

        Raises:
            TrainingError: Not JSON, another schema, or unknown or missing fields.
        """
        try:
            document = json.loads(data)
            schema = document.pop("schema", None)
            record = from_mapping(cls, document, where=where)
        except (ValueError, AttributeError, SpecError) as error:
            raise TrainingError(
                f"{where}: expected a training record, got {error}; run `ground train` again"
            ) from error
        if schema != SCHEMA:
            raise TrainingError(f"{where}: expected schema {SCHEMA}, got {schema!r}; run `ground train` again")
        return record


@dataclass(frozen=True, slots=True)
class Candidate:
    """A trained model, ready to score or export."""

    module: DetectorModule
    record: TrainingRecord


def candidate_folder(config: Config, workspace: Workspace, family: str) -> Path:
    """Folder of the candidate of one family."""
    return workspace.candidate(config.detector) / family


def settings_digest(config: Config) -> str:
    """sha256 (hex) of what shapes a model besides its data; which families are trained at all is no part of it."""
    settings = config.model.model_dump(mode="json", exclude={"family", "baselines"}) | {"seed": config.seed}
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode("ascii")).hexdigest()


def pack_parts(conditioner: Conditioner, core: Core) -> bytes:
    """The weights of both parts of a model as one npz."""
    parts = {_CONDITIONER: module_arrays(conditioner), _CORE: module_arrays(core)}
    return pack({part + name: array for part, arrays in parts.items() for name, array in arrays.items()})


def write_candidate(folder: Path, weights: bytes, record: TrainingRecord) -> None:
    """Write weights, then the record that names their digest."""
    write_atomic(folder / WEIGHTS, weights)
    write_atomic(folder / RECORD, record.to_json())


def load_candidate(config: Config, workspace: Workspace, family: str) -> Candidate:
    """Load a trained model together with the scaler it was trained behind.

    Args:
        config: The config it was trained with.
        workspace: Where it lies.
        family: Name of the model family.

    Raises:
        TrainingError: It is missing, damaged, or was trained with other features, settings or scaler.
        DataError: The scaler is missing or malformed.
    """
    folder = candidate_folder(config, workspace, family)
    record = TrainingRecord.from_json(_read(folder / RECORD), where=str(folder / RECORD))
    weights = _read(folder / WEIGHTS)
    spec = frozen_spec(config, workspace)
    scaler_path = workspace.processed / SCALER
    scaler = read_scaler(scaler_path, spec)
    for what, expected, got in (
        ("weights", record.weights_digest, hashlib.sha256(weights).hexdigest()),
        ("settings", record.settings_digest, settings_digest(config)),
        ("features of spec", record.spec_digest, spec.digest),
        ("scaler", record.scaler_digest, hashlib.sha256(scaler_path.read_bytes()).hexdigest()),
    ):
        if expected != got:
            raise TrainingError(
                f"{folder}: expected {what} {expected[:12]} as when it was trained, got {got[:12]}; "
                "run `ground train` again"
            )
    where = str(folder / WEIGHTS)
    parts = _unpack_parts(weights, where)
    core = load_core(family, pack(parts[_CORE]), len(scaler.names), config.model, where=where)
    return Candidate(DetectorModule(scaler, core, _conditioner(parts[_CONDITIONER], where)), record)


def _unpack_parts(weights: bytes, where: str) -> dict[str, dict[str, NDArray[Any]]]:
    """The arrays of ``pack_parts`` by part."""
    arrays = unpack(weights, where=where)
    return {
        part: {name.removeprefix(part): array for name, array in arrays.items() if name.startswith(part)}
        for part in (_CONDITIONER, _CORE)
    }


def _conditioner(arrays: dict[str, NDArray[Any]], where: str) -> Conditioner:
    shape = arrays["selected"].shape if "selected" in arrays else ()
    module = Conditioner(*shape) if len(shape) == _ROWS_AND_COLUMNS else Conditioner(0, 0)
    load_arrays(module, arrays, where=where)
    return module.eval()


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TrainingError(f"{path}: expected a trained model, got {error}; run `ground train` first") from error
