"""The features of one channel at one reported speed, few and fast: for tests that make windows up."""

from shared_features.spec import ChannelSpec, FeatureSpec, SpectrumGroup

SPEC = FeatureSpec(
    sampling_rate_hz=1024.0,
    record_s=1.0,
    window_s=1.0,
    hop_s=1.0,
    channels=(ChannelSpec("acc", "g"),),
    conditions=("n1_hz",),
    spectrum=SpectrumGroup(segment_n=256, overlap_n=128, bands_hz=((8.0, 128.0), (128.0, 256.0))),
)
