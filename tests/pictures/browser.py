"""A page as a browser shows it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)
_SECONDS = 120


def screenshot(page: str, width: int, height: int) -> bytes:
    """PNG of the top of an HTML page, in pixels; ends the process where there is no browser."""
    browser = next((found for name in _BROWSERS if (found := shutil.which(name))), None)
    if browser is None:
        sys.exit(f"pictures of a page need a browser: install one of {', '.join(_BROWSERS)}")
    with tempfile.TemporaryDirectory(prefix="spikec-pictures-") as folder:
        file, picture = Path(folder) / "page.html", Path(folder) / "page.png"
        file.write_text(page, encoding="utf-8")
        size = (f"--window-size={width},{height}", f"--user-data-dir={folder}/profile", f"--screenshot={picture}")
        command = [browser, *_OPTIONS, *size, file.as_uri()]
        subprocess.run(command, check=True, timeout=_SECONDS, capture_output=True)
        return picture.read_bytes()
