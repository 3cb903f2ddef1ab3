"""Every failure of the machine has its code; only the rest is called a fault of ours."""

from __future__ import annotations

import errno

import pytest

from spikec.targets.libraries import install_command
from spikec.targets.terminal.failures import failure_of


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/x/out"), "E651", "No space left on device"),
        (PermissionError(errno.EACCES, "Permission denied", "/x"), "E651", "Permission denied"),
        (OSError("it is gone"), "E651", "it is gone"),
        (MemoryError("Unable to allocate 14.5 GiB"), "E652", "14.5 GiB"),
        (MemoryError(), "E652", "MemoryError"),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), "E652", "allocate"),
        (RecursionError("maximum recursion depth exceeded"), "E653", "nested"),
        (ImportError("libonnx.so: cannot open", name="onnx.onnx_cpp2py_export"), "E644", "onnx is installed"),
        (ImportError("cannot import name 'x'", name="spikec.compiler"), "E902", "ImportError"),
        (ValueError("two\nlines"), "E902", "ValueError: two lines"),
    ],
)
def test_each_is_told_as_what_it_is(error: Exception, code: str, words: str) -> None:
    found = failure_of(error)
    assert (found.code, bool(found.hint)) == (code, True)
    assert words in found.message
    assert "\n" not in found.message


def test_the_file_is_named() -> None:
    assert failure_of(OSError(errno.EIO, "Input/output error", "/x/net.onnx")).place.file == "/x/net.onnx"


def test_install_command_is_of_the_python_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/opt/env/bin/python")
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/env/bin/{name}")
    assert install_command("torch", "numba") == "pip install torch numba"
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    assert install_command("torch") == "/opt/env/bin/python -m pip install torch"
