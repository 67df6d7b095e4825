#!/usr/bin/env python3
"""Meets libzmq (through pyzmq) in both directions: its sockets ask a node's side channel, and a node asks its sockets.

    bench/interop/zeromq.py            starts a node of its own, prints a line per check, then how many passed, failed and did not run

Needs: this repository built, python3 with venv and pip, or a Python with pyzmq. Exit: 0 all passed, 1 something failed, 3 something did
NOT run. TANDEM, MODEL: another command line, another checkpoint. ZEROMQ_VENV: where pyzmq is installed when it is not there.
"""

import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import venv

PYZMQ = "pyzmq==27.3.0"  # brings libzmq 4.3.5

try:
    import zmq
    from zmq.utils.monitor import recv_monitor_message
except ImportError:
    zmq = None

ROOT = pathlib.Path(__file__).resolve().parents[2]
TANDEM = os.environ.get("TANDEM", str(ROOT / "tandem"))
MODEL = os.environ.get("MODEL", str(ROOT / "models" / "tandem-fable"))
HOST = "127.%d.%d.%d" % (96 + os.getpid() // 64516 % 32, os.getpid() // 254 % 254, 1 + os.getpid() % 254)  # this run's own
HTTP, KV_PORT = 8100, 30000
PATIENCE = 20  # seconds that any answer may take

GET_META = b"\x92\xc4\x0cget_meta_msg\xa0"
DONE = b"\x92\xc4\x10done_recving_msg\xa8cmpl-7-0"
GREETING = b"\xff" + 8 * b"\0" + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + 32 * b"\0"
counts = {"ok": 0, "FAILED": 0, "not run": 0}


def say(outcome, name, why=""):
    counts[outcome] += 1
    print(f"{outcome:8}{name}{': ' + why if why else ''}", flush=True)


def check(name, work):
    try:
        work()
        say("ok", name)
    except Exception as failure:  # whatever it is, it is this check's
        say("FAILED", name, f"{type(failure).__name__}: {failure}")


def require(condition, what):
    if not condition:
        raise AssertionError(what)


def opened(kind, **options):
    created = zmq.Context.instance().socket(kind)
    created.linger = 0
    created.rcvtimeo = created.sndtimeo = PATIENCE * 1000
    for name, value in options.items():
        created.setsockopt(getattr(zmq, name), value)
    return created


def dialled(kind, **options):
    created = opened(kind, **options)
    created.connect(f"tcp://{HOST}:{KV_PORT}")
    return created


def require_served():
    with dialled(zmq.REQ) as req:
        req.send(GET_META)
        require(b"engine_id" in req.recv(), "no metadata")


def require_ended(monitored):
    """The other side ends the connection, or lets no handshake succeed."""
    events = monitored.get_monitor_socket()
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if events.poll(1000) and recv_monitor_message(events)["event"] in (
            zmq.EVENT_DISCONNECTED,
            zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL,
            zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL,
            zmq.EVENT_HANDSHAKE_FAILED_AUTH,
        ):
            return
    raise AssertionError("the connection stays")


# ---- libzmq asks


def req_asks():
    with dialled(zmq.REQ) as req:
        for _ in range(100):
            req.send(GET_META)
            require(b"engine_id" in req.recv(), "no metadata")
            req.send(DONE)
            require(req.recv() == b"ACK", "no ACK")


def dealer_asks_ahead():
    with dialled(zmq.DEALER) as dealer:
        for question in range(200):
            dealer.send_multipart([b"", DONE if question % 2 else GET_META])
        for question in range(200):
            empty, answer = dealer.recv_multipart()
            require(empty == b"" and (answer == b"ACK") == (question % 2 == 1), f"answer {question} is {answer[:20]}")


def router_asks():
    with opened(zmq.ROUTER, CONNECT_ROUTING_ID=b"side", ROUTER_MANDATORY=1) as router:
        router.connect(f"tcp://{HOST}:{KV_PORT}")
        ends = time.monotonic() + PATIENCE
        while True:
            try:
                router.send_multipart([b"side", b"", DONE])
                break
            except zmq.ZMQError:  # not connected yet
                require(time.monotonic() < ends, "not connected")
                time.sleep(0.01)
        require(router.recv_multipart()[-1] == b"ACK", "no ACK")


def many_ask():
    sockets = [dialled(zmq.REQ) for _ in range(300)]
    for req in sockets:
        req.send(GET_META)
    for req in sockets:
        require(b"engine_id" in req.recv(), "no metadata")
        req.close()


def same_identities_ask():
    with dialled(zmq.REQ, ROUTING_ID=b"twin") as one, dialled(zmq.REQ, ROUTING_ID=b"twin") as other:
        one.send(DONE)
        other.send(GET_META)
        require(b"engine_id" in other.recv() and one.recv() == b"ACK", "answers are mixed up")


def rubbish_is_refused():
    with dialled(zmq.REQ) as req:
        for parts in ([b""], [b"\1"], [b"two", b"parts"], [os.urandom(5000)]):
            req.send_multipart(parts)
            require(req.recv() == b"NAK", f"{parts[0][:10]} is not refused")


def heartbeats_are_answered():
    with opened(zmq.REQ, HEARTBEAT_IVL=50, HEARTBEAT_TIMEOUT=1000, HEARTBEAT_TTL=2000) as req:
        events = req.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        req.connect(f"tcp://{HOST}:{KV_PORT}")
        req.send(GET_META)
        req.recv()
        require(not events.poll(3000), "disconnected although it lives")
        req.send(DONE)
        require(req.recv() == b"ACK", "no ACK")


def too_long_messages_end_their_connection():
    for parts in ([b"x" * (1 << 20)], 50 * [b"x"], 10 * [b"x" * 60_000]):
        with opened(zmq.DEALER) as dealer:
            dealer.get_monitor_socket()
            dealer.connect(f"tcp://{HOST}:{KV_PORT}")
            dealer.send_multipart(parts)
            require_ended(dealer)
        require_served()


def other_sockets_are_refused():
    for kind in (zmq.SUB, zmq.PUSH, zmq.REP):
        with opened(kind) as stranger:
            stranger.get_monitor_socket()
            stranger.connect(f"tcp://{HOST}:{KV_PORT}")
            require_ended(stranger)
        require_served()


def other_mechanisms_are_refused():
    with opened(zmq.REQ, PLAIN_USERNAME=b"a", PLAIN_PASSWORD=b"b") as stranger:
        stranger.get_monitor_socket()
        stranger.connect(f"tcp://{HOST}:{KV_PORT}")
        require_ended(stranger)
    require_served()


def raw(*pieces):
    with socket.create_connection((HOST, KV_PORT), PATIENCE) as peer:
        for piece in pieces:
            peer.sendall(piece)
        received = b""
        while chunk := peer.recv(1 << 16):
            received += chunk
        return received


def attack_is_survived():
    for length in (-1, -(1 << 63), (1 << 63) - 1):
        for flags in (2, 3, 6):
            try:
                raw(GREETING, struct.pack(">Bq", flags, length))
            except ConnectionError:
                pass  # also an end
    require_served()


def version_three_zero_is_spoken():
    ready = b"\x05READY\x0bSocket-Type\0\0\0\x03REQ"
    with socket.create_connection((HOST, KV_PORT), PATIENCE) as peer:
        peer.sendall(GREETING + bytes([4, len(ready)]) + ready + b"\x01\x00" + bytes([0, len(DONE)]) + DONE)
        received = b""
        while not received.endswith(b"\x01\x00\x00\x03ACK"):
            chunk = peer.recv(1 << 16)
            require(chunk, f"closed behind {received!r}")
            received += chunk


# ---- a node asks libzmq


def completion(port):
    ticket = {
        "do_remote_prefill": True,
        "do_remote_decode": False,
        "remote_block_ids": [1 << 45],
        "remote_engine_id": "libzmq",
        "remote_host": HOST,
        "remote_port": port,
        "last_token_id": 1,
    }
    body = {"model": "m", "prompt": "Once upon a time", "max_tokens": 1, "kv_transfer_params": ticket}
    request = urllib.request.Request(
        f"http://{HOST}:{HTTP}/v1/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        urllib.request.urlopen(request, timeout=60).read()
    except urllib.error.HTTPError as refused:  # what becomes of the request is not this check's affair
        refused.read()


def asked(kind):
    with opened(kind) as server:
        port = server.bind_to_random_port(f"tcp://{HOST}")
        client = threading.Thread(target=completion, args=(port,))
        client.start()
        seen = []
        for _ in range(2):  # where KV lies, and, when that is no use, that nothing will be read
            parts = server.recv_multipart()
            seen.append(parts[-1])
            server.send_multipart([*parts[:-1], b"NAK"])
            if kind == zmq.ROUTER:
                require(len(parts) == 3 and parts[1] == b"", f"{len(parts)} parts")
        client.join()
        require(seen[0] == GET_META, f"the question is {seen[0]}")
        require(b"done_recving_msg" in seen[1], f"the second message is {seen[1]}")


def await_node(node, log):
    ends = time.monotonic() + 180
    while time.monotonic() < ends and node.poll() is None:
        try:
            urllib.request.urlopen(f"http://{HOST}:{HTTP}/health", timeout=5).read()
            return True
        except OSError:
            time.sleep(0.1)
    log.seek(0)
    print(log.read()[-2000:], file=sys.stderr)
    return False


def health():
    urllib.request.urlopen(f"http://{HOST}:{HTTP}/health", timeout=PATIENCE).read()


def run():
    print(f"peer: pyzmq {zmq.__version__}, libzmq {zmq.zmq_version()}")
    check("a REQ socket asks", req_asks)
    check("a DEALER asks ahead and is answered in order", dealer_asks_ahead)
    check("a ROUTER asks", router_asks)
    check("300 sockets ask at once", many_ask)
    check("two sockets of one identity are told apart", same_identities_ask)
    check("what is no message is refused", rubbish_is_refused)
    check("heartbeats of ZMTP 3.1 are answered", heartbeats_are_answered)
    check("messages that are too long end their connection only", too_long_messages_end_their_connection)
    check("SUB, PUSH and REP sockets are refused", other_sockets_are_refused)
    check("another mechanism than NULL is refused", other_mechanisms_are_refused)
    check("a ZMTP 3.0 greeting is answered", version_three_zero_is_spoken)
    check("lengths that are negative or huge are survived", attack_is_survived)
    check("a node asks a ROUTER", lambda: asked(zmq.ROUTER))
    check("a node asks a REP socket", lambda: asked(zmq.REP))
    check("the node is healthy", health)
    say("not run", "a libzmq that speaks ZMTP 3.0 itself (4.1)", "no wheel of it for this Python")


def main():
    if zmq is None:
        home = pathlib.Path(os.environ.get("ZEROMQ_VENV", pathlib.Path(tempfile.gettempdir()) / "tandem-zeromq-venv"))
        python = home / "bin" / "python"
        if pathlib.Path(sys.executable) == python:
            return "pyzmq does not load"
        try:
            if not python.exists():
                venv.create(home, with_pip=True)
            subprocess.run([python, "-m", "pip", "install", "-q", PYZMQ], check=True)
        except (OSError, subprocess.CalledProcessError) as failure:
            return f"{PYZMQ} cannot be installed: {failure}"
        os.execv(python, [str(python), __file__])
    if not os.access(TANDEM, os.X_OK):
        return f"no {TANDEM}: build first"
    config = {"kv_connector": "MooncakeConnectorV1", "kv_role": "kv_both", "kv_port": str(KV_PORT), "engine_id": "0"}
    command = [TANDEM, "serve", MODEL, "--host", HOST, "--port", str(HTTP), "--served-model-name", "m"]
    command += ["--dtype", "float32", "--max-model-len", "1024", "--kv-transfer-config", json.dumps(config)]
    with tempfile.TemporaryFile("w+") as log:
        node = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT)
        try:
            if not await_node(node, log):
                return "the node does not serve"
            run()
        finally:
            node.terminate()
            node.wait()
    return None


if __name__ == "__main__":
    obstacle = main()
    if obstacle:
        say("not run", "everything", obstacle)
    print(f"{counts['ok']} ok, {counts['FAILED']} failed, {counts['not run']} not run")
    sys.exit(1 if counts["FAILED"] else 3 if counts["not run"] else 0)
