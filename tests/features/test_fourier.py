"""Transforms have one set of bits: that of the kernels, which is that of numpy where numpy does not fuse operations."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from shared_features import fourier, library_transforms
from shared_features.complex_kernel import ComplexKernel
from shared_features.real_inverse_kernel import RealInverseKernel
from shared_features.real_kernel import RealKernel
from shared_features.twiddles import cosine, sine

SMOOTH = [n for n in range(1, 8193) if fourier.is_smooth(n)]
ON_X86 = platform.machine() == "x86_64"


def rows_of(n):
    """Noise, a comb, one impulse and small whole numbers: the last ones give exact zeros of either sign."""
    rng = np.random.default_rng(n)
    rows = np.zeros((4, n))
    rows[0] = rng.standard_normal(n)
    rows[1, ::4] = 1.0
    rows[2, n // 2] = -1.0
    rows[3] = rng.integers(-2, 3, n)
    return rows


@pytest.mark.skipif(not ON_X86, reason="numpy fuses operations on this processor")
def test_numpy_has_the_bits_of_the_kernels_on_x86():
    """Every product of 2, 3 and 5 up to the longest segment: real, inverse, complex; zeros with their signs."""
    assert fourier.library_agrees()
    for n in SMOOTH:
        rows = rows_of(n)
        pairs = rows + 1j * rows[::-1]
        lines = np.fft.rfft(rows, axis=1)
        assert RealKernel(n).transform(rows, np.empty_like(lines)).tobytes() == lines.tobytes(), n
        back = np.fft.irfft(lines, n, axis=1)
        assert RealInverseKernel(n).inverse(lines, np.empty_like(rows)).tobytes() == back.tobytes(), n
        signal = np.fft.ifft(pairs, axis=1, norm="forward")
        assert ComplexKernel(n, len(pairs)).inverse(pairs, np.empty_like(pairs)).tobytes() == signal.tobytes(), n


@pytest.fixture(params=["numpy", "kernels"])
def way(request, monkeypatch):
    """Both ways to transform: as on x86-64, and as on arm64."""
    monkeypatch.setattr(fourier, "library_agrees", lambda: request.param == "numpy")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("n", [1, 2, 9, 60, 400, 5120, 6750])
def test_transforms_are_transforms(n):
    """Against numpy, within rounding; one row alone is the row among others, to the bit."""
    rows = rows_of(n)
    pairs = rows + 1j * rows[::-1]
    lines = fourier.rfft(rows, np.empty((4, n // 2 + 1), dtype=np.complex128))
    np.testing.assert_allclose(lines, np.fft.rfft(rows, axis=1), atol=1e-11)
    np.testing.assert_allclose(fourier.irfft(lines, np.empty_like(rows)), rows, atol=1e-14)
    spectrum = fourier.fft(pairs, np.empty_like(pairs))
    np.testing.assert_allclose(spectrum, np.fft.fft(pairs, axis=1), atol=1e-11)
    np.testing.assert_allclose(fourier.ifft(spectrum, np.empty_like(pairs)), n * pairs, atol=1e-10)
    alone = fourier.rfft(rows[0], np.empty(n // 2 + 1, dtype=np.complex128))
    assert alone.tobytes() == lines[0].tobytes()
    for function in (fourier.fft, fourier.ifft):
        assert (
            function(pairs[0], np.empty_like(pairs[0])).tobytes() == function(pairs, np.empty_like(pairs))[0].tobytes()
        )


@pytest.mark.usefixtures("way")
def test_in_place():
    """The output may be the input, as numpy allows."""
    pairs = rows_of(60) + 1j * rows_of(60)[::-1]
    expected = fourier.ifft(pairs, np.empty_like(pairs))
    assert fourier.ifft(pairs, pairs).tobytes() == expected.tobytes()


@pytest.mark.usefixtures("way")
def test_other_lengths_are_numpys():
    """7 is no factor of the kernels."""
    rows = rows_of(77)
    lines = np.fft.rfft(rows, axis=1)
    assert fourier.rfft(rows, np.empty_like(lines)).tobytes() == lines.tobytes()


@pytest.mark.parametrize("has_ufuncs", [library_transforms.HAS_UFUNCS, False])
@pytest.mark.parametrize("n", [1, 2, 60, 77, 400, 5120, 6750])
def test_the_library_is_called_for_its_own_bits(monkeypatch, n, has_ufuncs):
    """By its ufuncs, and by its public functions where a numpy has no ufuncs of these names."""
    monkeypatch.setattr(library_transforms, "HAS_UFUNCS", has_ufuncs)
    rows = rows_of(n)
    pairs = rows + 1j * rows[::-1]
    lines = np.fft.rfft(rows, axis=1)
    assert library_transforms.rfft(rows, np.empty_like(lines)).tobytes() == lines.tobytes()
    assert library_transforms.irfft(lines, np.empty_like(rows)).tobytes() == np.fft.irfft(lines, n, axis=1).tobytes()
    assert library_transforms.fft(pairs, np.empty_like(pairs)).tobytes() == np.fft.fft(pairs, axis=1).tobytes()
    signal = np.fft.ifft(pairs, axis=1, norm="forward")
    assert library_transforms.ifft(pairs, np.empty_like(pairs)).tobytes() == signal.tobytes()


def test_this_numpy_has_the_ufuncs():
    """Without them the features stay the same and take longer: look for their new names."""
    assert library_transforms.HAS_UFUNCS


def test_a_library_of_other_bits_is_found_out(monkeypatch):
    """One last place in one line is enough; then the kernels answer."""
    inner = library_transforms.rfft

    def fused(rows, out):
        lines = inner(rows, out)
        lines[..., 3] = np.nextafter(lines[..., 3].real, np.inf) + 1j * lines[..., 3].imag
        return lines

    rows = rows_of(60)
    expected = RealKernel(60).transform(rows, np.empty((4, 31), dtype=np.complex128)).tobytes()
    monkeypatch.setattr(library_transforms, "rfft", fused)
    fourier.library_agrees.cache_clear()
    try:
        assert not fourier.library_agrees()
        assert fourier.rfft(rows, np.empty((4, 31), dtype=np.complex128)).tobytes() == expected
    finally:
        fourier.library_agrees.cache_clear()


def test_sines():
    """Within 1e-15 of the C library's, exact at the quarters, periodic to the bit."""
    turns = np.random.default_rng(1).integers(0, 2**40, 100_000) / 2.0**40
    np.testing.assert_allclose(sine(turns), np.sin(2.0 * np.pi * turns), rtol=0, atol=1e-15)
    np.testing.assert_allclose(cosine(turns), np.cos(2.0 * np.pi * turns), rtol=0, atol=1e-15)
    quarters = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    assert sine(quarters).tolist() == [0.0, 1.0, 0.0, -1.0, 0.0]
    assert cosine(quarters).tolist() == [1.0, 0.0, -1.0, 0.0, 1.0]
    assert sine(turns - 3.0).tobytes() == sine(turns - 3.0 - np.floor(turns - 3.0)).tobytes()
