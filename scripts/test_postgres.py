"""Run the suites that have to do with stored rows on a real PostgreSQL; arguments go to pytest.

`make test-postgres` calls this. The server lives in a temporary folder and ends with the run. It
does not flush to disk: what is tested is how transactions meet, and power cuts have their own test.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

from mantle.lib.postgres import PostgresServer

SUITES = ["tests/store", "tests/scenarios", "tests/simulation", "tests/access", "tests/software"]


def main(arguments: list[str]) -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="mantle-postgres-"))
    quick = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    server = PostgresServer(folder=folder, port=port, settings=quick)
    try:
        server.start()
        command = [sys.executable, "-m", "pytest", "-q", "-n", "auto", "--dist", "load"]
        command += ["-m", "not slow and not clients", *SUITES, *arguments]
        environment = os.environ | {"MANTLE_TEST_POSTGRES": server.url()}
        return subprocess.run(command, env=environment, check=False).returncode
    finally:
        server.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
