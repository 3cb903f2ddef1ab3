"""Codes 8xx: chip descriptions."""

from __future__ import annotations

from ..code import Code

_WHY_STRICT = "A misread description would let a program pass that the chip refuses, so nothing is guessed."

CODES: tuple[Code, ...] = (
    Code(
        "E801",
        "unknown target",
        "The name given as target is neither a shipped description nor a path ending in .toml.",
        "Every limit that is checked comes from the target.",
        "error E801: there is no target 'loihi3'; hint: did you mean 'loihi1'?",
        "Take a name that 'spikec targets' lists, or give the path of your own .toml file.",
    ),
    Code(
        "E802",
        "target description cannot be read",
        "The file does not exist, is not UTF-8 text, or is not TOML.",
        _WHY_STRICT,
        "error E802: chip.toml: the description is not TOML: Expected '=' after a key (at line 3, column 7)",
        "Correct the line named in the message; the shipped descriptions show the form.",
    ),
    Code(
        "E803",
        "unknown key in a target description",
        "A key is not part of the schema of chip descriptions.",
        f"It is most often a misspelt limit, which would silently not be checked. {_WHY_STRICT}",
        "error E803: chip.toml: unknown key 'core.neuron'; hint: did you mean 'neurons'?",
        "Use the nearest known key, or remove the line; what is only remarked goes into 'notes'.",
    ),
    Code(
        "E804",
        "wrong type or value in a target description",
        "A value has the wrong type, is below the least sensible value, or is not one of the allowed words.",
        _WHY_STRICT,
        "error E804: chip.toml: 'core.neurons.value' is '1024', not a whole number in 1..9007199254740992",
        "Write numbers as { value = 1024, unit = ..., source = ..., status = ... }; status is one of published, "
        "read-in-peer-source, measured, assumed.",
    ),
    Code(
        "E805",
        "something is missing in a target description",
        "A required key is absent, or a number lacks its unit, source or status.",
        "A limit without a source cannot be judged by who reads the report. " + _WHY_STRICT,
        "error E805: chip.toml: key 'core.neurons' has no 'source'; hint: every number states where it was read",
        'Add what is missing, or extend a description that has it. Use status = "assumed" for an honest guess.',
    ),
    Code(
        "E806",
        "number in another unit than the schema's",
        "The unit written beside a number is not the one that the key is defined in.",
        "Bytes taken for bits are wrong by a factor of eight without anything looking wrong.",
        "error E806: chip.toml: 'core.synapse_memory_bits.unit' is 'bytes'; hint: convert the number to 'bits'",
        "Convert the number and write the unit that the hint names.",
    ),
    Code(
        "E807",
        "target description extends itself",
        "Following 'extends' leads back to a description that is already being read.",
        "There would be no end to it.",
        "error E807: a.toml: a.toml extends itself by way of 'b.toml'; hint: remove one 'extends'",
        "Remove one of the 'extends' of the cycle.",
    ),
    Code(
        "E808",
        "target is a family, not a chip",
        "The description is marked abstract: it holds what several chips have in common and lacks the rest.",
        "A program is compiled for one chip.",
        "error E808: loihi-family.toml: 'loihi-family' describes a family, not a chip",
        "Name one of its chips, or write a .toml that extends the family.",
    ),
)
