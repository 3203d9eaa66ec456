"""Where the state of an unfinished training lies, and what it holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch

from ground.errors import TrainingError
from ground.weights import load_arrays, module_arrays, pack, unpack
from ground.workspace import write_atomic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import nn

    Arrays = dict[str, NDArray[Any]]

_NETWORK, _BEST, _OPTIMISER = "network/", "best/", "optimiser/"
_RANDOM, _LOSSES, _FINGERPRINT = "random", "losses", "fingerprint"


class CheckpointStore(Protocol):
    """Keeps one checkpoint."""

    @property
    def place(self) -> str:
        """The name of the place in errors."""

    def load(self) -> bytes:
        """The checkpoint, empty when there is none."""

    def save(self, data: bytes) -> None:
        """Replace the checkpoint."""


@dataclass(frozen=True, slots=True)
class FileStore:
    """A checkpoint in a file, replaced atomically."""

    path: Path

    @property
    def place(self) -> str:
        """The path."""
        return str(self.path)

    def load(self) -> bytes:
        """The checkpoint, empty when there is none."""
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return b""

    def save(self, data: bytes) -> None:
        """Replace the checkpoint."""
        write_atomic(self.path, data)


@dataclass(slots=True)
class MemoryStore:
    """A checkpoint in memory: for trainings too short to be worth a file, as those of cross-validation."""

    data: bytes = b""
    place: str = "checkpoint in memory"

    def load(self) -> bytes:
        """The checkpoint, empty when there is none."""
        return self.data

    def save(self, data: bytes) -> None:
        """Replace the checkpoint."""
        self.data = data


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Everything the next epoch depends on.

    Attributes:
        fingerprint: sha256 (hex) of what the training started from.
        losses: (n_epoch, 2) float64: training and validation loss of every epoch so far.
        best: Arrays of the best epoch so far.
    """

    fingerprint: str
    losses: NDArray[np.float64]
    best: Arrays

    def to_bytes(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> bytes:
        """Pack together with the network, the optimiser and torch's generator as they stand."""
        return pack(
            _prefixed(_NETWORK, module_arrays(network))
            | _prefixed(_BEST, self.best)
            | _prefixed(_OPTIMISER, _optimiser_arrays(optimiser))
            | {
                _RANDOM: torch.get_rng_state().numpy(),
                _LOSSES: self.losses,
                _FINGERPRINT: np.frombuffer(self.fingerprint.encode("ascii"), dtype=np.uint8),
            }
        )


def restore(
    data: bytes, network: nn.Module, optimiser: torch.optim.Optimizer, *, fingerprint: str, where: str
) -> Checkpoint:
    """Put network, optimiser and torch's generator back to where a checkpoint left them.

    Raises:
        TrainingError: Not a checkpoint, or one of another training.
    """
    arrays = unpack(data, where=where)
    missing = {_RANDOM, _LOSSES, _FINGERPRINT} - set(arrays)
    if missing:
        raise TrainingError(
            f"{where}: expected a checkpoint, got an npz without {sorted(missing)}; train from the start"
        )
    found = arrays[_FINGERPRINT].tobytes().decode("ascii", "replace")
    if found != fingerprint:
        raise TrainingError(
            f"{where}: expected a checkpoint of this training ({fingerprint[:12]}), got one of other data, settings or "
            f"torch version ({found[:12]}); train from the start, without --resume"
        )
    best = _under(_BEST, arrays)
    load_arrays(network, best, where=where)
    load_arrays(network, _under(_NETWORK, arrays), where=where)
    _load_optimiser(optimiser, _under(_OPTIMISER, arrays))
    torch.set_rng_state(torch.from_numpy(arrays[_RANDOM].copy()))
    return Checkpoint(fingerprint=found, losses=arrays[_LOSSES], best=best)


def _optimiser_arrays(optimiser: torch.optim.Optimizer) -> Arrays:
    state = optimiser.state_dict()["state"]
    return {f"{index}/{name}": value.numpy().copy() for index, slots in state.items() for name, value in slots.items()}


def _load_optimiser(optimiser: torch.optim.Optimizer, arrays: Arrays) -> None:
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, array in arrays.items():
        index, name = key.split("/")
        state.setdefault(int(index), {})[name] = torch.from_numpy(np.array(array))
    optimiser.load_state_dict({**optimiser.state_dict(), "state": state})


def _prefixed(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {prefix + name: array for name, array in arrays.items()}


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
