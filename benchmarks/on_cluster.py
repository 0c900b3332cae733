"""`python -m benchmarks.on_cluster`: what several engines on one PostgreSQL carry.

The processes of `make cluster` (one API here, HAProxy before it) with 1, 2 and 3 engines: one stack
of 10,000 resources that need nothing, then 200 stacks of 50. Beside them the floor: the same rows
written by a bare loop of group commits through psycopg, on the same server. Then 10,000 stacks are
stored, and single ones and lists of 50 are read; and an engine is killed in the middle of its work.
Writes docs/benchmarks-cluster.md.
"""

import datetime as dt
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
import psycopg
import yaml

from benchmarks.floor import postgres_floor

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))

from cluster import Cluster

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks-cluster.md"
HEAD_OF_ALL = "heat_template_version: 2021-04-16\nresources:\n"
STORED = 10_000
READS = 400
LEASE_SECONDS = 12.0

HEAD = """# Benchmarks of a cluster

`make bench-cluster` made this page: {when}, {cores} cores for all of it (PostgreSQL, HAProxy, an
API, a keeper, the engines and the client), load average {load:.1f} when it began. From the first
request to the end of the last operation, when every process has started and done a little work;
every commit is flushed. CPU is that of the API, the engines and PostgreSQL.

**The floor** is a bare loop of group commits through psycopg, in one process: the same rows, on the
same server, just before and just after each case (the mean counts); its CPU is that of the loop and
PostgreSQL.

| engines | what | resources/s | of one engine's | floor resources/s | of the floor \
| CPU ms per resource: API | engines | PostgreSQL | floor |
|---|---|---|---|---|---|---|---|---|---|
"""

READING = """
With {stored:,} stacks stored in the project, seen by a client on the loopback through HAProxy, one
request at a time (the database's CPU is all that it used meanwhile, its upkeep included):

| what | p50 ms | p99 ms | CPU ms of the API | of PostgreSQL |
|---|---|---|---|---|
"""

FAILING = """
An engine is killed (`kill -9`) while it performs an operation; its lease is {lease:g} s. Until
another engine's first new step: {seconds}.
"""

FOOT = """
Aims: half of the floor (**{half}**); fail-over under the lease and two seconds (**{soon}**); a list
of 50 out of 10,000 stacks under 20 ms p99 (**{fast}**). All processes share these cores: more
engines than cores cannot bring more, and each handover between processes waits for a core that is
free. The machine itself is faster in some minutes than in others, as the floor's own speed shows,
so engines are compared by their share of it.

## Where the time goes

Sampled with py-spy on 2026-11-22, one engine, 200 stacks of 50, samples that held the interpreter:

| engine | share | | API | share |
|---|---|---|---|---|
| steps: intent, deed and end as rows and events | 22% | | storing all of it at once | 24% |
| loading and checking the template again | 18% | | loading and checking the template | 19% |
| committing rows and events | 10% | | reading: account, limits, name, rules | 16% |
| reading what was accepted back | 8% | | planning | 12% |
| DBOS, which watches over the operation | 6% | | HTTP | 9% |
| ending the operation | 4% | | ids, records, listening | 20% |
| claiming, dispatching, logs, listening | 11% | | | |
| the event loop and its threads | 21% | | | |

So beyond the floor's own rows it is what makes a request safe to take over: it is read, checked and
planned in one process, stored, and read and checked again in another. A stack of 10,000 pays for
that once, and mostly on one core: about a third of its time goes by until it is accepted, a fifth
until an engine has read and loaded it again, and the rest is its steps and their commits. 200
stacks of 50 pay 200 times; there the CPU columns are the bound, as two cores have two seconds of
CPU in each second: 1 ms for a resource of a small stack allows at most 2,000 a second, whatever the
number of engines, and half of the floor wants 0.55 ms in all three together.
"""


