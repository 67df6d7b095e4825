#!/usr/bin/env python3
"""releases.py OLD [NEW]   two releases of Tandem serve side by side: gateways, prefill nodes and decode nodes of both, and heads with nodes of both.

OLD and NEW are folders with a release each, built; NEW is this repository if it is not given. Every gateway asks every pair of nodes, whole and
streamed, by pull and layer by layer: the tokens must be those of one node that does both, from the prefill node's prompt. A head of one release
leads a headless node of the other, with expert parallelism; with a cluster secret on one side only, the refusal names both versions.
Exit: 0 all passed, 1 something failed.
"""
import http.client, json, os, subprocess, sys, tempfile, time

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
FOLDERS = {"old": sys.argv[1], "new": sys.argv[2] if len(sys.argv) > 2 else ROOT}
NET = f"127.{64 + os.getpid() // 64516 % 64}.{os.getpid() // 254 % 254}"  # this run's own, so ports can be fixed: nobody else listens there
DENSE, EXPERTS = (os.path.join(ROOT, "fixtures", "golden", name) for name in ("qwen3", "qwen3-moe"))
PROMPTS = [[5, 9, 13, 17] * n for n in (2, 9, 20)]
PORT, GATEWAY_PORT, KV_PORT, RPC_PORT, START_S = 8100, 8080, 9100, 9900, 120
failed = passed = 0
logs = tempfile.mkdtemp()


def check(name, problem):
    global failed, passed
    if problem:
        failed += 1
        print(f"FAILED  {name}: {problem}", flush=True)
    else:
        passed += 1
        print(f"ok      {name}", flush=True)


def tandem(release, name, *arguments, secret=None):
    log = open(os.path.join(logs, name), "wb")
    environment = {**os.environ, **({"TANDEM_CLUSTER_TOKEN": secret} if secret else {})}
    return subprocess.Popen([os.path.join(FOLDERS[release], "tandem"), *arguments], stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment)


def said(name):
    with open(os.path.join(logs, name), errors="replace") as log:
        return log.read()


def await_health(host, port, process):
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            connection = http.client.HTTPConnection(host, port, timeout=5)
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass
        time.sleep(0.1)
    sys.exit(f"{host}:{port} does not serve")


def await_word(name, word):
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if word in said(name):
            return None
        time.sleep(0.1)
    return f"it never said {word!r}: {said(name)[-300:]}"


def stop(*processes):
    for process in processes:
        process.terminate()
    for process in processes:
        process.wait(60)


def ask(host, port, prompt, stream):
    """The text of twelve greedy tokens, and who computed the prompt."""
    connection = http.client.HTTPConnection(host, port, timeout=60)
    body = {"model": "m", "prompt": prompt, "max_tokens": 12, "temperature": 0, "ignore_eos": True, "stream": stream}
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    reply = connection.getresponse()
    text = reply.read().decode()
    if reply.status != 200:
        return f"status {reply.status}: {text[:200]}", None
    if not stream:
        return json.loads(text)["choices"][0]["text"], reply.getheader("x-tandem-disaggregated")
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    if events[-1] != "[DONE]":
        return f"a stream that ends with {events[-1][:200]}", None
    choices = [choice for event in events[:-1] for choice in json.loads(event)["choices"]]
    return "".join(choice["text"] for choice in choices), reply.getheader("x-tandem-disaggregated")


def wrong(host, port, expected, is_disaggregated):
    for prompt, wanted in zip(PROMPTS, expected):
        for stream in (False, True):
            text, disaggregated = ask(host, port, prompt, stream)
            if text != wanted:
                return f"{text!r} in place of {wanted!r}"
            if is_disaggregated and disaggregated != "true":
                return f"disaggregated: {disaggregated}"
    return None


def serve(model, host, *further):
    return ["serve", model, "--host", host, "--port", str(PORT), "--served-model-name", "m", "--dtype", "float32", "--max-model-len", "512",
            "--no-enable-prefix-caching", *further]


def kv(connector, role, number):
    port = KV_PORT + 100 * number
    return ["--kv-transfer-config", json.dumps({"kv_connector": connector, "kv_role": role, "kv_port": str(port), "engine_id": str(number)})]


def alone(model):
    host = f"{NET}.1"
    node = tandem("new", "alone", *serve(model, host))
    await_health(host, PORT, node)
    answers = [ask(host, PORT, prompt, False)[0] for prompt in PROMPTS]
    stop(node)
    return answers


def pairs(connector, flags, expected):
    nodes = {}
    for number, (role, release) in enumerate((role, release) for role in ("kv_producer", "kv_consumer") for release in FOLDERS):
        host = f"{NET}.{10 + number}"
        nodes[role, release] = host, tandem(release, f"{connector}-{role}-{release}", *serve(DENSE, host, *kv(connector, role, number)))
    for host, process in nodes.values():
        await_health(host, PORT, process)
    for gateway in FOLDERS:
        for prefill in FOLDERS:
            for decode in FOLDERS:
                lists = ["--prefiller-hosts", nodes["kv_producer", prefill][0], "--prefiller-ports", str(PORT),
                         "--decoder-hosts", nodes["kv_consumer", decode][0], "--decoder-ports", str(PORT)]
                host = f"{NET}.20"
                process = tandem(gateway, "gateway", "proxy", "--host", host, "--port", str(GATEWAY_PORT), *flags, *lists)
                await_health(host, GATEWAY_PORT, process)
                check(f"{connector}: gateway {gateway}, prefill {prefill}, decode {decode}", wrong(host, GATEWAY_PORT, expected, True))
                stop(process)
    stop(*(process for _, process in nodes.values()))


def deployment(head, headless, expected, secrets=(None, None)):
    hosts = f"{NET}.30", f"{NET}.31"
    common = ["--data-parallel-size", "2", "--data-parallel-size-local", "1", "--data-parallel-address", hosts[0], "--data-parallel-rpc-port",
              str(RPC_PORT), "--enable-expert-parallel"]
    first = tandem(head, "head", *serve(EXPERTS, hosts[0], *common), secret=secrets[0])
    second = tandem(headless, "headless", *serve(EXPERTS, hosts[1], *common, "--headless", "--data-parallel-start-rank", "1"), secret=secrets[1])
    name = f"head {head}, headless node {headless}"
    if secrets == (None, None):
        await_health(hosts[0], PORT, first)
        check(name + ", expert parallel", wrong(hosts[0], PORT, expected, False))
    else:
        told = "head" if secrets[0] else "headless"
        check(name + f", a secret at the {told}: refused by name", await_word(told, "has 2 to 3 with a cluster secret" if secrets[0] else "is 1, but must be 2"))
    stop(first, second)


for folder in FOLDERS.values():
    if not os.access(os.path.join(folder, "tandem"), os.X_OK):
        sys.exit(f"no release in {folder}")
one = alone(DENSE)
pairs("MooncakeConnectorV1", [], one)
pairs("MooncakeLayerwiseConnector", ["--layerwise"], one)
several = alone(EXPERTS)
for head, headless in (("old", "new"), ("new", "old")):
    deployment(head, headless, several)
    deployment(head, headless, several, ("s" * 32, None) if head == "new" else (None, "s" * 32))
print(f"{passed} passed, {failed} failed; logs in {logs}")
sys.exit(failed > 0)
