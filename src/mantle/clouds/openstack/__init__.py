"""OpenStack behind the port, through openstacksdk.

From the outside in: `cloud.py` (the port), one file per family of objects (`servers.py`,
`networks.py`, …) over `collection.py` (the six verbs), `batch.py` (one list call answers everybody
who waits), `caller.py` (pace, retries, errors) and `door.py`, the only module that knows the SDK.
"""

from mantle.clouds.openstack.cloud import OpenStackCloud, Serves
from mantle.clouds.openstack.door import Entry
from mantle.clouds.openstack.entrusted import Leave, Leaves, credential_auth
from mantle.clouds.openstack.stack_domain import StackDomain
from mantle.clouds.openstack.tokens import AccountTokens, login_of

__all__ = [
    "AccountTokens",
    "Entry",
    "Leave",
    "Leaves",
    "OpenStackCloud",
    "Serves",
    "StackDomain",
    "credential_auth",
    "login_of",
]
