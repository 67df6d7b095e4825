#!/usr/bin/env python3
"""secured.py [ROUNDS] [transfer|gateway|handoff …]   what TLS and the cluster's secret cost, each beside its absence, in turns.

transfer   two pairs of transfer engines, with and without secret (dev.tandem.bench.SecretBench)
gateway    three gateways before mock nodes: plain; TLS towards clients; TLS with certificates asked for on both sides of every hop.
           Requests over kept connections, then with a connection (a whole handshake) for each. Keys are of curve P-256
handoff    three deployments of gateway, prefill and decode node: plain; with a secret; with secret and mutual TLS on every hop. The first
           token of prompts that nobody has cached

Each round (default 9) asks every variant in an order that changes; medians of rounds, and their ratio to plain. Processor time is that of the
gateway (gateway) or of all three processes (handoff), from /proc, so that a busy machine spoils it less than it spoils times.
Needs: this repository built (mvn -DskipTests package), openssl, Linux. MODEL names another checkpoint for the handoff, TANDEM another command
line, WARM_UP the rounds that go before and do not count (5).
"""

import http.client
import http.server
import json
import os
import pathlib
import random
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TANDEM = os.environ.get("TANDEM", str(ROOT / "tandem"))
MODEL = os.environ.get("MODEL", str(ROOT / "models" / "tandem-fable"))
HOST = "127.%d.%d.%d" % (32 + os.getpid() // 64516 % 32, os.getpid() // 254 % 254, 1 + os.getpid() % 254)  # this run's own
SECRET = "a secret that only this measurement has"
CLIENTS = 4
KEPT_REQUESTS, FRESH_REQUESTS, PROMPTS = 400, 100, 10  # of a variant and round
WARM_UP = int(os.environ.get("WARM_UP", "5"))  # rounds that do not count
PROMPT_TOKENS = 256
TICK = os.sysconf("SC_CLK_TCK")

work = pathlib.Path(tempfile.mkdtemp(prefix="tandem-secured-"))
processes = []


# ---- certificates: an authority, and one certificate for every process of this run


def certify():
    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=work, check=True, capture_output=True)

    curve = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes"
    openssl(*f"req -x509 {curve} -days 2 -subj /CN=authority -keyout ca.key -out ca.pem".split())
    openssl(*f"req {curve} -subj /CN=tandem -keyout own.key -out own.csr".split())
    (work / "own.ext").write_text(f"subjectAltName=IP:{HOST}\n")
    openssl(*"x509 -req -in own.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile own.ext -out own.pem".split())


def context(purpose):
    made = ssl.create_default_context(purpose, cafile=work / "ca.pem")
    made.load_cert_chain(work / "own.pem", work / "own.key")
    return made


SERVER = f"--ssl-certfile {work}/own.pem --ssl-keyfile {work}/own.key".split()
MUTUAL = [*SERVER, *f"--ssl-ca-certs {work}/ca.pem --ssl-cert-reqs 2".split()]
TO_NODES = (
    f"--node-tls --node-ssl-ca-certs {work}/ca.pem --node-ssl-certfile {work}/own.pem --node-ssl-keyfile {work}/own.key".split()
)


# ---- processes


def start(name, arguments, environment=()):
    with open(work / f"{name}.log", "w") as log:
        process = subprocess.Popen(
            [TANDEM, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **dict(environment)},
        )
    processes.append(process)
    return process


def stop():
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait()
    processes.clear()


def serves(port, is_tls, name):
    ends = time.monotonic() + 300
    while time.monotonic() < ends:
        try:
            connection = connect(port, is_tls)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.2)
    sys.exit(f"{name} does not serve: {(work / f'{name}.log').read_text()[-1500:]}")


def cpu_seconds(process):
    fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def connect(port, is_tls):
    if is_tls:
        return http.client.HTTPSConnection(HOST, port, timeout=60, context=CLIENT)
    return http.client.HTTPConnection(HOST, port, timeout=60)


# ---- mock nodes, in a process of their own so that their work is nobody else's


