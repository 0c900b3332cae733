"""Clouds that live in one process and are used by many: this machine's own, and the simulated one.

The process that holds them (`mantle keeper`) serves the port (`clouds/ports.py`) over a Unix
socket, and every API and engine process of the machine has a `RemoteCloud` for each. Who may open
the socket's folder may use the clouds: it is the user's own.
"""

from mantle.clouds.keeper.remote import RemoteCloud, connect
from mantle.clouds.keeper.server import KeeperServer

__all__ = ["KeeperServer", "RemoteCloud", "connect"]
