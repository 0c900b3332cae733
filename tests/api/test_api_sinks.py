"""Event sinks over real sockets: in order, at least once, within what is allowed."""

import asyncio
import json
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "support"))

from listener import listening
from power import CALLER, quiet

from mantle.clouds.simulated import SimulatedCloud
from mantle.engine.links import Links
from mantle.engine.runtime import TaskRuntime
from mantle.engine.settings import Settings
from mantle.lib.clock import SystemClock
from mantle.lib.outbound import destinations_of
from mantle.model.graph import TemplateSource
from mantle.stacks.create import CreateRequest, create_stack
from mantle.store.database import Database
from mantle.wiring import assemble

RANDOM = {"type": "OS::Heat::RandomString", "properties": {"length": 4}}
TEMPLATE = {"heat_template_version": "2018-08-31", "resources": {"a": RANDOM, "b": RANDOM}}
NESTED = {
    "heat_template_version": "2018-08-31",
    "resources": {
        "group": {
            "type": "OS::Heat::ResourceGroup",
            "properties": {"count": 2, "resource_def": RANDOM},
        }
    },
}


@pytest.fixture
def hook(server):
    """A listener on the loopback, which is allowed meanwhile."""
    machine = server.control.machine
    before = machine.settings
    machine.settings = replace(before, destinations=destinations_of("127.0.0.0/8"))
    with listening() as listener:
        listener.answer = lambda path, body: 204
        yield listener
    machine.settings = before


def environment(*targets, **more):
    return {"event_sinks": [{"type": "webhook", "target": each, **more} for each in targets]}


def messages(listener, path="/hook"):
    return [json.loads(body) for _, at, _, body in listener.seen if at == path]


def told(listener, path="/hook"):
    return [
        (each["payload"]["resource_name"], each["payload"]["resource_status"])
        for each in messages(listener, path)
    ]


def until(what, seconds=20.0):
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it never came to be"
        time.sleep(0.02)


@pytest.mark.proves("environment: event_sinks")
def test_every_event_of_a_stack_comes_in_order(maker, hook):
    """The same events the API lists, with their ids, in Heat's message form."""
    path = maker.create("sunk", TEMPLATE, environment=environment(f"{hook.base}/hook"))
    listed = maker.heat.get(f"{path}/events", params={"sort_dir": "asc"}).json()["events"]
    until(lambda: len(messages(hook)) >= len(listed))
    assert [each["id"] for each in messages(hook)] == [each["id"] for each in listed]
    first = messages(hook)[0]
    assert (first["type"], first["version"]) == ("os.heat.event", "0.1")
    assert first["payload"]["resource_status_reason"] == "Stack CREATE started"
    assert hook.seen[0][2]["X-Mantle-Event"] == first["id"]
    maker.heat.delete(path)
    until(lambda: told(hook)[-1] == ("sunk", "COMPLETE") and len(told(hook)) > len(listed))
    assert messages(hook)[-1]["payload"]["resource_action"] == "DELETE"


def test_stacks_inside_send_theirs_too(maker, hook):
    """As in Heat: a group's members are heard as well."""
    path = maker.create("deep", NESTED, environment=environment(f"{hook.base}/hook"))
    until(lambda: {("0", "COMPLETE"), ("1", "COMPLETE"), ("group", "COMPLETE")} <= set(told(hook)))
    maker.heat.delete(path)


def test_a_sink_that_fails_is_tried_again_and_nothing_is_lost(maker, hook):
    """The order stays; what waits and why is shown."""
    refusals = iter([500, 429])
    hook.answer = lambda path, body: next(refusals, 200)
    path = maker.create("stubborn", TEMPLATE, environment=environment(f"{hook.base}/hook"))
    until(lambda: len(hook.seen) >= 1)
    until(lambda: sinks(maker, "stubborn")["waiting"] == 0)
    ids = [each["id"] for each in messages(hook)]
    assert ids[0] == ids[1] == ids[2]
    assert len(set(ids)) == len(ids) - 2
    assert [seen[2]["X-Mantle-Attempt"] for seen in hook.seen[:3]] == ["1", "2", "3"]
    assert sinks(maker, "stubborn")["dropped"] == 0
    maker.heat.delete(path)


