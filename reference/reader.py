#!/usr/bin/env python3
"""The reference reader of the azekura format, version 1.

It was written from docs/format.md alone, to show that the description is enough; "section" below means one of that page.
It favours being readable over being fast. It needs Python 3.9 or later (standard library only), Linux, and the programs
`age`, `zstd`, `b3sum` and `openssl`.

    reader.py list    MEDIUM -i KEY [--set ID] [--generation N]            what a generation holds
    reader.py verify  MEDIUM        [--set ID]                             check everything that needs no key
    reader.py restore MEDIUM -i KEY --to DIR [--set ID] [--generation N]   bring a generation back
    reader.py check-proof PROOF [--root-key KEY] [--expect CODE] [--record FILE]   hold a proof against paper

KEY is an age identity file. DIR must not exist, or be empty. Decrypted packs and the list of entries lie in a private
folder under $TMPDIR (up to some GiB) until the program ends.

Exit status: 0 good; 2 wrong usage, or a program is missing; 5 something is damaged, does not fit or could not be
restored; 6 no usable medium; 7 the key does not fit.
"""
import argparse
import base64
import fcntl
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
from types import SimpleNamespace

KINDS = {"label": 1, "pack": 2, "manifest": 3, "seal": 4, "parity": 5, "void": 6}                       # section 2
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
U32, U64 = (1 << 32) - 1, (1 << 64) - 1
MAX_NUMBER, MAX_COUNT = (1 << 48) - 1, (1 << 63) - 1                                                    # section 11
MAX_SIZE = {"label": 64 * KIB, "pack": GIB, "manifest": 256 * MIB, "seal": 256 * MIB}
MAX_FRAMES = MAX_CHUNKS = 65536
MAX_CONTENT = MAX_CHUNK = 4 * MIB
MAX_STORED = 4 * MIB + 4 * KIB
MAX_INDEX = MAX_RECORD = 64 * MIB
MAX_PROOF = 256 * MIB
FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK, SOCKET = range(7)                                     # section 6
TYPE_BITS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)
UNREADABLE, CHANGED = 1, 2
FLAGS = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602

class Problem(Exception): status = 2                                  # ends the work with this exit status
class Damage(Problem): status = 5
class MediumProblem(Problem): status = 6
class KeyProblem(Problem): status = 7

problems = 0

def report(text):
    """Say that something is wrong and go on; the exit status will be 5."""
    global problems
    problems += 1
    print("PROBLEM: " + text, file=sys.stderr)

def check(condition, text):
    if not condition:
        raise Damage(text)

def show(name):
    """Bytes from a file system as one printable line."""
    text = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)

# ---- Sections 1 and 8: BLAKE3, by b3sum, and Merkle trees -----------------------------------------------------------

def b3sum_files(paths, *mode, **options):
    """The BLAKE3 of each file, None for one that cannot be read."""
    digests = []
    for at in range(0, len(paths), 500):
        some = paths[at:at + 500]
        done = subprocess.run(["b3sum", "--no-names", *mode, "--", *some], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options)
        lines = done.stdout.split()
        if done.returncode == 0 and len(lines) == len(some):
            digests += [bytes.fromhex(line.decode()) for line in lines]
        else:
            digests += [None] if len(some) == 1 else [b3sum_files([path], *mode, **options)[0] for path in some]
    return digests

def blake3_all(pieces, key=None):
    """H (or KH with a key) of many small byte strings: b3sum is called once for many files."""
    with tempfile.TemporaryDirectory(dir=TMP) as folder:
        paths = []
        for piece in pieces:
            paths.append(os.path.join(folder, b"%d" % len(paths)))
            with open(paths[-1], "wb") as file:
                file.write(piece)
        return b3sum_files(paths) if key is None else b3sum_files(paths, "--keyed", input=key)

def blake3(data):
    """H(data)"""
    return bytes.fromhex(subprocess.run(["b3sum", "--no-names"], input=data, stdout=subprocess.PIPE).stdout.decode())

def derive(context, key):
    """D(context, key)"""
    command = ["b3sum", "--no-names", "--derive-key", context]
    return bytes.fromhex(subprocess.run(command, input=key, stdout=subprocess.PIPE).stdout.decode())

