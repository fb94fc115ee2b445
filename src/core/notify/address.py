"""Which addresses a customer's receiver may have: none inside, and the one that was checked is the one connected to."""

import asyncio
import socket
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

import httpx2

from src.core.base.faults import Rejected, Unavailable
from src.core.base.notify_settings import NotifySettings

LONGEST_URL: Final = 2048
# as many as are sent at once: a resolver that hangs for one receiver keeps no thread that another's needs
RESOLVERS: Final = 16
# the only part of IPv6 that is handed out to be reached from everywhere
REACHABLE: Final = IPv6Network("2000::/3")
NAT64: Final = IPv6Network("64:ff9b::/96")
# is_global of the standard library calls these reachable, or did in a version that may be running
INSIDE: Final = tuple(
    ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's host, which answers its virtual machines
        "192.0.0.0/24",  # special purposes
        "192.88.99.0/24",  # relays of 6to4
        "2001::/23",  # special purposes, Teredo among them
        "2001:db8::/32",  # examples
        "2002::/16",  # 6to4: an address of IPv4 in disguise
        "3fff::/20",  # examples
    )
)


def lies_inside(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is anything but an address of the open internet, whatever form it is written in."""
    if isinstance(address, IPv4Address):
        return not address.is_global or address.is_multicast or address.is_reserved or _listed(address)
    if address.ipv4_mapped is not None:
        return lies_inside(address.ipv4_mapped)
    if address in NAT64:
        return lies_inside(IPv4Address(address.packed[-4:]))
    # ISATAP has an address of IPv4 in its second half
    isatap = address.packed[8:12] in (b"\x00\x00\x5e\xfe", b"\x02\x00\x5e\xfe")
    return address not in REACHABLE or not address.is_global or isatap or _listed(address)


def _listed(address: IPv4Address | IPv6Address) -> bool:
    return any(address in network for network in INSIDE)


@dataclass(frozen=True, slots=True)
class Target:
    url: httpx2.URL
    addresses: tuple[str, ...]
    """Each was checked; what is connected to is one of them."""

    def at(self, address: str) -> httpx2.URL:
        return self.url.copy_with(host=address)


class AddressGuard:
    def __init__(self, settings: NotifySettings) -> None:
        self._inside_hosts = frozenset(settings.notify_inside_hosts)
        self._threads = ThreadPoolExecutor(RESOLVERS, thread_name_prefix="notify-resolve")

    async def target(self, text: str) -> Target:
        """Raises Rejected where it may not be sent to, Unavailable where its name is not found just now."""
        url = parsed(text)
        if url.userinfo:
            raise Rejected("the address has an account in it; take it out: a webhook is known by its signature")
        if url.fragment:
            raise Rejected("the address has a fragment (#...); take it out: a server never sees it")
        port = url.port or (443 if url.scheme == "https" else 80)
        host = url.raw_host.decode("ascii").lower()
        if (f"[{host}]:{port}" if ":" in host else f"{host}:{port}") in self._inside_hosts:
            return Target(url, tuple(await self._resolved(host, port)))
        if url.scheme != "https":
            raise Rejected("the address must begin with https://")
        addresses = await self._resolved(host, port)
        # one that is inside beside others that are not would be the one that a second look finds
        for address in addresses:
            if lies_inside(ip_address(address)):
                where = address if address == host else f"{url.host} leads to {address}, which"
                raise Rejected(f"{where} lies inside a network; give an address on the open internet")
        return Target(url, tuple(addresses))

    async def _resolved(self, host: str, port: int) -> Sequence[str]:
        def resolve() -> list[str]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            # a scope (fe80::1%eth0) is of this machine alone, and such an address is refused with it or without
            return list(dict.fromkeys(str(address[0]).partition("%")[0] for *_, address in found))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, resolve)
        except (OSError, UnicodeError):
            raise Unavailable(f"{host} is not found: its name leads to no address") from None

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def parsed(text: str) -> httpx2.URL:
    """By the parser of the client that asks: two that read an address differently would check one host and ask another."""
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError):
        url = httpx2.URL("")
    if not url.host or url.scheme not in ("http", "https") or len(text) > LONGEST_URL or not text.isprintable() or " " in text:
        raise Rejected("this is no address; write it like https://example.com/hooks/costs")
    return url
