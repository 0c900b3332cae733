"""The simulated cloud: every collection in memory, in real or virtual time, with seeded faults.

It is how plans are rehearsed, how scale is measured without a data centre, and how crashes are
tried at every call. See `world.py` for what it holds and `faults.py` for what can go wrong.
"""

from mantle.clouds.simulated.cloud import SimulatedCloud
from mantle.clouds.simulated.faults import Faults, Moment
from mantle.clouds.simulated.world import World

__all__ = ["Faults", "Moment", "SimulatedCloud", "World"]
