#!/usr/bin/env python3
"""Reads KV blocks from a Tandem prefill node the way an unmodified vllm-ascend v0.11.0rc1 decode node does.

    curl -s http://127.0.0.2:8100/v1/completions -d '{"model":"fable","prompt":"...","max_tokens":1,"min_tokens":1,
         "kv_transfer_params":{"do_remote_decode":true,"do_remote_prefill":false}}' | ascend_reader.py --ticket -
    ascend_reader.py --host 127.0.0.2 --port 30000                      # metadata only

Own code after the protocol's description: msgpack bin verbs over a REQ socket, a reader's struct with four fields, addresses as
base + block_id * block_len with contiguous ids merged into one span, one batch_transfer_sync_read, done message, ACK. After the done
message the same read must be refused. Needs pyzmq and msgspec; reads blocks where a Mooncake wheel
(mooncake-transfer-engine-non-cuda) can be imported, and says NOT RUN, with exit status 3, where it cannot.
"""

import argparse
import ctypes
import hashlib
import json
import os
import sys
import time

import msgspec
import zmq

GET_META_MSG = b"get_meta_msg"
DONE_RECVING_MSG = b"done_recving_msg"


class AgentMetadata(msgspec.Struct, omit_defaults=True, dict=True):
    """The fields that rc1 reads; whatever else the node sends is skipped by the decoder."""

    engine_id: str
    te_rpc_port: int
    kv_caches_base_addr: list[int]
    num_blocks: int


def ask(host, port, message):
    """One question over a fresh REQ socket, 1 s, as rc1 does."""
    socket = zmq.Context.instance().socket(zmq.REQ)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.SNDTIMEO, 1000)
    socket.setsockopt(zmq.RCVTIMEO, 1000)
    try:
        socket.connect(f"tcp://{host}:{port}")
        socket.send(msgspec.msgpack.encode(message))
        return socket.recv()
    finally:
        socket.close()


def merged(ids):
    """Runs of contiguous ids as (first, count)."""
    runs = []
    for block in ids:
        if runs and runs[-1][0] + runs[-1][1] == block:
            runs[-1][1] += 1
        else:
            runs.append([block, 1])
    return runs


def read_blocks(engine, buffer, metadata, host, ids, block_len):
    """All blocks of all planes into one buffer, plane by plane; the wheel's return value."""
    session = f"{host}:{metadata.te_rpc_port}"
    local, remote, lengths = [], [], []
    position = ctypes.addressof(buffer)
    for base in metadata.kv_caches_base_addr:
        for first, count in merged(ids):
            local.append(position)
            remote.append(base + first * block_len)
            lengths.append(count * block_len)
            position += count * block_len
    return engine.batch_transfer_sync_read(session, local, remote, lengths), len(local)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int)
    parser.add_argument("--ticket", help="file with kv_transfer_params, or a whole reply that has them; - is stdin")
    parser.add_argument("--request-id", help="id for the done message; default: remote_request_id of the ticket")
    parser.add_argument("--block-len", type=int, help="bytes of a block in one plane; default: what the node says")
    parser.add_argument("--expect", help="sha256 that the blocks' bytes must have, plane after plane")
    parser.add_argument("--local-host", default="127.0.0.1", help="this side's address")
    args = parser.parse_args()

    ticket = None
    if args.ticket:
        text = sys.stdin.read() if args.ticket == "-" else open(args.ticket, encoding="utf-8").read()
        ticket = json.loads(text)
        ticket = ticket.get("kv_transfer_params", ticket)
        args.host, args.port = ticket["remote_host"], ticket["remote_port"]
    if not args.port:
        parser.error("--port or --ticket is needed")

    raw = ask(args.host, args.port, (GET_META_MSG, ""))
    metadata = msgspec.msgpack.Decoder(AgentMetadata).decode(raw)
    print(
        f"metadata: {len(raw)} bytes, engine_id {metadata.engine_id}, te_rpc_port {metadata.te_rpc_port}, "
        f"{len(metadata.kv_caches_base_addr)} planes, num_blocks {metadata.num_blocks}"
    )
    if ticket is None:
        return 0
    if ticket["remote_engine_id"] != metadata.engine_id:
        print(f"FAILED: remote_engine_id {ticket['remote_engine_id']} is not engine_id {metadata.engine_id}")
        return 1

    block_lens = set(msgspec.msgpack.decode(raw).get("block_lens", []))
    block_len = args.block_len or (block_lens.pop() if len(block_lens) == 1 else None)
    if not block_len:
        print("FAILED: planes have blocks of different lengths; rc1 cannot read such a node")
        return 1
    request_id = args.request_id or ticket.get("remote_request_id")
    ids = ticket["remote_block_ids"]

    try:
        os.environ.setdefault("MC_FORCE_TCP", "1")
        os.environ.setdefault("MC_LOG_LEVEL", "ERROR")
        from mooncake.engine import TransferEngine
    except ImportError as missing:
        print(f"NOT RUN: no blocks were read, because {missing}")
        return 3

    engine = TransferEngine()
    if engine.initialize(args.local_host, "P2PHANDSHAKE", "tcp", "") != 0:
        print("FAILED: the wheel's engine does not start")
        return 1
    size = len(metadata.kv_caches_base_addr) * len(ids) * block_len
    buffer = (ctypes.c_uint8 * size)()
    engine.register_memory(ctypes.addressof(buffer), size)

    status, spans = read_blocks(engine, buffer, metadata, args.host, ids, block_len)
    digest = hashlib.sha256(buffer).hexdigest()
    print(f"read: status {status}, {spans} spans, {size} bytes, sha256 {digest}")
    if status < 0 or (args.expect and args.expect != digest):
        print("FAILED: the blocks could not be read, or are not those expected")
        return 1

    answer = ask(args.host, args.port, (DONE_RECVING_MSG, request_id))
    print(f"done: {answer!r}")
    if answer != b"ACK":
        print("FAILED: the done message was not acknowledged")
        return 1
    ctypes.memset(buffer, 0, size)
    for _ in range(50):
        status, _ = read_blocks(engine, buffer, metadata, args.host, ids, block_len)
        if status < 0:
            print(f"late read: refused with status {status}")
            return 0
        time.sleep(0.1)
    print("FAILED: 5 s after the done message the blocks can still be read")
    return 1


if __name__ == "__main__":
    sys.exit(main())
