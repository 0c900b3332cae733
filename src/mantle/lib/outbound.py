"""Requests to addresses that users name: which destinations are allowed, and bounded answers.

Whoever may give a server a URL to call can make it call places only the server reaches: its own
loopback, the metadata service, the management network. So a destination is judged by the addresses
its name stands for, and the connection goes to exactly the address that was judged: a name that
answers differently a moment later gains nothing. Redirects are judged like first requests. Proxies
of the environment are not used, as they would connect on their own.
"""

import asyncio
import fnmatch
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from urllib.parse import urljoin

import httpx

PUBLIC = "public"
NOTHING = "none"
SCHEMES = ("http", "https")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_NAME = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9._-]{0,251}[A-Za-z0-9_])?\.?")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class OutboundError(Exception):
    """The request was not made, or gave no usable answer. `remedy` says what to do."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class NotAllowed(OutboundError):
    """The destination is none of those the operator allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Destinations:
    """Where requests may go. The default is the public internet and nothing else."""

    public: bool = True
    """Addresses that are routed globally."""
    networks: tuple[Network, ...] = ()
    hosts: tuple[str, ...] = ()
    """Names, also with `*`: allowed whatever address they stand for."""

    def why_not(self, url: str) -> str | None:
        """What is wrong with a URL before any name is looked up; None when nothing is."""
        try:
            parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError, ValueError):
            return f"{url[:200]!r} is no URL"
        if parsed.scheme not in SCHEMES:
            return f"its scheme {parsed.scheme!r} is neither http nor https"
        if not parsed.host:
            return "it names no host"
        if parsed.userinfo:
            return "it holds a user name or password"
        address = _address(parsed.host)
        if address is None and not _NAME.fullmatch(parsed.host):
            return f"{parsed.host[:200]!r} is no name of a host"
        if address is None or self.allows_host(parsed.host):
            return None
        return self.why_not_address(address)

    def allows_host(self, host: str) -> bool:
        """Whether the name itself is allowed."""
        return any(fnmatch.fnmatchcase(host.lower(), each.lower()) for each in self.hosts)

    def why_not_address(self, address: Address) -> str | None:
        """Why nothing is sent there; None when it may be."""
        plain = address
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            plain = address.ipv4_mapped
        if any(plain.version == each.version and plain in each for each in self.networks):
            return None
        if self.public and _is_public(plain):
            return None
        what = "not among the allowed ones" if _is_public(plain) else "not a public one"
        return f"the address {address} is {what}"


def destinations_of(text: str) -> Destinations:
    """`public,10.1.0.0/16,*.example.org`; `none` allows nothing. Raises `ValueError`."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    networks: list[Network] = []
    hosts: list[str] = []
    for word in words:
        if word in {PUBLIC, NOTHING}:
            continue
        if "/" in word or _address(word) is not None:
            networks.append(ipaddress.ip_network(word, strict=False))
        else:
            hosts.append(word)
    if NOTHING in words and len(words) > 1:
        message = "`none` stands alone"
        raise ValueError(message)
    return Destinations(public=PUBLIC in words, networks=tuple(networks), hosts=tuple(hosts))


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (
        address in _NAT64 or address.sixtofour is not None or address.teredo is not None
    ):
        # Addresses that carry another one inside lead wherever that leads.
        return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long and how large one exchange may be."""

    seconds: float = 15.0
    """From the first look-up to the last byte, redirects included."""
    most_bytes: int = 4 * 2**20
    redirects: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)
    url: str
    """Where it came from in the end."""

    @property
    def text(self) -> str:
        """The body as UTF-8; raises `OutboundError` when it is something else."""
        try:
            return self.body.decode()
        except UnicodeDecodeError:
            raise OutboundError(f"{self.url} gave something that is not text in UTF-8.") from None