@dataclass(frozen=True)
class Cpu:
    """Seconds of processors."""

    api: float
    engines: float
    postgres: float

    def since(self, before: "Cpu") -> "Cpu":
        """What was used in between."""
        return Cpu(
            api=self.api - before.api,
            engines=self.engines - before.engines,
            postgres=self.postgres - before.postgres,
        )


def _seconds(pid: int) -> float:
    try:
        used = psutil.Process(pid).cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(used.user + used.system)


@dataclass
class Bench:
    """A running cluster and a client of it."""

    cluster: Cluster
    http: httpx.Client
    heat: str
    database: "psycopg.Connection[Any]"

    def create(self, name: str, template: str) -> None:
        """Ask for a stack."""
        body = {"stack_name": name, "template": template}
        self.http.post(f"{self.heat}/stacks", json=body).raise_for_status()

    def delete(self, name: str) -> None:
        """One stack, and wait for it. By its id: a redirected DELETE would come as a GET."""
        found = self.value("SELECT id FROM stacks WHERE name = %s AND deleted_at IS NULL", name)
        self.http.delete(f"{self.heat}/stacks/{name}/{found}").raise_for_status()
        self.settle()

    def settle(self) -> None:
        """Until no operation is under way; all must have ended well."""
        live = "SELECT count(*) FROM operations WHERE status IN ('queued', 'running')"
        while self.value(live):
            time.sleep(0.02)
        failed = self.value("SELECT count(*) FROM operations WHERE status = 'failed'")
        if failed:
            raise SystemExit(f"{failed} operations failed")

    def value(self, query: str, *arguments: object) -> Any:
        """The one value of a query, seen now."""
        row = self.database.execute(query, arguments).fetchone()  # type: ignore[arg-type]
        return row[0] if row else None

    def cpu(self) -> "Cpu":
        """Seconds of processors that were used so far."""
        members = self.cluster.members
        database = psutil.Process(self.cluster.postgres.pid)
        ended = database.cpu_times()
        return Cpu(
            api=sum(_seconds(each.pid) for name, each in members.items() if "api" in name),
            engines=sum(_seconds(each.pid) for name, each in members.items() if "engine" in name),
            postgres=sum(_seconds(each.pid) for each in (database, *database.children()))
            + ended.children_user
            + ended.children_system,
        )

    def warm(self) -> None:
        """Wait for every engine, and give each something to do: what starts is not measured."""
        engines = self.cluster.engines
        while self.value("SELECT count(*) FROM engines WHERE stopped_at IS NULL") < engines:
            time.sleep(0.1)
        for number in range(4 * engines):
            self.create(f"warm-{number}", independent(50))
        self.settle()


@contextmanager
def running(engines: int) -> Iterator[Bench]:
    """A cluster of so many engines, and a client that has logged in."""
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(
            Path(folder) / "cluster",
            apis=1,
            engines=engines,
            cloud="simulated",
            environment={
                "MANTLE_LIMIT_LEASE_SECONDS": str(LEASE_SECONDS),
                "MANTLE_MAX_STACKS_PER_PROJECT": "-1",
                "MANTLE_MAX_OPERATIONS_PER_PROJECT": "-1",
            },
        )
        try:
            cluster.start()
            entry = yaml.safe_load((cluster.folder / "clouds.yaml").read_text())
            with (
                httpx.Client(timeout=300) as http,
                psycopg.connect(cluster.postgres.url("mantle"), autocommit=True) as database,
            ):
                heat = _log_in(http, cluster.url, entry["clouds"]["mantle"]["auth"])
                yield Bench(cluster, http, heat, database)
        finally:
            cluster.stop()


def _log_in(http: httpx.Client, url: str, auth: dict[str, Any]) -> str:
    user = {"name": auth["username"], "domain": {"name": "Default"}, "password": auth["password"]}
    scope = {"project": {"name": "demo", "domain": {"name": "Default"}}}
    identity = {"methods": ["password"], "password": {"user": user}}
    said = {"auth": {"identity": identity, "scope": scope}}
    answer = http.post(f"{url}/identity/v3/auth/tokens", json=said).raise_for_status()
    http.headers["X-Auth-Token"] = answer.headers["x-subject-token"]
    return f"{url}/heat/v1/{answer.json()['token']['project']['id']}"


