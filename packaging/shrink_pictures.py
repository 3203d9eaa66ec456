"""The two pictures of the README, made of what `make test-console` photographed: cropped, in few colours, small."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
SCREENS = ROOT / "docs" / "img" / "console"
OUT = ROOT / "docs" / "img"
PICTURES = {"fleet": 720, "alert": 1_790}
"""Name, and the height that is shown of it, px."""
WIDTH = 820
MOST_BYTES = 120_000


def shrink(name: str, height: int) -> Path:
    """Write one picture.

    Raises:
        SystemExit: It was not photographed, or does not become small enough.
    """
    source = SCREENS / f"{name}-light-1280.png"
    if not source.is_file():
        sys.exit(f"{source}: expected a picture, got none; run `make test-console` first")
    with Image.open(source) as opened:
        shown = opened.convert("RGB").crop((0, 0, opened.width, min(height, opened.height)))
    scaled = shown.resize((WIDTH, round(shown.height * WIDTH / shown.width)), Image.Resampling.LANCZOS)
    path = OUT / f"console-{name}.png"
    scaled.quantize(colors=128, dither=Image.Dither.NONE).save(path, optimize=True)
    if path.stat().st_size > MOST_BYTES:
        sys.exit(f"{path}: expected at most {MOST_BYTES} bytes, got {path.stat().st_size}; show less of it")
    return path


if __name__ == "__main__":
    for name, height in PICTURES.items():
        sys.stdout.write(f"{shrink(name, height)}\n")
