"""A page as PDF, printed by Chromium: what a browser shows and prints, without a second layout of our own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Final

from ground.errors import GroundError
from ground.workspace import replaced

BROWSERS: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
"""Programs that are looked for, in this order."""
LONGEST_S: Final = 120.0

_BEGINS = b"%PDF-"
_OPTIONS = (
    "--headless",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-extensions",
    "--disable-background-networking",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # the page needs nothing from outside, and asks nobody
    "--no-pdf-header-footer",
)
_ROOT = 0


class PrintingError(GroundError):
    """No PDF could be made."""


def print_pdf(page: Path, out: Path) -> Path:
    """Print a page that needs nothing else.

    Args:
        page: The HTML file.
        out: The PDF file to write; replaced in one step.

    Returns:
        ``out``.

    Raises:
        PrintingError: No browser is installed, or it printed nothing.
        OSError: The disk refuses.
    """
    browser = find_browser()
    with replaced(out) as path, tempfile.TemporaryDirectory(prefix="enginear-print-") as profile:
        said = _run([browser, *_options(Path(profile)), f"--print-to-pdf={path.resolve()}", page.resolve().as_uri()])
        with path.open("rb") as file:
            if file.read(len(_BEGINS)) != _BEGINS:
                raise PrintingError(
                    f"{browser}: expected it to print {page}, got {said[-300:] or 'nothing'}; print the page by hand"
                )
    return out


def find_browser() -> str:
    """The program that prints.

    Raises:
        PrintingError: None is installed.
    """
    found = next((path for path in map(shutil.which, BROWSERS) if path), "")
    if not found:
        raise PrintingError(
            f"PDF: expected {', '.join(BROWSERS[:-1])} or {BROWSERS[-1]} on the path, got none; "
            "install it (apt-get install chromium), or print the HTML page from any browser"
        )
    return found


def _options(profile: Path) -> tuple[str, ...]:
    # Chromium refuses to start its sandbox as root; what it opens here is a page of our own without scripts.
    root = ("--no-sandbox",) if os.geteuid() == _ROOT else ()
    return (*_OPTIONS, *root, f"--user-data-dir={profile}")


def _run(command: list[str]) -> str:
    """Run the browser to its end, with all that it starts; what it said."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        said = process.communicate(timeout=LONGEST_S)[1]
    except subprocess.TimeoutExpired:
        said = f"no end within {LONGEST_S:.0f} s".encode()
    finally:
        _end_group(process)
    return said.decode(errors="replace").strip()


def _end_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    finally:
        process.wait()
