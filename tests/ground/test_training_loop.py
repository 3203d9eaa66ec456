"""The training loop: early stopping, and interruptions that leave no trace in the result."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from ground.checkpoints import FileStore, MemoryStore
from ground.errors import TrainingError
from ground.reproducible import reproducible
from ground.training_loop import (
    DIVERGED,
    EPOCHS_SPENT,
    PATIENCE_SPENT,
    LoopResult,
    LoopRun,
    LoopSettings,
    train_network,
)
from ground.weights import module_arrays, pack, unpack

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from ground.training_loop import Loss

SETTINGS = LoopSettings(max_epochs=12, patience=12, batch_size=16, learning_rate=1e-2, checkpoint_epochs=3)


class _PowerCutError(Exception):
    """Stands for whatever ends a process in the middle of a training."""


def _ignore(_what: str, _done: int, _most: int) -> None:
    """A progress that shows nothing."""


def _run(store: MemoryStore | FileStore | None = None, *, resume: bool = False, cut_after: int = 0) -> LoopRun:
    def progress(_what: str, done: int, _most: int) -> None:
        if done == cut_after:
            raise _PowerCutError

    return LoopRun(
        name="net", seed=3, store=store or MemoryStore(), resume=resume, progress=progress if cut_after else _ignore
    )


def _rows(n: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng(seed).normal(size=(n, 4)).astype(np.float32)


def _network() -> nn.Sequential:
    """With dropout, so that resuming also has to restore the generator in the middle of its course."""
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(8, 4))


def _squared_error(network: nn.Module) -> Loss:
    def loss(rows: Tensor) -> Tensor:
        return torch.mean(torch.square(rows - network(rows)))

    return loss


def _train(run: LoopRun, settings: LoopSettings = SETTINGS, fit_seed: int = 1) -> tuple[bytes, LoopResult]:
    """Weights and course of one training."""
    with reproducible(run.seed):
        network = _network()
        result = train_network(
            network,
            _squared_error(network),
            fit=_rows(100, fit_seed),
            validation=_rows(40, 2),
            settings=settings,
            run=run,
        )
    return pack(module_arrays(network)), result


@pytest.mark.parametrize("cut_after", range(1, 12))
def test_resume_equals_an_uninterrupted_run(cut_after: int) -> None:
    """Cut after any epoch and resumed: the same weights, losses and best epoch, and the same final checkpoint."""
    whole, torn = MemoryStore(), MemoryStore()
    wanted = _train(_run(whole))
    with pytest.raises(_PowerCutError):
        _train(_run(torn, cut_after=cut_after))
    torch.rand(5)
    assert _train(_run(torn, resume=True)) == wanted
    assert torn.data == whole.data


def test_resume_twice_equals_an_uninterrupted_run(tmp_path: Path) -> None:
    """Two cuts, the checkpoint in a file, other intervals between checkpoints: still the same bits."""
    store = FileStore(tmp_path / "candidate" / "checkpoint.npz")
    often = replace(SETTINGS, checkpoint_epochs=1)
    for resume, cut_after in ((False, 4), (True, 9)):
        with pytest.raises(_PowerCutError):
            _train(_run(store, resume=resume, cut_after=cut_after), often)
    assert _train(_run(store, resume=True), often) == _train(_run())


def test_a_finished_run_can_be_prolonged() -> None:
    """Raising max_epochs and resuming equals having asked for as many at once."""
    store = MemoryStore()
    _train(_run(store), replace(SETTINGS, max_epochs=5))
    assert _train(_run(store, resume=True)) == _train(_run())


def test_resuming_a_finished_run_changes_nothing() -> None:
    """No epoch is added, no progress reported, the result is the same."""
    store = MemoryStore()
    wanted = _train(_run(store))
    assert _train(_run(store, resume=True, cut_after=13)) == wanted


def test_resume_without_a_checkpoint_starts_anew(tmp_path: Path) -> None:
    """A cut before the first checkpoint costs the work, not the resume."""
    assert _train(_run(FileStore(tmp_path / "none.npz"), resume=True)) == _train(_run())


def test_best_epoch_is_kept() -> None:
    """The weights are those of the lowest validation loss, not the last ones."""
    store = MemoryStore()
    weights, result = _train(_run(store), replace(SETTINGS, learning_rate=0.3))
    validation = [losses.validation for losses in result.losses]
    assert result.best_epoch == 1 + int(np.argmin(validation)) < len(validation)
    best = {name: array for name, array in unpack(store.data, where="c").items() if name.startswith("best/")}
    assert weights == pack({name.removeprefix("best/"): array for name, array in best.items()})


def test_stops_when_patience_is_spent() -> None:
    """So many epochs after the best one and not one more."""
    _, result = _train(_run(), replace(SETTINGS, learning_rate=0.3, patience=2, max_epochs=200))
    assert result.stop_reason == PATIENCE_SPENT
    assert len(result.losses) == result.best_epoch + 2


def test_stops_at_the_last_epoch() -> None:
    """Told of every epoch up to the last."""
    seen: list[tuple[str, int, int]] = []
    run = replace(_run(), progress=lambda *step: seen.append(step))
    _, result = _train(run)
    assert result.stop_reason == EPOCHS_SPENT
    assert seen == [("net", epoch, 12) for epoch in range(1, 13)]


def _turns_nan(network: nn.Module, after_calls: int) -> Loss:
    calls = 0

    def loss(rows: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        error = torch.mean(torch.square(rows - network(rows)))
        return error * torch.nan if calls > after_calls else error

    return loss


CALLS_AN_EPOCH = 8
"""Seven batches of at most 16 rows out of 100, and one validation."""


def _train_until_nan(after_calls: int) -> tuple[bytes, LoopResult]:
    with reproducible(3):
        network = _network()
        result = train_network(
            network,
            _turns_nan(network, after_calls),
            fit=_rows(100, 1),
            validation=_rows(40, 2),
            settings=SETTINGS,
            run=_run(),
        )
    return pack(module_arrays(network)), result


@pytest.mark.parametrize("calls_into_the_fifth", [0, 3, 7])
def test_nan_loss_aborts_and_keeps_the_best(calls_into_the_fifth: int) -> None:
    """NaN at the first batch, in the middle or at validation of epoch 5: weights as after a training of 4 epochs."""
    weights, result = _train_until_nan(4 * CALLS_AN_EPOCH + calls_into_the_fifth)
    wanted, course = _train(_run(), replace(SETTINGS, max_epochs=4))
    assert result.stop_reason == DIVERGED
    assert (weights, result.losses) == (wanted, course.losses)


def test_nan_loss_in_the_first_epoch_is_an_error() -> None:
    """There is no best to keep: the text names the losses and what to do."""
    with pytest.raises(TrainingError, match="net: expected a finite loss in the first epoch, got nan"):
        _train_until_nan(0)


@pytest.mark.parametrize(
    ("change", "fit_seed"),
    [({"learning_rate": 0.02}, 1), ({"batch_size": 32}, 1), ({"patience": 3}, 1), ({}, 9)],
)
def test_checkpoint_of_another_training_is_refused(change: dict[str, float], fit_seed: int) -> None:
    """Other settings or other data: going on would give what no uninterrupted run gives."""
    store = MemoryStore()
    _train(_run(store), replace(SETTINGS, **change), fit_seed)
    with pytest.raises(TrainingError, match=r"expected a checkpoint of this training .* without --resume"):
        _train(_run(store, resume=True))


def test_checkpoint_beyond_max_epochs_is_refused() -> None:
    """A shorter run cannot be had from a longer one."""
    store = MemoryStore()
    _train(_run(store))
    with pytest.raises(TrainingError, match=r"at most model.max_epochs = 5 epochs, got 12"):
        _train(_run(store, resume=True), replace(SETTINGS, max_epochs=5))


@pytest.mark.parametrize("damage", [b"rubbish", pack({"losses": np.zeros(1)})])
def test_damaged_checkpoint_is_refused(tmp_path: Path, damage: bytes) -> None:
    """The error names the file."""
    store = FileStore(tmp_path / "checkpoint.npz")
    store.save(damage)
    with pytest.raises(TrainingError, match=r"checkpoint\.npz: expected"):
        _train(_run(store, resume=True))


def test_cores_do_not_matter_and_settings_come_back() -> None:
    """Results are the same whatever number of threads the process uses, and its torch is left as it was."""
    before = torch.get_num_threads()
    state = torch.get_rng_state()
    wanted = _train(_run())
    inside: set[tuple[int, bool]] = set()
    watched = replace(
        _run(),
        progress=lambda *_: inside.add((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())),
    )
    try:
        torch.set_num_threads(2)
        assert _train(watched) == wanted
        assert inside == {(1, True)}
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.equal(torch.get_rng_state(), state)


def test_these_settings_import_no_compiler() -> None:
    """It takes longer to import than the default detector to train; optimizers import it themselves."""
    code = "import sys\nfrom ground.reproducible import reproducible\n"
    asks = "with reproducible(1): print('torch._inductor' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code + asks], check=True, capture_output=True, text=True)
    assert done.stdout == "False\n"
