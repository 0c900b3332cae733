"""`python -m benchmarks.on_openstack [COUNT …]`: servers with ports, on a real OpenStack.

For each count, in turn: a plain openstacksdk script (8 creates at once, one list call every half
second) and Mantle (a template with as many ports and servers, over HTTP). Measured are the seconds
until all are ACTIVE, the API calls until then, the same for deleting, and the memory of `mantle
up`. Writes docs/benchmarks-openstack.md. Needs the lab: `make bench-openstack`.
"""

import concurrent.futures
import datetime as dt
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import openstack
import openstack.config
import psutil

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks-openstack.md"
CLOUD = "real-demo"
PREFIX = "mantlebench-"

HEAD = """# Benchmarks on OpenStack

`make bench-openstack` made this page: {when}, {cores} cores shared by the OpenStack services of
`../shared/openstack` and by what is measured, load average {load:.1f} at the end. Each server has a
port of its own. *Script*: openstacksdk alone, 8 creates at once, one list call every half second.
*Mantle*: a template of ports and servers, from the request to the end of the operation. Both in
turn, after each has made one server that is not counted; the lab does nearly all of the work, so
that the seconds of one run vary by a fifth.

| servers | create, script s | Mantle s | ratio | calls/server, script | Mantle | ratio \
| delete, script s | Mantle s | engine MB |
|---|---|---|---|---|---|---|---|---|---|
"""

FOOT = """
Aims: at most {aim} times the script's seconds, and at most {aim} times its calls per server.
{verdict} The script's look-ups of flavor, image and network are not counted, Mantle's are, and it
asks for nothing but names.
"""

AIM = 1.1
"""The most that either ratio should be."""


class Script:
    """What a person would write by hand."""

    def __init__(self, file: Path) -> None:
        known = openstack.config.OpenStackConfig(config_files=[str(file)], load_envvars=False)
        self.sdk = openstack.connection.Connection(config=known.get_one(cloud=CLOUD))
        self.calls = 0
        ask = self.sdk.session.request

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls += 1
            return ask(*args, **kwargs)

        self.sdk.session.request = counted
        self.flavor = self.sdk.compute.find_flavor("tiny").id
        self.image = self.sdk.image.find_image("tiny").id
        self.network = self.sdk.network.find_network("demo").id

    def create(self, count: int) -> None:
        def one(number: int) -> None:
            name = f"{PREFIX}{number}"
            port = self.sdk.network.create_port(name=name, network_id=self.network)
            self.sdk.compute.create_server(
                name=name,
                flavor_id=self.flavor,
                image_id=self.image,
                networks=[{"port": port.id}],
            )

        self._at_once(one, range(count))
        while len(list(self._names(status="ACTIVE"))) < count:
            if list(self._names(status="ERROR")):
                raise SystemExit("a server is in ERROR")
            time.sleep(0.5)

    def delete(self, _: int) -> None:
        self._at_once(self.sdk.compute.delete_server, list(self._names()))
        while list(self._names()):
            time.sleep(0.5)
        ports = self.sdk.network.ports(network_id=self.network)
        self._at_once(
            self.sdk.network.delete_port, [each for each in ports if each.name.startswith(PREFIX)]
        )

    def _names(self, **query: str) -> Any:
        return self.sdk.compute.servers(details=False, name=f"^{PREFIX}", **query)

    def _at_once(self, function: Callable[[Any], Any], items: Any) -> None:
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(function, items))


