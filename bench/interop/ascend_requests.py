#!/usr/bin/env python3
"""Sends one set of requests and prints what came back, one JSON line a request: ascend_requests.py URL MODEL [--several]

Each line has the name of the request, the status, the token ids (or the text of a stream) and whether the prompt came from a prefill node
(usage.tandem of our nodes). With --several also requests for several sequences, which vllm-ascend's proxies cannot serve.
"""
import concurrent.futures
import json
import sys
import urllib.error
import urllib.request

url, model = sys.argv[1:3]
WORDS = "The quick brown fox jumps over the lazy dog and tells a story about it. "


def requests():
    plain = {"model": model, "max_tokens": 24, "temperature": 0, "ignore_eos": True, "return_token_ids": True}
    yield "guide", "/v1/completions", {"model": model, "prompt": "Who are you?", "max_tokens": 100, "temperature": 0, "return_token_ids": True}
    yield "ids", "/v1/completions", {**plain, "prompt": list(range(5, 60))}
    yield "long", "/v1/completions", {**plain, "prompt": WORDS * 20}
    yield "sampled", "/v1/completions", {**plain, "prompt": "Once upon a time", "temperature": 1.0, "seed": 7}
    yield "one in a list", "/v1/completions", {**plain, "prompt": ["Once upon a time"]}
    yield "chat", "/v1/chat/completions", {**plain, "messages": [{"role": "user", "content": "Tell me a story."}]}
    yield "chat, max_completion_tokens", "/v1/chat/completions", {
        **{k: v for k, v in plain.items() if k != "max_tokens"}, "max_completion_tokens": 12, "messages": [{"role": "user", "content": "Who are you?"}]}
    yield "stream", "/v1/completions", {**plain, "prompt": "Once upon a time", "stream": True, "stream_options": {"include_usage": True}}
    yield "chat stream", "/v1/chat/completions", {**plain, "messages": [{"role": "user", "content": "Who are you?"}], "stream": True}
    for i in range(16):
        yield f"at once {i}", "/v1/completions", {**plain, "prompt": f"Story number {i}: " + WORDS * (i % 5)}
    if "--several" in sys.argv:
        yield "list", "/v1/completions", {**plain, "prompt": ["Who are you?", "Once upon a time"]}
        yield "choices", "/v1/completions", {**plain, "prompt": "Once upon a time", "n": 2, "temperature": 1.0, "seed": 3}


def send(path, body):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError as error:
        return 0, str(error)


def read_whole(text):
    reply = json.loads(text)
    usage = reply.get("usage", {})
    return [c.get("token_ids") for c in reply["choices"]], usage.get("tandem", {}).get("prefill")


def read_events(text):
    events = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
    if not events or events[-1] != "[DONE]":
        raise ValueError("the stream does not end with [DONE]")
    chunks = [json.loads(event) for event in events[:-1]]
    said = "".join(c.get("text") or c.get("delta", {}).get("content") or "" for chunk in chunks for c in chunk["choices"])
    prefill = [chunk["usage"].get("tandem", {}).get("prefill") for chunk in chunks if chunk.get("usage")]
    return said, prefill[0] if prefill else None


def answer(item):
    name, path, body = item
    status, text = send(path, body)
    line = {"name": name, "status": status}
    try:
        line["answer"], line["prefill"] = (read_events if body.get("stream") else read_whole)(text)
    except (ValueError, KeyError, TypeError) as error:
        line["error"] = f"{error}: {text[:200]}"
    return line


everything = list(requests())
alone = [item for item in everything if not item[0].startswith("at once")]
for item in alone:
    print(json.dumps(answer(item)), flush=True)
with concurrent.futures.ThreadPoolExecutor(16) as pool:
    for line in pool.map(answer, [item for item in everything if item[0].startswith("at once")]):
        print(json.dumps(line), flush=True)
