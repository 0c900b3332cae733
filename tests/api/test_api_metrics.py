"""What Prometheus reads: bounded labels, no secrets, and a page that outlives the database."""

import asyncio
import json
import re
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from mantle.api.metrics import Metrics
from mantle.api.scrape import Scrape, ScrapePage
from mantle.clouds.metered import Metered
from mantle.clouds.ports import CloudError, NetworkSpec
from mantle.clouds.simulated import SimulatedCloud
from mantle.lib import measures
from mantle.lib.clock import SystemClock
from mantle.model.ids import ProjectId
from mantle.store.database import Database

REFERENCE = Path(__file__).parents[2] / "docs" / "reference" / "metrics.md"
CANARY = "canary-7f3a"


def samples(text):
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_every_measure_is_explained_with_the_question_it_answers(base):
    """The reference lists precisely what the page has, but for the process's own."""
    text = httpx.get(f"{base}/metrics").text
    names = {
        family.name
        for family in text_string_to_metric_families(text)
        if "mantle" in family.name and not family.name.endswith("_created")
    }
    listed = set(re.findall(r"^\| `(mantle_\w+)", REFERENCE.read_text(), re.MULTILINE))
    assert {name.removesuffix("_total") for name in listed} == names


def test_no_label_holds_what_a_user_said(people, base):
    """Stack names, paths, methods and projects of somebody who tries make no series."""
    maker = people["maker"]
    maker.create(CANARY, {"heat_template_version": "2021-04-16", "resources": {}})
    maker.own.get(f"/{CANARY}/nowhere")
    maker.heat.get(f"/stacks/{CANARY}/{CANARY}")
    httpx.get(f"{base}/{CANARY}")
    httpx.request(CANARY.upper().replace("-", ""), f"{base}/heat/v1/{CANARY}/stacks")
    text = httpx.get(f"{base}/metrics").text
    assert CANARY not in text.lower()
    assert CANARY.upper().replace("-", "") not in text
    assert maker.project_id not in text
    assert 'method="other"' in text


def test_an_operation_is_counted_on_all_its_way(people, base):
    """Queue, steps, operation, commits and the database's two pools."""
    resources = {"net": {"type": "OS::Neutron::Net"}}
    before = samples(httpx.get(f"{base}/metrics").text)
    people["maker"].create(
        "measured", {"heat_template_version": "2021-04-16", "resources": resources}
    )
    after = samples(httpx.get(f"{base}/metrics").text)
    step = {"type": "OS::Neutron::Net", "cloud": "simulated", "kind": "create", "outcome": "done"}
    names = [
        ("mantle_queue_wait_seconds_count", {}),
        ("mantle_step_seconds_count", step),
        ("mantle_operation_seconds_count", {"action": "CREATE", "status": "complete"}),
        ("mantle_commit_entries_count", {}),
        ("mantle_commit_seconds_count", {}),
        ("mantle_database_seconds_count", {"pool": "write"}),
        ("mantle_database_wait_seconds_count", {"pool": "read"}),
    ]
    keys = [(name, tuple(sorted(labels.items()))) for name, labels in names]
    assert [key for key in keys if after.get(key, 0) <= before.get(key, 0)] == []
    assert after["mantle_database_up", ()] == 1


def test_calls_to_a_cloud_are_counted_by_service_verb_and_outcome():
    """A refusal by its kind; what the cloud is otherwise shows through."""
    cloud = Metered(SimulatedCloud(clock=SystemClock()))

    async def story():
        networks = cloud.session(ProjectId("p")).networks
        await networks.create(NetworkSpec(name="n"), "token")
        with pytest.raises(CloudError):
            await networks.get("no such")
        await cloud.session(ProjectId("p")).flavors()

    before = samples(measures.text().decode())
    asyncio.run(story())
    after = samples(measures.text().decode())
    grown = {
        tuple(value for _, value in labels)
        for (name, labels), value in after.items()
        if name == "mantle_cloud_call_seconds_count" and value > before.get((name, labels), 0)
    }
    assert grown == {
        ("simulated", "ok", "networks", "create"),
        ("simulated", "missing", "networks", "get"),
        ("simulated", "ok", "project", "flavors"),
    }
    assert cloud.world is cloud.cloud.world


def test_a_page_of_its_own_answers_while_the_database_does_not(tmp_path):
    """It says that the rows could not be counted, and shows the rest; once they can, it does."""
    database = Database.at(tmp_path / "db.sqlite")
    database.create_tables()
    scrape = Scrape(Metrics(), database, SystemClock())
    held, go = threading.Event(), threading.Event()

    def hold(_):
        held.set()
        go.wait(30)

    async def look(client):
        return samples((await client.get("/metrics")).text)

    async def story():
        transport = httpx.ASGITransport(app=ScrapePage(scrape.text))
        async with httpx.AsyncClient(transport=transport, base_url="http://m") as client:
            blocked = [asyncio.ensure_future(database.read(hold)) for _ in range(4)]
            await asyncio.to_thread(held.wait)
            during = await look(client)
            pending = during["mantle_database_pending", (("pool", "read"),)]
            go.set()
            await asyncio.gather(*blocked)
            after = await look(client)
            others = [(await client.get(path)).status_code for path in ("/healthz", "/v2/stacks")]
            others.append((await client.post("/metrics")).status_code)
        return (
            during["mantle_database_up", ()],
            pending >= 5,
            after["mantle_database_up", ()],
            others,
        )

    assert asyncio.run(story()) == (0, True, 1, [200, 404, 405])
    database.close()


def test_new_work_is_refused_while_the_database_is_slow_and_reads_go_on(server, people):
    """503 with when to come back, on both APIs; nothing of it is stored. Then it is taken again."""
    maker = people["maker"]
    machine = server.control.machine
    usual, machine.settings = machine.settings, replace(machine.settings, database_seconds=0.2)
    template = {"heat_template_version": "2021-04-16", "resources": {}}
    go = threading.Event()
    try:
        slow = asyncio.run_coroutine_threadsafe(
            server.control.database.write(lambda _: go.wait(30)), server.loop
        )
        time.sleep(0.5)
        heat = maker.heat.post("/stacks", json={"stack_name": "late", "template": template})
        own = maker.own.post(
            "/stacks", json={"stack_name": "late", "template": json.dumps(template)}
        )
        read = maker.heat.get("/stacks")
        go.set()
        slow.result(30)
    finally:
        go.set()
        machine.settings = usual
    assert [(each.status_code, each.headers.get("Retry-After")) for each in (heat, own)] == [
        (503, "5"),
        (503, "5"),
    ]
    assert heat.json()["error"]["type"] == "ServiceUnavailable"
    assert (read.status_code, [s["stack_name"] for s in read.json()["stacks"]].count("late")) == (
        200,
        0,
    )
    maker.create("late", template)
