"""Free TCP ports on loopback."""

import os
import random
import socket

# Below the kernel's own range for outgoing connections, which could take a port meanwhile.
_FIRST, _LAST = 18000, 31000
_random = random.Random(os.getpid())
_given = set()


def _is_free(port):
    # Without SO_REUSEPORT: a sidecar sets it, so two of them would share a port in silence.
    for family, address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            try:
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
            except OSError as error:
                if family == socket.AF_INET or error.errno == 98:
                    return False
    return True


def free_port():
    """A port that nobody listens on and that was not given before in this process."""
    for _ in range(1000):
        port = _random.randint(_FIRST, _LAST)
        if port not in _given and _is_free(port):
            _given.add(port)
            return port
    raise RuntimeError("no free port")