def independent(count: int) -> str:
    """Random strings that need nothing."""
    each = "  r{}: {{type: OS::Heat::RandomString, properties: {{length: 8}}}}\n"
    return HEAD_OF_ALL + "".join(each.format(number) for number in range(count))


def one_big(bench: Bench) -> int:
    """One stack of 10,000: it is one engine's, whatever their number."""
    bench.create("big", independent(10_000))
    bench.settle()
    return 10_000


def many(bench: Bench) -> int:
    """200 stacks of 50, from four clients at once."""
    template = independent(50)

    def some(first: int) -> None:
        for number in range(first, 200, 4):
            bench.create(f"s{number}", template)

    clients = [threading.Thread(target=some, args=(first,)) for first in range(4)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    bench.settle()
    return 10_000


@dataclass
class Floor:
    """The bare loop, run several times beside a case."""

    bench: Bench
    count: int
    seconds: float = 0.0
    cpu: float = 0.0
    runs: int = 0

    def run(self) -> None:
        """Once."""
        mine, theirs = time.process_time(), self.bench.cpu()
        self.seconds += postgres_floor(self.bench.cluster.postgres, self.count)
        self.cpu += time.process_time() - mine + self.bench.cpu().since(theirs).postgres
        self.runs += 1

    @property
    def speed(self) -> float:
        """Resources a second."""
        return self.count * self.runs / self.seconds

    @property
    def each(self) -> float:
        """Milliseconds of processors for one."""
        return self.cpu / (self.count * self.runs) * 1000


def throughput() -> Iterator[str]:
    """The rows of the first table."""
    alone: dict[str, float] = {}
    for engines in (1, 2, 3):
        with running(engines) as bench:
            bench.warm()
            for name, work in (("one stack of 10,000", one_big), ("200 stacks of 50", many)):
                floor = Floor(bench, 10_000)
                floor.run()
                cpu, began = bench.cpu(), time.perf_counter()
                count = work(bench)
                seconds = time.perf_counter() - began
                cpu = bench.cpu().since(cpu)
                floor.run()
                speed = count / seconds
                alone.setdefault(name, speed)
                each = [
                    f"{used / count * 1000:.2f}" for used in (cpu.api, cpu.engines, cpu.postgres)
                ]
                yield (
                    f"| {engines} | {name} | {speed:,.0f} | {speed / alone[name]:.2f} "
                    f"| {floor.speed:,.0f} | {speed / floor.speed:.0%} "
                    f"| {' | '.join(each)} | {floor.each:.2f} |"
                )


COPY = """
INSERT INTO stacks ({columns})
SELECT {values} FROM stacks, generate_series(1, %s) AS number WHERE stacks.id = %s
"""


def store_many(bench: Bench) -> None:
    """Ten thousand stacks: one is made, and its row copied under other names and ids."""
    bench.create("pattern", independent(1))
    bench.settle()
    pattern = bench.value("SELECT id FROM stacks WHERE name = 'pattern'")
    names = bench.database.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'stacks'"
    )
    columns = [row[0] for row in names]
    fresh = "md5(number::text)::uuid::text"
    changed = {
        "id": fresh,
        "root_id": fresh,
        "name": "'copy-' || number",
        "created_at": "stacks.created_at + number",
    }
    values = [changed.get(each, f"stacks.{each}") for each in columns]
    query = COPY.format(columns=", ".join(columns), values=", ".join(values))
    bench.database.execute(query, (STORED, pattern))  # type: ignore[arg-type]
    bench.database.execute("ANALYZE stacks")


