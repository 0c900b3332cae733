"""The `mantle` command: the client's commands, and `up`, which is the server."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from mantle.cli.app import build_app, run
from mantle.cli.exits import Exit, Stop

if TYPE_CHECKING:
    from mantle.clouds.openstack import Entry
    from mantle.engine.settings import Settings
    from mantle.lib.outbound import Destinations


def up(
    *,
    data_dir: Annotated[Path | None, Parameter(env_var="MANTLE_DATA_DIR")] = None,
    listen: Annotated[str, Parameter(env_var="MANTLE_LISTEN")] = "127.0.0.1:8778",
    cfn_listen: Annotated[str | None, Parameter(env_var="MANTLE_CFN_LISTEN")] = None,
    cloud: Annotated[str, Parameter(env_var="MANTLE_CLOUD")] = "local",
    keystone_url: Annotated[str | None, Parameter(env_var="MANTLE_KEYSTONE_URL")] = None,
    loopback_block: Annotated[str | None, Parameter(env_var="MANTLE_LOOPBACK_BLOCK")] = None,
    destinations: Annotated[str, Parameter(env_var="MANTLE_DESTINATIONS")] = "public",
    environment_dir: Annotated[Path | None, Parameter(env_var="MANTLE_ENVIRONMENT_DIR")] = None,
    openstack: Annotated[str, Parameter(env_var="MANTLE_OPENSTACK")] = "",
    openstack_config: Annotated[Path | None, Parameter(env_var="MANTLE_OPENSTACK_CONFIG")] = None,
    max_template_size: Annotated[int | None, Parameter(env_var="MANTLE_MAX_TEMPLATE_SIZE")] = None,
    max_nested_depth: Annotated[int | None, Parameter(env_var="MANTLE_MAX_NESTED_DEPTH")] = None,
    max_resources_per_stack: Annotated[
        int | None, Parameter(env_var="MANTLE_MAX_RESOURCES_PER_STACK")
    ] = None,
    max_stacks_per_project: Annotated[
        int | None, Parameter(env_var="MANTLE_MAX_STACKS_PER_PROJECT")
    ] = None,
    max_operations_per_project: Annotated[
        int | None, Parameter(env_var="MANTLE_MAX_OPERATIONS_PER_PROJECT")
    ] = None,
    max_snapshots_per_stack: Annotated[
        int | None, Parameter(env_var="MANTLE_MAX_SNAPSHOTS_PER_STACK")
    ] = None,
    hidden_stack_tags: Annotated[str | None, Parameter(env_var="MANTLE_HIDDEN_STACK_TAGS")] = None,
) -> int:
    """Run the whole control plane in this process: API, engine, identity, local cloud.

    It stops at Ctrl-C or SIGTERM. Servers of the local cloud go on running and are found again at
    the next start; an operation under way goes on then.

    Parameters
    ----------
    data_dir
        Where everything is kept. Default: ~/.local/share/mantle.
    listen
        HOST:PORT to listen on. Keep it on the loopback unless a TLS proxy stands in front.
    cfn_listen
        HOST:PORT for the CFN-compatible API alone, with paths as Heat's own (8000 is usual there).
        It also answers below /cfn on the port above.
    cloud
        Where stacks go unless they say otherwise: local, simulated, or one of --openstack.
    keystone_url
        Check tokens at this Keystone instead of the embedded identity service.
    loopback_block
        Where the local cloud's addresses come from, such as 127.96.0.0/12.
    destinations
        Where requests to addresses that users name may go (templates by URL, event sinks, other
        Heats): public, none, networks such as 10.1.0.0/16 and host names, separated by commas.
    environment_dir
        A folder of environment files that lie under every stack's environment.
    openstack
        Clouds of clouds.yaml, separated by commas: ENTRY, ENTRY@REGION. With the embedded identity
        service ENTRY=PROJECT: the entry's project serves that project of Mantle's, and no other.
    openstack_config
        The clouds.yaml they are in. Default: the places where openstack clients look.
    max_template_size
        Bytes that a template may have, nested ones too. Default: 4194304.
    max_nested_depth
        Levels of stacks below the first. Default: 5.
    max_resources_per_stack
        Resources of a stack with all that is nested in it; -1 is no limit. Default: 50000.
    max_stacks_per_project
        Stacks that a project may have; -1 is no limit. Default: 512. For this and what follows an
        administrator can set another limit for one project: mantle project set-limit.
    max_operations_per_project
        Operations of a project that may be under way at once; -1 is no limit. Default: 256.
    max_snapshots_per_stack
        Snapshots that a stack may have; -1 is no limit. Default: 32.
    hidden_stack_tags
        Tags, separated by commas: stacks with one of them are left out of listings. Default:
        data-processing-cluster.
    """
    from mantle.engine.settings import Settings  # noqa: PLC0415
    from mantle.wiring import Options, default_data_dir, serve  # noqa: PLC0415 - the server

    host, port = _address(listen, "--listen")
    cfn_host, cfn_port = _address(cfn_listen, "--cfn-listen") if cfn_listen else ("", 0)
    options = Options(
        data_dir=(data_dir or default_data_dir()).absolute(),
        host=host,
        port=port,
        cfn_host=cfn_host,
        cfn_port=cfn_port,
        keystone_url=keystone_url,
        default_cloud=cloud,
        loopback_block=loopback_block,
        environment_dir=environment_dir.absolute() if environment_dir else None,
        openstack=_entries(openstack, openstack_config),
        settings=_bounded(
            Settings(destinations=_destinations(destinations)),
            size=max_template_size,
            depth=max_nested_depth,
            resources=max_resources_per_stack,
            stacks=max_stacks_per_project,
            operations=max_operations_per_project,
            snapshots=max_snapshots_per_stack,
            hidden=hidden_stack_tags,
        ),
    )
    return serve(options)


def _address(given: str, option: str) -> tuple[str, int]:
    host, _, port = given.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise Stop(Exit.USAGE, f"{option} takes HOST:PORT, not {given!r}.")
    return host, int(port)


def _destinations(text: str) -> "Destinations":
    from mantle.lib.outbound import destinations_of  # noqa: PLC0415

    try:
        return destinations_of(text)
    except ValueError as error:
        raise Stop(Exit.USAGE, f"--destinations {text!r}: {error}.") from error


def _bounded(
    settings: "Settings",
    *,
    size: int | None,
    depth: int | None,
    resources: int | None,
    stacks: int | None,
    operations: int | None,
    snapshots: int | None,
    hidden: str | None,
) -> "Settings":
    """The settings with those limits that were given."""
    for option, value, least in (
        ("--max-template-size", size, 1024),
        ("--max-nested-depth", depth, 0),
        ("--max-resources-per-stack", resources, -1),
        ("--max-stacks-per-project", stacks, -1),
        ("--max-operations-per-project", operations, -1),
        ("--max-snapshots-per-stack", snapshots, -1),
    ):
        if value is not None and value < least:
            raise Stop(Exit.USAGE, f"{option} is at least {least}, not {value}.")
    bounds = settings.bounds
    if size is not None:
        bounds = replace(bounds, template_bytes=size)
    if depth is not None:
        bounds = replace(bounds, nesting=depth)
    given = {
        "resources_per_stack": resources,
        "stacks_per_project": stacks,
        "operations_per_project": operations,
        "snapshots_per_stack": snapshots,
    }
    if hidden is not None:
        tags = tuple(tag.strip() for tag in hidden.split(",") if tag.strip())
        settings = replace(settings, hidden_stack_tags=tags)
    numbers: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return replace(settings, bounds=bounds, **numbers)


def _entries(text: str, file: Path | None) -> "tuple[Entry, ...]":
    """`real-demo@RegionOne=demo,other`."""
    from mantle.clouds.openstack import Entry  # noqa: PLC0415 - the server

    found = []
    for part in filter(None, map(str.strip, text.split(","))):
        where, _, project = part.partition("=")
        name, _, region = where.partition("@")
        if not name:
            raise Stop(Exit.USAGE, f"--openstack takes ENTRY[@REGION][=PROJECT], not {part!r}.")
        found.append(
            Entry(
                name=name,
                region=region or None,
                project=project or None,
                file=file.absolute() if file else None,
            )
        )
    return tuple(found)


def main() -> int:
    """Entry point of the `mantle` command."""
    app = build_app()
    app.command(up)
    return run(app)


if __name__ == "__main__":
    sys.exit(main())