class Tree:
    """Roots of the complete subtrees of 1, 2, 4 … leaves, from the left."""

    def __init__(self, other=None):
        self.levels = [list(level) for level in other.levels] if other else [[]]

    def add(self, leaf_data):
        self.levels[0] += blake3_all([b"\0" + data for data in leaf_data])
        level = 0
        while len(self.levels[level]) > 1:
            if len(self.levels) == level + 1:
                self.levels.append([])
            below, above = self.levels[level], self.levels[level + 1]
            pairs = range(2 * len(above), len(below) - 1, 2)
            above += blake3_all([b"\1" + below[i] + below[i + 1] for i in pairs])
            level += 1

    def root(self):
        node = None
        for level in self.levels:
            if len(level) & 1:
                node = level[-1] if node is None else blake3(b"\1" + level[-1] + node)
        return node or blake3(b"")

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

def uint(value, most=MAX_COUNT):
    check(type(value) is int and 0 <= value <= most, "a number is missing or out of range")
    return value

def tuple_of(value, *kinds):
    check(type(value) is list and [type(item) for item in value] == list(kinds), "an array has other items than it should")
    return value

def field(mapping, key, kind, *default, size=None):
    """A map's value, checked for its type; a missing key is damage unless there is a default."""
    if default and key not in mapping:
        return default[0]
    value = mapping.get(key)
    check(type(value) is kind and (size is None or len(value) == size), "field %r is missing or has a wrong type" % (key,))
    return value

def time_of(value):
    """A time as nanoseconds since 1970."""
    seconds, nanoseconds = tuple_of(value, int, int)
    check(-MAX_COUNT - 1 <= seconds <= MAX_COUNT, "a time is out of range")
    return seconds * 10**9 + uint(nanoseconds, 10**9 - 1)

def extents_of(items):
    check(type(items) is list, "extents are missing")
    for item in items:
        number, frame, offset, length = tuple_of(item, int, int, int, int)
        uint(number, MAX_NUMBER), uint(frame, U32), uint(offset, MAX_CONTENT), uint(length)
        check(length, "an empty extent")
    return items

# ---- Sections 2, 3, 10: a set on a medium ---------------------------------------------------------------------------

def read_small(path, limit):
    with open(path, "rb") as file:
        data = file.read(limit + 1)
    check(len(data) <= limit, "%s is larger than the format allows" % show(path))
    return data

def parse_label(data):
    try:
        label = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Damage("a label is not JSON")
    check(type(label) is dict, "a label is malformed")
    if field(label, "azekura", int) != 1:
        raise MediumProblem("the format version is %d; this reader knows version 1" % label["azekura"])
    members = {"set": str, "name": str, "medium": str, "place": int, "first_object": int, "created": str,
               "recipients": list, "root_key": str, "tool": str}
    result = SimpleNamespace(**{name: field(label, name, kind) for name, kind in members.items()})
    check(re.fullmatch("[0-9a-f]{32}", result.set) and re.fullmatch("[0-9a-f]{32}", result.medium) and result.place >= 1
          and re.fullmatch("[0-9a-f]{64}", result.root_key), "a label is malformed")
    result.quarantine = label.get("quarantine", False)
    check(type(result.quarantine) is bool, "a label is malformed")
    return result

class Log:
    """One set's objects: `files` {number: {kind: path}} by their names, `listed` {number: (kind, length, digest)} by the
    seals that were read."""

    def __init__(self, folder):
        self.files, self.listed, self.foreign, self.label = {}, {}, [], None
        for entry in os.scandir(folder):
            match = re.fullmatch(rb"([0-9]{8,15})\.(label|pack|manifest|seal|parity)", entry.name)
            number = int(match[1]) if match else 0
            if match and match[1] == b"%08d" % number and number <= MAX_NUMBER and entry.is_file(follow_symlinks=False):
                self.files.setdefault(number, {})[match[2].decode()] = entry.path
            else:
                self.foreign.append(entry.name)
        labels = [number for number, named in sorted(self.files.items()) if "label" in named]
        if labels:
            self.label = parse_label(read_small(self.files[labels[0]]["label"], MAX_SIZE["label"]))

    def path(self, number, kind):
        """The file of an object; a void one has the name of what it was to be."""
        named = self.files.get(number, {})
        return named.get(kind) or (next(iter(named.values())) if kind == "void" and named else None)

    def wrong(self, numbers):
        """{number: what is wrong} of those listed objects that are not what their seal says."""
        result, good = {}, []
        for number in numbers:
            kind, length, digest = self.listed[number]
            path = self.path(number, kind)
            if path is None and digest:
                result[number] = "is missing"
            elif digest and os.lstat(path).st_size != length:
                result[number] = "does not have the length that its seal says"
            elif digest:
                good.append(number)
        digests = b3sum_files([self.path(number, self.listed[number][0]) for number in good])
        result.update((number, "does not have the digest that its seal says")
                      for number, digest in zip(good, digests) if digest != self.listed[number][2])
        return result

    def fetch(self, number, kind):
        """The path of an object to be decrypted. One whose seal is lost can only be taken as it is."""
        path = self.path(number, kind)
        check(path, "object %d (%s) is missing" % (number, kind))
        if number in self.listed:
            check(self.listed[number][0] == kind, "object %d is listed as another kind than %s" % (number, kind))
            wrong = self.wrong([number])
            check(not wrong, "object %d (%s) %s" % (number, kind, wrong.get(number)))
        check(os.lstat(path).st_size <= MAX_SIZE[kind], "object %d is larger than the format allows" % number)
        return path