def sinks(person, name):
    return person.own.get(f"/stacks/{name}/sinks").json()["sinks"][0]


def test_what_is_too_old_is_dropped_and_counted(maker, hook):
    """A dead target costs its own events only."""
    hook.answer = lambda path, body: 503 if path == "/dead" else 200
    given = environment(f"{hook.base}/dead", f"{hook.base}/hook", ttl=1)
    path = maker.create("dropping", TEMPLATE, environment=given)
    until(lambda: len(messages(hook)) == 6)
    until(lambda: sinks(maker, "dropping")["dropped"] == 6)
    dead = sinks(maker, "dropping")
    assert (dead["delivered"], dead["waiting"], dead["problem"]) == (
        0,
        0,
        f"{hook.base}/dead answered 503.",
    )
    maker.heat.delete(path)


def test_a_sink_that_left_gets_what_came_before_it_left(maker, hook):
    """And nothing of what came after."""
    path = maker.create("leaving", TEMPLATE, environment=environment(f"{hook.base}/hook"))
    until(lambda: len(messages(hook)) == 6)
    changed = {**TEMPLATE, "resources": {"a": RANDOM}}
    moved = {"template": changed, "environment": environment(f"{hook.base}/other")}
    assert maker.heat.put(path, json=moved).status_code == 202
    assert maker.wait(path) == "UPDATE_COMPLETE"
    until(lambda: told(hook, "/other")[-1:] == [("leaving", "COMPLETE")])
    assert len(messages(hook)) == 6

    def targets():
        answer = maker.own.get("/stacks/leaving/sinks").json()
        return [each["target"] for each in answer["sinks"]]

    until(lambda: targets() == [f"{hook.base}/other"])
    patch = {"parameters": {}}
    assert maker.heat.patch(path, json=patch).status_code == 202
    assert maker.wait(path) == "UPDATE_COMPLETE"
    until(lambda: told(hook, "/other").count(("leaving", "COMPLETE")) == 2)
    maker.heat.delete(path)


def test_a_rollback_brings_the_earlier_sinks_back(maker, hook):
    """The end of the way back is told where it was told before."""
    path = maker.create("back", TEMPLATE, environment=environment(f"{hook.base}/hook"))
    until(lambda: len(messages(hook)) == 6)
    failing = {"type": "OS::Heat::TestResource", "properties": {"fail": True}}
    body = {
        "template": {**TEMPLATE, "resources": {**TEMPLATE["resources"], "c": failing}},
        "environment": environment(f"{hook.base}/other"),
        "disable_rollback": False,
    }
    assert maker.heat.put(path, json=body).status_code == 202
    assert maker.wait(path) == "ROLLBACK_COMPLETE"
    until(lambda: told(hook)[-1:] == [("back", "COMPLETE")] and len(messages(hook)) == 7)
    failed = {("back", "FAILED"), ("c", "FAILED")}
    until(lambda: failed & set(told(hook, "/other")))
    maker.heat.delete(path)


