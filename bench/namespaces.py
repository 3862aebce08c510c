"""Two machines on paper: network namespaces of this one, joined by a link with a given delay and rate.

It needs Linux, root and iproute2. A kernel with netem delays and limits a pair of veth devices. Without it, tbf limits
the rate, and packets that are to be delayed go through a pair of TUN devices and a process that holds each one back.
"""

import contextlib
import os
import select
import shutil
import struct
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ADDRESSES = ("10.77.0.1", "10.77.0.2")
TUN = Path("/dev/net/tun")
TUNSETIFF, TUN_WITHOUT_HEADER = 0x400454CA, 0x1001
MTU = 60_000  # of TUN devices: large packets cost the process that delays them least
BURST = 80_000  # bytes that pass at once: one packet as large as devices make them
LAUNCH = """#!/bin/sh
# What mpiexec runs in the place of ssh: -x ADDRESS COMMAND...
shift
case $1 in {first}) name={names[0]};; *) name={names[1]};; esac
shift
exec ip netns exec "$name" sh -c "$*"
"""


class Wire(NamedTuple):
    """delay : seconds one way. rate : bits a second, None for what the machine can do."""

    delay: float
    rate: float | None

    def __str__(self) -> str:
        delay = f"{self.delay * 1e3:g} ms" if self.delay else "no delay"
        return f"{delay}, {self.rate / 1e9:g} Gbit/s" if self.rate else f"{delay}, no limit"


def missing() -> str | None:
    """Why there can be no namespaces here; None if there can."""
    if not sys.platform.startswith("linux") or not all(map(shutil.which, ("ip", "tc"))):
        return "network namespaces need Linux and iproute2"
    name = f"fastnet-{os.getpid()}"
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode:
        return f"network namespaces need root ({done.stderr.strip()})"
    _ip("netns", "del", name)
    return None


def has_netem() -> bool:
    """Whether the kernel delays packets."""
    name = f"fastnet-{os.getpid()}"
    _ip("netns", "add", name)
    try:
        command = ["tc", "-n", name, "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    finally:
        _ip("netns", "del", name)


@contextlib.contextmanager
def joined(wire: Wire, netem: bool) -> Iterator[list[str]]:
    """Two namespaces on a wire. Yields the words in front of a command that start it as two ranks, one in each."""
    names = [f"fastnet-{os.getpid()}-{i}" for i in (0, 1)]
    devices = [f"fn{os.getpid()}-{i}" for i in (0, 1)]
    with contextlib.ExitStack() as stack:
        for name in names:
            _ip("netns", "add", name)
            stack.callback(_ip, "netns", "del", name)
        if wire.delay and not netem:
            stack.enter_context(_delayed_pair(devices, wire.delay))
        else:
            _ip("link", "add", devices[0], "type", "veth", "peer", "name", devices[1])
        for name, device, address in zip(names, devices, ADDRESSES, strict=True):
            _bring_up(name, device, address)
            _limit(name, device, wire, netem)
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fastnet-bench-")))
        yield ["ip", "netns", "exec", names[0], *_mpiexec(folder, names)]


def _mpiexec(folder: Path, names: list[str]) -> list[str]:
    launch = folder / "launch"
    launch.write_text(LAUNCH.format(first=ADDRESSES[0], names=names))
    launch.chmod(0o755)
    # Sockets, as between machines; what UCX would choose notices that both ranks are on one.
    chosen = ["-genv", "MPIR_CVAR_CH4_NETMOD", "ofi", "-genv", "FI_PROVIDER", "tcp"]
    hosts = ["-hosts", ",".join(ADDRESSES), "-localhost", ADDRESSES[0]]
    return ["mpiexec", *hosts, "-launcher", "ssh", "-launcher-exec", str(launch), *chosen, "-n", "2"]


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def _bring_up(name: str, device: str, address: str) -> None:
    _ip("link", "set", device, "netns", name)
    _ip("-n", name, "addr", "add", f"{address}/24", "dev", device)
    for each in ("lo", device):
        _ip("-n", name, "link", "set", each, "up")


def _limit(name: str, device: str, wire: Wire, netem: bool) -> None:
    """Delay and limit what a device sends."""
    words = []
    if netem and (wire.delay or wire.rate):
        words = ["netem", "limit", "100000", *(["delay", f"{wire.delay * 1e6:.0f}us"] if wire.delay else [])]
        words += ["rate", f"{wire.rate:.0f}bit"] if wire.rate else []
    elif wire.rate:
        words = ["tbf", "rate", f"{wire.rate:.0f}bit", "burst", str(BURST), "latency", "500ms"]
    if words:
        subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", device, "root", *words], check=True)


@contextlib.contextmanager
def _delayed_pair(devices: list[str], delay: float) -> Iterator[None]:
    """Two TUN devices: what one is sent, the other receives ``delay`` later, by a process of its own."""
    ends = [_tun(device) for device in devices]
    for device in devices:
        _ip("link", "set", device, "mtu", str(MTU), "txqueuelen", "10000")
    words = [sys.executable, __file__, *map(str, ends), str(delay)]
    relay = subprocess.Popen(words, pass_fds=ends)
    try:
        yield
    finally:
        relay.kill()
        relay.wait()
        for end in ends:
            os.close(end)


def _tun(device: str) -> int:
    import fcntl  # Windows has none

    end = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(end, TUNSETIFF, struct.pack("16sH", device.encode(), TUN_WITHOUT_HEADER))
    return end


def hold_back(ends: tuple[int, int], delay: float) -> None:
    """Pass packets between two devices, ``delay`` seconds late, for ever."""
    with contextlib.suppress(OSError):
        os.nice(-15)  # ranks that wait in MPI keep all cores busy
    late: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in ends}
    other = dict(zip(ends, reversed(ends), strict=True))
    while True:
        due = [queue[0][0] for queue in late.values() if queue]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        for end in select.select(ends, [], [], timeout)[0]:
            with contextlib.suppress(BlockingIOError):
                while True:
                    late[other[end]].append((time.monotonic() + delay, os.read(end, MTU + 100)))
        for end, queue in late.items():
            while queue and queue[0][0] <= time.monotonic():
                with contextlib.suppress(OSError):  # a device that is down, as they are at first
                    os.write(end, queue[0][1])
                queue.popleft()


if __name__ == "__main__":
    first, second, seconds = sys.argv[1:]
    hold_back((int(first), int(second)), float(seconds))