class Mantle:
    """`mantle up`, asked over HTTP."""

    def __init__(self, url: str, process: subprocess.Popen, token: str) -> None:
        self.process = psutil.Process(process.pid)
        self.http = httpx.Client(base_url=url + "/v2", headers={"X-Auth-Token": token}, timeout=120)

    @property
    def calls(self) -> int:
        return int(self._get(f"clouds/{CLOUD}")["cloud"]["facts"]["calls"])

    @property
    def megabytes(self) -> float:
        return self.process.memory_info().rss / 1e6

    def create(self, count: int) -> None:
        resources: dict[str, Any] = {}
        for number in range(count):
            resources[f"port{number}"] = {
                "type": "OS::Neutron::Port",
                "properties": {"network": "demo"},
            }
            resources[f"server{number}"] = {
                "type": "OS::Nova::Server",
                "properties": {
                    "flavor": "tiny",
                    "image": "tiny",
                    "networks": [{"port": {"get_resource": f"port{number}"}}],
                },
            }
        template = {"heat_template_version": "2021-04-16", "resources": resources}
        body = {"stack_name": "bench", "template": template}
        self._until(self.http.post("/stacks", json=body), "COMPLETE")

    def delete(self, _: int) -> None:
        self._until(self.http.delete("/stacks/bench"), "COMPLETE")

    def _until(self, answer: httpx.Response, status: str) -> None:
        if not answer.is_success:
            raise SystemExit(answer.text)
        operation = answer.json()["operation"]["id"]
        while True:
            found = self._get(f"operations/{operation}")["operation"]
            if found["status"].upper() == status:
                return
            if found["status"].upper() in {"FAILED", "CANCELLED"}:
                raise SystemExit(found)
            time.sleep(0.2)

    def _get(self, path: str) -> Any:
        return self.http.get(f"/{path}").raise_for_status().json()


@contextmanager
def mantle(file: Path, script: Script) -> Iterator[Mantle]:
    entry = json.loads(file.read_text())["clouds"][CLOUD]
    with socket.socket() as free, tempfile.TemporaryDirectory() as folder:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        command = [sys.executable, "-m", "mantle", "up", "--data-dir", folder]
        command += ["--listen", f"127.0.0.1:{port}", "--keystone-url", entry["auth"]["auth_url"]]
        command += ["--openstack", CLOUD, "--openstack-config", str(file), "--cloud", CLOUD]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            for _ in range(300):
                try:
                    httpx.get(f"http://127.0.0.1:{port}/readyz").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.1)
            yield Mantle(f"http://127.0.0.1:{port}", process, script.sdk.auth_token)
        finally:
            process.terminate()
            process.wait(30)


def timed(who: Script | Mantle, verb: Callable[[int], None], count: int) -> tuple[float, float]:
    """(seconds, calls per server)."""
    calls, began = who.calls, time.monotonic()
    verb(count)
    return time.monotonic() - began, (who.calls - calls) / count


def main(counts: list[int]) -> int:
    file = Path(os.environ.get("MANTLE_TEST_OPENSTACK", ""))
    if not file.is_file():
        print("needs the lab: run `make bench-openstack`", file=sys.stderr)
        return 2
    script = Script(file)
    rows: list[str] = []
    missed: list[str] = []
    with mantle(file, script) as plane:
        for who in (script, plane):
            # Logged in and acquainted with the services, as whoever has run for a minute is.
            who.create(1)
            who.delete(1)
        for count in counts:
            s_made, s_calls = timed(script, script.create, count)
            s_gone, _ = timed(script, script.delete, count)
            m_made, m_calls = timed(plane, plane.create, count)
            megabytes = plane.megabytes
            m_gone, _ = timed(plane, plane.delete, count)
            rows.append(
                f"| {count} | {s_made:.1f} | {m_made:.1f} | {m_made / s_made:.2f} "
                f"| {s_calls:.1f} | {m_calls:.1f} | {m_calls / s_calls:.2f} "
                f"| {s_gone:.1f} | {m_gone:.1f} | {megabytes:.0f} |"
            )
            print(rows[-1], flush=True)
            ratios = {"seconds": m_made / s_made, "calls": m_calls / s_calls}
            missed += [
                f"{what} at {count} ({ratio:.2f})" for what, ratio in ratios.items() if ratio > AIM
            ]
    when = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")
    head = HEAD.format(when=when, cores=os.cpu_count(), load=os.getloadavg()[0])
    verdict = f"Missed: {', '.join(missed)}." if missed else "All are reached."
    foot = FOOT.format(aim=AIM, verdict=verdict)
    PAGE.write_text(head + "\n".join(rows) + "\n" + foot, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main([int(each) for each in sys.argv[1:]] or [1, 20, 100]))
