"""What others wrote is there with version, licence and the bytes that were looked at; nothing comes from elsewhere."""

from __future__ import annotations

import hashlib
import json
import re

from ground.console.rendering import HERE

VENDOR = HERE / "static" / "vendor"
RECORD = VENDOR / "vendored.json"


def test_vendored_files_are_those_of_the_record():
    """A changed byte, or a file that nobody has noted."""
    noted = {each["file"]: each for each in json.loads(RECORD.read_text())}
    assert noted.keys() == {path.name for path in VENDOR.iterdir()} - {RECORD.name}
    for name, each in noted.items():
        assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == each["sha256"], name
        assert each["licence"]
        assert re.fullmatch(r"\d+\.\d+\.\d+", each["version"])


def test_every_package_has_its_licence():
    """Both ask for it."""
    packages = {each["package"] for each in json.loads(RECORD.read_text())}
    licensed = {each["package"] for each in json.loads(RECORD.read_text()) if each["file"].endswith("LICENSE.txt")}
    assert packages == licensed


def test_nothing_is_fetched_from_elsewhere():
    """Templates, style and scripts of ours name no other host."""
    ours = [*HERE.glob("templates/*.html"), *HERE.glob("static/*.*")]
    assert len(ours) > 8
    for path in ours:
        found = set(re.findall(r"(?:https?:)?//[\w.-]+\.\w+", path.read_text())) - {"http://www.w3.org"}
        assert not found, path.name


def test_colours_have_contrast():
    """WCAG 2.2, 1.4.3: 4.5 for text, on each ground it stands on, in light and dark."""
    css = (HERE / "static" / "console.css").read_text()
    for block in (css.split("@media")[0], css.split("@media (prefers-color-scheme: dark)")[1].split("@media")[0]):
        colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
        pairs = [(text, ground) for text in ("ink", "soft", "accent") for ground in ("ground", "card")]
        pairs += [(name, f"{name}-pale") for name in ("pass", "fail", "open")]
        pairs += [
            ("fail", "card"),
            ("pass", "card"),
            ("soft", "plain-pale"),
            ("ink", "plain-pale"),
            ("on-accent", "accent"),
        ]
        for text, ground in pairs:
            assert contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
        assert contrast(colors["strong-line"], colors["card"]) >= 3.0


def contrast(first: str, second: str) -> float:
    """The ratio of WCAG 2.2 between two colours."""
    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(color: str) -> float:
    """The relative luminance of WCAG 2.2."""
    parts = [int(color[index : index + 2], 16) / 255.0 for index in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
