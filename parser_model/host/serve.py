"""``parsechat serve``: the host as a process."""

from __future__ import annotations

import logging
import sys

from parser_model.errors import RequestError, SetupError
from parser_model.host.auth import Keys
from parser_model.host.limits import Limits
from parser_model.listening import check_port, is_loopback
from parser_model.loading import is_address, load_parser

_MOST_CONNECTIONS = 256


def run(
    parser: str = "compact",
    *,
    precision: str = "auto",
    host: str = "127.0.0.1",
    port: int = 8100,
    keys: str | None = None,
    limits: Limits | None = None,
) -> None:
    """Serve a parser until interrupted.

    Parameters
    ----------
    parser, precision : str
        See `load_parser`.
    host, port : str, int
        Other machines reach it only when there are keys. It speaks plain HTTP: beyond a network
        that you trust, put a proxy with TLS before it.
    keys : str, optional
        Bearer keys, separated by commas.
    limits : Limits, optional

    Raises
    ------
    RequestError
        The address reaches beyond this machine and there are no keys.
    SetupError
        A key is too short, the port is taken, or something is not installed.
    """
    accepted = Keys(keys)
    if not accepted and not is_loopback(host):
        raise RequestError(
            f"Without keys the host only serves this machine; to serve on {host}, set "
            "PARSECHAT_SERVE_KEYS to one or more long random keys, separated by commas."
        )
    if is_address(parser):
        raise RequestError("A host computes by itself; name a parser such as compact, no address.")
    check_port(host, port)
    try:
        import uvicorn

        from parser_model.host.app import build_app
    except ModuleNotFoundError as error:
        raise SetupError(f"The host needs the package {error.name}; run 'make setup'.") from error
    loaded = load_parser(parser, precision=precision)
    app = build_app(loaded, keys=accepted, limits=limits)
    _log_to_stderr()
    shown = f"[{host}]" if ":" in host else host
    asks = "asks for a key" if accepted else "this machine only, no key"
    print(
        f"{parser} ({loaded.info.device}, {loaded.info.precision}) is served at "
        f"http://{shown}:{port}, {asks} (Ctrl+C stops it)",
        file=sys.stderr,
        flush=True,
    )
    uvicorn.run(
        app,
        host=host.strip("[]"),
        port=port,
        access_log=False,  # the application logs what may be logged
        log_level="warning",
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=5,
    )


def _log_to_stderr() -> None:
    log = logging.getLogger("parsechat.host")
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    log.handlers = [handler]
    log.setLevel(logging.INFO)
    log.propagate = False
