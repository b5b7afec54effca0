"""Faults on the publishing side: subscribers that are slow, dead or hostile. No stream may notice."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import zmq

from pipeline.chaos.faults import FaultError, fault
from pipeline.chaos.stage import Stage
from pipeline.keys import load_pair, load_public

DEAD_CLIENT = (
    "import sys, time; from pathlib import Path; "
    "from pipeline.chaos.subscriber_faults import subscriber; "
    "socket = subscriber(sys.argv[1], Path(sys.argv[2])); socket.recv(); print('in', flush=True); time.sleep(600)"
)


def subscriber(address: str, keys: Path | None) -> zmq.Socket:
    """A plain SUB socket that takes one message at a time, with the right keys or none."""
    socket_: zmq.Socket = zmq.Context.instance().socket(zmq.SUB)
    socket_.linger, socket_.rcvhwm = 0, 1
    socket_.setsockopt(zmq.RCVBUF, 4096)
    if keys is not None:
        pair = load_pair(keys, "client")
        socket_.curve_publickey, socket_.curve_secretkey = pair.public, pair.secret
        socket_.curve_serverkey = load_public(keys, "server")
    socket_.subscribe(b"")
    socket_.connect(address)
    return socket_


@fault("slow-subscriber", "subscribers that read nothing of what they asked for", scope="none")
def slow_subscriber(stage: Stage, random: Random, _camera: str) -> str:
    count = random.randint(1, 5)
    sockets = [subscriber(stage.address, stage.keys) for _ in range(count)]
    time.sleep(random.uniform(0.5, 2))
    for one in sockets:
        one.close()
    return f"{count} of them"


@fault("dead-subscriber", "a subscriber is frozen, then killed", scope="none")
def dead_subscriber(stage: Stage, random: Random, _camera: str) -> str:
    process = subprocess.Popen(
        [sys.executable, "-c", DEAD_CLIENT, stage.address, str(stage.keys)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        if process.stdout.readline() != "in\n":
            raise FaultError("a healthy subscriber got nothing")
        process.send_signal(signal.SIGSTOP)
        time.sleep(random.uniform(0.5, 3))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    return "SIGSTOP, SIGKILL"


@fault("subscriber-churn", "subscribers come and go in quick succession", scope="none")
def subscriber_churn(stage: Stage, random: Random, _camera: str) -> str:
    count = random.randint(5, 30)
    for _ in range(count):
        one = subscriber(stage.address, stage.keys)
        one.poll(random.randint(0, 60))
        one.close()
    return f"{count} of them"


@fault("wrong-keys", "subscribers without a key, and with a key that is not on the list", scope="none")
def wrong_keys(stage: Stage, random: Random, _camera: str) -> str:
    without = subscriber(stage.address, None)
    foreign: zmq.Socket = zmq.Context.instance().socket(zmq.SUB)
    foreign.linger = 0
    foreign.curve_publickey, foreign.curve_secretkey = zmq.curve_keypair()
    foreign.curve_serverkey = load_public(stage.keys, "server")
    foreign.subscribe(b"")
    foreign.connect(stage.address)
    time.sleep(random.uniform(0.5, 1.5))
    served = [name for name, one in (("no key", without), ("a foreign key", foreign)) if one.poll(0)]
    without.close()
    foreign.close()
    if served:
        raise FaultError(f"a subscriber with {' and one with '.join(served)} was served")
    return "none was served"


@fault("port-garbage", "connections to the publisher that say nothing, or nonsense", scope="none")
def port_garbage(stage: Stage, random: Random, _camera: str) -> str:
    connections = [socket.create_connection(("127.0.0.1", stage.port)) for _ in range(random.randint(2, 20))]
    for one in connections[::2]:
        with contextlib.suppress(OSError):  # it may be shown the door while it speaks
            one.sendall(random.randbytes(random.choice((1, 64, 100_000))))
    time.sleep(random.uniform(0.2, 1))
    for one in connections:
        one.close()
    return f"{len(connections)} connections"
