"""The command line: `cellseg-ssl methods | starters | train | segment | tune | score | compare-pretraining | demo`."""

import sys
import traceback
from collections.abc import Sequence

from napari_cellseg_ssl.cli.arguments import build_parser
from napari_cellseg_ssl.cli.console import Console
from napari_cellseg_ssl.core.errors import CellSegError

EXIT_UNEXPECTED, EXIT_WRONG_INPUT, EXIT_SIGNAL = 1, 2, 128
"""The last one plus the number of the signal, as shells do: 130 after Ctrl-C, 143 after SIGTERM."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Returns
    -------
    int
        0; 2 for what a person can mend; 130 after Ctrl-C, 143 after SIGTERM; 1 for anything else.
    """
    arguments = build_parser().parse_args(argv)
    console = Console(as_json=arguments.json)
    try:
        with console.interruptible() as control:
            arguments.run(arguments, console, control)
    except CellSegError as problem:
        console.complain(problem)
        return EXIT_WRONG_INPUT
    except KeyboardInterrupt:
        return EXIT_SIGNAL + console.stopped_by
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        sys.stderr.close()
        return EXIT_UNEXPECTED
    except Exception as problem:  # noqa: BLE001 - the one place where unexpected errors are told to a person
        if arguments.traceback:
            traceback.print_exc()
        console.complain(f"Unexpected {type(problem).__name__}: {problem}. Repeat with --traceback to see where.")
        return EXIT_UNEXPECTED
    return EXIT_SIGNAL + console.stopped_by if control.is_stopping else 0
