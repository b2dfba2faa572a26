#!/usr/bin/env python3
"""The reference reader of the azekura format, version 1.

It was written from docs/format.md alone, to show that the description is enough; "section" below means one of that
page. It favours being readable over being fast. It needs Python 3.9 or later (standard library only), Linux, and the
programs `age`, `zstd` and `b3sum`.

    reader.py list    MEDIUM -i KEY [--set ID] [--generation N] [--expect CODE]           what a generation holds
    reader.py verify  MEDIUM        [--set ID] [--expect CODE]                 check everything that needs no key
    reader.py restore MEDIUM -i KEY --to DIR [--set ID] [--generation N] [--expect CODE]  bring a generation back
    reader.py check-proof PROOF [--root-key KEY] [--succession-key KEY] [--expect CODE] [--record FILE]

MEDIUM is the folder that contains AZEKURA; for a set on several media, copy their folders together into one. KEY is an
age identity file, CODE a check code from paper. DIR must not exist, or be empty. Without --generation, the newest one
that is trusted or anchored is taken. Decrypted packs and the list of entries lie in a private folder under $TMPDIR (up
to some GiB) until the program ends.

Exit status: 0 good; 2 wrong usage, or a program is missing; 5 something is damaged, refused, does not fit or could not
be restored; 6 no usable medium, or something is newer than this reader; 7 the key does not fit.
"""
import argparse
import bisect
import datetime
import fcntl
import functools
import hashlib
import mmap
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from array import array
from types import SimpleNamespace

NAMED_KINDS = ("label", "pack", "manifest", "seal", "parity", "void", "extra", "succession")           # section 2
KINDS = {**{name: code for code, name in enumerate(NAMED_KINDS, 1)}, **{"kind-%d" % n: n for n in range(9, 128)}}
NEWER_KINDS = range(9, 64)                                            # from kind-64 on: bytes under a seal
LEFTOVER_GAP = 64
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
U32, U63, U64 = (1 << 32) - 1, (1 << 63) - 1, (1 << 64) - 1
MAX_NUMBER = (1 << 48) - 1                                                                             # section 11
MAX_SIZE = {"label": 64 * KIB, "succession": 64 * KIB, "pack": GIB, "manifest": 256 * MIB, "seal": 16 * MIB}
MAX_HEAD, MAX_LIST, MAX_FRAMES, MAX_CHUNKS = 4 * KIB, 65536, 65536, 65536
MAX_CONTENT = MAX_CHUNK = 4 * MIB
MAX_STORED = 4 * MIB + 4 * KIB
MAX_INDEX = MAX_RECORD = 64 * MIB
MAX_PATH, MAX_PROOF, MAX_HASHES = MIB, 256 * MIB, 63
PACK_WINDOW, MANIFEST_WINDOW = 8 * MIB, 128 * MIB
FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK, SOCKET = range(7)                                    # section 6
TYPE_BITS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)
GOOD, UNREADABLE, CHANGED = range(3)
HUGE_HOLES = 1 << 30
FLAGS = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602

class Problem(Exception): status = 2                                  # ends the work with this exit status
class Damage(Problem): status = 5
class MediumProblem(Problem): status = 6
class Newer(Problem): status = 6                                      # section 14: newer is not damaged
class KeyProblem(Problem): status = 7

RUN = SimpleNamespace(problems=0, newer=0, folder=b"")                # of this call of main()

def report(text):
    """Say that something is wrong and go on; the exit status will be 5."""
    RUN.problems += 1
    print("PROBLEM: " + text, file=sys.stderr)

def report_newer(text):
    """Say that something needs a newer program and go on; the exit status will be 6, if nothing is worse."""
    RUN.newer += 1
    print("NEWER: %s; a newer program is needed" % text, file=sys.stderr)

def check(condition, text):
    if not condition:
        raise Damage(text)

def show(name):
    """Bytes from a file system, or text, as one printable line."""
    name = name.encode() if isinstance(name, str) else name
    text = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

# ---- Section 1: BLAKE3 ----------------------------------------------------------------------------------------------
# Small pieces are hashed here, which is faster than to start a program for each; b3sum does the rest.

IV = [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19]
CHUNK_START, CHUNK_END, ROOT, KEYED, CONTEXT, MATERIAL = 1, 2, 8, 16, 32, 64

