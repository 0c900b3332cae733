"""The command as a whole: nouns joined, refusals printed, exit codes given.

`mantle.__main__` adds `up`, the one command that is a server and not a client.
"""

import json
import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Parameter

from mantle import __version__
from mantle.cli.cloud import build_cloud
from mantle.cli.demo import demo
from mantle.cli.drift import build_drift
from mantle.cli.exits import Exit, Stop
from mantle.cli.host import build_host
from mantle.cli.login import login
from mantle.cli.move import build_move
from mantle.cli.operation import build_operation
from mantle.cli.plan import build_plan
from mantle.cli.policy import build_policy
from mantle.cli.problems import stop_json, stop_lines
from mantle.cli.project import build_admin, build_project
from mantle.cli.reconcile import build_reconcile
from mantle.cli.register import register
from mantle.cli.register_domain import register_domain
from mantle.cli.screen import Screen
from mantle.cli.secret import build_secret
from mantle.cli.server import build_server
from mantle.cli.stack import build_stack
from mantle.cli.sweep import build_sweep
from mantle.cli.template import build_template

HELP = """One control plane for clouds: templates become running infrastructure.

First time? `mantle demo` plans, creates and shows a load-balanced web application on this machine.

Exit codes:

    0 done                       5 not logged in, or not allowed
    1 the operation failed       6 conflict: a name is taken, an action under way
    2 wrong usage                7 Mantle does not answer
    3 invalid template, request  8 Mantle's own fault
    4 not found                  9 you said no   130 stopped watching
"""


def build_app() -> App:
    """All client commands."""
    app = App(
        name="mantle",
        help=HELP,
        version=__version__,
        help_format="markdown",
        default_parameter=Parameter(show_default=False),
    )
    app.command(build_stack())
    app.command(build_cloud())
    app.command(build_drift())
    app.command(build_plan())
    app.command(build_move())
    app.command(build_operation())
    app.command(build_policy())
    app.command(build_project())
    app.command(build_admin())
    app.command(build_reconcile())
    app.command(build_template())
    app.command(build_secret())
    app.command(build_server())
    app.command(build_sweep())
    app.command(build_host())
    app.command(login)
    app.command(register)
    app.command(register_domain, name="register-domain")
    app.command(demo)
    return app


def run(app: App, arguments: Sequence[str] | None = None) -> int:
    """Run one command line to its exit code. Every refusal is a sentence, never a traceback."""
    tokens = list(sys.argv[1:] if arguments is None else arguments)
    try:
        outcome = app(tokens, exit_on_error=False, print_error=True, result_action="return_value")
    except CycloptsError:
        return Exit.USAGE
    except Stop as stop:
        _tell(stop, as_json="--json" in tokens)
        return stop.code
    except KeyboardInterrupt:
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # The reader of a pipe left (`| head`); Python would complain at exit otherwise.
        sys.stdout = None
        return Exit.OK
    return int(outcome) if isinstance(outcome, int) else Exit.OK


def _tell(stop: Stop, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(stop_json(stop), indent=2, ensure_ascii=False))  # noqa: T201
        return
    screen = Screen()
    if not sys.stderr.isatty():
        for line in stop_lines(stop):
            print(line, file=sys.stderr)  # noqa: T201
        return
    from rich.text import Text  # noqa: PLC0415 - only where colours are seen

    for line in stop_lines(stop):
        screen.err.print(Text(line, style=_style(line)))


def _style(line: str) -> str:
    if "error: " in line:
        return "bold red"
    return "bold yellow" if line.endswith("^") and "|" in line else ""
