"""The Mooncake wheel as initiator, one batch after the other for a while; prints GB/s and CPU seconds per GB as one JSON line."""

import argparse
import ctypes
import json
import os
import sys
import time

from mooncake.engine import TransferEngine


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--target", required=True)
    arguments.add_argument("--op", choices=("read", "write"), required=True)
    arguments.add_argument("--block", type=int, required=True)
    arguments.add_argument("--batch", type=int, required=True)
    arguments.add_argument("--secs", type=float, required=True)
    options = arguments.parse_args()
    engine = TransferEngine()
    if engine.initialize("127.0.0.1", "P2PHANDSHAKE", "tcp", "") != 0:
        sys.exit("wheel does not start")
    size = options.block * options.batch
    raw = ctypes.create_string_buffer(size)
    address = ctypes.addressof(raw)
    engine.register_memory(address, size)
    base = engine.get_first_buffer_address(options.target)
    local = [address + (options.batch - 1 - i) * options.block for i in range(options.batch)]
    remote = [base + i * options.block for i in range(options.batch)]
    lengths = [options.block] * options.batch
    move = engine.batch_transfer_sync_read if options.op == "read" else engine.batch_transfer_sync_write
    warm = time.monotonic() + min(options.secs / 2, 1.0)
    while time.monotonic() < warm:
        if move(options.target, local, remote, lengths) != 0:
            sys.exit("batch failed")
    moved = 0
    start, cpu = time.monotonic(), sum(os.times()[:2])
    while time.monotonic() - start < options.secs:
        if move(options.target, local, remote, lengths) != 0:
            sys.exit("batch failed")
        moved += size
    seconds = time.monotonic() - start
    cpu = sum(os.times()[:2]) - cpu
    print(json.dumps({"gb_per_s": round(moved / 1e9 / seconds, 3), "cpu_s_per_gb": round(cpu / (moved / 1e9), 3)}))


main()
