"""Software configurations and deployments as verbs over a database."""

import asyncio

import pytest

from mantle.model.errors import MantleError, NotFound
from mantle.software.configs import (
    ConfigRequest,
    config_text,
    create_config,
    delete_config,
    find_config,
    list_configs,
)
from mantle.software.deployments import (
    DeploymentChange,
    DeploymentRequest,
    configs_of_server,
    create_deployment,
    delete_deployment,
    update_deployment,
)
from mantle.store.database import Database


def story(tell) -> None:
    """Run a coroutine over an empty database."""

    async def run() -> None:
        database = Database("sqlite://")
        database.create_tables()
        try:
            await tell(database)
        finally:
            database.close()

    asyncio.run(run())


async def config(database, config_id: str, project: str = "ours", **fields):
    request = ConfigRequest(**{"name": config_id, "config": f"text of {config_id}", **fields})
    return await create_config(
        database, project, request, config_id=config_id, now=float(len(config_id))
    )


def test_a_config_is_its_projects_alone():
    """Another project finds neither it nor its text."""

    async def tell(database):
        await config(database, "c")
        assert (await find_config(database, "ours", "c")).config == "text of c"
        assert await config_text(database, "ours", "c") == "text of c"
        assert await config_text(database, "theirs", "c") is None
        with pytest.raises(NotFound):
            await find_config(database, "theirs", "c")
        with pytest.raises(NotFound):
            await delete_config(database, "theirs", "c")

    story(tell)


def test_configs_are_paged_oldest_first():
    """By a marker and a limit; an unknown marker begins at the start."""

    async def tell(database):
        for config_id in ("c", "cc", "ccc"):
            await config(database, config_id)

        async def page(**paging):
            return [one.id for one in await list_configs(database, "ours", **paging)]

        assert await page() == ["c", "cc", "ccc"]
        assert await page(marker="c", limit=1) == ["cc"]
        assert await page(marker="unknown", limit=2) == ["c", "cc"]

    story(tell)


def test_an_input_without_a_name_is_refused():
    """The message shows it."""

    async def tell(database):
        with pytest.raises(MantleError, match="no name"):
            await config(database, "c", inputs=({"type": "String"},))

    story(tell)


def test_a_config_in_use_stays():
    """Until its last deployment has gone."""

    async def tell(database):
        await config(database, "c")
        request = DeploymentRequest(config_id="c", server_id="s")
        await create_deployment(database, "ours", request, deployment_id="d", now=1.0)
        with pytest.raises(MantleError, match="used by deployment d"):
            await delete_config(database, "ours", "c")
        await delete_deployment(database, "ours", "d")
        await delete_config(database, "ours", "c")

    story(tell)


def test_an_agent_polls_and_reports():
    """It reads the configs of its server in order; its report changes only what it says."""

    async def tell(database):
        for config_id in ("c", "cc"):
            await config(database, config_id)
            request = DeploymentRequest(config_id=config_id, server_id="s", input_values={"a": 1})
            await create_deployment(
                database, "ours", request, deployment_id=f"d-{config_id}", now=float(len(config_id))
            )
        polled = await configs_of_server(database, "ours", "s")
        assert [(one.id, deployment.id) for one, deployment in polled] == [
            ("c", "d-c"),
            ("cc", "d-cc"),
        ]
        report = DeploymentChange(status="COMPLETE", output_values={"deploy_stdout": "hello"})
        done = await update_deployment(database, "ours", "d-c", report, now=9.0)
        assert (done.status, done.input_values, done.updated_at) == ("COMPLETE", {"a": 1}, 9.0)
        assert done.output_values == {"deploy_stdout": "hello"}

    story(tell)


def test_a_deployment_needs_a_config_of_its_project():
    """Neither a missing nor a foreign one will do."""

    async def tell(database):
        await config(database, "c", project="theirs")
        request = DeploymentRequest(config_id="c", server_id="s")
        with pytest.raises(NotFound):
            await create_deployment(database, "ours", request, deployment_id="d", now=1.0)

    story(tell)
