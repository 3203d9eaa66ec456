"""Errors of ground.

GroundError
├── ConfigError          the YAML config is unreadable, contradictory or wrong
├── DataError            recordings are missing, unreadable or malformed
│   ├── ContractError    recordings break the data contract
│   └── StoreError       a store, or this machine's disk, failed while recordings were fetched
├── SplitError           fit, calibration and test cannot be kept apart
├── CalibrationError     healthy flights give no threshold
├── TrainingError        training cannot start, go on or converge
├── GateError            a quality gate failed: no bundle is made
├── SigningError         a key is missing or unfit
├── RepositoryError      the update repository is damaged, or would be made so
└── RegistryError        the registry cannot be reached, is damaged, of another version, or does not have it
    └── PromotionError       a version may not take a state, or its evidence does not do
"""

from __future__ import annotations


class GroundError(Exception):
    """Base of every error raised by ground; its text is shown to the user as it is."""


class ConfigError(GroundError):
    """The YAML config is unreadable, contradictory or wrong."""


class DataError(GroundError):
    """Recordings are missing, unreadable or malformed."""


class ContractError(DataError):
    """Recordings break the data contract."""


class StoreError(DataError):
    """A store, or the disk of this machine, failed; nothing is known to be wrong with the recording."""


class SplitError(GroundError):
    """Fit, calibration and test cannot be kept apart."""


class CalibrationError(GroundError):
    """Healthy flights give no threshold."""


class TrainingError(GroundError):
    """Training cannot start, go on or converge."""


class GateError(GroundError):
    """A quality gate failed; no bundle is made."""


class SigningError(GroundError):
    """A signing key is missing or unfit."""


class RepositoryError(GroundError):
    """The update repository is damaged, lacks signatures, or would offer what no agent should take."""


class RegistryError(GroundError):
    """The registry cannot be reached, is damaged, of another version, or does not have what is asked for."""


class PromotionError(RegistryError):
    """A version may not take a state, or the evidence for it does not do."""


def one_line(error: Exception) -> str:
    """The text of an error of another library, in one line and without its full stop: ours goes on after it."""
    return " ".join(str(error).split()).removesuffix(".")