def open_log(args):
    """The set on the medium whose id begins as was asked for. The label says whose set a folder is, not its name."""
    top, logs = os.path.join(os.path.abspath(os.fsencode(args.medium)), b"AZEKURA"), []
    for folder in sorted(entry.path for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False)):
        try:
            log = Log(folder)
            if log.label and log.label.set.startswith(args.set.lower()):
                logs.append(log)
        except Damage as damage:
            report("%s: %s" % (show(folder), damage))
    if not args.set:
        logs = [log for log in logs if not log.label.quarantine]
    if len(logs) != 1:
        raise MediumProblem("%d sets fit; choose with --set:%s" % (
            len(logs), "".join("\n  %s  %s" % (log.label.set, show(log.label.name.encode())) for log in logs)))
    return logs[0]

# ---- Section 7: seals -----------------------------------------------------------------------------------------------

def parse_seal(data):
    lines = data.split(b"\n")
    check(lines.pop() == b"", "does not end with a line feed")
    lines.reverse()
    number, hex32, hex64 = rb"(0|[1-9][0-9]{0,18})", rb"([0-9a-f]{32})", rb"([0-9a-f]{64})"

    def line(pattern):
        match = re.fullmatch(pattern, lines.pop() if lines else b"")
        check(match, "has no line `%s` where it belongs" % pattern.split(b" ")[0].decode())
        return [group.decode() for group in match.groups()]

    seal = SimpleNamespace(data=data, objects=[], trusted=False)
    line(rb"azekura seal 1")
    seal.set, = line(rb"set " + hex32)
    seal.generation = int(line(rb"generation " + number)[0])
    seal.time, = line(rb"time ([^ ]+)")
    seal.previous, = line(rb"previous (none|[0-9a-f]{64})")
    seal.first, count = map(int, line(rb"objects " + number + b" " + number))
    check(seal.first + count <= MAX_NUMBER and 1 <= count <= len(lines), "lists more objects than it has lines, or none")
    for expected in range(seal.first, seal.first + count):
        n, kind, length, digest = line(rb"object " + number + rb" (label|pack|manifest|parity|void) "
                                       + number + rb" (-|[0-9a-f]{64})")
        check(int(n) == expected and (digest != "-" or (kind, length) == ("void", "0")), "has a wrong object %s" % n)
        seal.objects.append((kind, int(length), None if digest == "-" else bytes.fromhex(digest)))
    seal.number = seal.first + count
    seal.log = bytes.fromhex(line(rb"log " + hex64)[0])
    records, root = line(rb"records " + number + b" " + hex64)
    seal.records, seal.records_root = int(records), bytes.fromhex(root)
    seal.read_back, = line(rb"read-back (direct|dropped|cached)")
    seal.verdict, = line(rb"verdict (good|incomplete|alarm|continued)")
    seal.next, = line(rb"next " + hex64)
    seal.signature = bytes.fromhex(line(rb"signature ([0-9a-f]{128})")[0])
    check(not lines, "goes on after its signature")
    seal.body, seal.digest = data[:-len("signature \n") - 128], blake3(data)
    lasting = [number for number, item in enumerate(seal.objects, seal.first) if item[0] not in ("void", "parity")]
    if seal.verdict == "continued":                                        # closes a medium; no generation bears its number
        check(seal.records == 0 and seal.records_root == Tree().root(), "closes a medium and counts records")
    else:
        check(lasting and seal.objects[lasting[-1] - seal.first][0] == "manifest", "does not end with a manifest")
        seal.manifest = lasting[-1]
    return seal

def signature_is_good(seal, public_key):
    with tempfile.TemporaryDirectory(dir=TMP) as folder:
        der = bytes.fromhex("302a300506032b6570032100" + public_key)
        pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"
        for name, content in ((b"key", pem), (b"body", seal.body), (b"signature", seal.signature)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        command = "openssl pkeyutl -verify -pubin -inkey key -rawin -in body -sigfile signature".split()
        return subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0

def check_code(digest):
    bits = int.from_bytes(digest[:10], "big")
    text = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits >> shift & 31] for shift in range(75, -1, -5))
    return "-".join(text[i:i + 4] for i in range(0, 16, 4))

