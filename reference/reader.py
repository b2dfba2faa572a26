#!/usr/bin/env python3
"""The reference reader of the azekura format, version 1.

It was written from docs/format.md alone, to show that the description is enough. "Section" below means a section of
that page. It favours being readable over being fast. It needs Python 3.9 or later (standard library only) and the
programs `age`, `zstd`, `b3sum` and `openssl`; restoring needs Linux with /proc.

    reader.py list    MEDIUM... -i KEY [--set ID] [--generation N]            what a generation holds
    reader.py verify  MEDIUM...        [--set ID]                             check everything that needs no key
    reader.py restore MEDIUM... -i KEY --to DIR [--set ID] [--generation N]   bring a generation back

KEY is an age identity file. DIR must not exist, or be empty. A set that continues on further media needs them all.
Decrypted packs and the list of entries lie in a private folder under $TMPDIR (up to some 4 GiB) until the program ends.

Exit status: 0 good; 2 wrong usage, or a program is missing; 5 something is damaged, does not fit or could not be
restored; 6 no usable medium; 7 the key does not fit.
"""
import argparse
import array
import base64
import collections
import datetime
import fcntl
import hashlib
import json
import os
import re
import stat
import struct
import subprocess
import sys
import tempfile
from types import SimpleNamespace

KINDS = {"label": 1, "pack": 2, "manifest": 3, "seal": 4, "parity": 5, "void": 6}                       # section 2
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
MAX_NUMBER, MAX_LENGTH = (1 << 48) - 1, (1 << 63) - 1                                                   # section 11
MAX_SIZE = {"label": 64 * KIB, "pack": GIB, "manifest": 256 * MIB, "seal": 256 * MIB,
            "parity": MAX_LENGTH, "void": MAX_LENGTH}
MAX_FRAMES = MAX_CHUNKS = 65536
MAX_CONTENT = MAX_CHUNK = 4 * MIB
MAX_STORED = 4 * MIB + 4 * KIB
MAX_INDEX = MAX_RECORD = 64 * MIB
MAX_PATH = MIB
FILE, DIRECTORY, SYMLINK, FIFO, CHARACTER, BLOCK, SOCKET = range(7)                                     # section 6
FORMAT_BITS = (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)
UNREADABLE, CHANGED = 1, 2
KNOWN_FLAGS = 0x1 | 0x8 | 0x10 | 0x20 | 0x40 | 0x80 | 0x10000
GET_FLAGS, SET_FLAGS = 0x80086601, 0x40086602                # FS_IOC_GETFLAGS and FS_IOC_SETFLAGS of 64-bit x86 and ARM


class Problem(Exception):
    """Ends the work with exit status `code`."""
    code = 2


class Damage(Problem):
    code = 5


class MediumProblem(Problem):
    code = 6


class KeyProblem(Problem):
    code = 7


problems = 0


def report(text):
    """Say that something is wrong and go on; the exit status will be 5."""
    global problems
    problems += 1
    print("PROBLEM: " + text, file=sys.stderr)


def note(text):
    print("note: " + text, file=sys.stderr)


def check(condition, text):
    if not condition:
        raise Damage(text)


def show(name):
    """Bytes from a file system as one printable line."""
    text = name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def run(command, **options):
    try:
        return subprocess.run(command, **options)
    except FileNotFoundError:
        raise Problem("the program `%s` is missing" % command[0])


