"""A request's work, ended when its client leaves or its time is over."""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

from benchmark.web.problem import Problem


class Left(Exception):
    """The client closed the connection before it was answered."""


async def attend(request: Request, work: Callable[[], Awaitable[Any]], timeout: float) -> Any:
    """What ``work`` returns.

    Args:
        timeout: seconds.

    Raises:
        Problem: the work failed; whatever is not foreseen becomes 500, or 503 without memory.
        Left: the client left.
        asyncio.TimeoutError: the time is over.
    """
    working = asyncio.ensure_future(_foreseen(work))
    leaving = asyncio.ensure_future(_leaves(request))
    try:
        done, _ = await asyncio.wait(
            {working, leaving}, timeout=timeout, return_when=asyncio.FIRST_COMPLETED
        )
        if working in done:
            return working.result()
        raise Left if leaving in done else asyncio.TimeoutError
    finally:
        leaving.cancel()
        working.cancel()


async def _leaves(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _foreseen(work: Callable[[], Awaitable[Any]]) -> Any:
    try:
        return await work()
    except (Problem, HTTPException):
        raise
    except Exception as error:
        raise unforeseen(error) from error


def unforeseen(error: Exception) -> Problem:
    """What a client is told of an error that is nobody's but ours, and a line in the log.

    The log says where, not the error's own words, which can hold what was uploaded.
    """
    where = "".join(traceback.format_tb(error.__traceback__))
    logging.getLogger("uvicorn.error").error("%s\n%s", type(error).__name__, where)
    if _is_of_memory(error):
        return Problem(503, "there is not enough memory for this: try a smaller image.")
    return Problem(500, "the service failed at this request; its log says where.")


def _is_of_memory(error: Exception) -> bool:
    """Torch says so with errors of run time."""
    words = str(error).lower()
    return isinstance(error, MemoryError) or "allocate memory" in words or "out of memory" in words
