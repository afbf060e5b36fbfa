"""Free ports on loopback. As a program: prints the first of N free ports in a row."""
import random
import socket
import sys


def free_ports(count):
    """The first of `count` free ports in a row, below the range the kernel hands out for outgoing connections."""
    for base in random.sample(range(20000, 32000, 10), 200):
        try:
            for port in range(base, base + count):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", port))
            return base
        except OSError:
            continue
    raise RuntimeError(f"no {count} free ports in a row")


if __name__ == "__main__":
    print(free_ports(int(sys.argv[1])))
