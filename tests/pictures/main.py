"""Draw the pictures in docs: all that are older than what they show, or those that are named."""

from __future__ import annotations

import argparse
import json

from .pictures import DOCS, PICTURES, RECORD, Picture, digest, recorded


def main() -> None:
    """Draw, and write down what each picture shows now."""
    parser = argparse.ArgumentParser(prog="pictures", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="report.png, for example")
    named = parser.parse_args().names
    known = recorded()
    for picture in (each for each in PICTURES if not named or each.name in named):
        shown = digest(picture.shows())
        if named or not _is_fresh(picture, shown, known):
            content = picture.draw()
            picture.file.write_bytes(content)
            known[picture.name] = {"file": digest(content), "shows": shown}
            RECORD.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", encoding="utf-8")
            print(f"drawn: {picture.file.relative_to(DOCS.parent)}")  # noqa: T201 - a command's output


def _is_fresh(picture: Picture, shown: str, known: dict[str, dict[str, str]]) -> bool:
    found = digest(picture.file.read_bytes()) if picture.file.exists() else ""
    return known.get(picture.name) == {"file": found, "shows": shown}


if __name__ == "__main__":
    main()
