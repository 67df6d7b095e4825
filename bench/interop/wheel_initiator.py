"""The Mooncake wheel as initiator against a Tandem target: reads, writes, batches, refusals, threads."""

import argparse
import ctypes
import random
import sys
import threading
import time

from mooncake.engine import TransferEngine

failures = []


def check(name, passed):
    print(("ok      " if passed else "FAILED  ") + name, flush=True)
    if not passed:
        failures.append(name)


def eventually(attempt):
    """The wheel does not connect again to a peer that has closed a connection for a second; its own rule, not ours."""
    for _ in range(50):
        if attempt():
            return True
        time.sleep(0.1)
    return False


class Memory:
    def __init__(self, engine, size):
        self.raw = ctypes.create_string_buffer(size)
        self.address = ctypes.addressof(self.raw)
        if engine.register_memory(self.address, size) != 0:
            sys.exit("wheel cannot register memory")

    def fill(self, seed, size):
        data = random.Random(seed).randbytes(size)
        ctypes.memmove(self.address, data, size)
        return data

    def clear(self):
        ctypes.memset(self.address, 0, len(self.raw))

    def bytes(self, size):
        return ctypes.string_at(self.address, size)


def round_trips(engine, target, base, memory):
    for size in (1, 7, 8, 23, 24, 25, 4095, 4096, 65535, 65536, 65537, 1 << 20, (1 << 20) + 1, 16 << 20):
        sent = memory.fill(size, size)
        wrote = engine.transfer_sync_write(target, memory.address, base + 3, size)
        memory.clear()
        read = engine.transfer_sync_read(target, memory.address, base + 3, size)
        check("write and read %d bytes" % size, wrote == 0 and read == 0 and memory.bytes(size) == sent)


def batches(engine, target, base, memory, count, size):
    sent = memory.fill(count, count * size)
    order = list(range(count))
    random.Random(1).shuffle(order)
    local = [memory.address + i * size for i in range(count)]
    remote = [base + order[i] * size for i in range(count)]
    lengths = [size] * count
    wrote = engine.batch_transfer_sync_write(target, local, remote, lengths)
    memory.clear()
    read = engine.batch_transfer_sync_read(target, local, remote, lengths)
    check("batch of %d x %d bytes" % (count, size), wrote == 0 and read == 0 and memory.bytes(count * size) == sent)


def refusals(engine, target, base, size, memory):
    for name, address, length in (
        ("behind the buffer", base + size, 64),
        ("over its end", base + size - 10, 64),
        ("before it", base - 64, 64),
        ("nowhere", 4096, 64),
        ("large, over its end", base + size - (1 << 20), 16 << 20),
    ):
        check("read %s is refused" % name, engine.transfer_sync_read(target, memory.address, address, length) != 0)
        check("write %s is refused" % name, engine.transfer_sync_write(target, memory.address, address, length) != 0)
    check("reads go on after refusals", eventually(lambda: engine.transfer_sync_read(target, memory.address, base, 64) == 0))


def threads(engine, target, base, memory):
    wrong = []

    def work(number):
        size = 256 << 10
        local = memory.address + number * size
        remote = base + number * size
        for turn in range(8):
            data = random.Random(number * 100 + turn).randbytes(size)
            ctypes.memmove(local, data, size)
            if engine.transfer_sync_write(target, local, remote, size) != 0:
                wrong.append(number)
            ctypes.memset(local, 0, size)
            if engine.transfer_sync_read(target, local, remote, size) != 0 or ctypes.string_at(local, size) != data:
                wrong.append(number)

    workers = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    check("4 threads at a time", not wrong)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--target", required=True)
    arguments.add_argument("--addr", type=int, required=True)
    arguments.add_argument("--size", type=int, required=True)
    options = arguments.parse_args()
    engine = TransferEngine()
    if engine.initialize("127.0.0.1", "P2PHANDSHAKE", "tcp", "") != 0:
        sys.exit("wheel does not start")
    memory = Memory(engine, 32 << 20)
    check("first buffer is announced", engine.get_first_buffer_address(options.target) == options.addr)
    round_trips(engine, options.target, options.addr, memory)
    batches(engine, options.target, options.addr, memory, 100, 65536)
    batches(engine, options.target, options.addr, memory, 5000, 512)
    batches(engine, options.target, options.addr, memory, 5000, 4096)
    refusals(engine, options.target, options.addr, options.size, memory)
    threads(engine, options.target, options.addr, memory)
    probe = getattr(engine, "send_probe", None)
    if probe is not None:
        check("probe", probe(options.target) == 0)
    print("wheel as initiator: %d failed" % len(failures), flush=True)
    sys.exit(1 if failures else 0)


main()