def reading(bench: Bench) -> Iterator[str]:
    """The rows of the second table."""
    store_many(bench)
    first = bench.http.get(f"{bench.heat}/stacks", params={"limit": 50}).json()["stacks"]
    last = first[-1]["id"]
    deep = bench.value("SELECT id FROM stacks WHERE name = %s", f"copy-{STORED // 2}")
    shown = [f"{bench.heat}/stacks/copy-{1 + each * 17 % STORED}" for each in range(READS)]
    cases: dict[str, list[tuple[str, dict[str, object]]]] = {
        "list of 50": [(f"{bench.heat}/stacks", {"limit": 50})] * READS,
        "the next 50": [(f"{bench.heat}/stacks", {"limit": 50, "marker": last})] * READS,
        "50 behind 5,000 others": [(f"{bench.heat}/stacks", {"limit": 50, "marker": deep})] * READS,
        "show one (by its name: two requests)": [(url, {}) for url in shown],
    }
    for name, asked in cases.items():
        taken = []
        cpu = bench.cpu()
        for url, parameters in asked:
            began = time.perf_counter()
            answer = bench.http.get(url, params=parameters, follow_redirects=True)
            taken.append((time.perf_counter() - began) * 1000)
            answer.raise_for_status()
        cpu = bench.cpu().since(cpu)
        cut = statistics.quantiles(taken, n=100)
        each = " | ".join(f"{used / READS * 1000:.1f}" for used in (cpu.api, cpu.postgres))
        yield f"| {name} | {cut[49]:.1f} | {cut[98]:.1f} | {each} |"


SLOW = "  w{0}: {{type: OS::Heat::TestResource, properties: {{wait_secs: 1}}{1}}}\n"


def fail_over(bench: Bench) -> float:
    """Seconds from the kill to the first step of another engine."""
    steps = [SLOW.format(0, "")]
    steps += [SLOW.format(each, f", depends_on: w{each - 1}") for each in range(1, 40)]
    bench.create("chain", HEAD_OF_ALL + "".join(steps))
    time.sleep(5)
    holder = bench.value("SELECT engine FROM operations ORDER BY sequence DESC LIMIT 1")
    names = [each for each in bench.cluster.members if each.startswith("engine")]
    logs = {each: (bench.cluster.folder / f"{each}.log").read_text() for each in names}
    victim = next(name for name, log in logs.items() if holder in log)
    member = bench.cluster.members[victim]
    assert member.process is not None
    member.process.kill()
    began = time.perf_counter()
    member.process.wait()
    seen = bench.value("SELECT max(sequence) FROM events")
    while bench.value("SELECT max(sequence) FROM events") == seen:
        time.sleep(0.05)
    seconds = time.perf_counter() - began
    bench.settle()
    return seconds


def _reached(page: str, times: list[float]) -> dict[str, str]:
    """Whether each aim was reached, as the page's own tables say."""
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith("| ")
    ]
    parts = [int(row[5].removesuffix("%")) for row in rows if row[0].isdigit()]
    slowest = max(float(row[2]) for row in rows if row[0] == "list of 50")
    half = "reached" if min(parts) >= 50 else f"not reached: {min(parts)}% to {max(parts)}%"
    late = max(times)
    return {
        "half": half,
        "soon": "reached" if late < LEASE_SECONDS + 2 else f"not reached: {late:.1f} s",
        "fast": "reached" if slowest < 20 else f"not reached: {slowest:.1f} ms",
    }


def main() -> int:
    when = dt.datetime.now(dt.UTC).strftime("%Y-%m-%d")
    page = HEAD.format(when=when, cores=os.cpu_count(), load=os.getloadavg()[0])

    def add(line: str) -> None:
        nonlocal page
        page += line + "\n"
        print(line, flush=True)

    for row in throughput():
        add(row)
    page += READING.format(stored=STORED)
    with running(3) as bench:
        bench.warm()
        for row in reading(bench):
            add(row)
        times = []
        for _ in range(3):
            times.append(fail_over(bench))
            for name, member in bench.cluster.members.items():
                if not member.runs:
                    bench.cluster.restart(name)
            bench.delete("chain")
    add(FAILING.format(lease=LEASE_SECONDS, seconds=", ".join(f"{each:.1f} s" for each in times)))
    page += FOOT.format(**_reached(page, times))
    PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
