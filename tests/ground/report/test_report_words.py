"""Numbers and names as the report prints them."""

from __future__ import annotations

import math

import pytest

from ground.report import words


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00"),
        (0.01234, "0.0123"),
        (1.2345, "1.23"),
        (123.45, "123"),
        (12345.0, "12,345"),
        (-2.5, "-2.50"),
        (1.2e-7, "1.20e-07"),
        (2.5e7, "2.50e+07"),
        (math.nan, "n/a"),
        (math.inf, "n/a"),
    ],
)
def test_number_has_three_significant_digits(value, text):
    """Small and large ones as powers of ten, unknown ones as n/a."""
    assert words.number(value) == text


@pytest.mark.parametrize(
    ("feature", "text"),
    [
        ("acc_1.rms", "RMS of acc_1"),
        ("acc_1.crest_factor", "crest factor of acc_1"),
        ("acc_1.band_1500_2100_hz", "power from 1,500 to 2,100 Hz of acc_1"),
        ("acc_1.band_12.5_37.5_hz", "power from 12.5 to 37.5 Hz of acc_1"),
        ("acc_1.band_1e+06_2e+06_hz", "power from 1,000,000 to 2,000,000 Hz of acc_1"),
        ("acc_1.band_._._hz", "band . . hz of acc_1"),
        ("acc_1.band_1e999_2_hz", "band 1e999 2 hz of acc_1"),
        ("acc_1.band_1_1e999_hz", "band 1 1e999 hz of acc_1"),
        ("acc_1.band_-_e_hz", "band - e hz of acc_1"),
        ("n1_hz", "shaft speed N1"),
    ],
)
def test_feature_name_reads_like_a_sentence(feature, text):
    """Every kind of name that the FeatureSpec makes, and those that somebody else sends."""
    assert words.feature_name(feature) == text


def test_every_feature_of_a_spec_has_a_name_without_code_signs(report_spec):
    """No underscore of a file reaches the page, but for the channel's own name."""
    from shared_features.vector import columns_of

    for column in columns_of(report_spec):
        assert "_" not in words.feature_name(column.name).replace("acc_1", "")


@pytest.mark.parametrize(
    ("parts", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists_read_as_english(parts, text):
    """Commas, and an and before the last."""
    assert words.listed(parts) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(5.0, "5 s"), (119.0, "119 s"), (600.0, "10 min"), (9000.0, "2.5 h"), (math.nan, "n/a")]
)
def test_duration_takes_the_unit_that_reads_best(seconds, text):
    """Seconds, minutes, hours."""
    assert words.duration(seconds) == text


@pytest.mark.parametrize(("unit", "text"), [("1", ""), ("g", " g"), ("unknown²", " unit²")])
def test_unit_follows_a_number(unit, text):
    """A plain number has none; an unknown one says so."""
    assert words.unit_suffix(unit) == text
