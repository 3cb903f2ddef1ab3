"""The command line: the commands of every folder under one name, and the edge where problems become exit codes."""

from __future__ import annotations

import contextlib
import gc
import io
import os
import sys
import traceback
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import click

from .compiler.commands import COMMANDS as COMPILER_COMMANDS
from .models.commands import COMMANDS as MODEL_COMMANDS
from .models.readers import MODEL_READERS
from .runtime.commands import COMMANDS as RUNTIME_COMMANDS
from .targets.commands import COMMANDS as TARGET_COMMANDS
from .targets.diagnostic import Diagnostic, DiagnosticWarning, UnusableInput
from .targets.terminal.failures import failure_of, unwritable_stdout
from .targets.terminal.findings import tell_findings
from .targets.terminal.help_page import HELP_NAMES
from .targets.terminal.listing import CommandGroup
from .targets.terminal.watched import WatchedStream, watched_stdout

_INTERRUPTED = 130
_COLLECTED_AFTER = 100_000
"""New objects after which Python looks for garbage; it would after 700."""
_COMPLETE = "_SPIKEC_COMPLETE"
"""Environment variable in which a shell asks for completions; click's name for it."""
_EPILOG = "'spikec COMMAND --help' says more of a command, 'spikec explain CODE' of a message."


@click.group(
    cls=CommandGroup,
    listed=(*MODEL_COMMANDS, *RUNTIME_COMMANDS, *COMPILER_COMMANDS, *TARGET_COMMANDS),
    context_settings={"help_option_names": list(HELP_NAMES)},
    epilog=_EPILOG,
)
@click.version_option(package_name="spikec")
def spikec() -> None:
    """Compile trained quantise-and-clip networks into exact integrate-and-fire networks for neuromorphic chips."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 good, 1 the answer is no, 2 unusable input."""
    with watched_stdout() as stdout:
        code = 2 if stdout.fault else _code_of(list(sys.argv[1:] if arguments is None else arguments), stdout)
        fault = stdout.finish()
        if fault is None:
            return code
        # A reader that went away, as head does, has all it wanted.
        return 0 if isinstance(fault, BrokenPipeError) else _fail(unwritable_stdout(fault))


def _code_of(arguments: list[str], stdout: WatchedStream) -> int:
    try:
        with _diagnostics_among_warnings():
            return _invoke(arguments)
    except click.exceptions.Exit as exit_wanted:
        return exit_wanted.exit_code
    except click.ClickException as error:
        return _fail(_misunderstood(error))
    except (click.Abort, KeyboardInterrupt):
        return _interrupted()
    except UnusableInput as refusal:
        return _fail(*refusal.diagnostics)
    except Exception as error:  # the last resort: a fault of ours still ends as one line
        if stdout.fault is not None:
            return 2
        if os.environ.get("SPIKEC_TRACEBACK"):
            traceback.print_exc()
        return _fail(failure_of(error))


def _invoke(arguments: list[str]) -> int:
    # Not by click's main, which ends the process where any pipe breaks.
    instruction = os.environ.get(_COMPLETE)
    if instruction is not None:
        from click.shell_completion import shell_complete

        return shell_complete(spikec, {"obj": MODEL_READERS}, "spikec", _COMPLETE, instruction)
    # Importing makes many objects and no garbage.
    gc.set_threshold(_COLLECTED_AFTER, 20, 20)
    with spikec.make_context("spikec", arguments or ["--help"], obj=MODEL_READERS) as context:
        result = spikec.invoke(context)
    return result if isinstance(result, int) else 0


def _misunderstood(error: click.ClickException) -> Diagnostic:
    context = error.ctx if isinstance(error, click.UsageError) else None
    path = "spikec COMMAND" if context is None else context.command_path
    return Diagnostic("E631", error.format_message().rstrip("."), hint=f"see '{path} --help'")


def _fail(*diagnostics: Diagnostic) -> int:
    with contextlib.suppress(OSError):  # with stderr lost too, the exit code is all that is left to tell
        tell_findings(diagnostics)
    return 2


def _interrupted() -> int:
    with contextlib.suppress(OSError):
        click.echo("interrupted", err=True)
    return _INTERRUPTED


@contextlib.contextmanager
def _diagnostics_among_warnings() -> Iterator[None]:
    """Print those of Python's warnings that carry a diagnostic as what they are."""
    others = warnings.showwarning

    def show(message: Warning | str, *details: Any, **settings: Any) -> None:
        if isinstance(message, DiagnosticWarning):
            tell_findings([message.diagnostic])
        else:
            others(message, *details, **settings)

    with warnings.catch_warnings():
        warnings.showwarning = show
        yield


def main() -> None:
    """Entry point of the ``spikec`` script."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    code = run()
    # On its way out Python looks for garbage in all that is left; that took a tenth of a small check.
    gc.freeze()
    sys.exit(code)


if __name__ == "__main__":
    main()
