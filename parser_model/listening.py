"""Where a server of ours may listen: what the chat and the host both ask first."""

from __future__ import annotations

import ipaddress
import socket

from parser_model.errors import SetupError


def is_loopback(host: str) -> bool:
    """Tell whether an address reaches this machine only."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def check_port(host: str, port: int) -> None:
    """Find out before anything is loaded that an address is free.

    Raises
    ------
    SetupError
        If it cannot be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            raise SetupError(
                f"Port {port} on {host} cannot be used ({error.strerror}); choose another one."
            ) from error
