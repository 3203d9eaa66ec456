"""Where the feature spec of a command comes from: a config, a file with the spec itself, or a bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from edge_agent.bundle import Bundle, open_path
from edge_agent.policy import ANY_FLEET, Policy
from edge_agent.scaler import Scaler
from edge_agent.scorer import Scorer
from edge_agent.trust import TrustedKeys
from edge_agent.version import AGENT_VERSION
from ground.config import load_config
from ground.errors import ConfigError, DataError
from ground.features.reference import REFERENCE, with_every_group
from ground.features_config import awaits_band
from ground.keys import default_public_key
from shared_features.errors import SpecError
from shared_features.spec import FeatureSpec

EXAMPLE: Final = Path(__file__).parent.parent / "configs" / "engine_vibration.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What a command was given; at most one of the three, and nothing stands for the packaged example config.

    Attributes:
        config: YAML config of a detector.
        spec: ``feature_spec.json``.
        bundle: ``.bundle`` file, or folder of its unpacked members.
        keys: Public keys that a bundle must be signed with; empty for ``keys/public.pem`` of its workspace.
    """

    config: Path | None = None
    spec: Path | None = None
    bundle: Path | None = None
    keys: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class SourcedModel:
    """The scaler and the graph of a bundle."""

    scaler: Scaler
    scorer: Scorer


@dataclass(frozen=True, slots=True, kw_only=True)
class SourcedSpec:
    """A spec and where it is from.

    Attributes:
        spec: The spec.
        name: Its origin, for people.
        notes: What a reader must know of it.
        models: The model of the bundle; none of another source.
    """

    spec: FeatureSpec
    name: str
    notes: tuple[str, ...] = ()
    models: tuple[SourcedModel, ...] = ()


def read_source(source: Source) -> SourcedSpec:
    """Read the spec.

    Raises:
        ConfigError: More than one source, or a config that is wrong.
        DataError: No readable spec in the file.
        BundleError: The bundle is refused.
    """
    given = [path for path in (source.config, source.spec, source.bundle) if path]
    if len(given) > 1:
        raise ConfigError(
            f"--config, --spec, --bundle: expected one of them, got {', '.join(map(str, given))}; leave the others out"
        )
    if source.bundle:
        bundle = open_bundle(source.bundle, source.keys)
        model = SourcedModel(bundle.scaler, Scorer(bundle.onnx_model, len(bundle.scaler.names)))
        return SourcedSpec(spec=bundle.spec, name=f"bundle {bundle.manifest.bundle_id}", models=(model,))
    if source.spec:
        return SourcedSpec(spec=read_spec(source.spec), name=str(source.spec))
    return _of_config(source.config or EXAMPLE, is_example=source.config is None)


def read_listed(source: Source, *, every: bool) -> SourcedSpec:
    """Read the spec for a list of features.

    Args:
        source: As for ``read_source``.
        every: Switch every group on; without any source, take the reference that has them all.
    """
    if not every:
        return read_source(source)
    if source == Source():
        return SourcedSpec(spec=REFERENCE, name="a made-up turbofan with every group")
    sourced = read_source(source)
    spec, notes = with_every_group(sourced.spec)
    return SourcedSpec(spec=spec, name=f"{sourced.name}, with every group", notes=(*sourced.notes, *notes))


def open_bundle(path: Path, keys: tuple[Path, ...]) -> Bundle:
    """Verify a bundle as an agent does and read it; nothing in an unverified one is shown, it could say anything.

    Args:
        path: ``.bundle`` file, or folder of its unpacked members.
        keys: Public keys; empty for ``keys/public.pem`` of its workspace.

    Raises:
        DataError: There is nothing at that path.
        BundleError: Refused; ``reason`` names the check.
    """
    if not path.exists():
        raise DataError(f"{path}: expected a .bundle file or a folder of its members, got nothing; check the path")
    policy = Policy(fleet=ANY_FLEET, agent_version=AGENT_VERSION, allow_development=True)
    return open_path(path, keys=TrustedKeys.from_files(keys or (default_public_key(path),)), policy=policy)


def read_spec(path: Path) -> FeatureSpec:
    """Read a ``feature_spec.json``.

    Raises:
        DataError: Unreadable, or no spec of this version; names the file.
    """
    try:
        return FeatureSpec.from_json(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: expected a feature spec, got {error.strerror}; check the path") from error
    except SpecError as error:
        raise DataError(f"{path}: {error}") from error


def _of_config(path: Path, *, is_example: bool) -> SourcedSpec:
    config = load_config(path)
    spec = config.feature_spec()
    name = f"the packaged example config ({config.detector})" if is_example else str(path)
    if not awaits_band(config.features):
        return SourcedSpec(spec=spec, name=name)
    low_hz, high_hz = spec.envelope.band_hz
    note = (
        f"features.envelope.band_hz is auto: shown with the stand-in {low_hz:g} to {high_hz:g} Hz; the band that "
        "`ground featurize` chose is in data/features/feature_spec.json (--spec)"
    )
    return SourcedSpec(spec=spec, name=name, notes=(note,))
