"""Free ports on loopback. As a program: prints the first of N free ports in a row."""
import collections
import os
import random
import socket
import sys


_given = collections.deque(maxlen=40)  # last: who asked may not listen there yet
_WORKERS = 8


def _bases():
    """Where rows of ports begin; workers of one test session keep out of each other's way."""
    every = range(20000, 32000, 10)
    worker = os.environ.get("PYTEST_XDIST_WORKER", "").removeprefix("gw")
    return every[int(worker) % _WORKERS::_WORKERS] if worker.isdigit() else every


def free_ports(count):
    """The first of `count` free ports in a row, below the range the kernel hands out for outgoing connections. Not given again soon."""
    bases = [base for base in _bases() if base not in _given]
    for base in random.sample(bases, len(bases)):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            _given.append(base)
            return base
        except OSError:
            continue
    raise RuntimeError(f"no {count} free ports in a row")


if __name__ == "__main__":
    print(free_ports(int(sys.argv[1])))