def blake3_rounds():
    """(a, b, c, d, x, y) of the 56 mixings of a block: four places of the state, two words of the message."""
    lanes = [(0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
             (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14)]
    order, permutation, result = list(range(16)), [2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8], []
    for _ in range(7):
        result += [(*lane, order[2 * i], order[2 * i + 1]) for i, lane in enumerate(lanes)]
        order = [order[i] for i in permutation]
    return result

ROUNDS = blake3_rounds()

@functools.lru_cache(maxsize=4096)
def blake3_chunk(data, key=None, flags=0):
    """BLAKE3 of at most 1,024 bytes."""
    value, blocks = list(struct.unpack("<8I", key)) if key else IV, max(1, -(-len(data) // 64))
    for i in range(blocks):
        block = data[64 * i:64 * i + 64]
        m = struct.unpack("<16I", block.ljust(64, b"\0"))
        v = value + IV[:4] + [0, 0, len(block), flags | CHUNK_START * (i == 0) | (CHUNK_END | ROOT) * (i == blocks - 1)]
        for a, b, c, d, x, y in ROUNDS:
            va = v[a] + v[b] + m[x] & U32
            vd = v[d] ^ va
            vd = vd >> 16 | vd << 16 & U32
            vc = v[c] + vd & U32
            vb = v[b] ^ vc
            vb = vb >> 12 | vb << 20 & U32
            v[a] = va = va + vb + m[y] & U32
            vd ^= va
            v[d] = vd = vd >> 8 | vd << 24 & U32
            v[c] = vc = vc + vd & U32
            vb ^= vc
            v[b] = vb >> 7 | vb << 25 & U32
        value = [v[j] ^ v[j + 8] for j in range(8)]
    return struct.pack("<8I", *value)

def b3sum_files(paths, *mode, **options):
    """The BLAKE3 of each file, None for one that cannot be read."""
    digests = []
    while len(digests) < len(paths):
        some, room = [], 100000                                       # an argument list has a limit
        while len(digests) + len(some) < len(paths) and len(some) < 500 and room > 0:
            some.append(paths[len(digests) + len(some)])
            room -= len(some[-1])
        done = subprocess.run(["b3sum", "--no-names", *mode, "--", *some], stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, **options)
        lines = done.stdout.split()
        if done.returncode == 0 and len(lines) == len(some):
            digests += [bytes.fromhex(line.decode()) for line in lines]
        else:
            digests += [None] if len(some) == 1 else [b3sum_files([path], *mode, **options)[0] for path in some]
    return digests

def blake3(data, key=None):
    """H(data), or KH(key, data)"""
    if len(data) <= 1024:
        return blake3_chunk(data, key, KEYED if key else 0)
    path = os.path.join(RUN.folder, b"piece")
    with open(path, "wb") as file:
        file.write(data)
    return (b3sum_files([path], "--keyed", input=key) if key else b3sum_files([path]))[0]

def derive(context, key):
    """D(context, key)"""
    return blake3_chunk(key, blake3_chunk(context.encode(), None, CONTEXT), MATERIAL)

def digests_of(pieces):
    """H and S of a stream that is in no file by itself."""
    sha256 = hashlib.sha256()
    with subprocess.Popen(["b3sum", "--no-names"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        for piece in pieces:
            sha256.update(piece)
            process.stdin.write(piece)
        process.stdin.close()
        return bytes.fromhex(process.stdout.read().decode()), sha256.digest()

def digests_of_files(paths):
    """[(H, S)] of files; (None, None) for one that cannot be read."""
    result, large = [], []
    for path in paths:
        try:
            with open(path, "rb") as file:
                sha256, first = hashlib.sha256(), file.read(1025)
                piece = first
                while piece:
                    sha256.update(piece)
                    piece = file.read(MIB)
            small = len(first) <= 1024 and len(result) - len(large) < 8
            result.append([blake3_chunk(first) if small else None, sha256.digest()])
            large += [] if small else [len(result) - 1]
        except OSError:
            result.append([None, None])
    for at, digest in zip(large, b3sum_files([paths[at] for at in large])):
        result[at][0] = digest
    return [tuple(pair) for pair in result]

# ---- Section 1: text ------------------------------------------------------------------------------------------------

def text_of(value):
    try:
        text = value.decode("utf-8")
    except UnicodeDecodeError:
        raise Damage("a text is not UTF-8")
    forbidden = re.search("[\0-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff"
                          "\U000e0000-\U000e007f]", text)
    check(text.strip(" ") == text and not forbidden, "a text has code points or spaces that none may have")
    return text

def moment_of(value):
    try:
        moment = datetime.datetime.strptime(value.decode(), "%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        raise Damage("there is no such time")
    check(moment.year >= 1970, "there is no such time")
    return value.decode()

def number_of(value):
    check(int(value) <= U63, "a number is out of range")
    return int(value)

def hex_of(value):
    return bytes.fromhex(value.decode().replace("ed25519 ", ""))

NUMBER = "0|[1-9][0-9]{0,18}"
FIELDS = {
    "N": (NUMBER, number_of),
    "TEXT": ("[^\n]{1,255}", text_of),
    "TIME": ("[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", moment_of),
    **{"HEX%d" % n: ("[0-9a-f]{%d}" % n, hex_of) for n in (16, 32, 64, 128)},
    "DIGESTS": ("[0-9a-f]{64} [0-9a-f]{64}", hex_of),
    "ED25519": ("ed25519 [0-9a-f]{64}", hex_of),
}

class Grammar:
    """The lines of one kind of text. `<name FIELD>` is a field; other alternatives of it are words, `none` is None."""

    def __init__(self, word, lines):
        self.word, self.kinds, pattern = word, {}, ""
        for part in re.split(r"(<[a-z_]+ [^>]+>)", "azekura %s 1\n%s" % (word, lines)):
            if part.startswith("<"):
                name, kinds = part[1:-1].split(" ", 1)
                self.kinds[name] = kinds.split("|")
                part = "(?P<%s>%s)" % (name, "|".join(FIELDS.get(kind, (kind,))[0] for kind in self.kinds[name]))
            pattern += part
        self.pattern = re.compile(pattern.encode())

    def refuse_newer(self, beginning):
        newer = re.match(b"azekura %s (%s)\n" % (self.word.encode(), NUMBER.encode()), beginning)
        if newer and newer[1] != b"1" and int(newer[1]) <= U63:
            raise Newer("a %s of version %d" % (self.word, int(newer[1])))

    def parse(self, data):
        """What the text says, and where it ends. `data` may go on behind it."""
        self.refuse_newer(data[:64])
        match = self.pattern.match(data)
        check(match, "it has not the form of a " + self.word)
        result = SimpleNamespace(end=match.end())
        for name, kinds in self.kinds.items():
            is_none = "none" in kinds and match[name] == b"none"
            convert = FIELDS[kinds[0]][1] if kinds[0] in FIELDS else bytes.decode
            setattr(result, name, None if is_none else convert(match[name]))
        return result

LABEL = Grammar("label", """set <set HEX32>
name <name TEXT>
medium <medium HEX32>
place <place N>
first-object <first_object N>
created <created TIME>
quarantine <quarantine yes|no>
root-key <root_key ED25519>
succession-key <succession_key ED25519|none>
recipients <recipients N>
(?:recipient (?:x25519|mlkem768x25519) [0-9a-f]{16}
)*tool <tool TEXT>
""")
HEAD = Grammar("seal", """set <set HEX32>
label <label HEX64>
generation <generation N>
time <time TIME>
seals <seals N> <seals_root HEX64>
previous <previous DIGESTS|none>
succession <succession HEX64|none>
objects <first N> <count N>
list <list DIGESTS>
records <records N> <records_root HEX64>
read-back <read_back direct|dropped|cached>
verdict <verdict good|incomplete|alarm|continued|checkpoint>
next <next ED25519>
signature ed25519 <signature HEX128>
""")
SUCCESSION = Grammar("succession", """set <set HEX32>
previous <previous DIGESTS>
next <next ED25519>
signature ed25519 <signature HEX128>
""")
SIGNATURE_LINE = len("signature ed25519 \n") + 128

def parse_label(data):
    label = LABEL.parse(data)
    check(label.end == len(data), "it goes on behind the label's end")
    check(data.count(b"\nrecipient ") == label.recipients <= 64, "the label has another number of recipients")
    check(label.place >= 1 and label.first_object <= MAX_NUMBER, "a number of the label is out of range")
    return label

# ---- Section 1: CBOR ------------------------------------------------------------------------------------------------

def cbor_item(data, at, around=0):
    """Decode one item: (value, where the next item begins). `around`: arrays and maps that it lies in."""
    check(at < len(data), "CBOR ends too early")
    major, n = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        check(n in (20, 21), "CBOR: a float, null or another value that does not belong here")
        return n == 21, at
    if n >= 24:
        check(n <= 27, "CBOR: an indefinite or reserved length")
        size = 1 << (n - 24)
        check(at + size <= len(data), "CBOR ends too early")
        n, at = int.from_bytes(data[at:at + size], "big"), at + size
    if major < 2:
        return (n if major == 0 else -1 - n), at
    check(major != 6, "CBOR: a tag")
    check(n <= len(data) - at, "CBOR: a length beyond the end")
    if major == 2:
        return bytes(data[at:at + n]), at + n
    if major == 3:
        try:
            return data[at:at + n].decode("utf-8"), at + n
        except UnicodeDecodeError:
            raise Damage("CBOR: text that is not UTF-8")
    check(around < 16, "CBOR is nested too deeply")
    items, last = [], -1
    for _ in range(n):
        if major == 5:
            key, at = cbor_item(data, at, around + 1)
            check(type(key) is int and key > last, "CBOR: a map's keys are not unsigned integers in order")
            last = key
        item, at = cbor_item(data, at, around + 1)
        items.append((last, item) if major == 5 else item)
    return (dict(items) if major == 5 else items), at

def cbor(data):
    value, end = cbor_item(data, 0)
    check(end == len(data), "CBOR: bytes after the end")
    return value

def known_keys(mapping, last, what):
    """Keys 0 to 63 are critical: a map with an unknown one is newer. `last` is the last key that this page has."""
    unknown = [key for key in mapping if last < key < 64]
    if unknown:
        raise Newer("%s has the unknown critical key %d" % (what, unknown[0]))

def uint(value, most=U63):
    check(type(value) is int and 0 <= value <= most, "a number is missing or out of range")
    return value

def tuple_of(value, *kinds):
    check(type(value) is list and [type(item) for item in value] == list(kinds), "an array has other items")
    return value

def field(mapping, key, kind, *default, size=None):
    """A map's value, checked for its type; a missing key is damage unless there is a default."""
    if default and key not in mapping:
        return default[0]
    value = mapping.get(key)
    check(type(value) is kind and (size is None or len(value) == size), "key %d is missing or of a wrong type" % key)
    return value

def time_of(value):
    """A time as nanoseconds since 1970."""
    seconds, nanoseconds = tuple_of(value, int, int)
    check(-U63 - 1 <= seconds <= U63, "a time is out of range")
    return seconds * 10**9 + uint(nanoseconds, 10**9 - 1)

def extents_of(items):
    check(type(items) is list, "extents are missing")
    for item in items:
        number, frame, offset, length = tuple_of(item, int, int, int, int)
        uint(number, MAX_NUMBER), uint(frame, U32), uint(offset, MAX_CONTENT), uint(length)
        check(length, "an empty extent")
    return items

# ---- Section 8: Merkle trees ----------------------------------------------------------------------------------------

class Tree:
    """`lefts`: the roots of the complete subtrees of 1, 2, 4 … leaves that have no right neighbour yet, or None."""

    def __init__(self):
        self.lefts = []

    def add(self, leaf_data):
        node = blake3(leaf_data)
        for level, left in enumerate(self.lefts):
            if left is None:
                self.lefts[level] = node
                return
            node, self.lefts[level] = blake3(b"\1" + left + node), None
        self.lefts.append(node)

    def root(self):
        node = None
        for left in self.lefts:
            if left:
                node = left if node is None else blake3(b"\1" + left + node)
        return node or blake3(b"")

# ---- Section 7: Ed25519, RFC 8032, with the strict rules of the page -------------------------------------------------

P, ORDER = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
CURVE_D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)
NEUTRAL = (0, 1, 1, 0)                                                # (X, Y, Z, T): x = X/Z, y = Y/Z, T = XY/Z

def add_points(p, q):
    a, b = (p[1] - p[0]) * (q[1] - q[0]) % P, (p[1] + p[0]) * (q[1] + q[0]) % P
    c, d = 2 * p[3] * q[3] * CURVE_D % P, 2 * p[2] * q[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P

def point_of(data):
    """The point of an encoding; None if it is not canonical, not on the curve, or the point is of small order."""
    y, sign = int.from_bytes(data, "little") & (1 << 255) - 1, data[31] >> 7
    above, below = (y * y - 1) % P, (CURVE_D * y * y + 1) % P
    x = above * pow(below, 3, P) * pow(above * pow(below, 7, P), (P - 5) // 8, P) % P
    if (below * x * x - above) % P:
        x = x * ROOT_OF_MINUS_1 % P
    if y >= P or (below * x * x - above) % P or (x == 0 and sign):
        return None
    point = multiple = (x if x & 1 == sign else P - x, y, 1, (x if x & 1 == sign else P - x) * y % P)
    for _ in range(3):
        multiple = add_points(multiple, multiple)
    return None if multiple[0] == 0 and multiple[1] == multiple[2] else point

BASE = point_of(bytes([0x58]) + bytes([0x66]) * 31)

@functools.lru_cache(maxsize=4096)
def signature_is_good(key, body, signature):
    point, r, s = point_of(key), point_of(signature[:32]), int.from_bytes(signature[32:], "little")
    if point is None or r is None or s >= ORDER:
        return False
    k = int.from_bytes(hashlib.sha512(signature[:32] + key + body).digest(), "little") % ORDER
    minus = (P - point[0], point[1], 1, P - point[3])
    table = (NEUTRAL, BASE, minus, add_points(BASE, minus))
    sum_ = NEUTRAL                                                    # S · B − k · A
    for bit in range(252, -1, -1):
        sum_ = add_points(sum_, sum_)
        which = s >> bit & 1 | (k >> bit & 1) << 1
        sum_ = add_points(sum_, table[which]) if which else sum_
    z = pow(sum_[2], -1, P)
    x, y = sum_[0] * z % P, sum_[1] * z % P
    return (y | (x & 1) << 255).to_bytes(32, "little") == signature[:32]

# ---- Section 7: check codes, heads, lists ----------------------------------------------------------------------------

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

def read_code(text):
    """A check code as a person typed it, from paper."""
    code = text.upper().replace(" ", "").replace("-", "").translate(str.maketrans("OIL", "011"))
    if not 16 <= len(code) <= 51 or set(code) - set(ALPHABET):
        raise argparse.ArgumentTypeError("a check code has 16 to 51 letters and digits")
    return code

def code_of(digest, length=16):
    bits = int.from_bytes(digest, "big")
    return "".join(ALPHABET[bits >> 251 - 5 * i & 31] for i in range(length))

def check_code(digest):
    return "-".join(re.findall("....", code_of(digest)))

def parse_head(data):
    """The head at the beginning of a seal."""
    head = HEAD.parse(data)
    check(head.end <= MAX_HEAD, "the head is longer than it may be")
    head.data, head.number = data[:head.end], head.first + head.count
    check(head.generation and 1 <= head.count <= MAX_LIST and head.number <= MAX_NUMBER, "a number is out of range")
    head.body, head.sha256 = head.data[:-SIGNATURE_LINE], hashlib.sha256(head.data).digest()
    head.closing = head.verdict in ("continued", "checkpoint")
    firsts = head.seals == 0, head.previous is None, head.first == 0
    check(all(firsts) or not any(firsts), "seals, previous and objects contradict each other")
    check(head.seals or (head.succession is None and head.seals_root == blake3(b"")), "it begins a set, and names more")
    check(head.generation <= head.seals + 1, "it has a generation that so few seals cannot have")
    check(not head.closing or (head.records, head.records_root) == (0, blake3(b"")), "a closing seal counts records")
    head.digest, head.why = blake3(head.data), "it is of another set"
    return head

LIST_LINE = re.compile(rb"object (%b) ([a-z0-9-]+) (%b) ([0-9a-f]{64}|-) ([0-9a-f]{64}|-)"
                       % (NUMBER.encode(), NUMBER.encode()))

def parse_list(head, data):
    """Give a head its `objects` [(kind, length, H, S)] and its manifest's number; Damage unless the list is whole."""
    check(head.list == blake3(data) + hashlib.sha256(data).digest(), "the list is not the one that was sealed")
    lines, objects = data.split(b"\n"), []
    check(lines.pop() == b"" and len(lines) == head.count, "the list has another number of lines")
    for number, line in enumerate(lines, head.first):
        match = LIST_LINE.fullmatch(line)
        kind = match[2].decode() if match else ""
        check(kind in KINDS and kind != "seal" and int(match[1]) == number, "the list is wrong at object %d" % number)
        length, first, second = number_of(match[3]), *(None if d == b"-" else hex_of(d) for d in (match[4], match[5]))
        check(first or (kind, length, second) == ("void", 0, None), "the list is wrong at object %d" % number)
        objects.append((kind, length, first, second))
    head.newer_kinds = [n for n, item in enumerate(objects, head.first) if KINDS[item[0]] in NEWER_KINDS]
    manifests = [n for n, item in enumerate(objects, head.first) if item[0] == "manifest"]
    check(len(manifests) == (0 if head.closing else 1), "the list has another number of manifests")
    behind = {item[0] for item in objects[manifests[-1] + 1 - head.first:]} if manifests else set()
    lasting = [kind for kind in behind if kind not in ("void", "parity", "extra") and KINDS[kind] < 9]
    check(not lasting, "the list has other objects behind its manifest")
    head.objects, head.manifest = objects, manifests[-1] if manifests else None

def parse_succession(data, number=None):
    """Section 19. `is_good(last, key)`: whether it may follow on a head; without a key its signature is not checked."""
    succession = SUCCESSION.parse(data)
    check(succession.end == len(data), "it goes on behind the succession's end")
    succession.number, succession.digest = number, blake3(data)
    succession.is_good = lambda last, key: (
        succession.set == last.set and succession.previous == last.digest + last.sha256
        and (key is None or signature_is_good(key, data[:-SIGNATURE_LINE], succession.signature)))
    return succession

class Chain:
    """The heads that fit so far. `root_key` None: the first head's signature is not checked."""

    def __init__(self, set_, root_key, succession_key):
        self.set, self.key, self.succession_key = set_, root_key, succession_key
        self.last, self.tree, self.heads, self.generation = None, Tree(), [], 1

    def follow(self, head, successions, unchecked=False):
        """Take a head that fits; Damage if it does not. `successions`: those between the seal before and this one."""
        last, key = self.last, self.key
        check(self.set in (None, head.set), "it is of another set")
        check(head.seals == len(self.heads), "%d seals were before it, not %d" % (len(self.heads), head.seals))
        check(head.first == (last.number + 1 if last else 0), "it does not begin behind the seal before it")
        check(head.previous == (last.digest + last.sha256 if last else None), "it names another seal before it")
        check(head.generation == self.generation, "it has another generation than it should")
        check(head.seals_root == self.tree.root(), "it has another root of the seals before it")
        used = None
        if head.succession:
            check(last and (self.succession_key or unchecked), "it names a succession, and the set has none")
            used = next((succession for succession in successions if succession.digest == head.succession
                         and succession.is_good(last, self.succession_key)), None)
            check(used, "the succession that it names is not there, or not good")
            key = used.next
        check(key is None or signature_is_good(key, head.body, head.signature), "its signature is not good")
        head.used_succession = used
        self.set, self.key, self.last, self.generation = head.set, head.next, head, head.generation + (not head.closing)
        self.heads.append(head)
        self.tree.add(b"\2" + head.digest)

# ---- Sections 2, 3, 10: a set on a directory medium ------------------------------------------------------------------

def read_small(path, limit):
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    check(len(data) <= limit, "it is larger than the format allows")
    return data

def read_text(path, kind):
    """A text. A newer version of it may be of any size, so that the first line is looked at before the size."""
    with open(path, "rb") as file:
        {"label": LABEL, "seal": HEAD, "succession": SUCCESSION}[kind].refuse_newer(file.read(64))
    return read_small(path, MAX_SIZE[kind])

LITTER = re.compile(rb"\.ds_store|\.directory|\.fseventsd|\.spotlight-v100|\.temporaryitems|\.trash|\.trashes|\$recycle\.bin"
                    rb"|desktop\.ini|ehthumbs\.db|system volume information|thumbs\.db|\.trash-.*|\._.*", re.I | re.S)

class Log:
    """One set's objects. `files` {number: {kind: path}} by their names; `seals` {number: head}, those that fit first,
    then anchored ones, then others; `listed` {number: (kind, length, H, S), or None under a damaged list} by these."""

    def __init__(self, folder, code):
        self.folder, self.files, self.foreign, self.litter, self.faults, self.newer = folder, {}, [], [], [], []
        self.unreadable_seals, self.lost_seals, self.code_fits = False, False, True
        self.seals, self.listed, self.last, self.newer_from, self.anchors = {}, {}, -1, MAX_NUMBER + 1, None
        for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False) and re.fullmatch(rb"[0-9]{5}|[1-9][0-9]{5,11}", entry.name):
                self.scan(entry.name)
            else:
                (self.litter if LITTER.fullmatch(entry.name) else self.foreign).append(entry.name)
        self.read_seals()
        self.find_chain()
        self.sort_seals(code)

    def scan(self, thousands):
        for entry in os.scandir(os.path.join(self.folder, thousands)):
            match = re.fullmatch(rb"([0-9]{8}|[1-9][0-9]{8,14})\.([a-z0-9-]+)", entry.name)
            number, kind = (int(match[1]), match[2].decode()) if match else (0, "")
            if (kind in KINDS and kind != "void" and number <= MAX_NUMBER and b"%05d" % (number // 1000) == thousands
                    and entry.is_file(follow_symlinks=False)):
                self.files.setdefault(number, {})[kind] = entry.path
            else:
                (self.litter if LITTER.fullmatch(entry.name) else self.foreign).append(thousands + b"/" + entry.name)

    def of_kind(self, kind):
        return [(number, named[kind]) for number, named in sorted(self.files.items()) if kind in named]

    def read_seals(self):
        """Every file named `.seal`: `heads` {number: head}, `not_heads` {number: why it is none}."""
        self.heads, self.not_heads = {}, {}
        for number, path in self.of_kind("seal"):
            try:
                data = read_text(path, "seal")
                head = parse_head(data)
                check(head.number == number, "it has another number than its file")
            except (Damage, Newer, OSError) as error:
                self.not_heads[number] = error
                continue
            self.heads[number] = head
            try:
                parse_list(head, data[head.end:])
            except Damage as damage:                                  # section 7: then the last manifest in the range
                inside = [n for n, _ in self.of_kind("manifest") if head.first <= n < number and not head.closing]
                head.objects, head.newer_kinds, head.list_damage = None, [], damage
                head.manifest, head.manifests = inside[-1] if inside else None, inside[::-1]

    def find_chain(self):
        """Section 3: the first label that is listed in the chain which its own root key begins."""
        self.labels, self.newer_texts, self.label, self.chain = {}, {}, None, None
        for number, path in self.of_kind("label"):
            try:
                data = read_text(path, "label")
                label = parse_label(data)
                check(label.first_object == number, "it has another number than its file")
                label.number, label.listed = number, ("label", len(data), blake3(data), hashlib.sha256(data).digest())
                self.labels[number] = label
            except Newer as newer:
                self.newer_texts[number] = "label", newer
            except (Damage, OSError):
                pass                                                  # if a seal lists it, it is a damaged object
        for number, path in self.of_kind("succession"):
            try:
                read_text(path, "succession")
            except Newer as newer:
                self.newer_texts[number] = "succession", newer
            except (Damage, OSError):
                pass
        for label in self.labels.values():
            chain = self.walk(label)
            if self.counts(label, chain, label):
                self.label, self.chain = label, chain
                break
        if self.labels and not self.of_kind("seal"):                  # nothing is sealed: nothing to be wrong about
            self.label = next(iter(self.labels.values()))
        sets = [head.set for _, head in sorted(self.heads.items())]
        claims = [label.set for label in self.labels.values()]
        claimed = [claim for claim in claims if claim in sets]
        name = os.path.basename(self.folder)
        named = [bytes.fromhex(name.decode())] if re.fullmatch(rb"[0-9a-f]{32}", name) else []
        self.set = self.label.set if self.label else next(iter(claimed + sets + claims + named), None)

    def walk(self, label):
        """The chain of seals that a label begins; each head that does not fit in it says why."""
        chain = Chain(label.set, label.root_key, label.succession_key)
        for _, head in sorted(self.heads.items()):
            try:
                last = chain.last if head.succession else None
                chain.follow(head, self.successions(last.number, head.number) if last else [])
            except Damage as damage:
                head.why = damage
        return chain

    @staticmethod
    def counts(label, chain, first):
        """Whether a seal that fits names or lists a label, and the label is of one set with the first that counts."""
        def shows(head):
            inside = head.objects and head.first <= label.number < head.number
            return (head.label == label.listed[2] and label.number < head.number
                    or inside and head.objects[label.number - head.first] in (label.listed, (*label.listed[:3], None)))
        return Log.same(label, first) and any(map(shows, chain.heads))

    @staticmethod
    def same(label, other):
        """Whether all is the same that is on every label of a set."""
        return all(getattr(label, name) == getattr(other, name)
                   for name in ("set", "name", "quarantine", "root_key", "succession_key"))

    def has_a_seal(self):
        return any(head.set == self.set for head in self.heads.values())

    def is_called_so(self):
        return bool(self.set) and os.path.basename(self.folder) == self.set.hex().encode()

    def in_quarantine(self):
        """What the label that counts says; where none counts, what any label says."""
        return any(label.quarantine == "yes" for label in ([self.label] if self.label else self.labels.values()))

    def successions(self, after, before):
        result = []
        for number, path in self.of_kind("succession"):
            if after < number < before:
                try:
                    result.append(parse_succession(read_text(path, "succession"), number))
                except (Damage, Newer, OSError):
                    pass                                              # a head that names it does not fit
        return result

    def kind_of(self, number):
        """The kind that a whole list gives an object, or None."""
        return self.listed[number][0] if self.listed.get(number) else None

    def sort_seals(self, code):
        """Section 7: what each file named `.seal` is: it fits, is anchored, a leftover, foreign, newer, or damage."""
        fitting = self.chain.heads if self.chain else []
        for head in self.heads.values():
            head.fits, head.anchored, head.used_succession = False, False, getattr(head, "used_succession", None)
        for head in fitting:
            head.fits = True
        if not self.label:
            self.faults.append("no label of this set counts: nothing begins the chain of its seals")
        if code:
            self.anchor(code)
        fitting = [head for _, head in sorted(self.heads.items()) if head.fits]
        self.cover(fitting)
        self.last = fitting[-1].number if fitting else -1
        sound = max((number for number, head in self.heads.items() if head.fits or head.anchored), default=-1)
        texts = {n: error for n, error in self.not_heads.items() if isinstance(error, Newer)}
        texts.update((n, error) for n, (_, error) in self.newer_texts.items() if n not in self.heads)
        last = max((n for n, head in self.heads.items() if head.set == self.set), default=-1)
        newer = sorted(n for n in texts if last < n <= self.reach())
        self.newer_from = min(newer, default=MAX_NUMBER + 1)
        self.newer += ["object %d: %s" % (n, texts[n]) for n in newer[:1]]
        self.newer += ["object %d: %s" % (n, self.newer_texts[n][1]) for n in sorted(self.newer_as_listed())]
        doubtful = []
        for number, _ in self.of_kind("seal"):
            head = self.heads.get(number)
            if (head and head.fits) or self.kind_of(number) or number >= self.newer_from:
                continue                                              # a leftover (listed as void), or foreign
            of_set = head and head.set == self.set
            if not head and number > self.reach():
                continue                                              # far behind, and none: foreign
            self.unreadable_seals |= not head
            self.lost_seals |= bool(self.chain) or not of_set
            if self.chain or not of_set:
                self.faults.append("seal %d does not fit: %s" % (number, self.not_heads.get(number) or head.why))
            if of_set and number > self.last:
                doubtful.append(head)
        self.cover(sorted(doubtful, key=lambda head: (not head.anchored, head.number)))
        self.last = sound if sound >= 0 else max(self.seals, default=-1)

    def newer_as_listed(self):
        """Texts of a later version that a seal lists with these bytes."""
        named = {n: self.files[n][kind] for n, (kind, _) in self.newer_texts.items() if self.kind_of(n) == kind}
        return {n for n, path in named.items() if os.lstat(path).st_size == self.listed[n][1]
                and digests_of_files([path])[0] in (self.listed[n][2:], (self.listed[n][2], None))}

    def reach(self):
        """Behind the last seal: the last number that a leftover may have."""
        reach = max([self.last, *(n for n, head in self.heads.items() if head.set == self.set)])
        for number in sorted(self.files):
            if reach < number <= reach + LEFTOVER_GAP:
                reach = number
        return reach

    def cover(self, heads):
        """Use some seals, and what they list; those that were used first have precedence."""
        for head in heads:
            self.seals[head.number] = head
            for number, item in enumerate(head.objects or [None] * head.count, head.first):
                self.listed.setdefault(number, item)

    def anchor(self, code):
        """Section 7: anchor the seal with this check code, and earlier ones that hang on it; say what is anchored."""
        heads = [head for _, head in sorted(self.heads.items()) if head.set == self.set]
        tops = [head for head in heads if code_of(head.digest, len(code)) == code]
        if len(tops) != 1:
            self.faults.append("%d seals of this medium have the check code %s" % (len(tops), code))
            self.code_fits = False
            return
        top, = tops
        top.anchored = True
        by_digests = {head.digest + head.sha256: head for head in heads}
        by_place = {head.seals: head for head in sorted(heads, key=lambda head: head.fits)}
        leaves, seen, expected, linked = [], [], top.previous, True
        for place in range(top.seals - 1, -1, -1):
            head = by_digests.get(expected) if expected else by_place.get(place)
            linked = linked and head is not None
            if not head and not expected:
                break                                                 # two seals in a row are lost: no root
            if head:
                head.anchored = head.anchored or linked
                seen.append(head)
            leaves.append(b"\2" + (head.digest if head else expected[:32]))
            expected = head.previous if head else None
        self.lost_seals |= len(seen) < top.seals
        tree = Tree()
        for leaf in reversed(leaves):
            tree.add(leaf)
        if len(leaves) == top.seals and tree.root() == top.seals_root:
            for head in seen:
                head.anchored = True
        if not top.fits:
            self.faults.append("seal %d has the check code, and does not fit: %s" % (top.number, top.why))
        for head in [] if top.fits else heads:                        # what was written down is worth more than keys
            if head.fits and not head.anchored:
                head.why = "the seal that has the check code does not follow from it"
            head.fits = head.anchored
        generations = sorted({head.generation for head in heads if head.anchored and not head.closing})
        self.anchors = "the check code is that of seal %d, %s generation %d; it anchors %d of %d seals up to it: %s" % (
            top.number, "which closes a medium or is a checkpoint before" if top.closing else "that of", top.generation,
            sum(head.anchored for head in heads), top.seals + 1,
            "generations " + ", ".join(map(str, generations)) if generations else "no generation yet")

    def announce(self, verify=False):
        """What is wrong with the labels and seals; then the successions, what lies behind the last seal, and what is
        foreign, which only `verify` calls a problem."""
        for fault in self.faults:
            report(fault)
        for text in self.newer:
            report_newer(text)
        for head in self.seals.values():
            if head.objects is None:
                report("seal %d: %s; its objects cannot be checked" % (head.number, head.list_damage))
            for number in head.newer_kinds:
                report_newer("object %d (%s) of generation %d" % (number, self.listed[number][0], head.generation))
            if head.fits and head.used_succession:
                print("succession: object %d named the key of seal %d (generation %d, %s)" % (
                    head.used_succession.number, head.number, head.generation, head.time))
        for number, _ in self.of_kind("label") if self.chain else ():
            if self.kind_of(number) == "label" and number not in self.newer_as_listed():
                label = self.labels.get(number)
                if not label or not self.same(label, self.label):
                    report("label %d is listed as one, and is none of this set" % number)
        self.name_others(report if verify else print)

    def name_others(self, say_foreign):
        reach, foreign, last = self.last, list(self.foreign), self.seals.get(self.last)
        reach = max([reach, *(n for n, head in self.heads.items() if head.set == self.set)])
        for number, kind in sorted((number, kind) for number, named in self.files.items() for kind in named):
            name = "%08d.%s" % (number, kind)
            if number >= self.newer_from:
                print("not judged, behind a newer seal: " + name)
            elif kind == "seal" and number in self.seals and self.seals[number].fits:
                reach = max(reach, number)
            elif number in self.seals or number in self.listed:
                item, reach = self.listed.get(number, ("seal",)), max(reach, number)
                foreign += [] if item is None or item[0] in (kind, "void") else [name]
            elif number < self.last:
                print("under a seal that is lost: " + name)
            elif number <= reach + LEFTOVER_GAP:
                print("leftover, behind the last seal: " + name)
                reach = number
            else:
                foreign.append(name)
        for succession in self.successions(self.last, min(reach + 1, self.newer_from)) if last and self.label else ():
            if self.label.succession_key and succession.is_good(last, self.label.succession_key):
                print("succession: object %d names another key for the next seal" % succession.number)
        for name in self.litter:
            print("left by a desktop system: " + show(name))
        for name in foreign:
            say_foreign("foreign, no object of this set: " + show(name))

    def start(self):
        """The first object of this medium; the earlier ones are on earlier media."""
        there = [number for number, _ in self.of_kind("label") if self.kind_of(number) == "label"]
        return self.label.number if self.label else min(there, default=0)

    def place_of(self, number):
        labels = sorted(n for n in self.listed if self.kind_of(n) == "label")
        return "" if number >= self.start() else "; it is on medium %d of the set" % bisect.bisect(labels, number)

    def wrong(self, numbers, both=True):
        """{number: what is wrong} of those listed objects that are not what their seal says, and the files of void ones
        that are not those listed. A void object has the name of what it was to be, whatever that was."""
        result, tries, others = {}, [], []
        for number in numbers:
            kind, length, digest, _ = self.listed[number]
            named = self.files.get(number, {})
            paths = [path for name, path in named.items() if digest and kind in (name, "void")]
            fitting = [path for path in paths if os.lstat(path).st_size == length]
            if digest and not paths:
                result[number] = "is missing" + self.place_of(number)
            elif digest and not fitting:
                result[number] = "does not have the length that its seal says"
            elif length > MAX_SIZE.get(kind, U63 if kind == "void" else GIB):
                result[number] = "is larger than the format allows"
            elif digest:
                result[number] = "does not have the digests that its seal says"       # until one of its files has
                tries += [(number, path) for path in fitting]
                others += [(number, path) for path in paths if path not in fitting]
        for (number, path), (digest, sha256) in zip(tries, digests_of_files([path for _, path in tries])):
            if digest == self.listed[number][2] and (not both or self.listed[number][3] in (None, sha256)):
                result.pop(number, None)
            else:
                others.append((number, path))
        return result, [path for number, path in others if number not in result]

    def fetch(self, number, kind, compare=True):
        """The path of an object to be decrypted. One without a whole list can only be taken as it is."""
        listed, path = self.listed.get(number), self.files.get(number, {}).get(kind)
        check(not listed or listed[0] == kind, "object %d is listed as another kind than %s" % (number, kind))
        shown = self.label or next(iter(self.labels.values()), None)
        if not path and shown and shown.place > 1 and number < shown.number:
            raise MediumProblem("object %d (%s) is on an earlier medium%s" % (number, kind, self.place_of(number)))
        check(path, "object %d (%s) is missing%s" % (number, kind, self.place_of(number)))
        wrong = self.wrong([number], both=False)[0].get(number) if listed and compare else None
        check(not wrong, "object %d (%s) %s" % (number, kind, wrong))
        check(os.lstat(path).st_size <= MAX_SIZE[kind], "object %d is larger than the format allows" % number)
        return path

def open_log(args):
    """The set whose id begins as was asked for. Labels and seals say which set is in a folder, not its name."""
    top, logs = os.path.join(os.path.abspath(os.fsencode(args.medium)), b"AZEKURA"), []
    for entry in sorted(os.scandir(top), key=lambda entry: entry.name):
        log = Log(entry.path, args.expect) if entry.is_dir(follow_symlinks=False) else None
        if log and log.files and (log.set or any(set(named) & {"label", "seal"} for named in log.files.values())):
            logs.append(log)
        else:
            print("foreign, no set: " + show(entry.name))
    taken = {}
    for log in sorted(logs, key=lambda log: (not log.has_a_seal(), not log.is_called_so())):
        if log.set and taken.setdefault(log.set, log) is not log:     # section 10: a further folder of the set is foreign
            taken[log.set].foreign.append(b"../" + os.path.basename(log.folder))
            logs.remove(log)
    fit = [log for log in logs if log.set and log.set.hex().startswith(args.set.lower())]
    fit = [log for log in fit if log.has_a_seal()] or fit             # a label alone is put there easily
    free = fit if args.set else [log for log in fit if not log.in_quarantine()]
    fit = free or fit if args.command == "verify" else free
    fit = [log for log in fit if log.label] or fit                    # what nothing vouches for is not in the way
    if len(fit) == 1:
        log, = fit
        first = min((number for number, _ in log.of_kind("label")), default=None)
        if not log.labels and not log.heads and first in log.newer_texts:
            raise log.newer_texts[first][1]                           # a newer program has begun the set
        return log
    errors = [error for log in logs for error in (*(e for _, e in log.newer_texts.values()), *log.not_heads.values())]
    newer = [error for error in errors if isinstance(error, Newer)]
    if not any(log.set for log in logs):
        check(newer or not any(log.not_heads for log in logs), "no seal on this medium can be read")
        if newer:
            raise newer[0]
        raise MediumProblem("there is no set on this medium")
    if not fit and args.set:
        raise MediumProblem("there is no set %s on this medium" % args.set)
    raise Problem("%d sets fit, choose with --set:%s" % (len(fit), "".join(
        "\n  %s in %s" % (describe(log), show(os.path.basename(log.folder))) for log in fit or logs)))

def describe(log):
    if not log.set:
        return "a set without a seal that can be read"
    return "%s (%s)%s" % (log.set.hex(), show(log.label.name) if log.label else "no label counts",
                          ", IN QUARANTINE" if log.in_quarantine() else "")

# ---- Sections 4, 5: packs and manifests -----------------------------------------------------------------------------

def stanza_types(path):
    """The types of the stanzas in the header of an age file."""
    types = []
    with open(path, "rb") as file:
        check(file.readline(64) == b"age-encryption.org/v1\n", "no age file")
        for line in iter(lambda: file.readline(4096), b""):
            check(file.tell() <= 64 * KIB, "the header of the age file is longer than it may be")
            if line.startswith(b"---"):
                break
            words = line.decode("utf-8", "backslashreplace").split()
            types += words[1:2] if words[:1] == ["->"] else []
    return types

def count_stanzas(number, path, recipients):
    """Section 4: exactly one stanza for each recipient, and at most one whose type ends with `-grease`."""
    types = stanza_types(path)
    wanted = sorted("mlkem768x25519" if recipient.startswith("age1pq1") else
                    "X25519" if re.fullmatch("age1[^1]*", recipient) else "of another type" for recipient in recipients)
    grease = [name for name in types if name.endswith("-grease")]
    if sorted(name for name in types if name not in grease) != wanted or len(grease) > 1:
        report("object %d is encrypted to %s, and the manifest names %s: somebody else may be able to read the set" % (
            number, show(" ".join(types)) or "nobody", " ".join(wanted) or "nobody"))

def decrypt(path, key, to):
    with open(path, "rb") as file:
        check(file.read(22) == b"age-encryption.org/v1\n", "%s is no age file in binary form" % show(path))
    with open(to, "wb") as out:
        done = subprocess.run(["age", "-d", "-i", key, path], stdout=out, stderr=subprocess.PIPE)
    if done.returncode != 0:
        text = show(done.stderr.strip().split(b"\n")[0])
        if b"identit" in done.stderr or key in done.stderr:
            raise KeyProblem("the key does not open %s (%s)" % (show(path), text))
        raise Damage("%s cannot be decrypted (%s)" % (show(path), text))

def zstd_frame(data, at, window):
    """RFC 8878: the content size of the zstd frame at a place, and where it ends."""
    def number(place, size):
        check(place + size <= len(data), "a zstd frame is cut off")
        return int.from_bytes(data[place:place + size], "little")

    check(number(at, 4) == 0xFD2FB528, "there is no zstd frame")
    flags = number(at + 4, 1)
    single, at = flags >> 5 & 1, at + 5
    if not single:
        exponent, mantissa = number(at, 1) >> 3, number(at, 1) & 7
        check((8 + mantissa) << (7 + exponent) <= window, "a zstd frame has a larger window than it may have")
        at += 1
    dictionary, sized = (0, 1, 2, 4)[flags & 3], (single, 2, 4, 8)[flags >> 6]
    check(number(at, dictionary) == 0 and sized and not flags & 8, "a zstd frame has a dictionary, or no content size")
    content = number(at + dictionary, sized) + (256 if sized == 2 else 0)
    check(not single or content <= window, "a zstd frame has a larger window than it may have")
    at, last = at + dictionary + sized, 0
    while not last:
        block = number(at, 3)
        last, kind = block & 1, block >> 1 & 3
        check(kind != 3, "a zstd frame has a reserved block")
        at += 3 + (1 if kind == 1 else block >> 3)
    at += 4 if flags & 4 else 0
    check(at <= len(data), "a zstd frame is cut off")
    return content, at

def unzstd(path, limit, to):
    """The content of all zstd frames in a file; never more than `limit` bytes are taken from the program."""
    process = subprocess.Popen(["zstd", "-dcq", "--", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    with process, open(to, "wb") as out:
        length = 0
        while length <= limit and (piece := process.stdout.read(min(MIB, limit + 1 - length))):
            out.write(piece)
            length += len(piece)
        if length > limit:
            process.kill()
    check(length <= limit and process.returncode == 0, "zstd frames are damaged or longer than they may be")
    return length

def one_frame(payload, limit):
    """The content of a payload that is one zstd frame and nothing else."""
    packed, plain = os.path.join(RUN.folder, b"packed"), os.path.join(RUN.folder, b"plain")
    content, end = zstd_frame(payload, 0, MANIFEST_WINDOW)
    check(end == len(payload) and content <= limit, "it is not one zstd frame, or a larger one than it may be")
    with open(packed, "wb") as file:
        file.write(payload)
    unzstd(packed, limit, plain)
    data = read_small(plain, limit)
    os.unlink(plain)
    return data

def names_of(path):
    """A path's names; nothing that could lead out of the restore target passes."""
    check(type(path) is bytes and len(path) <= MAX_PATH and b"\0" not in path, "a malformed path")
    names = tuple(path.split(b"/"))
    check(not {b"", b".", b".."} & set(names), "a malformed path: " + show(path))
    return names

def source_of(item):
    check(type(item) is dict, "a source is malformed")
    known_keys(item, 5, "a source")
    for key, kind in ((1, bytes), (2, int)):
        field(item, key, kind)
    check(all(type(exclude) is bytes for exclude in field(item, 3, list, [])), "a source's excludes are malformed")
    uint(item[2], U64), uint(item.get(4, 0), U64), uint(item.get(5, 0), U64)
    return SimpleNamespace(name=field(item, 0, bytes), names=names_of(item.get(0)))

def parse_manifest(data, set_, generation):
    m = cbor(data)
    check(type(m) is dict, "the manifest is not a map")
    if uint(m.get(0), U64) != 1:
        raise Newer("a manifest of version %d" % m[0])
    known_keys(m, 18, "the manifest")
    check(all(key in m for key in (*range(8), *range(9, 16))), "a key of the manifest is missing")
    check(field(m, 1, bytes) == set_ and uint(m[2]) == generation, "the manifest is of another set or generation")
    check(uint(m[3]) < generation, "the manifest's parent is no earlier generation")
    time_of(m[4]), time_of(m[5])
    host, tag, _, _ = field(m, 6, str), field(m, 8, str, ""), field(m, 9, str), field(m, 12, bool)
    findings = [tuple_of(item, str, bytes, str) for item in field(m, 14, list)]
    check(len(findings) <= 1000, "the manifest has too many findings")
    alarms = [tuple_of(item, str, bytes, int, int, list) for item in field(m, 18, list, [])]
    check(all(uint(a[2], U64) is not None and uint(a[3], U64) is not None and len(a[4]) <= 10
              and all(type(path) is bytes for path in a[4]) for a in alarms), "an alarm is malformed")
    recipients = field(m, 11, list)
    check(all(type(recipient) is str for recipient in recipients), "the recipients are malformed")
    sources = [source_of(item) for item in field(m, 7, list)]
    check(all(a.names < b.names and b.names[:len(a.names)] != a.names for a, b in zip(sources, sources[1:])),
          "sources are out of order, or one is within another")
    entries = field(m, 15, dict)
    known_keys(entries, 4, "the manifest's key 15")
    after = 0
    for item in field(entries, 4, list, []):
        offset, length = tuple_of(item, int, int)
        check(offset >= after and 64 * KIB < length <= MAX_RECORD + 4, "long records out of order, or one that is none")
        after = uint(offset) + length
    check(after <= uint(entries.get(0)), "a long record beyond the end of the stream")
    result = SimpleNamespace(
        host=host, tag=tag, findings=findings, alarms=alarms, recipients=recipients, sources=sources,
        length=uint(entries.get(0)), digest=field(entries, 1, bytes, size=32), extents=extents_of(entries.get(2)),
        count=uint(entries.get(3)), salt_key=derive("azekura 1 record salt", field(m, 10, bytes, size=32)))
    check(sum(extent[3] for extent in result.extents) == result.length, "the entry stream's extents do not add up")
    return result

def open_entries(log, seal, key):
    """The entries by the manifest that the list names; under a damaged list by the last manifest of this set and generation
    whose records are those that were sealed."""
    check(seal.manifest is not None, "the manifest of generation %d is missing" % seal.generation)
    first, numbers = None, seal.manifests if seal.objects is None else [seal.manifest]
    for number in numbers:
        try:
            manifest = read_manifest_at(log, seal, key, number)
            packs = Packs(log, seal, key, manifest.recipients)
            return manifest, packs, Entries(packs, manifest, seal)
        except (Damage, KeyProblem, Newer) as problem:                # somebody may have put another one there
            first = first or problem
    raise first

def read_manifest_at(log, seal, key, number):
    path, to = log.fetch(number, "manifest"), os.path.join(RUN.folder, b"payload")
    decrypt(path, key, to)
    data = one_frame(read_small(to, MAX_SIZE["manifest"]), MAX_SIZE["manifest"])
    manifest = parse_manifest(data, log.set, seal.generation)
    count_stanzas(number, path, manifest.recipients)
    return manifest

class Packs:
    """Reads extents out of packs. A few decoded packs are kept as files."""
    KEEP = 4

    def __init__(self, log, seal, key, recipients):
        self.log, self.seal, self.key, self.recipients = log, seal, key, recipients
        self.open_packs, self.bad, self.counted, self.compares = {}, {}, set(), True

    def close(self):
        for file, _ in self.open_packs.values():
            file.close()

    def open(self, number):
        """The pack's (file of the content, {offset of a frame in the payload: offset and length of its content})."""
        check(number < self.seal.number, "an extent names object %d, which is behind its seal" % number)
        check(number not in self.bad, self.bad.get(number))
        if number in self.open_packs:
            self.open_packs[number] = self.open_packs.pop(number)                        # now the one used last
            return self.open_packs[number]
        while len(self.open_packs) >= self.KEEP:
            self.open_packs.pop(next(iter(self.open_packs)))[0].close()
        payload, content = os.path.join(RUN.folder, b"payload"), os.path.join(RUN.folder, b"content")
        try:
            path = self.log.fetch(number, "pack", self.compares)
            decrypt(path, self.key, payload)
            if number not in self.counted:
                self.counted.add(number)
                count_stanzas(number, path, self.recipients)
            places, length = self.read_index(payload)
            check(unzstd(payload, length, content) == length, "the frames are shorter than the index says")
        except (Damage, Newer, KeyProblem, OSError) as error:
            self.bad[number] = "pack %d%s: %s" % (number, " is newer" if isinstance(error, Newer) else "", error)
            raise Damage(self.bad[number])
        self.open_packs[number] = open(content, "rb"), places
        os.unlink(content)                                             # the data lives until the file is closed
        return self.open_packs[number]

    @staticmethod
    def read_index(path):
        """Section 4: the index, found from the payload's end, gives the frames' places."""
        check(os.path.getsize(path) >= 16, "the payload is too short")
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as payload:
            size, magic = struct.unpack("<I4s", payload[-8:])
            check(magic == b"AZIX" and size <= MAX_INDEX and size + 16 <= len(payload), "there is no index")
            begin = len(payload) - 16 - size
            check(struct.unpack("<II", payload[begin:begin + 8]) == (0x184D2A5A, size + 8), "there is no index frame")
            index = cbor(payload[begin + 8:begin + 8 + size])
            check(type(index) is list and index, "the index is malformed")
            if index[0] != 1 or type(index[0]) is not int:
                raise Newer("an index of another version")
            _, frames = tuple_of(index, int, list)
            check(len(frames) <= MAX_FRAMES, "the index is malformed")
            places, at, content = {}, 0, 0
            for item in frames:
                stored, ids, lengths = tuple_of(item, int, bytes, list)
                check(1 <= stored <= MAX_STORED and 1 <= len(lengths) <= MAX_CHUNKS and len(ids) == 16 * len(lengths)
                      and all(uint(length, MAX_CHUNK) for length in lengths) and sum(lengths) <= MAX_CONTENT,
                      "the index is malformed")
                check(zstd_frame(payload, at, PACK_WINDOW) == (sum(lengths), at + stored), "the index fits no frame")
                places[at] = content, sum(lengths)
                at, content = at + stored, content + sum(lengths)
            check(at == begin, "the frames do not lie side by side up to the index")
        return places, content

    def read_stream(self, extents):
        """The bytes of the entry stream. The manifest has their digest, so that the packs need not be compared."""
        self.compares = False
        yield from self.read(extents)
        self.close()
        self.open_packs, self.bad, self.compares = {}, {}, True

    def read(self, extents):
        """The bytes of some extents, piece by piece. What follows a frame's content is the content of the next."""
        for number, frame, offset, length in extents:
            places = self.open(number)[1]
            check(frame in places and offset < places[frame][1], "an extent begins where no data is")
            at = places[frame][0] + offset
            while length:
                file = self.open(number)[0]                            # another reader may have closed or moved it
                file.seek(at)
                piece = file.read(min(length, MIB))
                check(piece, "an extent goes beyond the end of its pack")
                yield piece
                at, length = at + len(piece), length - len(piece)

# ---- Section 6: records ---------------------------------------------------------------------------------------------

ALL_KEYS, PEOPLE_KEYS = (0, 1, 2, 3, 4, 7, 8, 9), (5, 6, 16, 18, 19)
TYPE_KEYS = {FILE: (10, 11, 12, 13, 17, 20, 21, 22), SYMLINK: (10, 14), CHARACTER: (10, 15), BLOCK: (10, 15),
             FIFO: (10,), SOCKET: (10,), DIRECTORY: ()}
SAME_KEYS = (1, 2, 3, 4, 11, 12, 13, 14, 15, 21, 22)                  # a further name's, and its first name's

def parse_record(data, alone=False):
    """A record; or, alone, its core without extents. Damage is raised for what makes the whole stream damaged;
    `refused` says what is wrong with this record only."""
    core, end = cbor_item(data, 0)
    check(type(core) is dict, "a record's core is not a map")
    check(not alone or end == len(data), "bytes behind a record's core")
    extents = [] if alone else cbor(data[end:])
    check(type(extents) is list, "a record's extents are not an array")
    r = SimpleNamespace(core=data[:end], map=core, extents=extents, path=core.get(0), names=names_of(core.get(0)),
                        refused=None, newer=False, type=core.get(1))
    try:
        judge_newer(r, core)
        judge(r, core, alone)
    except Newer as newer:
        r.newer, r.refused = True, "newer, a newer program is needed: %s" % newer
    except Damage as damage:
        r.refused = str(damage)
    known = type(r.type) is int and FILE <= r.type <= SOCKET and not r.newer
    r.may_have_children = r.type == DIRECTORY or not known
    return r

def judge_newer(r, core):
    known_keys(core, 22, "the record")
    for key, last, what in ((1, SOCKET, "type"), (19, CHANGED, "state")):
        if type(core.get(key)) is int and core[key] > last:
            raise Newer("the record has the unknown %s %d" % (what, core[key]))

def judge(r, core, alone):
    """Everything that a record of one type must and must not have."""
    r.type, r.state = uint(core.get(1)), uint(core.get(19, GOOD))
    allowed = (*ALL_KEYS, *PEOPLE_KEYS, *TYPE_KEYS[r.type])
    check(all(key >= 64 or key in allowed for key in core), "a key is there that its type does not have")
    r.mode, r.uid, r.gid = uint(core.get(2), 0o7777), uint(core.get(3), U32), uint(core.get(4), U32)
    field(core, 5, bytes, b""), field(core, 6, bytes, b"")
    r.mtime, _, _ = time_of(core.get(7)), time_of(core.get(8)), uint(core.get(9), U64)
    r.link, r.flags = field(core, 10, bytes, None), uint(core.get(18, 0), U32)
    r.xattrs = [tuple_of(item, bytes, bytes) for item in field(core, 16, list, [])]
    check(all(a[0] < b[0] for a, b in zip(r.xattrs, r.xattrs[1:])), "its extended attributes are out of order")
    check(r.state == GOOD or r.type == FILE, "it has a state that only files have")
    r.target = field(core, 14, bytes) if r.type == SYMLINK else None
    r.device = tuple_of(core.get(15), int, int) if r.type in (CHARACTER, BLOCK) else (0, 0)
    uint(r.device[0], U32), uint(r.device[1], U32)
    r.size = uint(core.get(11)) if r.type == FILE else 0
    r.holes = [tuple_of(item, int, int) for item in field(core, 17, list, [])]
    readable = r.type == FILE and r.state != UNREADABLE
    check(r.state == UNREADABLE or 20 not in core, "an error number, and it was readable")
    uint(core.get(20, 0), U32)
    check(readable or not any(key in core for key in (12, 13, 17, 21, 22)), "digests or holes, and it was unreadable")
    covered, after = sum(extent[3] for extent in extents_of(r.extents)), -1
    for offset, length in r.holes:
        check(offset > after and length >= 1, "a hole is malformed")
        covered, after = covered + length, offset + length
    fits = alone or covered == (r.size if readable else 0)
    check(after <= r.size and fits, "extents and holes do not add up to its size")
    r.huge = sum(length for _, length in r.holes) > HUGE_HOLES
    check((21 in core) == r.huge and (r.huge or 22 not in core), "only files with huge holes have keys 21 and 22")
    check(not r.huge or not {12, 13} & set(core), "a digest of huge holes, which nobody can compute")
    r.blake3 = field(core, 21 if r.huge else 12, bytes, size=32) if readable else None
    r.sha256 = field(core, 22 if r.huge else 13, bytes, None, size=32)
    r.same = [core.get(key) for key in SAME_KEYS], r.holes, r.state, r.extents

def contradicts(record, first):
    """What is wrong with a further name, beside its first one."""
    if first is None or first.map.get(10) is not None:
        return "it is a further name of no first name"
    if first.refused:
        return "its first name %s is refused" % show(first.path)
    return None if record.same == first.same else "it contradicts its first name %s" % show(first.path)

class Entries:
    """The checked entry stream (section 13, step 4): `offsets` where each record begins in a file, `refused` the
    offsets of those that must not be restored."""

    def __init__(self, packs, manifest, seal):
        path = os.path.join(RUN.folder, b"entries")
        with open(path, "wb") as out:
            for piece in packs.read_stream(manifest.extents):
                out.write(piece)
        check(b3sum_files([path]) == [manifest.digest], "the entry stream's digest is wrong")
        self.file, self.end, self.offsets, self.refused = open(path, "rb"), manifest.length, array("Q"), set()
        self.sources, complaints, tree = {source.names: 0 for source in manifest.sources}, [], Tree()
        at, before, source, folder, shut = 0, (), None, (), None
        while at < self.end:
            record = self.read(at)
            check(before < record.names, "records are not in order at " + show(record.path))
            if record.names in self.sources:
                source = record.names
                self.sources[source] += 1
            check(source and record.names[:len(source)] == source, "%s is outside of every source" % show(record.path))
            check(record.names == source or folder[:len(record.names) - 1] == record.names[:-1],
                  "%s has no parent" % show(record.path))
            before, folder = record.names, record.names if record.may_have_children else record.names[:-1]
            shut = shut if shut and record.names[:len(shut)] == shut else None
            why = record.refused or (record.link is not None and contradicts(record, self.find(record.link)))
            if why and not shut:
                complaints.append("%s: refused (%s)" % (show(record.path), why))
            elif shut:
                complaints.append("%s: not used (below an entry that is refused)" % show(record.path))
            if why or shut:
                self.refused.add(at)
                shut = shut or record.names
            self.offsets.append(at)
            tree.add(b"\0" + blake3(record.path, manifest.salt_key)[:16] + record.core)
            at = self.file.tell()
        check(len(self.offsets) == manifest.count == seal.records, "the number of records is not what was sealed")
        check(tree.root() == seal.records_root, "the root of the records is not what was sealed")
        self.complaints = complaints

    def announce(self):
        """Name what is refused, and the sources without a record."""
        for complaint in self.complaints:
            report(complaint)
        for names, count in self.sources.items():
            if not count:
                print("source %s has no record: it was not there when the generation was made" % show(b"/".join(names)))

    def read(self, at):
        """The record at an offset; the file is then at the next one."""
        self.file.seek(at)
        head = self.file.read(4)
        length = struct.unpack("<I", head)[0] if len(head) == 4 else U32
        check(length <= MAX_RECORD and at + 4 + length <= self.end, "a record is too long, or goes beyond the end")
        return parse_record(self.file.read(length))

    def find(self, path):
        """The record with a path among those read so far, which are in order."""
        place, names, low, high = self.file.tell(), tuple(path.split(b"/")), 0, len(self.offsets)
        while low < high:
            middle = (low + high) // 2
            record = self.read(self.offsets[middle])
            if record.names == names:
                self.file.seek(place)
                return record
            low, high = (middle + 1, high) if record.names < names else (low, middle)
        self.file.seek(place)
        return None

    def usable(self):
        return (record for at in self.offsets if at not in self.refused for record in (self.read(at),))

# ---- Restoring (sections 6 and 13, step 5) --------------------------------------------------------------------------
# The working directory is the target, which was empty: a parent is always a directory that was made here, never a link.

def make(record, packs):
    if record.type == FILE:
        make_file(record, packs)
    elif record.type == DIRECTORY:
        os.mkdir(record.path, 0o700)
    elif record.type == SYMLINK:
        os.symlink(record.target, record.path)
    else:
        os.mknod(record.path, TYPE_BITS[record.type] | 0o600, os.makedev(*record.device))

def make_file(record, packs):
    """Lay the extents around the holes. The SHA-256 is taken on the way, the BLAKE3 later for many files at a time."""
    sha256, pieces, piece, at = hashlib.sha256(), packs.read(record.extents), b"", 0
    with open(record.path, "xb") as file:
        for hole, length in record.holes + [[record.size, 0]]:
            while at < hole:
                piece = piece or next(pieces)
                part, piece = piece[:hole - at], piece[hole - at:]
                file.write(part)
                sha256.update(part)
                at += len(part)
            at += length
            file.seek(at)
            while length and record.sha256 and not record.huge:
                zeros = bytes(min(length, MIB))
                sha256.update(zeros)
                length -= len(zeros)
        file.truncate(record.size)
    check(record.sha256 in (None, sha256.digest()), "its SHA-256 is not the recorded one")

def stored_ranges(record):
    at = 0
    for hole, length in record.holes + [[record.size, 0]]:
        if hole > at:
            yield at, hole
        at = hole + length

def digests_between_holes(path, record):
    """H and S of what is stored of a file with huge holes; a hole is never read as zeros, only where data is in it."""
    with open(path, "rb") as file:
        def pieces(begin, end):
            file.seek(begin)
            while begin < end and (piece := file.read(min(MIB, end - begin))):
                yield piece
                begin += len(piece)

        for hole, length in record.holes:
            at, end = hole, hole + length
            while at < end:
                try:
                    begin = min(os.lseek(file.fileno(), at, os.SEEK_DATA), end)
                    at = min(os.lseek(file.fileno(), begin, os.SEEK_HOLE), end) if begin < end else end
                except OSError:
                    break                                              # no data from here on
                check(not any(piece.strip(b"\0") for piece in pieces(begin, at)), "there is data in a hole")
        return digests_of(piece for begin, end in stored_ranges(record) for piece in pieces(begin, end))

def set_flags(path, flags):
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        buffer = bytearray(8)
        fcntl.ioctl(fd, GET_FLAGS, buffer)
        struct.pack_into("=I", buffer, 0, struct.unpack_from("=I", buffer)[0] & ~FLAGS | flags)
        fcntl.ioctl(fd, SET_FLAGS, buffer)
    finally:
        os.close(fd)

def dress(record):
    """Owner, extended attributes, mode, times and flags, in the order that section 6 gives."""
    path = record.path

    def attempt(what, step, *arguments, **options):
        try:
            step(*arguments, **options)
        except (OSError, OverflowError, ValueError) as error:
            if what != "owner" or os.geteuid() == 0:
                print("note: %s: %s not restored (%s)" % (show(path), what, error.__class__.__name__), file=sys.stderr)

    attempt("owner", os.lchown, path, record.uid, record.gid)
    status = os.lstat(path)                                           # chown takes 2^32 - 1 for "leave it as it is"
    owned = (status.st_uid, status.st_gid) == (record.uid, record.gid)
    for name, value in sorted(record.xattrs, key=lambda item: item[0].startswith(b"system.posix_acl_")):
        if name == b"security.capability" and not owned:
            continue                                                  # it is for that owner's file only
        attempt(show(name), os.setxattr, path, name, value, follow_symlinks=False)
    if record.type != SYMLINK:
        attempt("mode", os.chmod, path, record.mode if owned else record.mode & 0o1777)
    attempt("time", os.utime, path, ns=(record.mtime, record.mtime), follow_symlinks=False)
    if record.type in (FILE, DIRECTORY) and record.flags & FLAGS:
        attempt("flags", set_flags, path, record.flags & FLAGS)

def restore(entries, packs):
    """Make all entries; compare the files' BLAKE3; then link further names, for only whole files may have them; then
    give all their attributes, children before parents."""
    made, files = set(), []

    def attempt(record, step, *arguments):
        """Do a step for an entry; what is not good is not left in place."""
        try:
            step(*arguments)
            return True
        except (Problem, OSError, OverflowError, ValueError, StopIteration) as error:
            made.discard(record.path)
            if record.type == FILE and record.link is None and os.path.lexists(record.path):
                os.unlink(record.path)
            if isinstance(error, Problem) and not isinstance(error, Damage):
                raise                                                     # another medium is needed, say: the work ends here
            report("%s: not restored (%s)" % (show(record.path), error))
            return False

    def compare(record, digest):
        if record.huge:
            digest, sha256 = digests_between_holes(record.path, record)
            check(record.sha256 in (None, sha256), "its SHA-256 is not the recorded one")
        check(digest == record.blake3, "its BLAKE3 is not the recorded one")

    for names in entries.sources:
        if len(names) > 1:
            os.makedirs(b"/".join(names[:-1]), exist_ok=True)
    for record in entries.usable():
        if record.state == UNREADABLE:
            report("%s: not restored (it was unreadable at the backup)" % show(record.path))
        elif record.link is None and attempt(record, make, record, packs):
            made.add(record.path)
            files += [record] if record.type == FILE else []
        while len(files) >= 5000:
            compare_files(files, attempt, compare)
    compare_files(files, attempt, compare)
    stands_in = {}                                                    # for first names that lie below a refused entry
    for record in entries.usable():
        if record.link is None or record.state == UNREADABLE:
            continue
        record.link, first = stands_in.get(record.link, record.link), record.link
        if record.link in made and attempt(record, link, record):
            made.add(record.path)
        elif record.link not in made:
            record.link = None
            if attempt(record, make, record, packs) and (
                    record.type != FILE or attempt(record, compare, record, b3sum_files([record.path])[0])):
                made.add(record.path)
                stands_in[first] = record.path
    for at in reversed(entries.offsets):
        record = entries.read(at) if at not in entries.refused else None
        if record and record.path in made and (record.link is None or record.path in stands_in.values()):
            dress(record)
    return len(made)

def compare_files(files, attempt, compare):
    digests = iter(b3sum_files([os.path.join(b".", record.path) for record in files if not record.huge]))
    for record in files:
        attempt(record, compare, record, None if record.huge else next(digests))
    files.clear()

def link(record):
    os.link(record.link, record.path, follow_symlinks=False)

# ---- Commands -------------------------------------------------------------------------------------------------------

def without_a_seal(log, args):
    """Say why there is no generation. Until something is sealed, there is nothing that a label could be wrong about."""
    check(log.code_fits, "no seal has this check code: nothing is read")
    if args.command == "verify":
        log.name_others(report)
    check(not RUN.problems and not log.unreadable_seals, "no seal on this medium can be read, or it has foreign names")
    if log.newer:
        raise Newer(log.newer[0])
    raise MediumProblem("nothing is sealed on this medium yet")

def trust(seal):
    return "" if seal.fits else ", does not fit, but the check code anchors it" if seal.anchored else ", NOT TRUSTED"

def command_verify(log, args):
    start = log.start()
    here = [number for number, item in sorted(log.listed.items()) if item and number < log.newer_from
            and (number >= start or item[0] == "succession" or item[0] in log.files.get(number, {}))]
    wrong, others = log.wrong(here)
    for number, text in sorted(wrong.items()):
        report("object %d (%s) %s" % (number, log.listed[number][0], text))
    log.foreign += [os.path.basename(path) for path in others]
    log.announce(verify=True)
    if log.label:
        print("root key %s, succession key %s, place %d, recipients %d" % (
            log.label.root_key.hex(), log.label.succession_key.hex() if log.label.succession_key else "none",
            log.label.place, log.label.recipients))
    for _, seal in sorted(log.seals.items()):
        print("generation %d  %s  objects %d-%d  records %d  read-back %s  verdict %s  check code %s%s%s" % (
            seal.generation, seal.time, seal.first, seal.number, seal.records, seal.read_back, seal.verdict,
            check_code(seal.digest), trust(seal), ", anchored" if seal.fits and seal.anchored else ""))
    say_anchors(log)
    print("%d objects under %d seals: %s" % (len(here), len(log.seals), outcome()))

def say_anchors(log):
    print(log.anchors or "Compare the newest check code with the one on paper: only that shows that nothing was cut "
          "off or replaced.")

def outcome():
    return "%d PROBLEMS" % RUN.problems if RUN.problems else "something is newer" if RUN.newer else "good"

def choose_seal(log, wanted):
    complete = [seal for seal in log.seals.values() if not seal.closing]       # those that fit are first
    sound = [seal for seal in complete if seal.fits or seal.anchored]
    newest = max((seal.generation for seal in sound or complete), default=0)
    seal = next((seal for seal in complete if seal.generation == (wanted or newest)), None)
    if seal is None:
        lost = not log.label or log.lost_seals if complete else log.unreadable_seals
        check(not lost, "there is no generation %s, but seals are missing or damaged" % (wanted or ""))
        if log.newer_from <= MAX_NUMBER:
            raise Newer(log.newer[0])
        raise (Problem if complete else MediumProblem)("there is no generation %d; there are %s" % (
            wanted or 0, sorted({seal.generation for seal in complete})))
    doubtful = sorted({seal.generation for seal in complete} - {seal.generation for seal in sound})
    if not wanted and sound and doubtful:
        print("there are also generations whose seals do not fit: %s; choose with --generation" % doubtful)
    newer = [s for s in log.seals.values() if s.generation == seal.generation and s.newer_kinds]
    if newer:
        raise Newer("generation %d lists objects of an unknown kind" % seal.generation)
    return seal

def check_that_it_ends_here(log, wanted):
    """Section 7: behind a seal `continued` the set may go on on another medium."""
    fitting = [seal for seal in log.seals.values() if seal.fits] or log.seals.values()
    last, shown = max(fitting, key=lambda seal: seal.number), log.label or next(iter(log.labels.values()), None)
    if last.verdict != "continued" or wanted is not None and wanted < last.generation:
        return
    if wanted is None and shown and shown.number > last.number:
        return                                                        # a medium that was begun, and has nothing sealed on it
    if wanted is not None or all(seal.closing for seal in log.seals.values()):
        raise MediumProblem("the set goes on on another medium; choose a generation before %d" % last.generation)
    print("the set goes on on another medium, where newer generations may be")

def open_generation(log, args):
    log.announce()
    check_that_it_ends_here(log, args.generation)
    check(log.code_fits, "no seal has this check code, or several have it: nothing is read")
    say_anchors(log)
    seal, key = choose_seal(log, args.generation), os.path.abspath(os.fsencode(args.identity))
    if not os.access(key, os.R_OK):
        raise KeyProblem("the key file cannot be read")
    manifest, packs, entries = open_entries(log, seal, key)
    print("generation %d of host %s, %s, verdict %s%s, check code %s%s" % (
        seal.generation, show(manifest.host), seal.time, seal.verdict, manifest.tag and ", tag " + show(manifest.tag),
        check_code(seal.digest), trust(seal)))
    if seal.objects is None:
        print("its list is damaged: manifest and packs are confirmed by the records only")
    for kind, path, detail in manifest.findings:
        print("finding of the backup: %s %s %s" % (show(kind), show(path), show(detail)))
    for tripwire, source, measured, limit, _ in manifest.alarms:
        print("alarm of the backup: %s in %s: %d, limit %d" % (show(tripwire), show(source), measured, limit))
    entries.announce()
    return entries, packs

def command_list(log, args):
    entries, packs = open_generation(log, args)
    packs.close()
    for record in entries.usable():
        more = " -> " + show(record.target) if record.target is not None else ""
        more += " (link to %s)" % show(record.link) if record.link is not None else ""
        more += ("", " (unreadable)", " (changed while read)")[record.state]
        print("%s %d:%d %12d %10d.%09d %s %s%s" % (
            stat.filemode(TYPE_BITS[record.type] | record.mode), record.uid, record.gid, record.size,
            *divmod(record.mtime, 10**9), record.blake3.hex() if record.blake3 else "-", show(record.path), more))
    entries.file.close()

def command_restore(log, args):
    target = os.path.abspath(os.fsencode(args.to))
    if os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise Problem("the target %s is not an empty directory" % show(target))
    entries, packs = open_generation(log, args)
    os.makedirs(target, exist_ok=True)
    os.chdir(target)
    made = restore(entries, packs)
    packs.close(), entries.file.close()
    print("%d of %d entries restored and compared: %s" % (made, len(entries.offsets), outcome()))

# ---- Section 17: proofs ---------------------------------------------------------------------------------------------

def audit_root(node, index, start, end, hashes):
    """RFC 6962: the root of the leaves from start to end, of which one is known. `hashes`: the path from it on."""
    if end - start == 1:
        check(not hashes, "the path is too long")
        return node
    middle = start + (1 << (end - start - 1).bit_length() - 1)
    check(hashes, "the path is too short")
    other = hashes.pop()
    if index < middle:
        return blake3(b"\1" + audit_root(node, index, start, middle, hashes) + other)
    return blake3(b"\1" + other + audit_root(node, index, middle, end, hashes))

def follow_texts(texts, lengths, root_key, succession_key):
    """Step 1: the heads of all seals, each followed on the one before."""
    check(sum(lengths) == len(texts), "the seals have other lengths")
    chain, at, succession, used = Chain(None, root_key, succession_key), 0, [], 0
    for length in lengths:
        text, at = texts[at:at + length], at + length
        if text.startswith(b"azekura succession "):
            check(not succession and len(text) <= MAX_SIZE["succession"], "a succession that no head names")
            succession = [parse_succession(text)]
            continue
        head = parse_head(text)
        check(head.end == len(text), "bytes behind a head")
        check(not succession or head.succession, "a succession that no head names")
        chain.follow(head, succession, succession_key is None)
        used += len(succession)
        if succession:
            print("succession: it named the key of seal %d (generation %d)%s" % (head.number, head.generation, "" if
                  succession_key else "; ITS SIGNATURE WAS NOT CHECKED, which needs --succession-key of a label"))
        succession = []
    check(chain.last and not succession, "a succession that no head names")
    chain.last.used_successions = used
    return chain.last

def command_check_proof(args):
    check(args.root_key or args.expect, "NOTHING ANCHORS THIS PROOF: give --root-key or --expect")
    data = read_small(os.fsencode(args.proof), MAX_PROOF)
    if re.match(rb"azekura proof [2-9]\n", data):
        raise Newer("a proof of another version")
    check(data[:16] == b"azekura proof 1\n" and data[-32:] == blake3(data[:-32]), "this is no proof, or a damaged one")
    proof = cbor(data[16:-32])
    check(type(proof) is dict, "a proof's content is not a map")
    known_keys(proof, 5, "the proof")
    core, salt, index = field(proof, 0, bytes), field(proof, 1, bytes, size=16), uint(proof.get(2))
    path, lengths, frame = field(proof, 3, bytes), field(proof, 4, list), field(proof, 5, bytes)
    check(len(core) <= MAX_RECORD and len(path) % 32 == 0 and len(path) <= MAX_HASHES * 32, "too long a record or path")
    check(lengths and all(uint(n) for n in lengths) and sum(lengths) <= MAX_PROOF, "seals of no bytes, or of too many")
    try:
        last = follow_texts(one_frame(frame, MAX_PROOF), lengths, args.root_key, args.succession_key)
    except Newer as newer:                                            # a proof of version 1 has nothing newer in it
        raise Damage(newer)
    check(args.expect or args.succession_key or not last.used_successions,
          "a proof with a succession needs the check code or the succession key: anybody can write another one")
    check(not last.closing, "the last seal is a closing seal, which has no records")
    code = check_code(last.digest)
    check(args.expect is None or code_of(last.digest, len(args.expect)) == args.expect,
          "the seal of generation %d has the check code %s" % (last.generation, code))
    check(index < last.records, "the record's number is beyond the last")
    hashes = [path[at:at + 32] for at in range(0, len(path), 32)]
    root = audit_root(blake3(b"\0" + salt + core), index, 0, last.records, hashes)
    check(root == last.records_root, "the record does not lead to the seal")
    record = parse_record(core, alone=True)
    if record.newer:
        raise Newer(record.refused)
    check(not record.refused, record.refused)
    if args.record:
        file = os.fsencode(args.record)
        check(record.type == FILE and record.state != UNREADABLE, "the record is of no file with content")
        check(os.path.getsize(file) == record.size, "the file has another length than the record")
        digest, sha256 = digests_between_holes(file, record) if record.huge else digests_of_files([file])[0]
        check(digest == record.blake3 and record.sha256 in (None, sha256), "the file is not the record")
    digest = record.blake3.hex() if record.blake3 else "-"
    print("%s: %d bytes, BLAKE3 %s, generation %d of set %s, sealed %s, check code %s: good" % (
        show(record.path), record.size, digest, last.generation, last.set.hex(), last.time, code))

# ---- The program ----------------------------------------------------------------------------------------------------

def public_key(text):
    if not re.fullmatch("[0-9a-fA-F]{64}", text):
        raise argparse.ArgumentTypeError("a key has 64 hexadecimal digits")
    return bytes.fromhex(text)

def parse_arguments(argv):
    parser = argparse.ArgumentParser(description="Reference reader of the azekura format, version 1.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("list", command_list), ("verify", command_verify), ("restore", command_restore)):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        command.add_argument("medium", metavar="MEDIUM")
        command.add_argument("--set", default="", metavar="ID", help="set id, or how it begins")
        if name != "verify":
            command.add_argument("-i", dest="identity", required=True, metavar="KEY", help="age identity file")
            command.add_argument("--generation", type=int, metavar="N", help="the newest sound one if not given")
        if name == "restore":
            command.add_argument("--to", required=True, metavar="DIR")
        command.add_argument("--expect", type=read_code, metavar="CODE", help="check code from paper")
    command = commands.add_parser("check-proof")
    command.set_defaults(function=command_check_proof, medium=None)
    command.add_argument("proof", metavar="PROOF")
    command.add_argument("--root-key", metavar="KEY", type=public_key, help="of a label: 64 hexadecimal digits")
    command.add_argument("--succession-key", metavar="KEY", type=public_key, help="of a label: 64 hexadecimal digits")
    command.add_argument("--expect", metavar="CODE", type=read_code, help="check code from paper")
    command.add_argument("--record", metavar="FILE", help="the restored file")
    args = parser.parse_args(argv)
    missing = [program for program in ("age", "zstd", "b3sum") if not shutil.which(program)]
    if missing:
        parser.error("missing programs: " + ", ".join(missing))
    return args

def main(argv=None):
    """The whole program; it may be called any number of times in one process."""
    try:
        args = parse_arguments(argv)
    except SystemExit as exit_:
        return exit_.code
    RUN.problems = RUN.newer = 0
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    umask, here = os.umask(0o077), os.getcwd()
    try:
        with tempfile.TemporaryDirectory(prefix="azekura-reader-") as folder:
            RUN.folder = os.fsencode(folder)
            if args.medium is None:
                args.function(args)
            else:
                log = open_log(args)
                print("set " + describe(log))
                if not log.seals:
                    without_a_seal(log, args)
                args.function(log, args)
    except Problem as problem:
        newer = isinstance(problem, Newer)
        print("%s: %s" % ("NEWER, a newer program is needed" if newer else "ERROR", problem), file=sys.stderr)
        return problem.status
    except OSError as error:
        print("ERROR: %s" % error, file=sys.stderr)
        return MediumProblem.status
    finally:
        os.umask(umask)
        os.chdir(here)
    return Damage.status if RUN.problems else Newer.status if RUN.newer else 0

if __name__ == "__main__":
    sys.exit(main())
