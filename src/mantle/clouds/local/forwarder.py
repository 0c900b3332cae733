"""Leads floating addresses to ports; outlives the control plane. Standard library only.

Run as `python -I -S forwarder.py FOLDER`. Its `map.json` says which floating address leads
to which fixed one and what may pass. For every TCP port that something listens on at the fixed
address, this listens on the floating one and passes bytes. It looks for new listeners and for a
changed map a few times a second, and ends itself when the map is gone or empty.
"""

import asyncio
import fcntl
import ipaddress
import json
import os
import signal
import socket
import struct
import sys
import time

LOOK_EVERY_SECONDS = 0.2
CONNECT_TIMEOUT_SECONDS = 5.0
CHUNK_BYTES = 65536
LISTENING = "0A"

Key = tuple[str, str, int]
"""Floating address, fixed address, TCP port."""


def listening() -> set[tuple[str, int]]:
    """Every address and port that something on this machine listens on."""
    found = set()
    with open("/proc/net/tcp", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs start time
        next(file)
        for line in file:
            fields = line.split()
            if fields[3] == LISTENING:
                address, port = fields[1].split(":")
                packed = struct.pack("=I", int(address, 16))
                found.add((socket.inet_ntoa(packed), int(port, 16)))
    return found


def read_map() -> list[dict[str, object]]:
    """What leads where; empty when there is nothing (left) to do."""
    try:
        with open("map.json", encoding="utf-8") as file:  # noqa: PTH123
            entries = json.load(file)
    except FileNotFoundError:
        return []
    return entries if isinstance(entries, list) else []


def sources(entry: dict[str, object], port: int) -> list[ipaddress.IPv4Network]:
    """From where a TCP port may be reached; empty when it may not."""
    allowed = entry["allowed"]
    assert isinstance(allowed, list)
    return [ipaddress.IPv4Network(where) for low, high, where in allowed if low <= port <= high]


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass bytes on until one side ends."""
    try:
        while data := await reader.read(CHUNK_BYTES):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


class Door:
    """One floating address and port that leads on."""

    def __init__(self, key: Key, allowed: list[ipaddress.IPv4Network]) -> None:
        self.key = key
        self.allowed = allowed

    async def open(self) -> None:
        """Listen."""
        floating, _, port = self.key
        self.server = await asyncio.start_server(self.pass_on, floating, port)

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        _, fixed, port = self.key
        try:
            peer = ipaddress.IPv4Address(writer.get_extra_info("peername")[0])
            if not any(peer in network for network in self.allowed):
                return
            onward = asyncio.open_connection(fixed, port)
            there_reader, there_writer = await asyncio.wait_for(onward, CONNECT_TIMEOUT_SECONDS)
            try:
                await asyncio.gather(pump(reader, there_writer), pump(there_reader, writer))
            finally:
                there_writer.close()
        except OSError:
            return
        finally:
            writer.close()


async def serve() -> None:
    """Keep the doors as the map and the listeners want them."""
    doors: dict[Key, Door] = {}
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    while entries := read_map():
        present = listening()
        wanted: dict[Key, list[ipaddress.IPv4Network]] = {}
        for entry in entries:
            floating, fixed = str(entry["floating"]), str(entry["fixed"])
            for address, port in present:
                allowed = sources(entry, port) if address == fixed else []
                # A program on 0.0.0.0 is at the floating address already.
                if allowed and ("0.0.0.0", port) not in present:  # noqa: S104
                    wanted[floating, fixed, port] = allowed
        for key in [key for key in doors if key not in wanted]:
            doors.pop(key).server.close()
        for key, allowed in wanted.items():
            if key in doors:
                doors[key].allowed = allowed
                continue
            door = Door(key, allowed)
            try:
                await door.open()
            except OSError:
                continue  # taken, or below 1024: looked at again next time
            doors[key] = door
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def main(folder: str) -> None:
    """Detach, be the only one, serve."""
    os.chdir(folder)
    if os.fork():
        return
    os.setsid()
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)
    if not hold_lock():
        return
    while True:
        say_who_i_am()
        asyncio.run(serve())
        # A map written before this line is seen below; one written after it finds nobody here,
        # and its writer starts another forwarder, which waits for this one's lock.
        os.unlink("pid.json")  # noqa: PTH108
        if not read_map():
            return


def hold_lock() -> bool:
    """Be the only forwarder; a predecessor that is just ending is waited for."""
    lock = os.open("lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for _ in range(200):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.01)
        else:
            return True
    return False


def say_who_i_am() -> None:
    """Write `pid.json`, whole or not at all."""
    with open("/proc/self/stat", encoding="utf-8", errors="replace") as file:  # noqa: PTH123
        start_time = int(file.read().rpartition(")")[2].split()[19])
    with open("pid.json.part", "w", encoding="ascii") as file:  # noqa: PTH123
        json.dump({"pid": os.getpid(), "start_time": start_time}, file)
    os.replace("pid.json.part", "pid.json")  # noqa: PTH105


if __name__ == "__main__":
    main(sys.argv[1])
