"""The help of a command, however it is run."""

from __future__ import annotations

import click
from click.testing import CliRunner

from spikec.targets.terminal.help_page import command


def test_a_command_by_itself_has_the_same_names_of_its_help_as_below_a_group() -> None:
    @command("one")
    def one() -> None:
        """Do something."""

    @click.group(context_settings={"help_option_names": ["-h", "--help"]})
    def many() -> None:
        """Do one of several things."""

    many.add_command(one)
    runner = CliRunner()
    alone = runner.invoke(one, ["-h"])
    assert alone.exit_code == 0
    assert "-h, --help" in alone.output
    assert "-h, --help" in runner.invoke(many, ["one", "--help"]).output
