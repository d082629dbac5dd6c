"""Memory, processes and mapped files of a known size."""

import mmap
import os
import time

MIB = 1 << 20


def take(mib):
    """``mib`` MiB of private anonymous memory, every page of it present."""
    if not mib:
        return None
    block = mmap.mmap(-1, mib * MIB, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    piece = b"\1" * MIB
    for _ in range(mib):
        block.write(piece)
    return block


def spike(mib, seconds):
    """Take memory, hold it for ``seconds`` once it is all there, give it back; returns how long
    it was held in full."""
    block = take(mib)
    begun = time.monotonic()
    time.sleep(seconds)
    held = time.monotonic() - begun
    block.close()
    return held


def map_file(mib, where):
    """Map a file and read every page of it."""
    if where == "tmp":
        path = f"/tmp/calibrated-{os.getpid()}.bin"
        with open(path, "wb") as file:
            for _ in range(mib):
                file.write(b"\1" * MIB)
    else:
        path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "mapped.bin")
    with open(path, "rb") as file:
        mapped = mmap.mmap(file.fileno(), mib * MIB, prot=mmap.PROT_READ)
    if where == "tmp":
        os.unlink(path)
    mapped[:: mmap.PAGESIZE]  # reads a byte of each page
    return mapped


def occupy(options):
    """Take all that the options ask for; returns what holds it."""
    memory = take(options.memory)
    mapped = map_file(options.map, options.map_in) if options.map else None
    return memory, mapped, start_children(options)


def start_children(options):
    """Fork children that hold memory until ``release``, or until this process is gone."""
    if not options.children:
        return [], None
    ready_read, ready_write = os.pipe()
    hold_read, hold_write = os.pipe()
    pids = []
    for _ in range(options.children):
        pid = os.fork()
        if pid == 0:
            os.close(hold_write)
            memory = take(options.child_memory)
            while time.process_time() < options.child_cpu:
                pass
            os.write(ready_write, b".")
            os.read(hold_read, 1)  # end of file when the parent lets go
            if memory:
                memory.close()
            os._exit(0)
        pids.append(pid)
    os.close(ready_write)
    ready = 0
    while ready < len(pids):
        ready += len(os.read(ready_read, len(pids)))
    return pids, hold_write


def release(held):
    """Let the children go and reap them; returns how many there were."""
    pids, hold_write = held[2]
    if hold_write is not None:
        os.close(hold_write)
    for pid in pids:
        os.waitpid(pid, 0)
    return len(pids)
