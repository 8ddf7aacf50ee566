"""What tests of encoders share."""

import socket

import pytest


@pytest.fixture
def no_network(monkeypatch):
    """Let any use of the network fail the test."""

    def refuse(*args, **kwargs):
        raise AssertionError("an encoder asked the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
