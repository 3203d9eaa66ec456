"""Training of networks: early stopping, checkpoints, and a resume that equals an uninterrupted run bit for bit."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ground.checkpoints import Checkpoint, CheckpointStore, restore
from ground.errors import TrainingError
from ground.weights import load_arrays, module_arrays, pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.config import ModelConfig
    from ground.progress import Progress

Loss = Callable[[Tensor], Tensor]
"""From (batch, n_feature) rows to the mean loss of the batch, a scalar."""

PATIENCE_SPENT = "no better validation loss within model.patience epochs"
EPOCHS_SPENT = "model.max_epochs reached"
DIVERGED = "loss not finite"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopSettings:
    """How a network is trained; see ``ground.config.ModelConfig``."""

    max_epochs: int
    patience: int
    batch_size: int
    learning_rate: float
    checkpoint_epochs: int


def loop_settings(settings: ModelConfig) -> LoopSettings:
    """What a config says of the loop."""
    return LoopSettings(
        max_epochs=settings.max_epochs,
        patience=settings.patience,
        batch_size=settings.batch_size,
        learning_rate=settings.learning_rate,
        checkpoint_epochs=settings.checkpoint_epochs,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopRun:
    """The circumstances of one training.

    Attributes:
        name: What progress calls it.
        seed: Seeds everything random in it.
        store: Keeps the checkpoint.
        resume: Whether to go on from the store's checkpoint, if there is one.
        progress: Told of every epoch.
    """

    name: str
    seed: int
    store: CheckpointStore
    resume: bool
    progress: Progress


@dataclass(frozen=True, slots=True)
class EpochLosses:
    """Mean losses of one epoch: over the batches as they were trained on, and over validation after it."""

    train: float
    validation: float


@dataclass(frozen=True, slots=True)
class LoopResult:
    """The course of a training; ``best_epoch`` counts from 1."""

    losses: tuple[EpochLosses, ...]
    best_epoch: int
    stop_reason: str


def divergence_warnings(result: LoopResult) -> tuple[str, ...]:
    """A warning where the loss left the finite numbers on the way."""
    if result.stop_reason != DIVERGED:
        return ()
    text = "training: expected finite losses, got others after epoch "
    return (text + f"{result.best_epoch} or later, whose weights were kept; lower model.learning_rate",)


def train_network(
    network: nn.Module,
    loss: Loss,
    *,
    fit: NDArray[np.float32],
    validation: NDArray[np.float32],
    settings: LoopSettings,
    run: LoopRun,
) -> LoopResult:
    """Train until the validation loss stops falling; the network ends with the weights of its best epoch.

    Call it within ``reproducible``, the network built within the same block.

    Args:
        network: Trained in place, by Adam.
        loss: The mean loss of some rows, computed with ``network``.
        fit: (n_fit, n_feature) rows to train on.
        validation: (n_validation, n_feature) rows that decide when to stop.
        settings: How.
        run: The circumstances.

    Raises:
        TrainingError: The loss is not finite before any epoch is complete, or the checkpoint is of another training.
    """
    loop = _Loop(network, loss, fit=fit, validation=validation, settings=settings, run=run)
    if run.resume:
        loop.restore()
    stop_reason = loop.stop_reason()
    while not stop_reason:
        if not loop.epoch():
            stop_reason = DIVERGED
            break
        stop_reason = loop.stop_reason()
        if stop_reason or loop.epochs_done % settings.checkpoint_epochs == 0:
            loop.save()
    load_arrays(network, loop.best, where=run.name)
    return LoopResult(tuple(loop.losses), loop.best_epoch, stop_reason)


class _Loop:
    """The moving parts of one training."""

    def __init__(
        self,
        network: nn.Module,
        loss: Loss,
        *,
        fit: NDArray[np.float32],
        validation: NDArray[np.float32],
        settings: LoopSettings,
        run: LoopRun,
    ) -> None:
        self._network = network
        self._loss = loss
        self._settings = settings
        self._run = run
        self._fit = torch.tensor(fit)
        self._validation = torch.tensor(validation)
        self._optimiser = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
        self._fingerprint = _fingerprint(network, fit, validation, settings, run.seed)
        self.best: dict[str, NDArray[Any]] = {}
        self.losses: list[EpochLosses] = []

    @property
    def epochs_done(self) -> int:
        return len(self.losses)

    @property
    def best_epoch(self) -> int:
        """The first epoch of the lowest validation loss; 0 before the first."""
        return 1 + min(range(len(self.losses)), key=lambda at: self.losses[at].validation, default=-1)

    def stop_reason(self) -> str:
        if self.epochs_done and self.epochs_done - self.best_epoch >= self._settings.patience:
            return PATIENCE_SPENT
        return EPOCHS_SPENT if self.epochs_done >= self._settings.max_epochs else ""

    def epoch(self) -> bool:
        """One pass over the fit rows; false when the loss left the finite numbers."""
        losses = EpochLosses(self._train(), self._validate())
        if not (math.isfinite(losses.train) and math.isfinite(losses.validation)):
            self._check_there_is_a_best(losses)
            return False
        self.losses.append(losses)
        if self.best_epoch == self.epochs_done:
            self.best = module_arrays(self._network)
        self._run.progress(self._run.name, self.epochs_done, self._settings.max_epochs)
        return True

    def save(self) -> None:
        losses = np.array([(row.train, row.validation) for row in self.losses], dtype=np.float64)
        checkpoint = Checkpoint(fingerprint=self._fingerprint, losses=losses, best=self.best)
        self._run.store.save(checkpoint.to_bytes(self._network, self._optimiser))

    def restore(self) -> None:
        data = self._run.store.load()
        if not data:
            return
        where = self._run.store.place
        checkpoint = restore(data, self._network, self._optimiser, fingerprint=self._fingerprint, where=where)
        if len(checkpoint.losses) > self._settings.max_epochs:
            raise TrainingError(
                f"{where}: expected at most model.max_epochs = {self._settings.max_epochs} epochs, got "
                f"{len(checkpoint.losses)}; train from the start, without --resume"
            )
        self.best = checkpoint.best
        self.losses = [EpochLosses(float(train), float(validation)) for train, validation in checkpoint.losses]

    def _train(self) -> float:
        self._network.train()
        total = 0.0
        for rows in torch.split(torch.randperm(len(self._fit)), self._settings.batch_size):
            self._optimiser.zero_grad()
            loss = self._loss(self._fit[rows])
            if not torch.isfinite(loss):
                return math.nan
            torch.autograd.backward(loss)
            self._optimiser.step()
            total += loss.item() * len(rows)
        return total / len(self._fit)

    def _validate(self) -> float:
        self._network.eval()
        with torch.no_grad():
            return float(self._loss(self._validation))

    def _check_there_is_a_best(self, losses: EpochLosses) -> None:
        if not self.best:
            raise TrainingError(
                f"{self._run.name}: expected a finite loss in the first epoch, got {losses.train} (training) and "
                f"{losses.validation} (validation); lower model.learning_rate and look for wild features"
            )


def _fingerprint(
    network: nn.Module,
    fit: NDArray[np.float32],
    validation: NDArray[np.float32],
    settings: LoopSettings,
    seed: int,
) -> str:
    """Names a training: all its bits depend on, except how long it may last and how often it is saved."""
    numbers = f"{seed} {settings.batch_size} {settings.learning_rate!r} {settings.patience} {torch.__version__}"
    digest = hashlib.sha256(numbers.encode("utf-8"))
    digest.update(pack({"fit": fit, "validation": validation}))
    digest.update(pack(module_arrays(network)))
    return digest.hexdigest()
