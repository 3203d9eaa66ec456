"""The autoencoder of the DCASE challenge's baseline for machine condition monitoring, on the windows' log bands.

Y. Koizumi et al., "Description and discussion on DCASE2020 Challenge Task 2: unsupervised anomalous sound detection for
machine condition monitoring", DCASE (2020): a dense network with four layers of 128, a bottleneck of 8 and four layers
of 128, ReLU and batch normalisation, Adam, mean squared error; its threshold is a quantile of a gamma distribution
fitted to the scores of the training. There the input is five frames of 128 log-mel bands; here it is the log bands
of a window, or all features where the spec has no bands.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.stats import gamma
from torch import Tensor, nn

from benchmarks.detection.contender import PEER, Judge, Judgement, Promise, judgement_of
from benchmarks.detection.normalised import Normalised, normalised
from benchmarks.errors import BenchmarkError
from ground.reproducible import reproducible
from ground.window_table import feature_names

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ground.window_table import WindowTable
    from shared_features.spec import FeatureSpec

WIDTHS = (128, 128, 128, 128, 8, 128, 128, 128, 128)
BATCH = 512
LEARNING_RATE = 1e-3
FEWEST_ROWS = 16
_SMALLEST_SCORE = 1e-12
"""A gamma distribution has no zero scores."""


@dataclass(frozen=True, slots=True)
class DcaseAutoencoder:
    """The baseline.

    Attributes:
        epochs: Passes over the training; 100 there.
        most_rows: Most windows that it learns from.
    """

    epochs: int
    most_rows: int
    name: str = "dcase-autoencoder"
    kind: str = PEER

    def fit(self, train: WindowTable, spec: FeatureSpec, promise: Promise, seed: int) -> Judge:
        """See ``Contender.fit``."""
        scaler, rows = normalised(train, spec, most=self.most_rows)
        if len(rows) < FEWEST_ROWS:
            raise BenchmarkError(f"{self.name}: expected at least {FEWEST_ROWS} windows, got {len(rows)}")
        bands = _band_columns(spec)
        with reproducible(seed):
            network = _trained(torch.tensor(rows[:, bands], dtype=torch.float32), self.epochs)
        scores = np.maximum(_errors(network, rows[:, bands]), _SMALLEST_SCORE)
        shape, _, scale = gamma.fit(scores, floc=0.0)
        threshold = float(gamma.ppf(1.0 - promise.false_alarm_rate, shape, scale=scale))
        return DcaseJudge(scaler, bands, network, threshold, promise)


@dataclass(frozen=True, slots=True)
class DcaseJudge:
    """The fitted baseline."""

    scaler: Normalised
    bands: NDArray[np.intp]
    network: nn.Module
    threshold: float
    promise: Promise

    def judge(self, table: WindowTable) -> Judgement:
        """See ``Judge.judge``."""
        errors = _errors(self.network, self.scaler.of(table)[:, self.bands])
        return judgement_of(table.rows, errors, self.threshold, self.promise)


def _band_columns(spec: FeatureSpec) -> NDArray[np.intp]:
    names = feature_names(spec)
    bands = [index for index, name in enumerate(names) if ".band_" in name]
    return np.array(bands or range(len(names)), dtype=np.intp)


def _trained(rows: Tensor, epochs: int) -> nn.Module:
    network = _network(rows.shape[1])
    optimiser = torch.optim.Adam(network.parameters(), lr=LEARNING_RATE)
    network.train()
    for _ in range(epochs):
        for part in torch.split(torch.randperm(len(rows)), BATCH):
            if len(part) == 1:
                continue  # one row has no batch statistics
            optimiser.zero_grad()
            loss = torch.mean(torch.square(network(rows[part]) - rows[part]))
            torch.autograd.backward(loss)
            optimiser.step()
    return network.eval()


def _network(n_input: int) -> nn.Module:
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise((n_input, *WIDTHS)):
        layers += [nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(WIDTHS[-1], n_input))


def _errors(network: nn.Module, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    with torch.no_grad():
        x = torch.tensor(rows, dtype=torch.float32)
        error = torch.mean(torch.square(network(x) - x).double(), dim=1)
    return np.asarray(error.numpy(), dtype=np.float64)