class MockNode(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    TICKET = {"do_remote_prefill": True, "do_remote_decode": False, "remote_block_ids": [1, 2], "remote_engine_id": "e0"}

    def setup(self):
        if isinstance(self.request, ssl.SSLSocket):
            self.request.do_handshake()
        super().setup()

    def do_GET(self):
        self.reply({"status": "ok"}, 200 if self.path == "/health" else 404)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        reply = {"id": "cmpl-1", "object": "text_completion", "choices": [{"index": 0, "text": "word " * 32}]}
        if body.get("kv_transfer_params", {}).get("do_remote_decode"):
            reply["kv_transfer_params"] = {**self.TICKET, "remote_host": HOST, "remote_port": 30000}
        self.reply(reply)

    def reply(self, answer, status=200):
        text = json.dumps(answer).encode()
        head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n"
        self.wfile.write(head.encode() + text)

    def log_message(self, *_):
        pass


def mock_nodes(ports):
    """Serves until its input ends: [port, whether with TLS] each."""
    http.server.ThreadingHTTPServer.request_queue_size = 128
    for port, is_tls in ports:
        server = http.server.ThreadingHTTPServer((HOST, port), MockNode)
        server.daemon_threads = True
        if is_tls:
            inside = context(ssl.Purpose.CLIENT_AUTH)
            inside.verify_mode = ssl.CERT_REQUIRED
            server.socket = inside.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    while True:
        time.sleep(3600)


# ---- measuring


def in_turns(variants, rounds, measure):
    """measure(variant) gives {name: value}; medians by variant and name."""
    rows = {variant: [] for variant in variants}
    for round_ in range(-WARM_UP, rounds):
        order = list(variants)
        for variant in order[round_ % len(order) :] + order[: round_ % len(order)]:
            row = measure(variant)
            if round_ >= 0:
                rows[variant].append(row)
    return {v: {k: statistics.median(r[k] for r in rows[v]) for k in rows[v][0]} for v in variants}


def report(part, medians):
    plain = medians["plain"]
    for variant, row in medians.items():
        ratios = {f"{k}_ratio": round(row[k] / plain[k], 3) for k in row if plain[k]}
        values = {k: round(v, 3) for k, v in row.items()}
        print(json.dumps({"part": part, "variant": variant, **values, **ratios, "load": os.getloadavg()[0]}), flush=True)


def post(connection, body):
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        sys.exit(f"status {response.status}: {text[:300]}")


def load(port, is_tls, requests, is_kept):
    body = json.dumps({"model": "m", "prompt": "word " * 205, "max_tokens": 32, "temperature": 0})

    def client():
        connection = connect(port, is_tls)
        for _ in range(requests // CLIENTS):
            post(connection, body)
            if not is_kept:
                connection.close()
                connection = connect(port, is_tls)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def gateway(rounds):
    plain, secured = (8100, 8200), (8101, 8201)
    mocks = subprocess.Popen(
        [sys.executable, __file__, "mock", HOST, str(work), json.dumps([[p, False] for p in plain] + [[p, True] for p in secured])]
    )
    processes.append(mocks)
    variants = {"plain": (8000, False, plain, []), "TLS in front": (8001, True, plain, SERVER)}
    variants["mutual TLS on all hops"] = (8002, True, secured, [*MUTUAL, *TO_NODES])
    started = {}
    for name, (port, is_tls, (p, d), flags) in variants.items():
        lists = f"--host {HOST} --port {port} --prefiller-hosts {HOST} --prefiller-ports {p} --decoder-hosts {HOST} --decoder-ports {d}"
        started[name] = start(f"gateway-{port}", ["proxy", *lists.split(), *flags])
        serves(port, is_tls, f"gateway-{port}")

    def measure(requests, is_kept):
        def one(variant):
            port, is_tls, _, _ = variants[variant]
            before, begun = cpu_seconds(started[variant]), time.perf_counter()
            load(port, is_tls, requests, is_kept)
            passed = time.perf_counter() - begun
            return {"rps": requests / passed, "cpu_ms": (cpu_seconds(started[variant]) - before) / requests * 1e3}

        return one

    report("gateway, kept connections", in_turns(variants, rounds, measure(KEPT_REQUESTS, True)))
    report("gateway, a connection per request", in_turns(variants, rounds, measure(FRESH_REQUESTS, False)))


def handoff(rounds):
    variants = {"plain": (9000, False, {}), "secret": (9010, False, {"TANDEM_CLUSTER_TOKEN": SECRET})}
    variants["secret and mutual TLS"] = (9020, True, {"TANDEM_CLUSTER_TOKEN": SECRET})
    started = {}
    for name, (port, is_tls, environment) in variants.items():
        mine = []
        for role, node, kv in (("kv_producer", port + 1, port + 100), ("kv_consumer", port + 2, port + 200)):
            config = {"kv_connector": "MooncakeConnectorV1", "kv_role": role, "kv_port": str(kv), "engine_id": str(node)}
            flags = f"--host {HOST} --port {node} --served-model-name m --dtype float32 --max-model-len 2048".split()
            flags += ["--kv-transfer-config", json.dumps(config), *(MUTUAL if is_tls else [])]
            mine.append(start(f"node-{node}", ["serve", MODEL, *flags], environment.items()))
        for node in (port + 1, port + 2):
            serves(node, is_tls, f"node-{node}")
        lists = f"--host {HOST} --port {port} --prefiller-hosts {HOST} --prefiller-ports {port + 1} --decoder-hosts {HOST} --decoder-ports {port + 2}"
        mine.append(start(f"gateway-{port}", ["proxy", *lists.split(), *([*MUTUAL, *TO_NODES] if is_tls else [])], environment.items()))
        serves(port, is_tls, f"gateway-{port}")
        started[name] = mine

    def first_token_ms(connection):
        prompt = [random.randrange(300, 400) for _ in range(PROMPT_TOKENS)]
        body = {"model": "m", "prompt": prompt, "max_tokens": 2, "temperature": 0, "stream": True}
        begun = time.perf_counter()
        connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        if response.status != 200 or response.getheader("x-tandem-disaggregated") != "true":
            sys.exit(f"status {response.status}, {response.getheaders()}: {response.read()[:300]}")
        response.readline()
        passed = (time.perf_counter() - begun) * 1e3
        response.read()
        return passed

    def measure(variant):
        port, is_tls, _ = variants[variant]
        connection = connect(port, is_tls)
        before = sum(map(cpu_seconds, started[variant]))
        firsts = [first_token_ms(connection) for _ in range(PROMPTS)]
        connection.close()
        spent = sum(map(cpu_seconds, started[variant])) - before
        return {"first_token_ms": statistics.median(firsts), "cpu_ms": spent / PROMPTS * 1e3}

    report("handoff", in_turns(variants, rounds, measure))


def transfer(rounds):
    java = subprocess.run([TANDEM, "--print-java-home"], check=True, capture_output=True, text=True).stdout.strip()
    path = f"{ROOT}/bench/target/classes:{ROOT}/ops/target/tandem/lib/*"
    subprocess.run([f"{java}/bin/java", f"@{ROOT}/jvm.options", "-cp", path, "dev.tandem.bench.SecretBench", f"rounds={rounds}"], check=True)


def main():
    global CLIENT
    parts = {"transfer": transfer, "gateway": gateway, "handoff": handoff}
    words = sys.argv[1:]
    rounds = int(words.pop(0)) if words and words[0].isdigit() else 9
    unknown = [word for word in words if word not in parts]
    if unknown:
        sys.exit(f"{unknown[0]} is none of {', '.join(parts)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    certify()
    CLIENT = context(ssl.Purpose.SERVER_AUTH)
    try:
        for name in words or parts:
            parts[name](rounds)
            stop()
    finally:
        stop()
        shutil.rmtree(work)


if __name__ == "__main__":
    if sys.argv[1:2] == ["mock"]:
        HOST, work = sys.argv[2], pathlib.Path(sys.argv[3])
        mock_nodes(json.loads(sys.argv[4]))
    main()
