"""Nothing inside is sent to, whatever form its address has; and what was checked is what is connected to."""

import socket
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from src.core.base.faults import Rejected, Unavailable
from src.core.base.secret import Secret
from src.core.base.settings import Settings
from src.core.notify.address import lies_inside
from src.core.notify.transports import Transports, check_url
from tests.core.notify.conftest import parcel

PRIVATE = [IPv4Network(net) for net in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10")]
SETTINGS = Settings(_env_file=None)


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0", "10.1.2.3", "127.0.0.1", "127.9.9.9", "169.254.169.254", "172.31.255.255", "192.168.0.1", "100.64.0.1"),
        *("100.100.100.200", "168.63.129.16", "192.0.0.192", "192.0.2.1", "198.18.0.1", "203.0.113.9", "224.0.0.1", "239.1.1.1"),
        *("240.0.0.1", "255.255.255.255", "192.88.99.1"),
        *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.8.8.8", "fe80::1", "febf::1", "fec0::1", "fc00::1", "fd00:ec2::254"),
        *("ff02::1", "ff0e::1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "2001:0:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        *("64:ff9b:1::1", "2001:db8::1", "3fff::1", "5f00::1", "100::1", "2606:4700::5efe:a00:1", "2606:4700::200:5efe:a00:1", "4000::1"),
    ],
)
def test_what_lies_inside_is_known_in_every_form(text):
    assert lies_inside(ip_address(text))


@pytest.mark.parametrize(
    "text", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700:4700::1111", "2a00:1450:4001::200e", "64:ff9b::808:808"]
)
def test_what_everybody_reaches_does_not(text):
    assert not lies_inside(ip_address(text))


@given(net=st.sampled_from(PRIVATE), offset=st.integers(min_value=0, max_value=2**32))
def test_no_disguise_of_a_private_address_is_let_through(net, offset):
    inside = net[offset % net.num_addresses]
    number = int(inside)

    assert lies_inside(inside)
    for disguise in (
        IPv6Address(0xFFFF << 32 | number),
        IPv6Address(number),
        IPv6Address(IPv6Address("64:ff9b::").packed[:12] + inside.packed),
        IPv6Address(b"\x20\x02" + inside.packed + bytes(10)),
        IPv6Address(bytes.fromhex("260647000000000000005efe") + inside.packed),
        IPv6Address(bytes.fromhex("20010000") + bytes(8) + IPv4Address(number ^ 0xFFFFFFFF).packed),
    ):
        assert lies_inside(disguise), disguise


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://127.0.0.1/x", "lies inside a network"),
        ("https://2130706433/", "lies inside a network"),
        ("https://0x7f.1/", "lies inside a network"),
        ("https://0177.0.0.1/", "is no address"),
        ("https://127.1/", "lies inside a network"),
        ("https://localhost/", "lies inside a network"),
        ("https://[::ffff:7f00:1]/", "lies inside a network"),
        ("https://[::1]:8443/", "lies inside a network"),
        ("https://169.254.169.254/latest/meta-data", "lies inside a network"),
        ("https://127.0.0.1\\@example.com/", "has an account in it"),
        ("https://example.com@127.0.0.1/", "has an account in it"),
        ("https://me:secret@example.com/", "has an account in it"),
        ("http://example.com/", "must begin with https://"),
        ("ftp://example.com/", "is no address"),
        ("file:///etc/passwd", "is no address"),
        ("https:///x", "is no address"),
        ("https://example.com/\r\nX-Header: 1", "is no address"),
        ("https://example.com/#part", "has a fragment"),
        ("https://exa mple.com/", "is no address"),
        (f"https://example.com/{'x' * 2048}", "is no address"),
        ("", "is no address"),
        ("https://nobody.invalid/", "its name leads to no address; mend the address"),
    ],
)
async def test_what_may_not_be_sent_to_is_refused_with_what_to_mend(url, told):
    with pytest.raises(Rejected) as raised:
        await check_url(SETTINGS, url)

    assert told in raised.value.detail


async def test_a_name_that_leads_inside_at_the_time_of_sending_is_refused(receiving, monkeypatch):
    """Its owner changed where it leads after it was stored."""
    port = receiving.sandbox.address.rpartition(":")[2]
    to = receiving.to("webhook", "well", "whsec_bmV3LXNlY3JldC1vZi0yNC1ieXRlcw==")
    _leads(monkeypatch, "hooks.customer.example", "127.0.0.1")
    moved = replace(to, url=Secret(f"https://hooks.customer.example:{port}/hooks/well"))
    ways_out = Transports(SETTINGS)

    with pytest.raises(Rejected, match=r"hooks.customer.example leads to 127.0.0.1, which lies inside"):
        await ways_out.send(moved, parcel())


async def test_one_address_inside_among_others_is_enough(monkeypatch):
    _leads(monkeypatch, "hooks.customer.example", "93.184.216.34", "10.0.0.7")

    with pytest.raises(Rejected, match=r"leads to 10.0.0.7"):
        await check_url(SETTINGS, "https://hooks.customer.example/x")


async def test_what_was_checked_is_connected_to_and_the_server_proves_its_name(receiving, monkeypatch, tls_sink):
    """The name is looked up once; a second look, which might lead elsewhere, is not taken."""
    looks = _leads(monkeypatch, "localhost", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(receiving.sandbox.receivers.certificate))
    to = receiving.to("webhook", "well", "whsec_bmV3LXNlY3JldC1vZi0yNC1ieXRlcw==")
    named = replace(to, url=Secret(f"https://localhost:{tls_sink.port}/hook?to=us"))

    await receiving.ways_out(notify_inside_hosts=(f"localhost:{tls_sink.port}",)).send(named, parcel())

    assert looks == ["localhost"]
    assert tls_sink.server_name == "localhost"
    assert tls_sink.request.startswith(b"POST /hook?to=us HTTP/1.1\r\n")
    assert f"Host: localhost:{tls_sink.port}\r\n".encode().lower() in tls_sink.request.lower()


async def test_a_server_that_proves_another_name_is_not_told_anything(receiving, monkeypatch, tls_sink):
    _leads(monkeypatch, "hooks.customer.example", "127.0.0.1")
    monkeypatch.setenv("SSL_CERT_FILE", str(receiving.sandbox.receivers.certificate))
    to = receiving.to("webhook", "well", "whsec_bmV3LXNlY3JldC1vZi0yNC1ieXRlcw==")
    named = replace(to, url=Secret(f"https://hooks.customer.example:{tls_sink.port}/"))

    with pytest.raises(Unavailable, match="could not be reached"):
        await receiving.ways_out(notify_inside_hosts=(f"hooks.customer.example:{tls_sink.port}",)).send(named, parcel())

    assert tls_sink.request == b""


def _leads(monkeypatch, name: str, *addresses: str) -> list[str]:
    """Stands for the name's owner, who says where it leads."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def lead(host: str | bytes, port: int, *rest: int, **more: int):
        if host not in (name, name.encode()):
            return real(host, port, *rest, **more)
        asked.append(name)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", lead)
    return asked
