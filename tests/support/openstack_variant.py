"""A second API process of one of the lab's services, configured in another way.

It works on the same database and speaks to the same agents; the lab's own process is not touched,
so that others may use the lab meanwhile.
"""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from configparser import RawConfigParser
from contextlib import contextmanager
from pathlib import Path

import httpx
import openstack_lab
import pytest

LAB = Path(os.environ.get("OSLAB_DIR", "/var/tmp/oslab"))
FILES = {"neutron": "neutron.conf", "glance": "glance-api.conf"}
WARM = {"neutron": "/v2.0/networks?limit=1", "glance": "/v2/images?limit=1"}


@contextmanager
def variant(service: str, changes: dict[str, dict[str, str]]) -> Iterator[str]:
    """Its address. `changes` is section to option to value; `{}` stands for what it was."""
    if not (LAB / "etc" / service).is_dir():
        pytest.skip(f"{LAB} has no configuration of {service}")
    with tempfile.TemporaryDirectory() as folder, socket.socket() as free:
        etc = Path(folder) / "etc"
        shutil.copytree(LAB / "etc" / service, etc)
        _change(etc / FILES[service], changes)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        flag = f"--config-file {etc / FILES[service]}" if service == "neutron" else ""
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
            f"OS_{service.upper()}_CONFIG_DIR": str(etc),
            f"OS_{service.upper()}_CONFIG_FILES": FILES[service],
            "PYTHONWARNINGS": "ignore",
        }
        command = [
            *(str(LAB / "venv" / "bin" / "uwsgi"), "--http-socket", f"127.0.0.1:{port}"),
            *("--module", f"{service}.wsgi.api:application", "--pyargv", flag),
            *("--processes", "1", "--threads", "4", "--enable-threads", "--lazy-apps"),
            *("--need-app", "--die-on-term", "--buffer-size", "65535", "--disable-logging"),
            *("--add-header", "Connection: close", "--virtualenv", str(LAB / "venv")),
        ]
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            _until_it_answers(process, port, Path(folder) / "log")
            # The first request sets up its policies; others at the same moment meet half of them.
            openstack_lab.connect().session.get(f"http://127.0.0.1:{port}{WARM[service]}")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(30)


def _change(file: Path, changes: dict[str, dict[str, str]]) -> None:
    parser = RawConfigParser(default_section="no such section", strict=False)
    parser.optionxform = str  # type: ignore[method-assign,assignment] # names are as they are
    parser.read(file)
    for section, options in changes.items():
        if not parser.has_section(section):
            parser.add_section(section)
        for name, value in options.items():
            parser.set(section, name, value.replace("{}", parser.get(section, name, fallback="")))
    with file.open("w") as out:
        parser.write(out)


def _until_it_answers(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(f"http://127.0.0.1:{port}/", timeout=30).status_code < 500:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    raise AssertionError(log.read_text()[-3000:])
