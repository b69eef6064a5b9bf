"""Which values of the Host header are answered: those of the settings, so that no page of another
site can reach a service on its reader's machine by a name of its own."""

from __future__ import annotations

from collections.abc import Iterable


def is_answered(header: str, hosts: Iterable[str]) -> bool:
    """Whether a Host header, with or without a port, names one of ``hosts``.

    Args:
        hosts: names and addresses, "*.example.org" for every name below, "*" for any header.
    """
    name = _without_port(header).lower()
    for host in map(str.lower, hosts):
        if host == "*" or (name and name == host):
            return True
        if host.startswith("*.") and name.endswith(host[1:]):
            return True
    return False


def named(address: str) -> str:
    """An address as a Host header has it: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def _without_port(header: str) -> str:
    if header.startswith("["):
        address, bracket, _ = header.partition("]")
        return address + bracket
    return header.partition(":")[0]
