"""`mantle host`: what an operator sees of a cloud: hosts, their servers, the cloud's services."""

from cyclopts import App

from mantle.cli.exits import Exit
from mantle.cli.options import NOTHING, Common


def build_host() -> App:
    """The noun with its verbs."""
    app = App(name="host", help="The hosts and services of a cloud; for administrators.")
    app.command(list_hosts, name="list")
    app.command(servers)
    app.command(services)
    app.command(disable)
    app.command(enable)
    return app


def list_hosts(on_cloud: str, /, *, common: Common = NOTHING) -> Exit:
    """What servers run on, as it is now.

    Try:

        mantle host list mycloud

    Args:
        on_cloud: A cloud of `mantle cloud list`.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("clouds", on_cloud, "hosts")
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    keys = ("name", "kind", "up", "enabled", "reason", "zone", "servers", "vcpus", "ram_mib")
    screen.table(keys, ([host[key] for key in keys] for host in answer["hosts"]))
    return Exit.OK


def servers(on_cloud: str, host: str, /, *, common: Common = NOTHING) -> Exit:
    """The servers on a host, of all projects.

    Try:

        mantle host servers mycloud compute-7

    Args:
        on_cloud: A cloud of `mantle cloud list`.
        host: As `mantle host list` names it.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("clouds", on_cloud, "hosts", host, "servers")
    if screen.json:
        screen.answer(answer)
    else:
        screen.table(("name", "id"), ((one["name"], one["id"]) for one in answer["servers"]))
    return Exit.OK


def services(on_cloud: str, /, *, common: Common = NOTHING) -> Exit:
    """The cloud's own processes, and whether they are up.

    Try:

        mantle host services mycloud

    Args:
        on_cloud: A cloud of `mantle cloud list`.
    """
    screen = common.screen
    with common.client() as client:
        answer = client.get("clouds", on_cloud, "services")
    if screen.json:
        screen.answer(answer)
        return Exit.OK
    keys = ("host", "name", "up", "enabled", "reason", "zone", "id")
    screen.table(keys, ([service[key] for key in keys] for service in answer["services"]))
    return Exit.OK


def disable(on_cloud: str, service: str, /, *, why: str = "", common: Common = NOTHING) -> Exit:
    """Let a service's host get nothing new; what runs there goes on.

    Try:

        mantle host disable mycloud compute:5e0b… --why "new fans"

    Args:
        on_cloud: A cloud of `mantle cloud list`.
        service: Its id, as `mantle host services` shows it.
        why: Shown to everybody who looks.
    """
    return _set(common, on_cloud, service, {"enabled": False, "reason": why})


def enable(on_cloud: str, service: str, /, *, common: Common = NOTHING) -> Exit:
    """Let a service's host get new work again.

    Try:

        mantle host enable mycloud compute:5e0b…

    Args:
        on_cloud: A cloud of `mantle cloud list`.
        service: Its id, as `mantle host services` shows it.
    """
    return _set(common, on_cloud, service, {"enabled": True})


def _set(common: Common, on_cloud: str, service: str, body: dict[str, object]) -> Exit:
    screen = common.screen
    with common.client() as client:
        answer = client.post("clouds", on_cloud, "services", service, body=body)
    screen.answer(answer, f"{service} is {'enabled' if body['enabled'] else 'disabled'}.")
    return Exit.OK
