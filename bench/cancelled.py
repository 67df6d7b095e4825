#!/usr/bin/env python3
"""cancelled.py URL MODEL [ROUNDS]   the first token of a short prompt after 64 long prompts whose clients have left, beside idle.

Per round (default 9), in turns: the time to the first token of a short streamed completion on an idle server; then 64 streamed completions of long
prompts, whose connections are closed before their first token, and at once the short one again. Prints both medians in milliseconds and their ratio.
URL is a node or a gateway, such as http://127.0.0.1:8000; long prompts have about half of the served model's length in token ids.
"""
import http.client, json, random, statistics, sys, time, urllib.parse

LONG_PROMPTS = 64
LEAVE_AFTER_S = 0.5

url = urllib.parse.urlparse(sys.argv[1])
model = sys.argv[2]
rounds = int(sys.argv[3]) if len(sys.argv) > 3 else 9


def connect(prompt, tokens):
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=120)
    body = json.dumps({"model": model, "prompt": prompt, "max_tokens": tokens, "temperature": 0, "stream": True})
    connection.request("POST", "/v1/completions", body, {"Content-Type": "application/json"})
    return connection


def first_token_ms():
    begun = time.perf_counter()
    connection = connect([random.randrange(300, 400) for _ in range(16)], 2)
    reply = connection.getresponse()
    if reply.status != 200:
        sys.exit(f"status {reply.status}: {reply.read().decode()}")
    reply.readline()
    passed = (time.perf_counter() - begun) * 1e3
    reply.read()
    connection.close()
    return passed


def length():
    connection = http.client.HTTPConnection(url.hostname, url.port, timeout=10)
    connection.request("GET", "/v1/models")
    return json.loads(connection.getresponse().read())["data"][0]["max_model_len"]


def leave():
    """Long prompts that differ in their first token, so that none is cached; each client goes before its first token."""
    clients = [connect([random.randrange(300, 400) for _ in range(half)], 64) for _ in range(LONG_PROMPTS)]
    time.sleep(LEAVE_AFTER_S)
    for client in clients:
        client.close()


half = length() // 2
for _ in range(5):
    first_token_ms()
idle, after = [], []
for _ in range(rounds):
    idle.append(first_token_ms())
    leave()
    after.append(first_token_ms())
    time.sleep(1)
ratio = statistics.median(after) / statistics.median(idle)
print(f"idle {statistics.median(idle):.1f} ms, after {LONG_PROMPTS} cancelled prompts of {half} tokens {statistics.median(after):.1f} ms"
      f" (longest {max(after):.1f}), ratio {ratio:.2f}")
