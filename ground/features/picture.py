"""From a request to a file: finds the window, draws it, writes PNG, SVG or HTML."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ground.errors import ConfigError
from ground.features.curves import ChannelCurves, curves_of
from ground.features.excerpt import Excerpt, read_excerpt
from ground.features.page import window_page
from ground.features.plot import circumstances_of, title_of, verdict_of, window_png, window_svg
from ground.features.recording_choice import choose_recording
from ground.features.source import SourcedSpec
from ground.workspace import write_atomic
from shared_features.spec import FeatureSpec

_HTML: Final = ".html"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotRequest:
    """What to draw.

    Attributes:
        recording: Id, or path of a file.
        data: Folder in which an id is looked up.
        at_s: Moment in the window, seconds since the recording's time 0.
        channel: Channel; empty for the first, in HTML for all.
        out: File; nothing for a PNG in the current folder.
    """

    recording: str
    data: Path
    at_s: float
    channel: str
    out: Path | None


@dataclass(frozen=True, slots=True)
class Plotted:
    """The file that was written, and what to say of it."""

    path: Path
    lines: tuple[str, ...]


def plot_window(request: PlotRequest, sourced: SourcedSpec) -> Plotted:
    """Draw one window into a file.

    Raises:
        ConfigError: An unknown channel or kind of file.
        DataError: No such recording or window, or it does not fit the spec.
    """
    channels = _channels(request, sourced.spec)
    write = _writer(request.out)
    chosen = choose_recording(request.recording, request.data)
    excerpt = read_excerpt(chosen.folder, chosen.info, sourced.spec, request.at_s)
    path = request.out or Path(f"{excerpt.info.recording_id}-{excerpt.start_s:.10g}s.png")
    write_atomic(path, write(excerpt, [curves_of(excerpt, channel) for channel in channels], sourced))
    facts = f"{title_of(excerpt)}: {circumstances_of(excerpt)}"
    return Plotted(path, (facts, verdict_of(excerpt), f"written: {path}"))


def _channels(request: PlotRequest, spec: FeatureSpec) -> list[int]:
    names = [channel.name for channel in spec.channels]
    if request.channel:
        if request.channel not in names:
            raise ConfigError(
                f"--channel: expected one of {', '.join(names)}, as the spec says, got {request.channel!r}; correct it"
            )
        return [names.index(request.channel)]
    is_page = request.out is not None and request.out.suffix.lower() == _HTML
    return list(range(len(names))) if is_page else [0]


_Write = Callable[[Excerpt, list[ChannelCurves], SourcedSpec], bytes]


def _writer(out: Path | None) -> _Write:
    suffix = out.suffix.lower() if out else ".png"
    if suffix not in _WRITERS:
        raise ConfigError(f"--out: expected a name that ends with {', '.join(_WRITERS)}, got {str(out)!r}; rename it")
    return _WRITERS[suffix]


_WRITERS: Final[dict[str, _Write]] = {
    ".png": lambda excerpt, channels, _: window_png(excerpt, channels[0]),
    ".svg": lambda excerpt, channels, _: window_svg(excerpt, channels[0]).encode(),
    _HTML: lambda excerpt, channels, sourced: window_page(excerpt, channels, sourced).encode(),
}
