"""The command line: the commands of every folder under one name, and the edge where problems become exit codes."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from .compiler.commands import COMMANDS as COMPILER_COMMANDS
from .compiler.diagnostics import render_line
from .compiler.diagnostics.commands import COMMANDS as DIAGNOSTIC_COMMANDS
from .models.commands import COMMANDS as MODEL_COMMANDS
from .models.readers import MODEL_READERS
from .runtime.commands import COMMANDS as RUNTIME_COMMANDS
from .targets.commands import COMMANDS as TARGET_COMMANDS
from .targets.diagnostic import Diagnostic, UnusableInput

_INTERRUPTED = 130


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spikec")
def spikec() -> None:
    """Compile trained quantise-and-clip networks into exact integrate-and-fire networks for neuromorphic chips."""


for _command in (*MODEL_COMMANDS, *COMPILER_COMMANDS, *RUNTIME_COMMANDS, *DIAGNOSTIC_COMMANDS, *TARGET_COMMANDS):
    spikec.add_command(_command)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 good, 1 the answer is no, 2 unusable input."""
    try:
        result = spikec.main(arguments, prog_name="spikec", standalone_mode=False, obj=MODEL_READERS)
    except click.exceptions.NoArgsIsHelpError as help_wanted:
        click.echo(help_wanted.format_message())
        return 0
    except click.ClickException as error:
        return _fail(Diagnostic("E631", error.format_message().replace("\n", " "), hint="see 'spikec COMMAND --help'"))
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        return _INTERRUPTED
    except UnusableInput as refusal:
        return _fail(*refusal.diagnostics)
    except (BrokenPipeError, SystemExit):
        # The reader of our output went away, for which click exits; nothing can be told to anybody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:  # the last resort: a fault of ours still ends as one line
        if os.environ.get("SPIKEC_TRACEBACK"):
            traceback.print_exc()
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        return _fail(
            Diagnostic("E902", reason, hint="set SPIKEC_TRACEBACK=1, run the command again and report what it prints")
        )
    return result if isinstance(result, int) else 0


def _fail(*diagnostics: Diagnostic) -> int:
    for diagnostic in diagnostics:
        click.echo(render_line(diagnostic), err=True)
    return 2


def main() -> None:
    """Entry point of the ``spikec`` script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
