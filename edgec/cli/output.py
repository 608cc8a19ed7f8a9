"""How a verb speaks: the result on stdout (a table, or with --json one JSON document), all else on stderr."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

# The option every verb has.
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]

_PIPE_WIDTH = 120  # columns when stdout is a file or a pipe: wide enough that no table is cut


def show(document: Any, render: Callable[[Any], RenderableType], as_json: bool) -> None:
    """Print the result of a verb: `document` itself as JSON, or what `render` makes of it."""
    if as_json:
        from edgec.report.json import to_json

        sys.stdout.write(to_json(document))
    else:
        _console(sys.stdout).print(render(document))
    sys.stdout.flush()


def show_text(text: str) -> None:
    """Print a result that is text already."""
    sys.stdout.write(text)
    sys.stdout.flush()


def live(documents: Iterable[Any], render: Callable[[Any], RenderableType]) -> None:
    """Show each document in place of the one before, until there are no more or Ctrl-C; in a pipe one behind the other."""
    from rich.live import Live

    console = _console(sys.stdout)
    with contextlib.suppress(KeyboardInterrupt), Live(console=console, auto_refresh=False) as view:
        for document in documents:
            if console.is_terminal:
                view.update(render(document), refresh=True)
            else:
                console.print(render(document))


def note(message: str) -> None:
    """One line of news on stderr."""
    _say("note: ", "cyan", message)


def fail(message: str, hint: str = "", *, as_json: bool = False, **more: Any) -> None:
    """One error: message and hint on stderr; with --json also as the one document on stdout."""
    _say("error: ", "bold red", message)
    if hint:
        _say("hint: ", "bold", hint)
    if as_json:
        from edgec.report.json import to_json

        sys.stdout.write(to_json({"error": {"message": message, "hint": hint, **more}}))
        sys.stdout.flush()


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """A spinner on stderr while a verb works (silent in a pipe), and stray prints of libraries kept off stdout."""
    with contextlib.redirect_stdout(sys.stderr), _console(sys.stderr).status(what):
        yield


@contextlib.contextmanager
def advancing(what: str, quiet: bool = False) -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar on stderr (silent in a pipe and where `quiet`): gives the callback (stage, done, of how many)."""
    from rich.progress import Progress

    console = _console(sys.stderr)
    with (
        contextlib.redirect_stdout(sys.stderr),
        Progress(console=console, transient=True, disable=quiet or not console.is_terminal) as bar,
    ):
        task = bar.add_task(what)

        def advance(stage: str, done: int, total: int) -> None:
            bar.update(task, description=f"{what}: {stage}", completed=done, total=total)

        yield advance


def _say(label: str, style: str, message: str) -> None:
    from rich.text import Text

    text = Text.assemble((label, style), printable(message))
    _console(sys.stderr).print(text, soft_wrap=True)


def printable(text: str) -> str:
    """`text` with control characters but newline and tab shown as escapes: names in models may hold anything."""
    return "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)


def _console(stream: TextIO) -> Console:
    from rich.console import Console

    return Console(file=stream, width=None if stream.isatty() else _PIPE_WIDTH, highlight=False, markup=False)