def follow(seal, last, tree, key):
    """The log's tree with a seal that fits the one before and this key; without a key its signature is not checked."""
    check(seal.first == (last.number + 1 if last else 0) and seal.generation == (last.generation + 1 if last else 1)
          and seal.previous == (last.digest.hex() if last else "none"), "does not follow on the seal before")
    trial = Tree(tree)
    trial.add([struct.pack("<QBQ", n, KINDS[kind], length) + (digest or bytes(32))
               for n, (kind, length, digest) in enumerate(seal.objects, seal.first)])
    check(trial.root() == seal.log, "has another root of the log")
    check(key is None or signature_is_good(seal, key), "has a wrong signature")
    trial.add([struct.pack("<QBQ", seal.number, KINDS["seal"], len(seal.data)) + seal.digest])
    return trial

def read_seals(log):
    """{generation: seal}, following the chain as far as it holds; what comes behind a break is not trusted."""
    seals, doubtful, last, tree, key = {}, [], None, Tree(), log.label.root_key
    for number in sorted(n for n, named in log.files.items() if "seal" in named):
        try:
            seal = parse_seal(read_small(log.files[number]["seal"], MAX_SIZE["seal"]))
            check(seal.number == number and seal.set == log.label.set, "bears another number or set than its place")
        except Damage as damage:
            doubtful.append((number, None, damage))
            continue
        try:
            trial = follow(seal, last, tree, key)
        except Damage as damage:
            doubtful.append((number, seal, damage))
            continue
        tree, key, last, seal.trusted, doubtful = trial, seal.next, seal, True, []    # the doubtful ones are listed as void
        seals[seal.generation] = seal
    for number, seal, damage in doubtful:
        report("seal %d %s" % (number, damage))
        if seal and seal.generation not in seals:
            seals[seal.generation] = seal
    if not seals:
        raise (Damage if doubtful else MediumProblem)("there is no good seal on this medium")
    for seal in seals.values():
        log.listed.update((n, item) for n, item in enumerate(seal.objects, seal.first) if n not in log.listed)
    return seals

# ---- Sections 4, 5: packs and manifests -----------------------------------------------------------------------------

def decrypt(path, key, to):
    with open(to, "wb") as out:
        done = subprocess.run(["age", "-d", "-i", key, path], stdout=out, stderr=subprocess.PIPE)
    if done.returncode != 0:
        text = show(done.stderr.strip().split(b"\n")[0])
        if b"identit" in done.stderr or key in done.stderr:
            raise KeyProblem("the key does not open %s (%s)" % (show(path), text))
        raise Damage("%s cannot be decrypted (%s)" % (show(path), text))

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

def read_manifest(log, seal, key):
    payload, plain = os.path.join(TMP, b"payload"), os.path.join(TMP, b"plain")
    decrypt(log.fetch(seal.manifest, "manifest"), key, payload)
    unzstd(payload, MAX_SIZE["manifest"], plain)
    content = cbor(read_small(plain, MAX_SIZE["manifest"]))
    os.unlink(plain)
    check(type(content) is dict and field(content, 0, int) == 1, "the manifest is of a version that this reader does not know")
    check(field(content, 1, bytes).hex() == log.label.set and field(content, 2, int) == seal.generation,
          "the manifest is of another set or generation than its seal")
    manifest = SimpleNamespace(host=field(content, 6, str), tag=field(content, 8, str, ""))
    manifest.sources = [field(source, 0, bytes) for source in field(content, 7, list)]
    manifest.salt_key = derive("azekura 1 record salt", field(content, 10, bytes, size=32))
    manifest.findings = [tuple_of(item, str, bytes, str) for item in field(content, 14, list)]
    entries = field(content, 15, dict)
    manifest.length, manifest.count = uint(entries.get(0)), uint(entries.get(3))
    manifest.digest, manifest.extents = field(entries, 1, bytes, size=32), extents_of(entries.get(2))
    check(sum(extent[3] for extent in manifest.extents) == manifest.length, "the entry stream's extents do not add up")
    return manifest