# ---- Section 1: BLAKE3, in Python for small inputs and with b3sum for large ones ------------------------------------

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
PERMUTATION = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
LANES = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15),
         (0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
CHUNK_START, CHUNK_END, PARENT, ROOT, KEYED, DERIVE_CONTEXT, DERIVE_MATERIAL = (1 << bit for bit in range(7))


def compress(cv, block, counter, flags):
    """BLAKE3's compression function; the first 32 bytes of its output, as eight words."""
    m = struct.unpack("<16I", block.ljust(64, b"\0"))
    v = [*cv, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, len(block), flags]
    for _ in range(7):
        i = 0
        for a, b, c, d in LANES:
            va, vb, vc, vd = v[a], v[b], v[c], v[d]
            va = (va + vb + m[i]) & 0xFFFFFFFF
            vd ^= va
            vd = (vd >> 16 | vd << 16) & 0xFFFFFFFF
            vc = (vc + vd) & 0xFFFFFFFF
            vb ^= vc
            vb = (vb >> 12 | vb << 20) & 0xFFFFFFFF
            va = (va + vb + m[i + 1]) & 0xFFFFFFFF
            vd ^= va
            vd = (vd >> 8 | vd << 24) & 0xFFFFFFFF
            vc = (vc + vd) & 0xFFFFFFFF
            vb ^= vc
            v[a], v[b], v[c], v[d] = va, (vb >> 7 | vb << 25) & 0xFFFFFFFF, vc, vd
            i += 2
        m = [m[p] for p in PERMUTATION]
    return tuple(v[i] ^ v[i + 8] for i in range(8))


def subtree(key, data, first_chunk, flags, root):
    """The value of BLAKE3's tree over `data`, whose first chunk of 1,024 bytes has the number `first_chunk`."""
    if len(data) > 1024:
        left = 1024 << (((len(data) - 1) // 1024).bit_length() - 1)
        pair = (subtree(key, data[:left], first_chunk, flags, 0)
                + subtree(key, data[left:], first_chunk + left // 1024, flags, 0))
        return compress(key, struct.pack("<16I", *pair), 0, flags | PARENT | root)
    cv = key
    last = max(0, (len(data) - 1) // 64) * 64
    for at in range(0, last + 1, 64):
        marks = (CHUNK_START if at == 0 else 0) | (CHUNK_END | root if at == last else 0)
        cv = compress(cv, data[at:at + 64], first_chunk, flags | marks)
    return cv


def blake3(data):
    """H(data)"""
    if len(data) > 4096:
        return bytes.fromhex(run(["b3sum", "--no-names"], input=data, stdout=subprocess.PIPE).stdout.decode())
    return struct.pack("<8I", *subtree(IV, data, 0, 0, ROOT))


def blake3_keyed(key, data):
    """KH(key, data)"""
    return struct.pack("<8I", *subtree(struct.unpack("<8I", key), data, 0, KEYED, ROOT))


def blake3_derive(context, key):
    """D(context, key)"""
    context_key = subtree(IV, context.encode(), 0, DERIVE_CONTEXT, ROOT)
    return struct.pack("<8I", *subtree(context_key, key, 0, DERIVE_MATERIAL, ROOT))


def blake3_files(paths, keep_open=()):
    """H of each file, None for one that cannot be read; one call of b3sum for all of them."""
    done = run(["b3sum", "--no-names", "--", *paths], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
               pass_fds=keep_open)
    lines = done.stdout.split()
    if done.returncode == 0 and len(lines) == len(paths):
        return [bytes.fromhex(line.decode()) for line in lines]
    return [None] if len(paths) == 1 else [blake3_files([path], keep_open)[0] for path in paths]


# ---- Section 8: Merkle trees ----------------------------------------------------------------------------------------

class Tree:
    """Takes leaves one by one; keeps the roots of the full subtrees to the left, the largest first."""

    def __init__(self, other=None):
        self.count, self.roots = (other.count, list(other.roots)) if other else (0, [])

    def add(self, leaf):
        node, n = blake3(b"\0" + leaf), self.count
        while n & 1:
            node, n = blake3(b"\1" + self.roots.pop() + node), n >> 1
        self.roots.append(node)
        self.count += 1

    def root(self):
        if not self.roots:
            return blake3(b"")
        node = self.roots[-1]
        for left in reversed(self.roots[:-1]):
            node = blake3(b"\1" + left + node)
        return node


def log_leaf(number, kind, length, digest):
    return struct.pack("<QBQ", number, KINDS[kind], length) + (digest or bytes(32))


# ---- Section 1: CBOR ------------------------------------------------------------------------------------------------

def cbor_item(data, at, depth=0):
    """Decode one item of deterministic CBOR: (value, where the next item begins)."""
    check(at < len(data) and depth < 16, "CBOR ends too early or is nested too deeply")
    major, n = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        check(20 <= n <= 22, "CBOR: a float or an unknown simple value")
        return (False, True, None)[n - 20], at
    if n >= 24:
        check(n <= 27, "CBOR: an indefinite or reserved length")
        size, least = 1 << (n - 24), (24, 1 << 8, 1 << 16, 1 << 32)[n - 24]
        check(at + size <= len(data), "CBOR ends too early")
        n, at = int.from_bytes(data[at:at + size], "big"), at + size
        check(n >= least, "CBOR: a number is not in its shortest form")
    if major < 2:
        return (n if major == 0 else -1 - n), at
    check(major != 6, "CBOR: a tag")
    check(n * (2 if major == 5 else 1) <= len(data) - at, "CBOR: a length beyond the end")
    if major == 2:
        return bytes(data[at:at + n]), at + n
    if major == 3:
        try:
            return data[at:at + n].decode("utf-8"), at + n
        except UnicodeDecodeError:
            raise Damage("CBOR: text that is not UTF-8")
    if major == 4:
        items = []
        for _ in range(n):
            item, at = cbor_item(data, at, depth + 1)
            items.append(item)
        return items, at
    result, last = {}, b""
    for _ in range(n):
        begin = at
        key, at = cbor_item(data, at, depth + 1)
        check(type(key) in (int, str) and data[begin:at] > last, "CBOR: a map's keys are not in order")
        last = data[begin:at]
        result[key], at = cbor_item(data, at, depth + 1)
    return result, at


def cbor(data):
    value, end = cbor_item(data, 0)
    check(end == len(data), "CBOR: bytes after the end")
    return value


def is_uint(value, most=MAX_LENGTH):
    return type(value) is int and 0 <= value <= most


def field(mapping, key, kind, *default, size=None):
    """A map's value, checked for its type; a missing key is damage unless there is a default."""
    if default and key not in mapping:
        return default[0]
    value = mapping.get(key)
    good = type(value) is kind and (size is None or len(value) == size) and (kind is not int or 0 <= value < 1 << 64)
    check(good, "field %r is missing or has a wrong type" % (key,))
    return value


def field_time(mapping, key):
    """A time as nanoseconds since 1970."""
    value = field(mapping, key, list, size=2)
    check(type(value[0]) is int and is_uint(value[1], 10**9 - 1), "field %r is not a time" % key)
    return value[0] * 10**9 + value[1]


def checked_extents(items):
    for item in items:
        check(type(item) is list and len(item) == 4 and all(map(is_uint, item)) and item[0] <= MAX_NUMBER
              and item[3] >= 1, "an extent is malformed")
    return items


# ---- Sections 2, 3, 10: find the sets on the media ------------------------------------------------------------------

def read_small(path, limit):
    """The bytes of a regular file that is not larger than `limit`."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            state = os.fstat(file.fileno())
            check(stat.S_ISREG(state.st_mode) and state.st_size <= limit, "%s is too large or no file" % show(path))
            return file.read(limit)
    except OSError as error:
        raise Damage("%s cannot be read: %s" % (show(path), error.strerror))


def parse_label(data):
    """Section 3."""
    try:
        label = json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError):
        raise Damage("a label is not JSON")
    check(type(label) is dict and data.endswith(b"\n"), "a label is malformed")
    if field(label, "azekura", int) != 1:
        raise MediumProblem("a label has the format version %d; this reader knows version 1" % label["azekura"])
    members = {"set": str, "name": str, "medium": str, "place": int, "first_object": int, "created": str,
               "recipients": list, "root_key": str, "tool": str}
    result = SimpleNamespace(**{name: field(label, name, kind) for name, kind in members.items()})
    check(re.fullmatch("[0-9a-f]{32}", result.set) and re.fullmatch("[0-9a-f]{32}", result.medium)
          and re.fullmatch("[0-9a-f]{64}", result.root_key), "a label is malformed")
    return result


class Log:
    """The objects of one set: `files` by number and kind as they are named; `listed` as the seals list them."""

    def __init__(self, set_id):
        self.set, self.labels, self.files, self.listed, self.checked = set_id, {}, {}, {}, {}

    def path(self, number, kind):
        """The file of an object. A void object has the name of what it was to be."""
        named = self.files.get(number, {})
        return named.get(kind) or (next(iter(named.values())) if kind == "void" and named else None)

    def wrong_size(self, number):
        """What is wrong with an object's file as far as can be told without reading it."""
        kind, length, _ = self.listed[number]
        path = self.path(number, kind)
        if path is None:
            return "is missing"
        if length > MAX_SIZE[kind]:
            return "is larger than the format allows"
        return None if os.lstat(path).st_size == length else "does not have the length that its seal says"

    def fetch(self, number, kind, newest):
        """The path of an object under seal `newest` or an earlier one, after comparing its length and digest."""
        entry = self.listed.get(number)
        check(entry and entry[0] == kind and number < newest.number, "object %d is not a sealed %s" % (number, kind))
        path = self.path(number, kind)
        if number not in self.checked:
            wrong = self.wrong_size(number)
            if not wrong and blake3_files([path])[0] != entry[2]:
                wrong = "does not have the digest that its seal says"
            self.checked[number] = wrong
        check(not self.checked[number], "object %d %s" % (number, self.checked[number]))
        return path


def find_logs(media):
    """All sets on these media. From a name nothing is taken but the number and the kind (section 10)."""
    logs = {}
    for medium in media:
        top = os.path.join(medium, b"AZEKURA")
        try:
            folders = sorted(entry.path for entry in os.scandir(top) if entry.is_dir(follow_symlinks=False))
            listing = [[entry for entry in os.scandir(folder) if entry.is_file(follow_symlinks=False)]
                       for folder in folders]
        except OSError as error:
            raise MediumProblem("%s: %s" % (show(top), error.strerror))
        for folder, entries in zip(folders, listing):
            found, labels = [], {}
            for entry in entries:
                match = re.fullmatch(rb"([0-9]{8,15})\.(label|pack|manifest|seal|parity|void)", entry.name)
                if match and match[1] == b"%08d" % int(match[1]) and int(match[1]) <= MAX_NUMBER:
                    found.append((int(match[1]), match[2].decode(), entry.path))
            for number, kind, path in sorted(found):
                if kind == "label":
                    try:
                        labels[number] = parse_label(read_small(path, MAX_SIZE["label"]))
                    except Damage as damage:                              # perhaps a leftover; a seal will tell
                        note("%s: %s" % (show(path), damage))
            sets = {label.set for label in labels.values()}
            if len(sets) != 1:
                note("%s: %s" % (show(folder), "labels of several sets" if sets else "no label; passed over"))
                continue
            log = logs.setdefault(sets.pop(), Log(labels[min(labels)].set))
            log.labels.update(labels)
            for number, kind, path in found:
                if kind in log.files.setdefault(number, {}):
                    raise MediumProblem("object %d of one set is there twice" % number)
                log.files[number][kind] = path
    return logs


def choose_log(args):
    logs = find_logs([os.path.abspath(os.fsencode(medium)) for medium in args.medium])
    fitting = [log for log in logs.values() if log.set.startswith(args.set.lower())]
    if len(fitting) != 1:
        known = "".join("\n  %s  %s" % (log.set, show(log.labels[min(log.labels)].name.encode()))
                        for log in logs.values())
        raise MediumProblem("%s; sets found:%s" % ("choose with --set" if fitting else "no such set", known or " none"))
    log = fitting[0]
    places = sorted(label.place for label in log.labels.values())
    if min(log.labels) != 0 or places != list(range(1, len(places) + 1)):
        raise MediumProblem("these are the media %s of the set; all from the first on are needed" % places)
    return log


# ---- Section 7: seals -----------------------------------------------------------------------------------------------

def parse_seal(data):
    lines = data.split(b"\n")
    check(lines.pop() == b"", "does not end with a line feed")
    lines.reverse()
    number, hex32, hex64 = rb"(0|[1-9][0-9]{0,18})", rb"([0-9a-f]{32})", rb"([0-9a-f]{64})"

    def line(pattern):
        match = re.fullmatch(pattern, lines.pop() if lines else b"")
        check(match, "has no line `%s` where it belongs" % pattern.split(b" ")[0].decode())
        return [group.decode() if group is not None else None for group in match.groups()]

    seal = SimpleNamespace(data=data, objects=[])
    line(rb"azekura seal 1")
    seal.set, = line(rb"set " + hex32)
    seal.generation = int(line(rb"generation " + number)[0])
    seal.time, = line(rb"time (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)")
    seal.previous, = line(rb"previous (none|[0-9a-f]{64})")
    seal.first, count = map(int, line(rb"objects " + number + b" " + number))
    check(count <= len(lines), "lists more objects than it has lines")
    for expected in range(seal.first, seal.first + count):
        n, kind, length, digest = line(rb"object " + number + rb" (label|pack|manifest|parity|void) "
                                       + number + rb" (-|[0-9a-f]{64})")
        check(int(n) == expected and (digest != "-" or (kind, length) == ("void", "0")), "object %s is wrong" % n)
        seal.objects.append((kind, int(length), None if digest == "-" else bytes.fromhex(digest)))
    seal.number = seal.first + count
    seal.log = bytes.fromhex(line(rb"log " + hex64)[0])
    records, root = line(rb"records " + number + b" " + hex64)
    seal.records, seal.records_root = int(records), bytes.fromhex(root)
    seal.read_back, = line(rb"read-back (direct|dropped|cached)")
    seal.verdict, = line(rb"verdict (good|incomplete|alarm)")
    seal.next, = line(rb"next " + hex64)
    seal.signature = bytes.fromhex(line(rb"signature ([0-9a-f]{128})")[0])
    check(not lines, "goes on after its signature")
    seal.body = data[:-len("signature \n") - 128]
    seal.digest = blake3(data)
    return seal


def signature_is_good(seal, public_key):
    with tempfile.TemporaryDirectory(dir=TMP) as folder:
        der = bytes.fromhex("302a300506032b6570032100" + public_key)
        pem = b"-----BEGIN PUBLIC KEY-----\n" + base64.b64encode(der) + b"\n-----END PUBLIC KEY-----\n"
        for name, content in ((b"key", pem), (b"body", seal.body), (b"signature", seal.signature)):
            with open(os.path.join(folder, name), "wb") as file:
                file.write(content)
        return run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key", "-rawin", "-in", "body", "-sigfile",
                    "signature"], cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0


def check_code(digest):
    """The first 80 bits of a seal's digest, for comparing with what was written on paper."""
    bits = int.from_bytes(digest[:10], "big")
    text = "".join("0123456789ABCDEFGHJKMNPQRSTVWXYZ"[bits >> shift & 31] for shift in range(75, -1, -5))
    return "-".join(text[i:i + 4] for i in range(0, 16, 4))


def read_seals(log):
    """The chain of seals (section 13, step 2), as far as it is whole; all but the objects themselves is checked.

    A file that is named seal and does not fit is a leftover if a later seal lists it as void, or if it is the newest
    and was cut short. Otherwise it is damage.
    """
    seals, doubtful, tree = [], [], Tree()
    root_keys = {label.root_key for label in log.labels.values()}
    check(len(root_keys) == 1, "the labels name different root keys")
    public_key = root_keys.pop()
    for number in sorted(n for n, named in log.files.items() if "seal" in named):
        data = b""
        try:
            data = read_small(log.files[number]["seal"], MAX_SIZE["seal"])
            seal = parse_seal(data)
            previous = seals[-1] if seals else SimpleNamespace(number=-1, digest=None)
            check(seal.number == number, "bears another number than its file")
            check(seal.set == log.set, "belongs to another set")
            check(seal.first == previous.number + 1, "does not begin after the previous seal")
            check(seal.generation == len(seals) + 1, "has another generation than its place in the chain")
            check(seal.previous == (previous.digest.hex() if seals else "none"), "names another previous seal")
            kinds = [kind for kind, _, _ in seal.objects if kind != "void"]
            check(kinds and kinds[-1] == "manifest", "does not end with a manifest")
            trial = Tree(tree)
            for n, (kind, length, digest) in enumerate(seal.objects, seal.first):
                trial.add(log_leaf(n, kind, length, digest))
            check(trial.root() == seal.log, "has another root of the log")
            check(signature_is_good(seal, public_key), "has a wrong signature")
        except Damage as damage:
            doubtful.append((number, damage, re.search(rb"\nsignature [0-9a-f]{128}\n\Z", data)))
            continue
        trial.add(log_leaf(number, "seal", len(data), seal.digest))
        tree, public_key, doubtful = trial, seal.next, []       # the doubtful ones are void: every number is listed
        seals.append(seal)
        log.listed.update(enumerate(seal.objects, seal.first))
    for number, damage, whole in doubtful:
        (report if whole else note)("seal %d %s%s" % (number, damage, "" if whole else "; it is not whole: ignored"))
    if not seals:
        raise (Damage if doubtful else MediumProblem)("there is no good seal on this medium")
    for number, label in log.labels.items():
        if number < seals[-1].number and log.listed.get(number, ("seal",))[0] == "label":
            check(number == label.first_object, "the label %d says that it is object %d" % (number, label.first_object))
            log.fetch(number, "label", seals[-1])
    check(log.listed[0][0] == "label", "the log does not begin with a label")
    return seals


# ---- Sections 4, 5: packs and manifests -----------------------------------------------------------------------------

def decrypt(key, path, to):
    with open(path, "rb") as file:
        check(file.read(22) == b"age-encryption.org/v1\n", "%s is not a binary age file" % show(path))
    with open(to, "wb") as out:
        done = run(["age", "-d", "-i", key, path], stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.PIPE)
    if done.returncode != 0:
        text = show(done.stderr.strip().split(b"\n")[0])
        if b"identit" in done.stderr or key in done.stderr:
            raise KeyProblem("the key does not open %s (%s)" % (show(path), text))
        raise Damage("%s cannot be decrypted (%s)" % (show(path), text))


def unzstd(frame, limit):
    """The content of a zstd frame; never more than `limit` bytes are taken from the program."""
    check(frame[:4] == b"\x28\xb5\x2f\xfd", "a zstd frame does not begin where it should")
    with tempfile.TemporaryFile(dir=TMP) as source:
        source.write(frame)
        source.seek(0)
        try:
            process = subprocess.Popen(["zstd", "-dcq", "--memory=256MB"], stdin=source, stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL)
        except FileNotFoundError:
            raise Problem("the program `zstd` is missing")
        with process:
            content = process.stdout.read(limit + 1)
            if len(content) > limit:
                process.kill()
        check(len(content) <= limit, "a zstd frame is longer than it may be")
        check(process.returncode == 0, "a zstd frame is damaged")
        return content


def read_manifest(log, seal, key):
    """Section 5, and section 13, step 3. Adds what the reader needs of it as attributes of the result."""
    number = max(n for n, item in enumerate(seal.objects, seal.first) if item[0] == "manifest")
    payload = os.path.join(TMP, b"manifest")
    decrypt(key, log.fetch(number, "manifest", seal), payload)
    content = cbor(unzstd(read_small(payload, MAX_SIZE["manifest"]), MAX_SIZE["manifest"]))
    os.unlink(payload)
    check(type(content) is dict, "the manifest is not a map")
    if field(content, 0, int) != 1:
        raise MediumProblem("the manifest has a format version that this reader does not know")
    check(field(content, 1, bytes).hex() == log.set and field(content, 2, int) == seal.generation,
          "the manifest is of another set or generation than its seal")
    check(field(content, 3, int) < seal.generation, "the manifest's parent is not an earlier generation")
    manifest = SimpleNamespace(sources=[field(source, 0, bytes) for source in field(content, 7, list)
                                        if type(source) is dict])
    check(len(manifest.sources) == len(content[7]) and manifest.sources == sorted(set(manifest.sources)),
          "the manifest's sources are malformed or not in order")
    set_key = field(content, 10, bytes, size=32)
    manifest.id_key = blake3_derive("azekura 1 chunk id", set_key)
    manifest.salt_key = blake3_derive("azekura 1 record salt", set_key)
    manifest.started, manifest.finished = field_time(content, 4), field_time(content, 5)
    manifest.host, manifest.tag = field(content, 6, str), field(content, 8, str, "")
    recipients = [blake3(text.encode()).hex()[:16] for text in field(content, 11, list) if type(text) is str]
    label = log.labels.get(max(n for n in log.labels if n < seal.number))
    if recipients != label.recipients:
        note("the manifest has other recipients than the label")
    manifest.findings = field(content, 14, list)
    check(len(manifest.findings) <= 1000 and all(
        type(item) is list and [type(part) for part in item] == [str, bytes, str] for item in manifest.findings),
        "the manifest's findings are malformed")
    entries = field(content, 15, dict)
    manifest.length, manifest.count = field(entries, 0, int), field(entries, 3, int)
    manifest.digest = field(entries, 1, bytes, size=32)
    manifest.extents = checked_extents(field(entries, 2, list))
    check(sum(extent[3] for extent in manifest.extents) == manifest.length <= MAX_LENGTH,
          "the entry stream's extents do not add up to its length")
    return manifest


class Packs:
    """Reads extents out of packs. A few decrypted packs are kept as files, a few decoded frames in memory."""
    KEEP_PACKS, KEEP_FRAMES = 3, 8

    def __init__(self, log, seal, key, id_key):
        self.log, self.seal, self.key, self.id_key = log, seal, key, id_key
        self.packs, self.frames, self.bad = collections.OrderedDict(), collections.OrderedDict(), {}

    def open(self, number):
        """The pack's (file of the payload, [(offset, stored, content length)], {offset: which frame})."""
        if number in self.packs:
            self.packs.move_to_end(number)
            return self.packs[number]
        check(number not in self.bad, self.bad.get(number))
        while len(self.packs) >= self.KEEP_PACKS:
            self.packs.popitem(last=False)[1][0].close()
        path = os.path.join(TMP, b"pack")
        decrypt(self.key, self.log.fetch(number, "pack", self.seal), path)
        file = open(path, "rb")
        os.unlink(path)                                  # the data lives until the file is closed
        try:
            frames, first_id, first_length = self.read_index(file)
            if frames:                                   # one chunk's id shows that the keys of section 9 are right
                first = unzstd(self.read_at(file, 0, frames[0][1]), frames[0][2])[:first_length]
                check(blake3_keyed(self.id_key, blake3(first))[:16] == first_id, "its first chunk's id is wrong")
        except Damage as damage:
            file.close()
            self.bad[number] = "pack %d: %s" % (number, damage)
            raise Damage(self.bad[number])
        self.packs[number] = file, frames, {frame[0]: i for i, frame in enumerate(frames)}
        return self.packs[number]

    @staticmethod
    def read_at(file, offset, length):
        file.seek(offset)
        data = file.read(length)
        check(len(data) == length, "the payload ends too early")
        return data

    def read_index(self, file):
        """Section 4: the index, found from the payload's end, gives the frames' places."""
        end = os.fstat(file.fileno()).st_size
        check(end >= 16, "the payload is too short")
        size, magic = struct.unpack("<I4s", self.read_at(file, end - 8, 8))
        check(magic == b"AZIX" and size <= MAX_INDEX and size + 16 <= end, "there is no index")
        begin = end - 16 - size
        check(struct.unpack("<II", self.read_at(file, begin, 8)) == (0x184D2A5A, size + 8), "no index frame")
        index = cbor(self.read_at(file, begin + 8, size))
        check(type(index) is list and len(index) == 2 and index[0] == 1 and type(index[1]) is list
              and len(index[1]) <= MAX_FRAMES, "the index is malformed")
        frames, at, first_id, first_length = [], 0, None, None
        for item in index[1]:
            check(type(item) is list and [type(part) for part in item] == [int, bytes, list], "the index is malformed")
            stored, ids, lengths = item
            check(is_uint(stored, MAX_STORED) and len(lengths) <= MAX_CHUNKS and len(ids) == 16 * len(lengths)
                  and all(is_uint(length, MAX_CHUNK) and length for length in lengths)
                  and 1 <= sum(lengths) <= MAX_CONTENT, "the index is malformed")
            if at == 0:
                first_id, first_length = ids[:16], lengths[0]
            frames.append((at, stored, sum(lengths)))
            at += stored
        check(at == begin, "the frames do not lie side by side up to the index")
        return frames, first_id, first_length

    def frame(self, number, which):
        """The content of a frame."""
        file, frames, _ = self.open(number)
        if (number, which) not in self.frames:
            while len(self.frames) >= self.KEEP_FRAMES:
                self.frames.popitem(last=False)
            offset, stored, length = frames[which]
            content = unzstd(self.read_at(file, offset, stored), length)
            check(len(content) == length, "pack %d: a frame is shorter than its index says" % number)
            self.frames[number, which] = content
        self.frames.move_to_end((number, which))
        return self.frames[number, which]

    def read(self, extents):
        """The bytes of some extents, piece by piece."""
        for number, frame, offset, length in extents:
            _, frames, places = self.open(number)
            which = places.get(frame)
            check(which is not None and offset < frames[which][2], "an extent begins where no data is")
            while length:
                check(which < len(frames), "an extent goes beyond the end of its pack")
                piece = memoryview(self.frame(number, which))[offset:offset + length]
                yield piece
                which, offset, length = which + 1, 0, length - len(piece)


# ---- Section 6: the entry stream ------------------------------------------------------------------------------------

def names_of(path):
    """A path's names; nothing that could lead out of the restore target passes."""
    names = path.split(b"/")
    check(len(path) <= MAX_PATH and b"\0" not in path and not {b"", b".", b".."} & set(names),
          "an entry's path is malformed: " + show(path[:200]))
    return names


def parse_record(data):
    core, end = cbor_item(data, 0)
    check(type(core) is dict, "a record's core is not a map")
    record = SimpleNamespace(core=data[:end], path=field(core, 0, bytes), type=field(core, 1, int))
    record.names = names_of(record.path)
    record.extents = checked_extents(field({0: cbor(data[end:])}, 0, list))
    record.mode, record.uid, record.gid = field(core, 2, int), field(core, 3, int), field(core, 4, int)
    check(record.type <= SOCKET and record.mode <= 0o7777, "a record's type or mode is unknown")
    record.mtime, record.ctime, record.inode = field_time(core, 7), field_time(core, 8), field(core, 9, int)
    record.link = field(core, 10, bytes, None)
    if record.link is not None:
        check(names_of(record.link) < record.names and record.type != DIRECTORY, "a link does not lead backwards")
    record.state, record.flags = field(core, 19, int, 0), field(core, 18, int, 0)
    check(record.state <= CHANGED, "a record's state is unknown")
    record.size = record.blake3 = record.sha256 = None
    record.xattrs, record.holes = field(core, 16, list, []), field(core, 17, list, [])
    for item in record.xattrs:
        check(type(item) is list and [type(part) for part in item] == [bytes, bytes] and item[0]
              and b"\0" not in item[0], "an extended attribute is malformed")
    if record.type == FILE and record.state != UNREADABLE:
        record.size = field(core, 11, int)
        record.blake3, record.sha256 = field(core, 12, bytes, size=32), field(core, 13, bytes, None, size=32)
        covered, after = sum(extent[3] for extent in record.extents), -1
        for hole in record.holes:
            check(type(hole) is list and len(hole) == 2 and all(map(is_uint, hole)) and hole[0] > after and hole[1],
                  "a hole is malformed")
            covered, after = covered + hole[1], hole[0] + hole[1]
        check(after <= record.size <= MAX_LENGTH, "a hole lies beyond the end of its file")
        check(covered == record.size or (record.link is not None and not record.extents),
              "a file's extents and holes do not add up to its size")
    else:
        check(not record.extents, "something that has no content has extents")
    record.target = field(core, 14, bytes) if record.type == SYMLINK and record.state != UNREADABLE else None
    record.device = field(core, 15, list, size=2) if record.type in (CHARACTER, BLOCK) else None
    check(record.device is None or all(is_uint(n, (1 << 32) - 1) for n in record.device), "a device is malformed")
    return record


class Entries:
    """The checked entry stream (section 13, step 4), kept in a file; its records can be read again in any order."""

    def __init__(self, packs, manifest, seal):
        path = os.path.join(TMP, b"entries")
        self.file = open(path, "w+b")
        for piece in packs.read(manifest.extents):
            self.file.write(piece)
        self.file.flush()
        self.length, self.offsets = manifest.length, array.array("Q")
        check(blake3_files([path])[0] == manifest.digest, "the entry stream's digest is wrong")
        tree, at, before, open_directory = Tree(), 0, [], []
        while at < self.length:
            record, end = self.read(at)
            parent = record.names[:-1]
            check(before < record.names, "records are not in order at " + show(record.path))
            check(record.names[0] in manifest.sources, "a record belongs to no source: " + show(record.path))
            check(open_directory[:len(parent)] == parent, "the directory of %s has no record" % show(record.path))
            before, open_directory = record.names, record.names if record.type == DIRECTORY else parent
            tree.add(blake3_keyed(manifest.salt_key, record.path)[:16] + record.core)
            self.offsets.append(at)
            at = end
        check(len(self.offsets) == manifest.count == seal.records, "the number of records is not what was sealed")
        check(tree.root() == seal.records_root, "the root of the records is not what was sealed")

    def read(self, at):
        """The record that begins at byte `at`, and where the next one begins."""
        self.file.seek(at)
        head = self.file.read(4)
        check(len(head) == 4, "the entry stream ends within a record")
        size, = struct.unpack("<I", head)
        check(size <= MAX_RECORD and at + 4 + size <= self.length, "a record is too long")
        return parse_record(self.file.read(size)), at + 4 + size

    def __iter__(self):
        return (self.read(at)[0] for at in self.offsets)

    def __reversed__(self):
        return (self.read(at)[0] for at in reversed(self.offsets))


# ---- Section 13, step 5: restore ------------------------------------------------------------------------------------

class Restore:
    """First all entries are made, private to the user; then, children before parents, they get their attributes."""

    def __init__(self, target, packs):
        self.packs, self.root = packs, os.open(target, os.O_RDONLY | os.O_DIRECTORY)
        self.current, self.current_fd = [], os.dup(self.root)
        self.unproven, self.made, self.is_root = {}, 0, os.geteuid() == 0

    def directory(self, names):
        """A descriptor of a directory in the target, reached name by name without following symbolic links."""
        if names != self.current:
            fd = os.dup(self.root)
            for name in names:
                try:
                    deeper = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=fd)
                finally:
                    os.close(fd)
                fd = deeper
            os.close(self.current_fd)
            self.current, self.current_fd = names, fd
        return self.current_fd

    def make(self, record):
        if record.state == UNREADABLE and record.type != DIRECTORY:
            return note("was unreadable at the backup, not restored: " + show(record.path))
        if record.state == CHANGED:
            note("changed while it was backed up: " + show(record.path))
        if record.link in self.unproven:
            self.prove()
        folder, name = self.directory(record.names[:-1]), record.names[-1]
        if record.link is not None:
            first = names_of(record.link)
            folder = os.dup(folder)
            try:
                first_folder = self.directory(first[:-1])
                state = os.stat(first[-1], dir_fd=first_folder, follow_symlinks=False)
                check(stat.S_IFMT(state.st_mode) == FORMAT_BITS[record.type], "the first name is of another type")
                os.link(first[-1], name, src_dir_fd=first_folder, dst_dir_fd=folder, follow_symlinks=False)
            finally:
                os.close(folder)
        elif record.type == FILE:
            self.make_file(record, folder, name)
        elif record.type == DIRECTORY:
            os.mkdir(name, 0o700, dir_fd=folder)
        elif record.type == SYMLINK:
            os.symlink(record.target, name, dir_fd=folder)
        else:
            device = os.makedev(*record.device) if record.device else 0
            os.mknod(name, FORMAT_BITS[record.type] | 0o600, device, dir_fd=folder)
        self.made += 1

    def make_file(self, record, folder, name):
        """Lay the extents around the holes. The SHA-256 is taken on the way, the BLAKE3 later for many at a time."""
        file = open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder), "wb")
        try:
            file.truncate(record.size)
            sha256, pieces, piece, at = hashlib.sha256(), self.packs.read(record.extents), b"", 0
            for hole, length in record.holes + [[record.size, 0]]:
                while at < hole:
                    piece = piece or next(pieces)
                    part, piece = piece[:hole - at], piece[hole - at:]
                    file.seek(at)
                    file.write(part)
                    sha256.update(part)
                    at += len(part)
                at += length
                while length and record.sha256:
                    zeros = bytes(min(length, MIB))
                    sha256.update(zeros)
                    length -= len(zeros)
            file.flush()
            check(record.sha256 in (None, sha256.digest()), "its SHA-256 is not the recorded one")
        except (Problem, OSError):
            file.close()
            os.unlink(name, dir_fd=folder)
            raise
        self.unproven[record.path] = file, record.blake3
        if len(self.unproven) >= 200:
            self.prove()

    def prove(self):
        """Compare the BLAKE3 of the files made since the last time; what is wrong does not stay."""
        unproven, self.unproven = self.unproven, {}
        fds = [file.fileno() for file, _ in unproven.values()]
        digests = blake3_files(["/dev/fd/%d" % fd for fd in fds], fds) if fds else []
        for (path, (file, expected)), digest in zip(unproven.items(), digests):
            file.close()
            if digest != expected:
                names = path.split(b"/")
                os.unlink(names[-1], dir_fd=self.directory(names[:-1]))
                self.made -= 1
                report("%s: its BLAKE3 is not the recorded one; not restored" % show(path))

    def dress(self, record):
        """Owner, extended attributes, mode, times and flags, through a handle that cannot lead elsewhere."""
        try:
            fd = os.open(record.names[-1], os.O_PATH | os.O_NOFOLLOW, dir_fd=self.directory(record.names[:-1]))
        except OSError:
            return                                                       # it was not made, and that has been said
        handle, is_link = b"/proc/self/fd/%d" % fd, record.type == SYMLINK
        mode = record.mode if self.is_root else record.mode & 0o1777     # no set-id bits for somebody else's owner
        steps = [("owner", lambda: os.chown(handle, record.uid, record.gid))] if self.is_root else []
        wanted = dict(record.xattrs)
        for acl in (b"system.posix_acl_access", b"system.posix_acl_default"):
            if acl not in wanted and not is_link and acl.decode() in os.listxattr(handle):
                steps.append(("inherited ACL", lambda acl=acl: os.removexattr(handle, acl)))
        for name in sorted(wanted, key=lambda name: (name.startswith(b"system."), name)):
            steps.append(("attribute " + show(name), lambda name=name: os.setxattr(handle, name, wanted[name])))
        if not is_link:
            steps.append(("mode", lambda: os.chmod(handle, mode)))
        steps.append(("time", lambda: os.utime(handle, ns=(record.mtime, record.mtime))))
        if record.flags & KNOWN_FLAGS and record.type in (FILE, DIRECTORY):
            steps.append(("file flags", lambda: self.set_flags(handle, record.flags & KNOWN_FLAGS)))
        try:
            if stat.S_IFMT(os.fstat(fd).st_mode) != FORMAT_BITS[record.type]:
                return report("%s: something else is there under that name" % show(record.path))
            for what, step in steps:
                try:
                    step()
                except (OSError, OverflowError) as error:
                    note("%s: %s not restored (%s)" % (show(record.path), what, error))
        finally:
            os.close(fd)

    @staticmethod
    def set_flags(handle, flags):
        fd = os.open(handle, os.O_RDONLY | os.O_NONBLOCK)
        try:
            buffer = bytearray(8)
            fcntl.ioctl(fd, GET_FLAGS, buffer)
            struct.pack_into("=I", buffer, 0, struct.unpack_from("=I", buffer)[0] & ~KNOWN_FLAGS | flags)
            fcntl.ioctl(fd, SET_FLAGS, buffer)
        finally:
            os.close(fd)

    def all(self, entries):
        for record in entries:
            try:
                self.make(record)
            except (Damage, OSError, OverflowError) as error:
                report("%s: not restored (%s)" % (show(record.path), error))
        self.prove()
        for record in reversed(entries):
            if record.link is None:
                self.dress(record)


# ---- Commands -------------------------------------------------------------------------------------------------------

def command_verify(log, seals, args):
    """Section 13, steps 1 and 2: all that can be known without a key."""
    by_size = {number: log.wrong_size(number) for number, item in log.listed.items() if item[2]}
    for number, wrong in by_size.items():
        if wrong:
            report("object %d (%s) %s" % (number, log.listed[number][0], wrong))
    todo = [number for number, wrong in by_size.items() if not wrong]
    for at in range(0, len(todo), 200):
        batch = todo[at:at + 200]
        digests = blake3_files([log.path(number, log.listed[number][0]) for number in batch])
        for number, digest in zip(batch, digests):
            if digest != log.listed[number][2]:
                report("object %d (%s) does not have the digest that its seal says" % (number, log.listed[number][0]))
    for number, named in sorted(log.files.items()):
        if len(named) > 1:
            note("object number %d has more than one file: %s" % (number, ", ".join(sorted(named))))
    beyond = sum(number > seals[-1].number for number in log.files)
    if beyond:
        note("%d objects after the last seal belong to no generation" % beyond)
    for seal in seals:
        print("generation %d  %s  objects %d-%d  records %d  read-back %s  verdict %s  check code %s" % (
            seal.generation, seal.time, seal.first, seal.number, seal.records, seal.read_back, seal.verdict,
            check_code(seal.digest)))
    print("%d objects under %d seals: %s" % (len(log.listed), len(seals), "PROBLEMS" if problems else "good"))
    print("Compare the newest check code with the one on paper: only that shows that nothing was cut off or replaced.")


def open_generation(log, seals, args):
    wanted = seals[-1].generation if args.generation is None else args.generation
    if not 1 <= wanted <= len(seals):
        raise MediumProblem("there is no generation %d; the last one is %d" % (wanted, len(seals)))
    seal, key = seals[wanted - 1], os.path.abspath(os.fsencode(args.identity))
    if not os.access(key, os.R_OK):
        raise KeyProblem("the key file cannot be read")
    manifest = read_manifest(log, seal, key)
    packs = Packs(log, seal, key, manifest.id_key)
    print("generation %d of host %s, %s, verdict %s%s" % (wanted, show(manifest.host.encode()), seal.time, seal.verdict,
                                                          manifest.tag and ", tag " + show(manifest.tag.encode())))
    for kind, path, detail in manifest.findings:
        note("finding of the backup: %s %s %s" % (show(kind.encode()), show(path), show(detail.encode())))
    return packs, Entries(packs, manifest, seal)


def command_list(log, seals, args):
    epoch = datetime.datetime(1970, 1, 1)
    for record in open_generation(log, seals, args)[1]:
        try:
            when = (epoch + datetime.timedelta(seconds=record.mtime // 10**9)).isoformat(" ")
        except OverflowError:
            when = "%d s" % (record.mtime // 10**9)
        more = " -> " + show(record.target) if record.target is not None else ""
        more += " (link to %s)" % show(record.link) if record.link is not None else ""
        more += ("", " (unreadable)", " (changed while read)")[record.state]
        print("%s %6d %6d %12s %19s %s%s" % (
            stat.filemode(FORMAT_BITS[record.type] | record.mode), record.uid, record.gid,
            "-" if record.size is None else record.size, when, show(record.path), more))


def command_restore(log, seals, args):
    target = os.path.abspath(os.fsencode(args.to))
    if os.path.lexists(target) and (not os.path.isdir(target) or os.listdir(target)):
        raise Problem("the target %s is not an empty directory" % show(target))
    packs, entries = open_generation(log, seals, args)
    os.makedirs(target, exist_ok=True)
    restore = Restore(target, packs)
    restore.all(entries)
    print("%d of %d entries restored and compared: %s" % (
        restore.made, len(entries.offsets), "%d PROBLEMS" % problems if problems else "good"))


def main():
    global TMP
    parser = argparse.ArgumentParser(description="Reference reader of the azekura format, version 1.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("list", command_list), ("verify", command_verify), ("restore", command_restore)):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        command.add_argument("medium", nargs="+", metavar="MEDIUM")
        command.add_argument("--set", default="", metavar="ID", help="set id, or how it begins")
        if name != "verify":
            command.add_argument("-i", dest="identity", required=True, metavar="KEY", help="age identity file")
            command.add_argument("--generation", type=int, metavar="N", help="the last one if not given")
        if name == "restore":
            command.add_argument("--to", required=True, metavar="DIR")
    args = parser.parse_args()
    os.umask(0o077)
    sys.stdout.reconfigure(errors="backslashreplace")
    sys.stderr.reconfigure(errors="backslashreplace")
    try:
        with tempfile.TemporaryDirectory(prefix="azekura-reader-") as folder:
            TMP = os.fsencode(folder)
            log = choose_log(args)
            print("set %s (%s)" % (log.set, show(log.labels[0].name.encode())))
            args.function(log, read_seals(log), args)
    except Problem as problem:
        print("ERROR: %s" % problem, file=sys.stderr)
        return problem.code
    except OSError as error:
        print("ERROR: %s" % error, file=sys.stderr)
        return MediumProblem.code
    return Damage.code if problems else 0


if __name__ == "__main__":
    sys.exit(main())