@pytest.mark.parametrize(
    ("sink", "message"),
    [
        ({"type": "zaqar-queue", "target": "q"}, "there is no Zaqar to send to"),
        ({"type": "carrier-pigeon", "target": "x"}, "no event sink of type 'carrier-pigeon'"),
        ({"type": "webhook"}, "must be an http or https URL"),
        ({"type": "webhook", "target": "file:///etc/passwd"}, "must be an http or https URL"),
        ({"type": "webhook", "target": "https://e.org/", "ttl": 0}, "ttl of an event sink"),
        ({"type": "webhook", "target": "https://e.org/", "ttl": True}, "ttl of an event sink"),
        ({"type": "webhook", "target": "https://e.org/", "retries": 3}, "has no 'retries'"),
        ({"type": "webhook", "target": "http://127.0.0.1:1/"}, "not a public one"),
        ({"type": "webhook", "target": "http://169.254.169.254/"}, "not a public one"),
        ({"type": "webhook", "target": "https://u:p@e.org/"}, "user name or password"),
        ("a text", "must be a map"),
    ],
)
def test_a_sink_that_cannot_be_is_refused_with_the_template(maker, sink, message):
    """By name, before a stack is made."""
    asked = {"stack_name": "no", "template": TEMPLATE, "environment": {"event_sinks": [sink]}}
    answer = maker.heat.post("/stacks", json=asked)
    assert (answer.status_code, message in answer.json()["error"]["message"]) == (400, True)


def test_too_many_sinks_are_refused(maker):
    """One environment cannot make Mantle a flood."""
    given = environment(*(f"https://e.org/{n}" for n in range(9)))
    asked = {"stack_name": "no", "template": TEMPLATE, "environment": given}
    answer = maker.heat.post("/stacks", json=asked)
    assert "9 event sinks are given; 8 are allowed" in answer.json()["error"]["message"]


def test_a_name_that_stands_for_a_private_address_gets_nothing(maker, hook, server):
    """Names are looked up when there is something to send; the refusal is shown."""
    server.control.machine.settings = replace(
        server.control.machine.settings, destinations=destinations_of("public")
    )
    target = f"http://localhost:{hook.port}/hook"
    path = maker.create("private", TEMPLATE, environment=environment(target))
    until(lambda: "not a public one" in sinks(maker, "private")["problem"])
    assert hook.seen == []
    maker.heat.delete(path)


def test_sinks_of_another_project_are_not_there(people, hook):
    """Not even their number."""
    maker = people["maker"]
    path = maker.create("hidden", TEMPLATE, environment=environment(f"{hook.base}/hook"))
    assert people["stranger"].own.get("/stacks/hidden/sinks").status_code == 404
    assert people["looker"].own.get("/stacks/hidden/sinks").status_code == 200
    maker.heat.delete(path)


def plane(database):
    return assemble(
        database=database,
        clouds={"simulated": SimulatedCloud(clock=SystemClock())},
        default_cloud="simulated",
        runtime=TaskRuntime(),
        links=Links(base_url="http://127.0.0.1:1", key=b"test"),
        settings=Settings(destinations=destinations_of("127.0.0.0/8")),
    )


@pytest.mark.proves("environment: event_sinks")
def test_what_was_sent_and_not_written_down_is_sent_again_under_the_same_id(tmp_path):
    """The process ends between a delivery and its record: nothing is lost, a double is known."""
    with listening() as hook:
        holding, go_on = threading.Event(), threading.Event()

        def answer(path, body):
            if not go_on.is_set():
                holding.set()
                go_on.wait(20)
            return 200

        hook.answer = answer

        async def first(database):
            control, engine = plane(database)
            await engine.open()
            source = TemplateSource(template=TEMPLATE, environment=environment(hook.base + "/hook"))
            await create_stack(control, CALLER, CreateRequest(name="s", source=source))
            await quiet(control)
            await asyncio.to_thread(holding.wait, 20)
            await engine.close()

        async def second(database):
            _, engine = plane(database)
            await engine.open()
            await asyncio.to_thread(until, lambda: len(set(ids())) == 6)
            await engine.close()

        def ids():
            return [each["id"] for each in messages(hook)]

        database = Database.at(tmp_path / "db.sqlite")
        database.create_tables()
        asyncio.run(first(database))
        go_on.set()
        asyncio.run(second(database))
        assert (ids()[0] == ids()[1], len(ids())) == (True, 7)
        database.close()
