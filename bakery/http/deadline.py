"""Connections on which the head of an answer must be complete in time.

A socket's timeout is for each read: a server that sends a byte now and then would never meet it.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from threading import Event, Timer
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from bakery import interrupts

if TYPE_CHECKING:
    from urllib3 import HTTPResponse, PoolManager

_connected: WeakSet[socket.socket] = WeakSet()


class _Deadline(HTTPConnection):
    def connect(self) -> None:
        """Connect, until the program is asked to end."""
        super().connect()
        _connected.add(self.sock)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        """Return the answer.

        Raises:
            TimeoutError: its head does not end in the time that a connection may be silent.

        """
        late = Event()

        def cut(connected: socket.socket) -> None:
            late.set()
            _cut(connected)

        timer = Timer(self.timeout or 0, cut, [self.sock])
        timer.daemon = True
        timer.start()
        try:
            return super().getresponse()
        finally:
            timer.cancel()
            if late.is_set():  # a head that was cut looks like one that has ended
                raise TimeoutError


class _SecureDeadline(_Deadline, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Deadline


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureDeadline


class Adapter(HTTPAdapter):
    """Sends requests on such connections, directly and through proxies."""

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        """Make the connections."""
        super().init_poolmanager(*arguments, **options)
        _use(self.poolmanager)

    def proxy_manager_for(self, *arguments: Any, **options: Any) -> Any:
        """Return the connections through a proxy."""
        manager = super().proxy_manager_for(*arguments, **options)
        _use(manager)
        return manager


def _cut(connected: socket.socket) -> None:
    with suppress(OSError):
        connected.shutdown(socket.SHUT_RDWR)


def _cut_all(_: object) -> None:
    """Let go whoever waits for an answer, as threads do when the program ends."""
    for each in [*_connected]:
        _cut(each)


interrupts.at_end(_cut_all)


def _use(manager: PoolManager) -> None:
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
