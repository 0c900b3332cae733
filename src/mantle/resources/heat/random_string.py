"""OS::Heat::RandomString: a secret text, chosen once and kept.

The value lies in the row's data from the moment the phase ends; nothing outside is called, so a
crash before that loses only a choice that nobody has seen.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from string import ascii_letters, ascii_lowercase, ascii_uppercase, digits, octdigits
from typing import Any

from mantle.model.schema import Attribute, Kind, TypeFacts
from mantle.resources.kit import Context, Done, Outcome, Ref, ResourceType
from mantle.resources.schemas import integer, maps, schema, string

CLASSES = {
    "lettersdigits": ascii_letters + digits,
    "letters": ascii_letters,
    "lowercase": ascii_lowercase,
    "uppercase": ascii_uppercase,
    "digits": digits,
    "hexdigits": digits + "ABCDEF",
    "octdigits": octdigits,
}
_CLASSES = frozenset(CLASSES.values())
DEFAULT_CLASSES = [{"class": "lettersdigits", "min": 1}]

SCHEMA = schema(
    "OS::Heat::RandomString",
    "A random text, such as a password; it stays the same until a property changes.",
    {
        "length": integer("How many characters.", default=32, low=1, high=512),
        "sequence": string(
            "One class for all characters; use character_classes.",
            allowed=tuple(CLASSES),
            hidden=True,
        ),
        "character_classes": maps(
            "Classes to draw from, each with how many of it there are at least.",
            {
                "class": string("The class.", default="lettersdigits", allowed=tuple(CLASSES)),
                "min": integer("At least so many.", default=1, low=1, high=512),
            },
            default=DEFAULT_CLASSES,
        ),
        "character_sequences": maps(
            "Characters to draw from, each text with how many of it there are at least.",
            {
                "sequence": string("The characters.", required=True),
                "min": integer("At least so many.", default=1, low=1, high=512),
            },
        ),
        "salt": string("Any text; changing it makes a new value."),
    },
    {"value": Attribute(kind=Kind.STRING, description="The text.", secret=True)},
    since="2014.1",
)


def check(properties: Mapping[str, Any]) -> list[str]:
    """The minima fit into the length, and there are characters to draw from, 256 at most."""
    pools = _pools(properties)
    problems = []
    needed = sum(least for _, least in pools)
    length = properties.get("length", 32)
    if isinstance(length, int) and needed > length:
        problems.append(
            f"length: {length} is less than the combined minimum of {needed} characters that "
            f"character_classes and character_sequences ask for. Raise length or lower a min."
        )
    if not all(alphabet for alphabet, _ in pools):
        problems.append("character_sequences: a sequence is empty. Name at least one character.")
    if len(_distinct("".join(alphabet for alphabet, _ in pools))) > 256:
        problems.append("character_sequences: there are more than 256 different characters.")
    return problems


def _pools(properties: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The alphabets to draw from, each with its minimum; entries not known yet are left out."""
    if isinstance(properties.get("sequence"), str):
        return [(CLASSES.get(properties["sequence"], ascii_letters), 1)]
    classes = [
        (CLASSES.get(str(entry.get("class")), ascii_letters), _least(entry))
        for entry in _entries(properties.get("character_classes"))
    ]
    sequences = [
        (entry["sequence"], _least(entry))
        for entry in _entries(properties.get("character_sequences"))
        if isinstance(entry.get("sequence"), str)
    ]
    return [*classes, *sequences] or [(CLASSES["lettersdigits"], 1)]


def _entries(value: Any) -> list[Mapping[str, Any]]:
    entries = value if isinstance(value, list) else []
    return [entry for entry in entries if isinstance(entry, Mapping)]


def _least(entry: Mapping[str, Any]) -> int:
    least = entry.get("min", 1)
    return least if isinstance(least, int) else 1


@lru_cache(maxsize=64)
def _table(alphabet: str) -> tuple[bytes, bytes]:
    """(byte to index, bytes to drop): dropping the last uneven part keeps every index as likely."""
    size = len(alphabet)
    fair = 256 - 256 % size
    return bytes(byte % size for byte in range(256)), bytes(range(fair, 256))


def _distinct(alphabet: str) -> str:
    """Each character once, as they are in every class."""
    return alphabet if alphabet in _CLASSES else "".join(dict.fromkeys(alphabet))


def draw(alphabet: str, count: int, random: Callable[[int], bytes]) -> str:
    """That many characters of an alphabet of at most 256, each as likely as any other."""
    table, dropped = _table(alphabet)
    drawn = b""
    while len(drawn) < count:
        drawn += random(2 * count).translate(table, dropped)
    return "".join([alphabet[index] for index in drawn[:count]])


def generate(properties: Mapping[str, Any], random: Callable[[int], bytes]) -> str:
    """The minimum of every pool, the rest from all of them, in random order."""
    length = properties["length"]
    pools = _pools(properties)
    if len(pools) == 1:
        return draw(_distinct(pools[0][0]), length, random)
    everything = _distinct("".join(alphabet for alphabet, _ in pools))
    drawn = "".join(draw(alphabet, least, random) for alphabet, least in pools)
    drawn += draw(everything, length - len(drawn), random)
    return "".join(sorted(drawn, key=lambda _: random(8)))


async def create(ctx: Context) -> Outcome:
    """Choose the value, unless it is chosen."""
    value = ctx.ref.data.get("value") or generate(ctx.properties, ctx.random)
    return Done(physical_id=ctx.name_hint, data={"value": value})


async def attributes(ctx: Context) -> Mapping[str, Any]:
    """The value."""
    return {"value": ctx.ref.data.get("value")}


def reference(ref: Ref) -> str:
    """get_resource gives the value, as Heat's does."""
    return str(ref.data.get("value") or ref.name)


TYPE = ResourceType(
    facts=TypeFacts(schema=SCHEMA, check_properties=check),
    create=create,
    attributes=attributes,
    reference=reference,
    needs_no_cloud=True,
)
