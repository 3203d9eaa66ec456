"""The part of the page about certainty: what the threshold promises, cross-validation, negative controls."""

from __future__ import annotations

from ground.calibration_report import CalibrationReport
from ground.config import Config
from ground.controls import Control
from ground.crossval import COMPLETE, CrossValidation, Spread
from ground.evidence import Evidence
from ground.report import words
from ground.report.calibration_figure import calibration_figure
from ground.report.view import Column, Grid, Section


def certainty_section(evidence: Evidence, config: Config) -> Section:
    """What supports the numbers: thresholds, folds, negative controls."""
    calibrations = tuple(contender.calibration for contender in evidence.contenders[:1])
    promise = (
        f"The threshold promises: at most {words.share(config.decision.false_alarm_rate)} of healthy flights raise an "
        f"alarm ({config.decision.k} of {config.decision.n} windows above it), at confidence "
        f"{config.decision.confidence:g}."
    )
    kept = tuple(f"{report.summary}." for report in calibrations)
    return Section(
        key="certainty",
        title="How sure this is",
        nav="Certainty",
        sentences=(promise, *kept, _folds_sentence(evidence.cross_validation)),
        figures=(calibration_figure(evidence, shipped=config.decision.false_alarm_rate),),
        grids=(
            *(_phases(report) for report in calibrations),
            _folds(evidence.cross_validation),
            _controls(evidence.controls),
        ),
    )


def _phases(report: CalibrationReport) -> Grid:
    columns = (
        Column("phase"), Column("usual level of healthy flights", numeric=True), Column("fit flights", numeric=True),
        Column("threshold of its own"),
    )  # fmt: skip
    return Grid(
        columns,
        tuple(
            (
                words.spaced(phase.phase),
                words.number(phase.scale),
                f"{phase.n_flights:,}",
                "no, pooled" if phase.is_pooled else "yes",
            )
            for phase in report.phases
        ),
        f"The common level is {words.number(report.level)} times these, set by "
        f"{words.count(report.n_flights, 'flight')} of independent origin, of which the promise needs "
        f"{report.needed_flights:,}.",
    )


def _folds_sentence(validation: CrossValidation) -> str:
    if validation.status != COMPLETE:
        return f"Cross-validation was not run: {validation.reason or 'no reason is recorded'}."
    return (
        f"Trained, calibrated and examined anew on {words.count(len(validation.folds), 'fold')} that share no unit: "
        f"AUC {_spread(validation.auc)}, recall {_spread(validation.recall)}, false-alarm rate "
        f"{_spread(validation.false_alarm_rate)} (mean and standard deviation over folds)."
    )


def _spread(spread: Spread) -> str:
    return f"{words.score(spread.mean)} ± {words.score(spread.std)}"


def _folds(validation: CrossValidation) -> Grid:
    columns = (
        Column("fold"), Column("groups trained on", numeric=True), Column("groups examined", numeric=True),
        Column("AUC", numeric=True), Column("precision", numeric=True), Column("recall", numeric=True),
        Column("false-alarm rate", numeric=True),
    )  # fmt: skip
    return Grid(
        columns,
        tuple(
            (
                f"fold {fold.fold}",
                f"{fold.train_groups:,}",
                f"{fold.test_groups:,}",
                words.score(fold.numbers.auc),
                words.score(fold.numbers.precision),
                words.score(fold.numbers.recall),
                words.score(fold.numbers.false_alarm_rate),
            )
            for fold in validation.folds
        ),
    )


def _controls(controls: tuple[Control, ...]) -> Grid:
    columns = (Column("negative control"), Column("AUC", numeric=True), Column("outcome"), Column("as it must be"))
    note = (
        "A sound evaluation refuses scorers that know nothing, and finds a recording that was smuggled from "
        "training into test."
    )
    return Grid(
        columns,
        tuple(
            (words.spaced(control.name), words.score(control.auc), control.outcome, "yes" if control.holds else "NO")
            for control in controls
        ),
        note if controls else "",
    )
