"""`edgec`: the verbs joined, and the one place where errors become messages and exit codes.

Exit codes: 0 good, 1 the check failed or a tool did, 2 bad use or bad input, 3 over budget, 4 a tool is missing,
70 a bug in edgec.  Nobody sees a traceback unless asked for with --debug.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, Any

import typer

from edgec import __version__
from edgec.cli import analyze, bench, build, doctor, flash, listing, output, package, quantize, report, verify
from edgec.cli import compile as compile_verb
from edgec.errors import EdgecError, UnsupportedError

BUG = 70  # sysexits.h EX_SOFTWARE: apart from the codes a script may act on
INTERRUPTED = 130

app = typer.Typer(
    name="edgec",
    add_completion=False,
    rich_markup_mode=None,  # plain help answers in a third of the time
    pretty_exceptions_enable=False,
    invoke_without_command=True,
    help=(
        "Compile trained ONNX models to small, dependency-free C for microcontrollers; build, check and measure it.\n\n"
        "Typical use: edgec compile MODEL.onnx --target BOARD -o DIR, then edgec build DIR, edgec verify DIR and "
        "edgec bench DIR --emulate."
    ),
)
app.command("compile")(compile_verb.compile_command)
app.command("analyze")(analyze.analyze_command)
app.command("quantize")(quantize.quantize_command)
app.command("build")(build.build_command)
app.command("flash")(flash.flash_command)
app.command("package")(package.package_command)
app.command("verify")(verify.verify_command)
app.command("bench")(bench.bench_command)
app.command("report")(report.report_command)
app.command("targets")(listing.targets_command)
app.command("ops")(listing.ops_command)
app.command("doctor")(doctor.doctor_command)


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error; may stand anywhere.")] = False,
) -> None:
    if version:
        typer.echo(f"edgec {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(argv: list[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    arguments = [argument for argument in arguments if argument != "--debug"]
    sys.exit(run(arguments, debug=debug))


def run(arguments: list[str], *, debug: bool = False) -> int:
    """The exit code of one command line; every error is shown here and nowhere else."""
    as_json = "--json" in arguments
    try:
        code = int(app(_numbered(arguments), prog_name="edgec", standalone_mode=False) or 0)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # `edgec ops | head`: the reader has gone, which is no error
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if debug:
            import traceback

            traceback.print_exc()
        return _explain(error, as_json)
    if code == INTERRUPTED:  # typer's releases differ in whether they raise or return it
        output.fail("interrupted", as_json=as_json)
    return code


def _numbered(arguments: list[str]) -> list[str]:
    """`--tune` may stand without its number."""
    following = [*arguments[1:], ""]
    return [f"{a}=1" if a == "--tune" and not n.isdigit() else a for a, n in zip(arguments, following, strict=True)]


def _explain(error: Exception, as_json: bool) -> int:
    """Show `error` as one message with a hint; its exit code."""
    if isinstance(error, EdgecError):
        more: dict[str, Any] = {"kind": type(error).__name__, "exit_code": error.exit_code, "node": error.node}
        if isinstance(error, UnsupportedError):
            more["problems"] = [dict(zip(("node", "op", "reason"), p, strict=True)) for p in error.problems]
        output.fail(error.message, error.hint, as_json=as_json, **more)
        return error.exit_code
    if hasattr(error, "format_message"):  # typer's own: a wrong option, a missing argument
        code = int(getattr(error, "exit_code", 2))
        context = getattr(error, "ctx", None)
        command = getattr(context, "command_path", "edgec")
        output.fail(error.format_message(), f"see {command} --help", as_json=as_json, kind="UsageError", exit_code=code)
        return code
    if isinstance(error, OSError):
        output.fail(_os_message(error), _os_hint(error), as_json=as_json, kind=type(error).__name__, exit_code=2)
        return 2
    if isinstance(error, MemoryError):
        hint = "compile on a machine with more memory, or a smaller model"
        output.fail("this machine has not enough memory for it", hint, as_json=as_json, kind="MemoryError", exit_code=2)
        return 2
    if isinstance(error, ModuleNotFoundError) and error.name and not error.name.startswith("edgec"):
        hint = f"pip install {error.name.partition('.')[0]}; edgec doctor lists what each verb needs"
        output.fail(f"the Python package {error.name} is not installed", hint, as_json=as_json, exit_code=4)
        return 4
    output.fail(
        f"a bug in edgec: {type(error).__name__}: {str(error)[:400]}",
        "please report it with the command and the model; --debug shows where it happened",
        as_json=as_json,
        kind="bug",
        exit_code=BUG,
    )
    return BUG


def _os_message(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}"


def _os_hint(error: OSError) -> str:
    return {
        errno.ENOSPC: "the disk is full: free some space or write elsewhere with -o; nothing half-written was left",
        errno.EDQUOT: "the disk quota is used up: free some space or write elsewhere with -o",
        errno.EACCES: "no permission: write elsewhere with -o, or change the permissions",
        errno.EROFS: "the file system is read-only: write elsewhere with -o",
        errno.ENOENT: "check the path",
    }.get(error.errno or 0, "check the path and its permissions; --debug shows where it happened")
