"""`mantle server`: the servers of the project on every cloud, and one verb over many of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter

from mantle.cli.exits import Exit, Stop
from mantle.cli.options import NOTHING, USUAL, Common, Manner
from mantle.cli.screen import Screen

if TYPE_CHECKING:
    from mantle.cli.client import Client


def many(name: str, text: str) -> Parameter:
    """An option that may be given several times."""
    return Parameter(name=name, negative="", help=text)


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Which:
    """Selectors. Everything given must fit; several of one kind mean any, of tags all."""

    tag: Annotated[tuple[str, ...], many("--tag", "Has this tag; several: all of them.")] = ()
    metadata: Annotated[
        tuple[str, ...], many("--metadata", "KEY=VALUE, the value may be a pattern; all of them.")
    ] = ()
    host: Annotated[tuple[str, ...], many("--host", "Is on this host.")] = ()
    status: Annotated[
        tuple[str, ...], many("--status", "ACTIVE, STOPPED, SUSPENDED, BUILDING or ERROR.")
    ] = ()
    stack: Annotated[tuple[str, ...], many("--stack", "Belongs to this stack.")] = ()
    on_cloud: Annotated[tuple[str, ...], many("--on-cloud", "Is on this cloud of Mantle's.")] = ()
    region: Annotated[tuple[str, ...], many("--region", "Is in this region.")] = ()

    def query(self, names: tuple[str, ...]) -> dict[str, list[str]]:
        """For a list."""
        given = {
            "name": names,
            "tag": self.tag,
            "metadata": self.metadata,
            "host": self.host,
            "status": self.status,
            "stack": self.stack,
            "cloud": self.on_cloud,
            "region": self.region,
        }
        return {key: list(values) for key, values in given.items() if values}

    def body(self, names: tuple[str, ...]) -> dict[str, Any]:
        """For a sweep."""
        pairs = {}
        for text in self.metadata:
            key, equals, value = text.partition("=")
            if not (key and equals):
                raise Stop(Exit.USAGE, f"--metadata {text!r} is not of the form KEY=VALUE.")
            pairs[key] = value
        return {
            "names": list(names),
            "tags": list(self.tag),
            "metadata": pairs,
            "hosts": list(self.host),
            "statuses": list(self.status),
            "stacks": list(self.stack),
            "clouds": list(self.on_cloud),
            "regions": list(self.region),
        }


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How far a sweep may go."""

    plan: Annotated[
        bool, Parameter(negative="", help="Only plan; `mantle sweep apply ID` does it.")
    ] = False
    parallel: Annotated[int, Parameter(help="Servers worked on side by side.")] = 20
    at_most: Annotated[int | None, Parameter(help="Refuse when more servers than this fit.")] = None
    failures: Annotated[
        int | None,
        Parameter(help="Begin no further server when more failed; else a tenth of them."),
    ] = None


ANY = Which()
LOOSE = Bounds()


def build_server() -> App:
    """The noun with its verbs."""
    app = App(
        name="server",
        help="Servers on every cloud: list them, and do one thing to many at once.",
    )
    app.command(list_servers, name="list")
    app.command(power)
    app.command(resize)
    app.command(migrate)
    return app


def list_servers(*names: str, which: Which = ANY, common: Common = NOTHING) -> Exit:
    """List the project's servers, in stacks and beside them.

    Try:

        mantle server list
        mantle server list 'web-*' --status ACTIVE --tag blue

    Args:
        names: Names, ids, or patterns in quotes.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("servers", **which.query(names))
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    keys = ("name", "cloud", "status", "flavor", "host", "stack", "id")
    screen.table(keys, ([server[key] for key in keys] for server in answer["servers"]))
    for cloud, why in answer["unseen"].items():
        screen.say(f"not asked: {cloud}: {why}")
    return Exit.OK


def power(
    verb: Literal["on", "off", "reboot", "suspend", "resume"],
    /,
    *names: str,
    hard: Annotated[
        bool, Parameter(negative="", help="With reboot: as the power switch does it.")
    ] = False,
    which: Which = ANY,
    bounds: Bounds = LOOSE,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Switch servers on or off, reboot, suspend or resume them: shows the plan, asks, then watches.

    What is so already is left alone, and no server is rebooted twice, whatever is restarted
    meanwhile. An empty selector is refused: '*' means every server.

    Try:

        mantle server power off 'web-*' --tag blue
        mantle server power reboot --stack shop --parallel 2 --failures 0
        mantle server power reboot 'web-*' --status ERROR --hard
        mantle server power on '*' --at-most 50 --plan

    Args:
        verb: What to do.
        names: Names, ids, or patterns in quotes.
    """
    if hard and verb != "reboot":
        raise Stop(Exit.USAGE, "--hard is for reboot: what is switched off is not asked.")
    body = {"verb": "hard-reboot" if hard else verb, "selector": which.body(names)}
    return _sweep(common, manner, bounds, body)


def resize(
    flavor: str,
    /,
    *names: str,
    which: Which = ANY,
    bounds: Bounds = LOOSE,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Give servers another flavor. A stack's next check shows that its servers differ.

    Try:

        mantle server resize m1.large --tag cache

    Args:
        flavor: Its name or id.
        names: Names, ids, or patterns in quotes.
    """
    body = {"verb": "resize", "flavor": flavor, "selector": which.body(names)}
    return _sweep(common, manner, bounds, body)


def migrate(
    *names: str,
    live: Annotated[bool, Parameter(negative="", help="Without switching them off.")] = False,
    to: Annotated[str, Parameter(help="The host to go to; else the cloud chooses.")] = "",
    which: Which = ANY,
    bounds: Bounds = LOOSE,
    manner: Manner = USUAL,
    common: Common = NOTHING,
) -> Exit:
    """Bring servers to other hosts; for administrators.

    Try:

        mantle server migrate --host compute-7 --live

    Args:
        names: Names, ids, or patterns in quotes.
    """
    verb = "live-migrate" if live else "migrate"
    body = {"verb": verb, "host": to, "selector": which.body(names)}
    return _sweep(common, manner, bounds, body)


def _sweep(common: Common, manner: Manner, bounds: Bounds, body: dict[str, Any]) -> Exit:
    """Plan it, show the plan, ask, apply, watch."""
    from mantle.cli.sweep import carry_out, show_planned  # noqa: PLC0415 - `--help` needs none

    screen = common.screen
    asked = {
        **body,
        "parallel": bounds.parallel,
        "at_most": bounds.at_most,
        "failures_allowed": bounds.failures,
    }
    with common.client() as client:
        planned = client.post("sweeps", body=asked)
        if bounds.plan:
            if screen.json:
                screen.answer(planned)
            else:
                show_planned(screen, planned)
                screen.say(f"Nothing is done yet: mantle sweep apply {planned['sweep']['id']}")
            return Exit.OK
        if not screen.json:
            show_planned(screen, planned)
            _ask(screen, client, planned["sweep"], manner)
        return carry_out(screen, client, planned["sweep"]["id"], wait=manner.wait)


def _ask(screen: Screen, client: "Client", sweep: dict[str, Any], manner: Manner) -> None:
    if manner.yes or not screen.asks:
        return
    said = screen.out.input(f"\n[bold]{sweep['verb']} {sweep['total']} servers?[/bold] \\[y/N] ")
    if said.strip().lower() not in {"y", "yes"}:
        client.post("sweeps", sweep["id"], "cancel", body={})
        raise Stop(Exit.DECLINED, "Nothing was changed.")