class Packs:
    """Reads extents out of packs. A few decoded packs are kept as files."""
    KEEP = 4

    def __init__(self, log, seal, key):
        self.log, self.seal, self.key, self.open_packs, self.bad = log, seal, key, {}, {}

    def open(self, number):
        """The pack's (file of the content, {offset of a frame in the payload: offset of its content})."""
        check(number < self.seal.number, "an extent names an object behind its seal")
        check(number not in self.bad, self.bad.get(number))
        if number in self.open_packs:
            self.open_packs[number] = self.open_packs.pop(number)                        # now the one used last
            return self.open_packs[number]
        while len(self.open_packs) >= self.KEEP:
            self.open_packs.pop(next(iter(self.open_packs)))[0].close()
        payload, content = os.path.join(TMP, b"payload"), os.path.join(TMP, b"content")
        try:
            decrypt(self.log.fetch(number, "pack"), self.key, payload)
            places, length = self.read_index(payload)
            check(unzstd(payload, length, content) == length, "pack %d: frames are shorter than the index says" % number)
        except Damage as damage:
            self.bad[number] = str(damage)
            raise
        self.open_packs[number] = open(content, "rb"), places
        os.unlink(content)                                             # the data lives until the file is closed
        return self.open_packs[number]

    @staticmethod
    def read_index(payload):
        """Section 4: the index, found from the payload's end, gives the frames' places."""
        with open(payload, "rb") as file:
            end = os.fstat(file.fileno()).st_size
            check(end >= 16, "the payload is too short")
            file.seek(end - 8)
            size, magic = struct.unpack("<I4s", file.read(8))
            check(magic == b"AZIX" and size <= MAX_INDEX and size + 16 <= end, "there is no index")
            begin = end - 16 - size
            file.seek(begin)
            check(struct.unpack("<II", file.read(8)) == (0x184D2A5A, size + 8), "there is no index frame")
            index = cbor(file.read(size))
        version, frames = tuple_of(index, int, list)
        check(version == 1 and len(frames) <= MAX_FRAMES, "the index is malformed")
        places, at, content = {}, 0, 0
        for item in frames:
            stored, ids, lengths = tuple_of(item, int, bytes, list)
            check(1 <= stored <= MAX_STORED and 1 <= len(lengths) <= MAX_CHUNKS and len(ids) == 16 * len(lengths)
                  and all(uint(length, MAX_CHUNK) for length in lengths) and sum(lengths) <= MAX_CONTENT,
                  "the index is malformed")
            places[at] = content, sum(lengths)
            at, content = at + stored, content + sum(lengths)
        check(at == begin, "the frames do not lie side by side up to the index")
        return places, content

    def read(self, extents):
        """The bytes of some extents, piece by piece. What follows a frame's content is the content of the next."""
        for number, frame, offset, length in extents:
            file, places = self.open(number)
            check(frame in places and offset < places[frame][1], "an extent begins where no data is")
            at = places[frame][0] + offset
            while length:
                file.seek(at)                                          # another reader of the pack may have moved it
                piece = file.read(min(length, MIB))
                check(piece, "an extent goes beyond the end of its pack")
                yield piece
                at, length = at + len(piece), length - len(piece)

# ---- Section 6: the entry stream ------------------------------------------------------------------------------------

def names_of(path):
    """A path's names; nothing that could lead out of the restore target passes."""
    names = path.split(b"/")
    check(len(path) <= MIB and b"\0" not in path and not {b"", b".", b".."} & set(names), "a malformed path: " + show(path))
    return names

def parse_record(data, alone=False):
    """A record; or, alone, its core without extents."""
    core, end = cbor_item(data, 0)
    check(type(core) is dict, "a record's core is not a map")
    check(not alone or end == len(data), "bytes behind a record's core")
    r = SimpleNamespace(core=data[:end], extents=[] if alone else extents_of(cbor(data[end:])), path=field(core, 0, bytes))
    r.names, r.type, r.mode = names_of(r.path), uint(core.get(1), SOCKET), uint(core.get(2), 0o7777)
    r.uid, r.gid, r.mtime = uint(core.get(3), U32), uint(core.get(4), U32), time_of(core.get(7))
    time_of(core.get(8)), uint(core.get(9), U64)
    r.link, r.flags, r.state = field(core, 10, bytes, None), uint(core.get(18, 0), U32), uint(core.get(19, 0), CHANGED)
    check(r.link is None or names_of(r.link) < r.names and r.type != DIRECTORY, "a link that does not lead back")
    check(not r.state or r.type == FILE, "a state that only files have")
    r.xattrs = [tuple_of(item, bytes, bytes) for item in field(core, 16, list, [])]
    r.holes = [tuple_of(item, int, int) for item in field(core, 17, list, [])]
    r.size = uint(core.get(11)) if r.type == FILE else 0
    readable = r.type == FILE and r.state != UNREADABLE
    r.blake3 = field(core, 12, bytes, size=32) if readable else None
    r.sha256 = field(core, 13, bytes, None, size=32)
    r.target = field(core, 14, bytes) if r.type == SYMLINK else None
    r.device = tuple_of(core.get(15), int, int) if r.type in (CHARACTER, BLOCK) else (0, 0)
    covered, after = sum(extent[3] for extent in r.extents), -1
    for offset, length in r.holes:
        check(offset > after and length >= 1, "a hole is malformed")
        covered, after = covered + length, offset + length
    check(after <= r.size and (alone or covered == (r.size if readable else 0)), "extents and holes do not add up to the size")
    return r

