"""The tests' own guard: nothing leaves this machine."""

import contextlib
import socket
import urllib.request

import pytest

OUTSIDE = "192.0.2.1"  # reserved for documentation (RFC 5737): nobody answers there


@pytest.mark.parametrize("method", ["connect", "connect_ex"])
def test_connection_to_another_machine_fails_the_test(method):
    with socket.socket() as client:
        client.settimeout(0.1)
        with pytest.raises(pytest.fail.Exception, match=f"tried to reach {OUTSIDE}"):
            getattr(client, method)((OUTSIDE, 80))


def test_attempt_is_seen_even_where_errors_are_swallowed():
    with (
        pytest.raises(pytest.fail.Exception, match=r"tried to reach huggingface\.invalid"),
        contextlib.suppress(Exception),
    ):
        urllib.request.urlopen("http://huggingface.invalid", timeout=0.1)


def test_connection_to_this_machine_is_free():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname(), timeout=5) as client,
    ):
        assert client.getpeername() == server.getsockname()
