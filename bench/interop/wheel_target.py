"""The Mooncake wheel as target: one registered buffer; prints where it is, then answers lines on standard input.

sha OFFSET LENGTH   prints the SHA-256 of that part
fill SEED LENGTH    fills the start with random bytes and prints their SHA-256
Ends with its standard input.
"""

import argparse
import ctypes
import hashlib
import json
import random
import sys

from mooncake.engine import TransferEngine


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--size", type=int, default=64 << 20)
    options = arguments.parse_args()
    engine = TransferEngine()
    if engine.initialize("127.0.0.1", "P2PHANDSHAKE", "tcp", "") != 0:
        sys.exit("wheel does not start")
    raw = ctypes.create_string_buffer(options.size)
    address = ctypes.addressof(raw)
    if engine.register_memory(address, options.size) != 0:
        sys.exit("wheel cannot register memory")
    target = "127.0.0.1:%d" % engine.get_rpc_port()
    print(json.dumps({"target": target, "addr": address, "size": options.size}), flush=True)
    for line in sys.stdin:
        verb, first, second = line.split()
        if verb == "fill":
            ctypes.memmove(address, random.Random(int(first)).randbytes(int(second)), int(second))
            first = "0"
        print(hashlib.sha256(ctypes.string_at(address + int(first), int(second))).hexdigest(), flush=True)


main()