def read_entries(packs, manifest, seal):
    """The checked entry stream (section 13, step 4) as a list of where each record lies in a file, and a function that
    reads one."""
    path = os.path.join(TMP, b"entries")
    with open(path, "wb") as out:
        for piece in packs.read(manifest.extents):
            out.write(piece)
    check(b3sum_files([path]) == [manifest.digest], "the entry stream's digest is wrong")
    file, offsets, at, before, folder = open(path, "rb"), [], 0, [], []
    records, tree = [], Tree()

    def read(at):
        file.seek(at)
        head = file.read(4)
        check(len(head) == 4 and struct.unpack("<I", head)[0] <= MAX_RECORD, "the entry stream is malformed")
        return parse_record(file.read(struct.unpack("<I", head)[0]))

    def grow():
        salts = blake3_all([path for path, _ in records], key=manifest.salt_key)
        tree.add([salt[:16] + core for salt, (_, core) in zip(salts, records)])
        records.clear()

    sources = [names_of(name) for name in manifest.sources]
    check(all(a < b and b[:len(a)] != a for a, b in zip(sources, sources[1:])), "sources are out of order")
    while at < manifest.length:
        record = read(at)
        check(before < record.names, "records are not in order at " + show(record.path))
        check(record.names in sources or len(record.names) > 1 and folder[:len(record.names) - 1] == record.names[:-1],
              "the directory of %s has no record" % show(record.path))
        before, folder = record.names, record.names if record.type == DIRECTORY else record.names[:-1]
        offsets.append(at)
        records.append((record.path, record.core))
        if len(records) >= 20000:
            grow()
        at = file.tell()
    grow()
    check(len(offsets) == manifest.count == seal.records, "the number of records is not what was sealed")
    check(tree.root() == seal.records_root, "the root of the records is not what was sealed")
    return offsets, read

# ---- Restoring (sections 6 and 13, step 5) --------------------------------------------------------------------------
# The working directory is the target, which was empty: a parent is always a directory that was made here, never a link.

def make(record, packs):
    if record.link is not None:
        os.link(record.link, record.path, follow_symlinks=False)
    elif record.type == FILE:
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
    try:
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
                while length and record.sha256:
                    zeros = bytes(min(length, MIB))
                    sha256.update(zeros)
                    length -= len(zeros)
            file.truncate(record.size)
        check(record.sha256 in (None, sha256.digest()), "its SHA-256 is not the recorded one")
    except Damage:
        os.unlink(record.path)
        raise

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
    path, root, plain = record.path, os.geteuid() == 0, record.type in (FILE, DIRECTORY)
    mode = record.mode if root or record.type == DIRECTORY else record.mode & 0o1777
    steps = [("owner", lambda: os.lchown(path, record.uid, record.gid))] if root else []
    for name, value in sorted(record.xattrs, key=lambda item: item[0].startswith(b"system.posix_acl_")):
        steps.append((show(name), lambda name=name, value=value: os.setxattr(path, name, value, follow_symlinks=False)))
    steps += [("mode", lambda: os.chmod(path, mode))] if record.type != SYMLINK else []
    steps.append(("time", lambda: os.utime(path, ns=(record.mtime, record.mtime), follow_symlinks=False)))
    steps += [("flags", lambda: set_flags(path, record.flags & FLAGS))] if plain and record.flags & FLAGS else []
    for what, step in steps:
        try:
            step()
        except (OSError, OverflowError) as error:
            print("note: %s: %s not restored (%s)" % (show(path), what, error.__class__.__name__), file=sys.stderr)

