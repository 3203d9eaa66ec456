"""What can be shown of an alert beyond the message: waveform, spectra, healthy ranges, each or why not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

import numpy as np

from ground.console.data.alert import AlertDetail
from ground.console.data.healthy_phase import HealthyPhase
from ground.console.data.kept import Kept
from ground.console.data.models import Models
from ground.console.data.waveforms import Waveforms
from ground.console.figures.waveform import Told, waveform_figure
from ground.errors import GroundError
from ground.report import words
from ground.report.library import FeatureRange
from shared_features.errors import FeatureError
from shared_features.spec import FeatureSpec
from shared_features.vector import columns_of

if TYPE_CHECKING:
    from ground.console.figures.window import AlertWindow

T = TypeVar("T")
_MOST_WINDOWS: Final = 4
"""Windows in memory: a page asks for its own five times, and its figures ask again."""
NO_RANGE: Final = FeatureRange(float("nan"), float("nan"), float("nan"))
BEING_MADE: Final = "it is being made and appears here by itself."


@dataclass(frozen=True, slots=True)
class Missing:
    """Stands for what cannot be shown, and says why."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A feature that an alert names.

    Attributes:
        feature: Its name.
        share: Of the score.
        value: In the window, in ``unit``; NaN where unknown.
        low: 5 % of the healthy windows of the phase lie below; NaN where unknown.
        high: 5 % lie above.
        unit: Its unit; empty where unknown, or where there is none.
    """

    feature: str
    share: float
    value: float
    low: float
    high: float
    unit: str

    @property
    def verdict(self) -> str:
        """How the value compares."""
        if not np.isfinite([self.value, self.low, self.high]).all():
            return ""
        return "above" if self.value > self.high else "below" if self.value < self.low else "within"


class AlertStories:
    """Puts together what the dataset and the workspace know of an alert.

    Args:
        waveforms: Those that have come.
        models: Specs and healthy windows.
    """

    def __init__(self, waveforms: Waveforms, models: Models) -> None:
        self._waveforms = waveforms
        self._models = models
        self._windows: Kept[str, AlertWindow] = Kept(_MOST_WINDOWS)

    def waveform(self, alert: AlertDetail) -> Told | Missing:
        """The waveform about the alert."""
        return _or_why(lambda: self._waveform(alert))

    def spectrum(self, alert: AlertDetail) -> Told | Missing:
        """The spectrum of its window."""
        return _or_why(lambda: self._spectrum(alert))

    def envelope(self, alert: AlertDetail) -> Told | Missing:
        """The envelope spectrum of its window."""
        from ground.console.figures.envelope import envelope_figure

        return _or_why(lambda: envelope_figure(self._window(alert)))

    def parts(self, alert: AlertDetail) -> tuple[Part, ...]:
        """The features that it names, beside what is usual; as far as that is known."""
        spec = _or_why(lambda: self._spec(alert))
        if isinstance(spec, Missing):
            return tuple(_part(contribution.feature, contribution.share) for contribution in alert.contributions)
        columns = {column.name: column for column in columns_of(spec)}
        window = _or_why(lambda: self._window(alert))
        healthy = _or_why(lambda: self._healthy(alert))
        # The values of a window that cannot be assessed are zeros.
        if isinstance(window, Missing) or window.excerpt.reason:
            values = {}
        else:
            values = dict(zip(columns, window.excerpt.values, strict=True))
        return tuple(
            _part(
                part.feature,
                part.share,
                value=float(values.get(part.feature, np.nan)),
                usual=healthy.ranges.get(part.feature, NO_RANGE) if isinstance(healthy, HealthyPhase) else NO_RANGE,
                unit=words.unit_suffix(columns[part.feature].unit) if part.feature in columns else "",
            )
            for part in alert.contributions
        )

    def range_note(self, alert: AlertDetail) -> str:
        """Why there are no healthy ranges; empty where there are, or will be."""
        healthy = _or_why(lambda: self._healthy(alert))
        return healthy.text if isinstance(healthy, Missing) else ""

    def band_note(self, alert: AlertDetail) -> str:
        """Why there is no healthy band; empty where there is one."""
        healthy = _or_why(lambda: self._healthy(alert))
        if isinstance(healthy, Missing):
            return healthy.text
        return BEING_MADE if healthy is None else healthy.band_fault

    def is_being_made(self, alert: AlertDetail) -> bool:
        """Whether what is healthy in its phase comes later; asking for it has begun it."""
        return _or_why(lambda: self._healthy(alert)) is None

    def prepare(self, alerts: Iterable[AlertDetail]) -> None:
        """Have made what the pages of these alerts will ask for, and no page is to wait for."""
        for alert in alerts:
            _or_why(partial(self._prepare, alert))

    def close(self) -> None:
        """Make nothing more."""
        self._models.close()

    def _waveform(self, alert: AlertDetail) -> Told:
        from ground.console.figures.window import channel_of

        recording = self._waveforms.find(alert.evidence_id, alert.agent)
        spec = _or_why(lambda: self._spec(alert))
        names = recording.info.channels
        if isinstance(spec, Missing):
            return waveform_figure(alert, recording, 0)
        name = spec.channels[channel_of(alert, spec)].name
        return waveform_figure(alert, recording, names.index(name) if name in names else 0)

    def _spectrum(self, alert: AlertDetail) -> Told:
        from ground.console.figures.spectrum import spectrum_figure

        window = self._window(alert)
        healthy = _or_why(lambda: self._healthy(alert))
        recording = self._waveforms.find(alert.evidence_id, alert.agent)
        band = healthy.band if isinstance(healthy, HealthyPhase) else None
        return spectrum_figure(alert, window, recording, band)

    def _window(self, alert: AlertDetail) -> AlertWindow:
        from ground.console.figures.window import alert_window

        return self._windows.of(
            alert.alert_id,
            lambda: alert_window(alert, self._waveforms.find(alert.evidence_id, alert.agent), self._spec(alert)),
        )

    def _spec(self, alert: AlertDetail) -> FeatureSpec:
        return self._models.spec(alert.bundle_id, alert.spec_digest)

    def _prepare(self, alert: AlertDetail) -> None:
        self._models.prepare(*self._place(alert))

    def _healthy(self, alert: AlertDetail) -> HealthyPhase | None:
        return self._models.healthy(*self._place(alert))

    def _place(self, alert: AlertDetail) -> tuple[FeatureSpec, str, str]:
        """Spec, phase and channel that what is healthy is asked of."""
        from ground.console.figures.window import channel_of

        spec = self._spec(alert)
        return spec, alert.phase, spec.channels[channel_of(alert, spec)].name


def _part(
    feature: str, share: float, *, value: float = float("nan"), usual: FeatureRange = NO_RANGE, unit: str = ""
) -> Part:
    return Part(feature=feature, share=share, value=value, low=usual.low, high=usual.high, unit=unit)


def _or_why(find: Callable[[], T]) -> T | Missing:
    try:
        return find()
    except (GroundError, FeatureError) as error:
        return Missing(str(error))
