"""IMDB (Maas et al. 2011) in torchtext's layout: film reviews, one per file, in a folder for each opinion.

A review is the set of its words: of the 4,000 that are in most training reviews, which are in it, (4000, 1, 1) uint8,
255 or 0. What a network's first layer makes of that is the sum of the words' embeddings, a bag of embeddings that is
trained with the rest.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from pathlib import Path

import numpy as np

from ...targets.diagnostic import Diagnostic, Place, UnusableInput, refuse
from .images import DataSet, ImageSet

CLASSES = ("neg", "pos")
WORDS = 4000
WORD = re.compile(r"[a-z]+(?:'[a-z]+)?")
LAYOUTS = (".", "aclImdb", "IMDB/aclImdb", "datasets/IMDB/aclImdb")
HINT = "the folder must hold train/pos, train/neg, test/pos and test/neg with a .txt file per review"

Review = frozenset[str]


def read_imdb(folder: Path | None) -> DataSet:
    """Read all reviews in ``folder``, or where torchtext keeps them in it; the vocabulary is of training reviews alone.

    Where there are fewer words than WORDS, all are taken. Errors: E701 a folder is missing, E702 an empty folder, files
    that cannot be read.
    """
    root = None if folder is None else next((folder / at for at in LAYOUTS if (folder / at / "train").is_dir()), None)
    if root is None:
        raise refuse(
            "E701", "the IMDB reviews were not found", file=folder, hint=f"give their folder as --data: {HINT}"
        )
    train, test = ({name: _reviews(root / part / name) for name in CLASSES} for part in ("train", "test"))
    counts = Counter(word for reviews in train.values() for review in reviews for word in review)
    # Words in equally many reviews go by the alphabet, so that the order in sets decides nothing.
    frequent = sorted(counts, key=lambda word: (-counts[word], word))[:WORDS]
    places = {word: place for place, word in enumerate(frequent)}
    return DataSet("imdb", _image_set(train, places), _image_set(test, places), CLASSES, shift=0, flip=False)


def _reviews(folder: Path) -> list[Review]:
    if not folder.is_dir():
        raise refuse("E701", f"{folder.parent.name}/{folder.name} was not found", file=folder, hint=HINT)
    reviews: list[Review] = []
    problems = []
    for path in sorted(folder.glob("*.txt")):
        try:
            text = path.read_text(encoding="utf-8").lower()
        except (OSError, UnicodeDecodeError) as error:
            message = f"the review cannot be read: {error}"
            problems.append(Diagnostic("E702", message, Place(file=str(path)), hint="unpack the archive again"))
        else:
            # One copy of each word: the sets of 25,000 reviews share them.
            reviews.append(frozenset(map(sys.intern, WORD.findall(text.replace("<br />", " ")))))
    if problems:
        raise UnusableInput(problems)
    if not reviews:
        raise refuse("E702", "the folder holds no reviews", file=folder, hint=HINT)
    return reviews


def _image_set(reviews: dict[str, list[Review]], places: dict[str, int]) -> ImageSet:
    every = [review for name in CLASSES for review in reviews[name]]
    present = np.zeros((len(every), len(places), 1, 1), np.uint8)
    for row, review in zip(present, every, strict=True):
        row[[places[word] for word in review if word in places]] = 255
    labels = np.repeat(np.arange(len(CLASSES)), [len(reviews[name]) for name in CLASSES])
    return ImageSet(present, labels.astype(np.int64))
