#!/usr/bin/env python3
"""What a user can do to the night: a normal source alone, and the same beside a tree that was made to hurt.

    AZEKURA=target/release/azekura benches/hurt.py [--entries N] [--normal N] [--folder DIR] [--user UID] [--max-entries N]

Makes a source of N files of 1 KB (`--normal`, default 1,000,000), and below a folder of the user (default: nobody) nested names of 255
bytes, N empty files (`--entries`, default 10,000,000), attributes as large as the file system takes, huge holes, a thousand leases, FIFOs,
and processes that rename, grow and remove while they are read. The user's source may have 200,000 entries (`--max-entries`, 0: any
number), as a configuration would say. Prints for each backup: seconds, peak memory, exit code and what was found.
Needs root, 10 GB and one inode an entry; removes nothing."""
import argparse, collections, json, os, subprocess, sys, tempfile, time

options = argparse.ArgumentParser()
options.add_argument("--entries", type=int, default=10_000_000)
options.add_argument("--normal", type=int, default=1_000_000)
options.add_argument("--folder")
options.add_argument("--user", type=int, default=65534)
options.add_argument("--max-entries", type=int, default=200_000)
options = options.parse_args()
top = options.folder or tempfile.mkdtemp(dir="/var/tmp")
azekura = os.path.abspath(os.environ.get("AZEKURA", "target/release/azekura"))
os.makedirs(top, exist_ok=True)
os.chmod(top, 0o755)


def normal(path):
    line = "MSH|^~\\&|HIS|%d\rPID|0001||%010d^^^^PI\rOBX|1|NM|3D010|%d.%d|mg/dL\r"
    for n in range(options.normal):
        folder = "%s/%03d/%04d" % (path, n // 100_000, n // 100)
        if n % 100 == 0:
            os.makedirs(folder, exist_ok=True)
        with open("%s/%09d" % (folder, n), "w") as f:
            f.write((line % (n, n * 7919 % 10**10, n % 300, n % 10) * 16)[:1024])


def deep(path):
    at = os.open(path, os.O_RDONLY)
    for i in range(4_080):
        name = "%03d" % (i % 1000) + "d" * 252
        os.mkdir(name, dir_fd=at)
        for j in range(2):
            os.close(os.open("f%d" % j + "x" * 250, os.O_CREAT | os.O_WRONLY, dir_fd=at))
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


def tiny(path):
    for n in range(options.entries):
        if n % 10_000 == 0:
            folder = "%s/%05d" % (path, n // 10_000)
            os.mkdir(folder)
        os.close(os.open("%s/%d" % (folder, n), os.O_CREAT | os.O_WRONLY))


def attributes(path):
    for n in range(2_000):
        name = "%s/%d" % (path, n)
        open(name, "w").close()
        for size in (65_000, 3_900):
            try:
                os.setxattr(name, "user.hurts", b"x" * size)
                break
            except OSError:
                pass


def holes(path):
    for n in range(1_000):
        with open("%s/%d" % (path, n), "w") as f:
            os.truncate(f.fileno(), 8 << 40)
    for n in range(4):
        with open("%s/comb%d" % (path, n), "wb") as f:
            for i in range(20_000):
                f.seek(i * 65_536)
                f.write(b"x")


def fifos(path):
    for n in range(1_000):
        os.mkfifo("%s/%d" % (path, n))


def leases(path):
    """Never ends: each file is leased as long as this runs, and taken again when it is broken."""
    import fcntl, signal
    files = []
    for n in range(1_000):
        f = open("%s/%d" % (path, n), "w+")
        files.append(f)
    signal.signal(signal.SIGIO, signal.SIG_IGN)
    for f in files:
        fcntl.fcntl(f, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    time.sleep(100_000)


def races(path):
    """Never ends."""
    n = 0
    grows = open(path + "/grows", "ab")
    while True:
        n += 1
        os.makedirs("%s/%d/below" % (path, n % 100), exist_ok=True)
        open("%s/%d/below/%d" % (path, n % 100, n), "w").close()
        try:
            os.rename("%s/%d" % (path, n % 100), "%s/r%d" % (path, n))
        except OSError:
            pass
        grows.write(b"x" * 65_536)
        grows.flush()
        if grows.tell() > 1 << 30:
            os.truncate(path + "/grows", 0)


def as_user(what, path, wait=True):
    os.makedirs(path, exist_ok=True)
    os.chown(path, options.user, options.user)
    child = os.fork()
    if child == 0:
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (4_096, 4_096))
        os.setgroups([]), os.setgid(options.user), os.setuid(options.user)
        os.umask(0o022)
        what(path)
        os._exit(0)
    if wait and os.waitpid(child, 0)[1] != 0:
        sys.exit("%s: failed" % what.__name__)
    return child


def backup(name, *sources):
    os.environ["AZEKURA_STATE"] = "%s/state-%s" % (top, name)
    config = "%s/config-%s" % (top, name)
    with open(config, "w") as f:
        for source in sources:
            f.write('[[source]]\nname = "%s"\npath = "%s/%s"\n' % (source, top, source))
            if source == "user" and options.max_entries:
                f.write("max_entries = %d\n" % options.max_entries)
    os.chmod(config, 0o600)
    command = [azekura, "--config", config, "--json", "backup", "--init", "--to", "%s/medium-%s" % (top, name), "--recipient", recipient]
    os.makedirs("%s/medium-%s" % (top, name), exist_ok=True)
    subprocess.run("sync; echo 3 > /proc/sys/vm/drop_caches", shell=True)
    began = time.time()
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as run:
        said = run.stdout.read()
        _, status, usage = os.wait4(run.pid, 0)
        run.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.time() - began
    document = json.loads(said)
    result = document.get("result") or document
    kinds = collections.Counter(f.get("kind") for f in result.get("findings", []))
    state = sum(os.lstat(os.path.join(d, f)).st_size for d, _, fs in os.walk(os.environ["AZEKURA_STATE"]) for f in fs)
    print("%s: %.0f s, %d MiB, exit code %d, state %d MB, findings %s" % (
        name, seconds, usage.ru_maxrss >> 10, run.returncode, state // 10**6, dict(kinds)))
    for source in result.get("sources", []):
        print("   ", source.get("name"), source.get("verdict"))
    return seconds


if not os.path.exists(top + "/made"):
    normal(top + "/normal")
    os.makedirs(top + "/user", exist_ok=True)
    for what in (deep, tiny, attributes, holes, fifos):
        as_user(what, "%s/user/%s" % (top, what.__name__))
    subprocess.run([azekura, "keys", "new", "--out", top + "/key"], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    open(top + "/made", "w").close()
recipient = subprocess.run([azekura, "--json", "keys", "show-recipient", "--identity", top + "/key"], capture_output=True, text=True)
recipient = json.loads(recipient.stdout)["result"]["recipients"][0]
turn = "%d" % time.time()
alone = backup("alone-" + turn, "normal")
busy = [as_user(what, "%s/user/%s" % (top, what.__name__), wait=False) for what in (leases, races)]
time.sleep(2)
beside = backup("beside-" + turn, "normal", "user")
for child in busy:
    os.kill(child, 9)
print("%.2f times the seconds" % (beside / alone))