class Outbound:
    """Sends requests to allowed destinations. Connections are kept until `close`."""

    def __init__(
        self, destinations: Destinations, *, ca_text: str | None = None, verify: bool = True
    ) -> None:
        self.destinations = destinations
        context: ssl.SSLContext | bool = verify
        if verify and ca_text:
            try:
                context = ssl.create_default_context(cadata=ca_text)
            except ssl.SSLError as error:
                raise OutboundError(
                    f"The certificate of the authority cannot be read: {error.reason}.",
                    "Give it in PEM form.",
                ) from error
        self._client = httpx.AsyncClient(verify=context, trust_env=False, follow_redirects=False)

    async def __aenter__(self) -> "Outbound":
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of the connections."""
        await self._client.aclose()

    async def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        bounds: Bounds | None = None,
    ) -> Reply:
        """One exchange. Raises `NotAllowed`, or `OutboundError` when there is no answer."""
        limits = bounds or Bounds()
        try:
            async with asyncio.timeout(limits.seconds):
                return await self._followed(method, url, headers or {}, content, limits)
        except TimeoutError:
            raise OutboundError(f"{url} did not answer within {limits.seconds:.0f} s.") from None
        except (httpx.HTTPError, httpx.StreamError, OSError, ssl.SSLError) as error:
            why = str(error) or type(error).__name__
            raise OutboundError(f"{url} cannot be reached: {why}.") from error

    async def _followed(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        bounds: Bounds,
    ) -> Reply:
        for _ in range(bounds.redirects + 1):
            reply = await self._once(method, url, headers, content, bounds.most_bytes)
            location = reply.headers.get("location")
            if bounds.redirects == 0 or reply.status not in {301, 302, 303, 307, 308}:
                return reply
            if not location:
                return reply
            url = urljoin(url, location)
        raise OutboundError(f"{url} redirects more than {bounds.redirects} times.")

    async def _once(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        content: bytes | None,
        most_bytes: int,
    ) -> Reply:
        target = await self._judged(url)
        where = httpx.URL(url)
        request = self._client.build_request(
            method,
            where.copy_with(host=str(target)),
            content=content,
            headers={
                "Accept-Encoding": "identity",
                "User-Agent": "mantle",
                **headers,
                "Host": where.netloc.decode("ascii"),
            },
            extensions={"sni_hostname": where.host} if where.scheme == "https" else {},
        )
        response = await self._client.send(request, stream=True)
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise OutboundError(f"{url} answers compressed, although asked not to.")
            parts: list[bytes] = []
            size = 0
            async for part in response.aiter_raw():
                size += len(part)
                if size > most_bytes:
                    raise OutboundError(f"{url} gave more than the {most_bytes:,} bytes allowed.")
                parts.append(part)
        finally:
            await response.aclose()
        return Reply(
            status=response.status_code,
            headers=dict(response.headers),
            body=b"".join(parts),
            url=url,
        )

    async def _judged(self, url: str) -> Address:
        """The one address that is connected to; every address of the name must be allowed."""
        why = self.destinations.why_not(url)
        if why is not None:
            raise NotAllowed(f"Nothing is sent to {url[:500]}: {why}.", REMEDY)
        where = httpx.URL(url)
        literal = _address(where.host)
        if literal is not None:
            return literal
        port = where.port or (443 if where.scheme == "https" else 80)
        found = await asyncio.get_running_loop().getaddrinfo(
            where.host, port, type=socket.SOCK_STREAM
        )
        addresses = [ipaddress.ip_address(str(each[4][0]).partition("%")[0]) for each in found]
        if not addresses:
            raise OutboundError(f"The name {where.host!r} stands for no address.")
        if not self.destinations.allows_host(where.host):
            for address in addresses:
                why = self.destinations.why_not_address(address)
                if why is not None:
                    raise NotAllowed(f"Nothing is sent to {url[:500]}: {why}.", REMEDY)
        return addresses[0]


REMEDY = "Ask whoever runs Mantle to allow it (mantle up --destinations)."
