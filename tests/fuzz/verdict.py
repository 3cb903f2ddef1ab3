"""What became of a case."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """``kind`` is what is counted; ``finding`` says what is wrong with the product, "" for nothing."""

    kind: str
    finding: str = ""

    @property
    def signature(self) -> str:
        """The finding without what differs between cases of the same fault: names, numbers and quoted text."""
        plain = re.sub(
            r"'[^']*'|\([^)]*\)|[-+]?\d+(\.\d+)?(e[-+]?\d+)?|\S*_\d+\S*",
            "",
            re.sub(r"\b[EWI]\d{3}\b", _word, self.finding),
        )
        return f"{self.kind}: {' '.join(plain.split())[:120]}"


def _word(code: re.Match[str]) -> str:
    return "".join(chr(ord("a") + int(c)) if c.isdigit() else c for c in code[0])
