"""The embedding of the spectral benchmark: where its bands lie, and what it refuses."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.spectral_embeddings import N_BANDS, log_bands
from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup
from shared_features.vector import columns_of

SPEC = FeatureSpec(
    sampling_rate_hz=25_600.0,
    record_s=1.0,
    window_s=10.0,
    hop_s=1.0,
    channels=(ChannelSpec("case", "g"),),
    spectrum=SpectrumGroup(segment_n=5120, overlap_n=2560, bands_hz=((50.0, 400.0),)),
)


def test_bands_are_equally_wide_in_octaves():
    """From the third line to Nyquist, each where the last one ends; widths differ by the rounding to lines alone."""
    bands = log_bands(SPEC).spectrum.bands_hz
    assert (bands[0][0], bands[-1][1]) == (10.0, 12_800.0)
    assert all(low == before for (_, before), (low, _) in itertools.pairwise(bands))
    octaves = np.log2([high / low for low, high in bands if low > 500.0])
    assert octaves == pytest.approx(np.log2(1280.0) / N_BANDS, abs=0.02)
    assert len(bands) <= N_BANDS


def test_the_vector_holds_the_spectrum_alone():
    """No statistics of the waveform, whatever the spec had on."""
    names = [column.name for column in columns_of(log_bands(SPEC))]
    assert len(names) < len(columns_of(SPEC)) + N_BANDS
    assert not any("kurtosis" in name or "rms" in name for name in names)


def test_values_without_a_spectrum_are_refused():
    """A process value once a second has no lines to embed."""
    with pytest.raises(ValueError, match="expected a spectrum, got none"):
        log_bands(replace(SPEC, spectrum=replace(SPEC.spectrum, enabled=False)))
