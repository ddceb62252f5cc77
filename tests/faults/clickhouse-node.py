"""A server of a ClickHouse cluster, from the engine in the npm package chdb: its clickhouse-local, which listens for HTTP and for
the native protocol (SYSTEM START LISTEN) and has Distributed tables, ReplicatedMergeTree and Keeper's client. It never learns an
interserver address, without which a replicated table stays read-only, so the one check for that address is switched off in this
process's memory. There is nobody at that address: replicas of one shard cannot exchange parts, and a shard has one here.

Usage: clickhouse-node.py find <libchdb.so>                  prints the places of the check's two jumps
       clickhouse-node.py run <libchdb.so> <places> <args>   runs clickhouse-local with these arguments
"""

import ctypes
import mmap
import re
import struct
import sys

MESSAGE = b"Parameter 'interserver_http(s)_port' required for replication"
LEA = re.compile(rb"[\x48\x4c]\x8d[\x05\x0d\x15\x1d\x25\x2d\x35\x3d]")
JUMP_IF_EQUAL, NOP = 0x74, b"\x90\x90"


def segments(image):
    """The loaded parts of a 64-bit ELF file: (flags, offset in the file, address, size)."""
    (table,), (count,) = struct.unpack_from("<Q", image, 32), struct.unpack_from("<H", image, 56)
    for i in range(count):
        kind, flags, offset, address, _, size = struct.unpack_from("<IIQQQQ", image, table + 56 * i)
        if kind == 1:
            yield flags, offset, address, size


def find(library):
    """Addresses of the short jumps to where the message is thrown, from right before it."""
    with open(library, "rb") as file:
        image = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    parts = list(segments(image))
    at = image.find(MESSAGE)
    text = next(address + at - offset for _, offset, address, size in parts if offset <= at < offset + size)
    _, offset, address, size = next(part for part in parts if part[0] & 1)
    code = image[offset : offset + size]
    for match in LEA.finditer(code):
        use = match.start()
        if address + use + 7 + struct.unpack_from("<i", code, use + 3)[0] != text:
            continue
        return [
            address + i
            for i in range(use - 0x80, use)
            if code[i] == JUMP_IF_EQUAL and use - 0x20 <= i + 2 + code[i + 1] <= use
        ]
    return []


def switch_off(library, places):
    libc = ctypes.CDLL(None)
    with open("/proc/self/maps") as maps:
        base = min(int(line.split("-")[0], 16) for line in maps if library in line)
    for place in places:
        at = base + place
        page, length = ctypes.c_void_p(at & ~0xFFF), ctypes.c_size_t(0x2000)
        libc.mprotect(page, length, 7)
        ctypes.memmove(at, NOP, 2)
        libc.mprotect(page, length, 5)


command, library = sys.argv[1], sys.argv[2]
if command == "find":
    found = find(library)
    if len(found) != 2:
        sys.exit(f"{library} is built otherwise than this knows (x86-64, ELF): look at tests/faults/clickhouse-node.py")
    print(",".join(map(str, found)))
else:
    engine = ctypes.CDLL(library)
    switch_off(library, [int(place) for place in sys.argv[3].split(",")])
    arguments = [b"clickhouse-local"] + [argument.encode() for argument in sys.argv[4:]]
    engine.chdb_query_cmdline(len(arguments), (ctypes.c_char_p * (len(arguments) + 1))(*arguments, None))