def restore(offsets, read, packs, sources):
    """Make all entries, then compare the files' BLAKE3, then give them their attributes, children before parents."""
    made, files = {}, []
    for name in sources:
        if b"/" in name:
            os.makedirs(os.path.dirname(name), exist_ok=True)
    for at in offsets:
        record = read(at)
        try:
            check(record.state != UNREADABLE, "it was unreadable at the backup")
            make(record, packs)
            made[at] = True
            if record.type == FILE and record.link is None:
                files.append((at, record.path, record.blake3))
        except (Damage, OSError, OverflowError) as error:
            report("%s: not restored (%s)" % (show(record.path), error))
    for (at, path, expected), digest in zip(files, b3sum_files([os.path.join(b".", path) for _, path, _ in files])):
        if digest != expected:
            report("%s: its BLAKE3 is not the recorded one; not restored" % show(path))
            os.unlink(path)
            del made[at]
    for at in reversed(offsets):
        record = read(at)
        if at in made and record.link is None:
            dress(record)
    return len(made)

# ---- Commands -------------------------------------------------------------------------------------------------------

def command_verify(log, seals, args):
    here = [number for number in sorted(log.listed) if number >= log.label.first_object]  # the rest lies on earlier media
    for number, wrong in sorted(log.wrong(here).items()):
        report("object %d (%s) %s" % (number, log.listed[number][0], wrong))
    end = max(seal.number for seal in seals.values())
    for number, named in sorted(log.files.items()):
        kind = log.listed.get(number, ("seal",))[0]
        foreign = [] if kind == "void" else [other for other in named if other != kind and number < end]
        log.foreign += [b"%08d.%s" % (number, other.encode()) for other in foreign]
    for name in log.foreign:
        report("no object of this set: " + show(name))
    for _, seal in sorted(seals.items()):
        print("generation %d  %s  objects %d-%d  records %d  read-back %s  verdict %s  check code %s%s" % (
            seal.generation, seal.time, seal.first, seal.number, seal.records, seal.read_back, seal.verdict,
            check_code(seal.digest), "" if seal.trusted else "  NOT TRUSTED"))
    print("%d objects under %d seals: %s" % (len(here), len(seals), "PROBLEMS" if problems else "good"))
    print("Compare the newest check code with the one on paper: only that shows that nothing was cut off or replaced.")

def open_generation(log, seals, args):
    complete = sorted(n for n, seal in seals.items() if seal.verdict != "continued")
    wanted = args.generation or max(complete, default=0)
    if wanted not in complete:
        raise MediumProblem("there is no generation %d; there are %s" % (wanted, complete))
    seal, key = seals[wanted], os.path.abspath(os.fsencode(args.identity))
    if not os.access(key, os.R_OK):
        raise KeyProblem("the key file cannot be read")
    manifest, packs = read_manifest(log, seal, key), Packs(log, seal, key)
    print("generation %d of host %s, %s, verdict %s%s%s" % (
        wanted, show(manifest.host.encode()), seal.time, seal.verdict, manifest.tag and ", tag " + show(manifest.tag.encode()),
        "" if seal.trusted else ", NOT TRUSTED: the chain of seals does not hold up to it"))
    for kind, path, detail in manifest.findings:
        print("finding of the backup: %s %s %s" % (show(kind.encode()), show(path), show(detail.encode())))
    return (*read_entries(packs, manifest, seal), packs, manifest.sources)

def command_list(log, seals, args):
    offsets, read, _, _ = open_generation(log, seals, args)
    for record in map(read, offsets):
        more = " -> " + show(record.target) if record.target is not None else ""
        more += " (link to %s)" % show(record.link) if record.link is not None else ""
        more += ("", " (unreadable)", " (changed while read)")[record.state]
        print("%s %d:%d %12d %10d.%09d %s %s%s" % (
            stat.filemode(TYPE_BITS[record.type] | record.mode), record.uid, record.gid, record.size,
            *divmod(record.mtime, 10**9), record.blake3.hex() if record.blake3 else "-", show(record.path), more))

def command_restore(log, seals, args):
    target = os.path.abspath(os.fsencode(args.to))
    if os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise Problem("the target %s is not an empty directory" % show(target))
    offsets, read, packs, sources = open_generation(log, seals, args)
    os.makedirs(target, exist_ok=True)
    os.chdir(target)
    made = restore(offsets, read, packs, sources)
    print("%d of %d entries restored and compared: %s" % (made, len(offsets), "%d PROBLEMS" % problems if problems else "good"))

# ---- Section 17: proofs ---------------------------------------------------------------------------------------------

