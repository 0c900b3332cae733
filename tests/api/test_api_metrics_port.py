"""A process without an API has its metrics at a port of their own."""

import os
import signal
import socket
import subprocess
import sys
import tempfile

import httpx


def test_a_keeper_tells_prometheus_what_its_clouds_do():
    """From when it listens until it is told to stop; nothing else is at that port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        where = f"127.0.0.1:{probe.getsockname()[1]}"
    with tempfile.TemporaryDirectory(prefix="keep-") as folder:
        command = [sys.executable, "-m", "mantle", "keeper", "--data-dir", folder]
        command += ["--metrics-listen", where, "--loopback-block", "127.23.0.0/16"]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MANTLE_")}
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        try:
            said = process.stdout.readline()
            transport = httpx.HTTPTransport(retries=5)
            with httpx.Client(base_url=f"http://{where}", transport=transport) as client:
                metrics, other = client.get("/metrics"), client.get("/v2/stacks")
        finally:
            process.send_signal(signal.SIGTERM)
            process.stdout.close()
            code = process.wait(30)
    assert "keeper listens" in said
    assert "mantle_cloud_call_seconds" in metrics.text
    assert "process_resident_memory_bytes" in metrics.text
    assert (metrics.status_code, other.status_code, code) == (200, 404, 0)
