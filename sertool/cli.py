"""The command line: registers the subcommands and turns every error into one message and an exit code.

Nothing heavy is imported here or at the top of a command's module, so ``sertool --help`` does not load torch.
"""

import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from sertool.commands import (
    bench,
    compare,
    cross,
    demo,
    doctor,
    ensemble,
    export,
    fetch_data,
    import_,
    judge,
    listen,
    predict,
    prepare,
    recipes,
    report,
    train,
)
from sertool.commands._examples import examples
from sertool.commands._streams import gated
from sertool.core.compute.shortage import asked_bytes, ran_out_of_memory
from sertool.core.errors import SertoolError
from sertool.core.formatting import one_message, readable_size
from sertool.version import __version__

INTERRUPTED = 130  # exit code: 128 + SIGINT, as shells expect


class _Group(TyperGroup):
    """Group of subcommands that shows an error as one message on stderr, or its traceback with ``--debug``."""

    def main(self, *arguments: Any, **more: Any) -> Any:
        """Run the command line; all that it prints passes the gate, and a stream that fails is one message."""
        with gated():
            try:
                try:
                    return super().main(*arguments, **more)
                finally:
                    sys.stdout.flush()
            except OSError as error:
                if not isinstance(error, BrokenPipeError):  # `sertool ... | head` closed it: no failure of ours
                    _complain(_reason(error), None)
                sys.exit(1)

    def make_context(self, *arguments: Any, **more: Any) -> Any:
        """Parse the arguments; Ctrl-C meanwhile is told here, because Typer ends without a word."""
        try:
            return super().make_context(*arguments, **more)
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted\n")
            sys.exit(INTERRUPTED)

    # Any: some versions of Typer use click's Context, newer ones a copy of their own.
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except SertoolError as error:
            if ctx.params.get("debug"):
                raise
            _complain(str(error), error.hint)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted\n  try: run the same command again to resume\n")
            raise typer.Exit(INTERRUPTED) from None
        except OSError as error:
            if ctx.params.get("debug") or isinstance(error, BrokenPipeError):
                raise
            _complain(_reason(error), None)
            raise typer.Exit(1) from error
        except (MemoryError, RuntimeError, ValueError) as error:
            if ctx.params.get("debug") or not ran_out_of_memory(error):
                raise
            # Training and evaluation try less at a time first; this is for all other places.
            asked = asked_bytes(error)
            more = f", the system has no {readable_size(asked)} to spare" if asked else ""
            _complain(f"out of memory{more}", "smaller sizes, --device cpu, or end other processes")
            raise typer.Exit(1) from error


def _reason(error: OSError) -> str:
    if error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error) or type(error).__name__


def _complain(message: str, hint: str | None) -> None:
    sys.stderr.write(f"error: {one_message(message)}\n" + (f"  try: {one_message(hint)}\n" if hint else ""))


app = typer.Typer(
    name="sertool",
    cls=_Group,
    help="Emotion and sentiment recognition from speech and its transcript.",
    epilog=examples(""),
    no_args_is_help=True,
    pretty_exceptions_enable=False,  # tracebacks are shown only by --debug, and then plain
    rich_markup_mode=None,  # plain help, without Rich's frames
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"sertool {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the full traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Emotion and sentiment recognition from speech and its transcript."""


# In the order of a first visit: try it, get data, check it, train, evaluate, use it.
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo.demo,
    "fetch-data": fetch_data.fetch_data,
    "doctor": doctor.doctor,
    "prepare": prepare.prepare,
    "train": train.train,
    "ensemble": ensemble.ensemble,
    "predict": predict.predict,
    "judge": judge.judge,
    "listen": listen.listen,
    "import": import_.import_,
    "report": report.report,
    "compare": compare.compare,
    "cross": cross.cross,
    "export": export.export,
    "bench": bench.bench,
}
for _name, _command in COMMANDS.items():
    app.command(_name, epilog=examples(_name))(_command)
app.add_typer(recipes.app, name="recipes")