def command_check_proof(args):
    check(args.root_key or args.expect, "NOTHING ANCHORS THIS PROOF: give --root-key or --expect")
    data = read_small(os.fsencode(args.proof), MAX_PROOF)
    check(data[:16] == b"azekura proof 1\n" and data[-32:] == blake3(data[:-32]), "this is no proof, or a damaged one")
    proof = cbor(data[16:-32])
    check(type(proof) is dict, "a proof's content is not a map")
    core, salt, index = field(proof, 0, bytes), field(proof, 1, bytes, size=16), uint(proof.get(2))
    path, lengths, frame = field(proof, 3, bytes), field(proof, 4, list), field(proof, 5, bytes)
    check(len(core) <= MAX_RECORD and len(path) % 32 == 0 and len(path) <= 63 * 32, "a record or a path longer than it may be")
    check(lengths and all(uint(n) for n in lengths) and sum(lengths) <= MAX_PROOF, "seals of no bytes, or of too many")
    record = parse_record(core, alone=True)

    packed, unpacked = os.path.join(TMP, b"seals.zst"), os.path.join(TMP, b"seals")
    with open(packed, "wb") as file:
        file.write(frame)
    unzstd(packed, MAX_PROOF, unpacked)
    rest, last, tree, key = read_small(unpacked, MAX_PROOF), None, Tree(), args.root_key
    check(sum(lengths) == len(rest), "the seals have other lengths")
    for n in lengths:
        seal, rest = parse_seal(rest[:n]), rest[n:]
        check(last is None or seal.set == last.set, "a seal of another set")
        tree, key, last = follow(seal, last, tree, key), seal.next, seal
    code = check_code(last.digest)
    check(args.expect in (None, code), "the seal of generation %d has the check code %s" % (last.generation, code))

    def root(node, start, end, hashes):
        """RFC 6962: the root of the leaves from start to end, of which one is known."""
        if end - start == 1:
            check(not hashes, "the path is too long")
            return node
        middle = start + (1 << (end - start - 1).bit_length() - 1)
        check(hashes, "the path is too short")
        other = hashes.pop()
        if index < middle:
            return blake3(b"\1" + root(node, start, middle, hashes) + other)
        return blake3(b"\1" + other + root(node, middle, end, hashes))

    check(index < last.records, "the record's number is beyond the last")
    hashes = [path[at:at + 32] for at in range(0, len(path), 32)]
    check(root(blake3(b"\0" + salt + core), 0, last.records, hashes) == last.records_root, "the record does not lead to the seal")
    if args.record:
        with open(args.record, "rb") as file:
            content = hashlib.sha256()
            while piece := file.read(MIB):
                content.update(piece)
        check(b3sum_files([os.fsencode(args.record)]) == [record.blake3] and record.sha256 in (None, content.digest()),
              "the file is not the record")
    digest = record.blake3.hex() if record.blake3 else "-"
    print("%s: %d bytes, BLAKE3 %s, generation %d of set %s, sealed %s, check code %s: good" % (
        show(record.path), record.size, digest, last.generation, last.set, last.time, code))

def main():
    global TMP
    parser = argparse.ArgumentParser(description="Reference reader of the azekura format, version 1.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("list", command_list), ("verify", command_verify), ("restore", command_restore)):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        command.add_argument("medium", metavar="MEDIUM")
        command.add_argument("--set", default="", metavar="ID", help="set id, or how it begins")
        if name != "verify":
            command.add_argument("-i", dest="identity", required=True, metavar="KEY", help="age identity file")
            command.add_argument("--generation", type=int, metavar="N", help="the last one if not given")
        if name == "restore":
            command.add_argument("--to", required=True, metavar="DIR")
    command = commands.add_parser("check-proof")
    command.set_defaults(function=command_check_proof, medium=None)
    command.add_argument("proof", metavar="PROOF")
    command.add_argument("--root-key", metavar="KEY", type=lambda text: bytes.fromhex(text).hex(), help="64 hexadecimal digits")
    command.add_argument("--expect", metavar="CODE", help="check code from paper")
    command.add_argument("--record", metavar="FILE", help="the restored file")
    args = parser.parse_args()
    missing = [program for program in ("age", "zstd", "b3sum", "openssl") if not shutil.which(program)]
    if missing:
        parser.error("missing programs: " + ", ".join(missing))
    os.umask(0o077)
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    try:
        with tempfile.TemporaryDirectory(prefix="azekura-reader-") as folder:
            TMP = os.fsencode(folder)
            if args.medium is None:
                args.function(args)
                return 0
            log = open_log(args)
            print("set %s (%s)" % (log.label.set, show(log.label.name.encode())))
            args.function(log, read_seals(log), args)
    except Problem as problem:
        print("ERROR: %s" % problem, file=sys.stderr)
        return problem.status
    except OSError as error:
        print("ERROR: %s" % error, file=sys.stderr)
        return MediumProblem.status
    return Damage.status if problems else 0

if __name__ == "__main__":
    sys.exit(main())
