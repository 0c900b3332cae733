"""OS::Heat::WaitCondition: waits until its handle has received enough signals."""

from mantle.model.schema import Kind
from mantle.resources.heat.signalled import waiting_type
from mantle.resources.schemas import integer, number, schema, string

SCHEMA = schema(
    "OS::Heat::WaitCondition",
    "Waits for signals to a handle.",
    {
        "handle": string("The handle, by get_resource.", required=True),
        "timeout": number("Longest wait in seconds.", required=True, low=1, high=43200),
        "count": integer("How many successes to wait for.", default=1, low=1, update=True),
    },
    {"data": (Kind.STRING, "JSON text: the data of each signal by its id.")},
    since="2014.2",
)


TYPE = waiting_type(SCHEMA, handle="handle", count="count", timeout="timeout", data="data")
