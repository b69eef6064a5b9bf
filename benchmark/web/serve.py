"""Starts the service."""

from __future__ import annotations

import ipaddress
import logging
import math
import os
import warnings
from dataclasses import replace

from benchmark.errors import BenchmarkError
from benchmark.web.hosts import named
from benchmark.web.settings import Settings
from models.deepgaze.files import VARIABLE

#: Seconds that answers get to be sent, after the service was told to stop and all are computed.
GRACE = 10


def serve(host: str, port: int, settings: Settings) -> None:
    """Serve until interrupted or terminated; what was started is finished first.

    Beyond loopback any Host header is answered, unless the settings name hosts of their own. The
    address itself always is.

    Raises:
        BenchmarkError: the packages of the extra ``serve`` are missing, the address is taken, or a
            model cannot be used.
    """
    try:
        import uvicorn

        from benchmark.web.app import create_app
        from benchmark.web.slow_readers import ReadTimeout
    except ImportError as error:
        raise BenchmarkError(
            f"the service needs a package that is not installed ({error.name}): "
            'pip install "deepgaze-benchmark[serve]", or pip install -e ".[serve]" in a copy of '
            "the project."
        ) from error
    if not is_loopback(host):
        logging.getLogger("uvicorn.error").warning(
            "Bound to %s: everybody who reaches this machine can use the service, unencrypted and "
            "without a password. Put a proxy with TLS before it.",
            host,
        )
        if settings.hosts == Settings().hosts:
            settings = replace(settings, hosts=("*",))
    settings = replace(settings, hosts=(*settings.hosts, named(host)))
    warnings.filterwarnings("ignore", module="PIL")  # of damaged uploads: clients are told
    os.environ.pop(VARIABLE, None)  # or features and maps of uploads would be kept there
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=ReadTimeout,
        server_header=False,
        timeout_graceful_shutdown=grace(settings),
        limit_concurrency=1000,
        access_log=False,  # addresses of clients are nobody's business
    )
    try:
        uvicorn.Server(config).run()
    except SystemExit as error:  # how uvicorn says that it could not bind
        if error.code:
            raise BenchmarkError(
                f"port {port} of {host} cannot be used: another program has it, or it is not this "
                "machine's address. Choose another with --port or --host."
            ) from error


def grace(settings: Settings) -> int:
    """Seconds that requests in flight get after the service was told to stop: all they may take."""
    return math.ceil(settings.upload_timeout + settings.timeout) + GRACE


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine alone."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
