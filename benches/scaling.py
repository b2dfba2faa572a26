#!/usr/bin/env python3
"""Cost against size: time and peak memory of every step, for a few sources of growing size.

  benches/scaling.py [--gib 1,4,16] [--stream 1,4,16,64] [--files 20000,200000,2000000] [--folder DIR] [--out docs/scaling]

Makes each source, backs it up twice, verifies, restores, and throws it away again. Writes OUT.md (a table) and OUT-time.svg, OUT-memory.svg.
Large sources are files of 64 MiB, a half of noise and a half of numbered lines; small files are HL7-like, a hundred to a folder. The page
cache is warm where the machine's memory allows it. Needs the release build, and room for about 2.5 times the largest source.
A stream is the output of a command, never stored as such: noise of two bits in each byte. Only its backup and its check are measured.
"""
import argparse, os, random, re, shutil, subprocess, sys, tempfile, time

HERE = os.path.dirname(os.path.abspath(__file__))
AZEKURA = os.environ.get("AZEKURA", os.path.join(HERE, "..", "target", "release", "azekura"))
STEPS = ["first backup", "unchanged backup", "verify", "restore"]
MIB = 1 << 20


def large(top, gib):
    os.makedirs(top)
    rng = random.Random(gib)
    line = 0
    for n in range(int(gib * 16)):
        with open("%s/%06d" % (top, n), "wb") as f:
            for _ in range(32):
                f.write(rng.randbytes(MIB))
            for _ in range(32):
                text = "\n".join("OBX|%d|NM|3D010^HbA1c|%d.%d|%%|4.6-6.2|N|||F" % (i, i * 7919 % 90, i % 10) for i in range(line, line + 22000))
                line += 22000
                f.write(text.encode()[:MIB].ljust(MIB, b" "))


def small(top, count):
    for n in range(count):
        folder = "%s/%03d/%04d" % (top, n // 100000, n // 100)
        if n % 100 == 0:
            os.makedirs(folder, exist_ok=True)
        with open("%s/%09d" % (folder, n), "w") as f:
            f.write("MSH|^~\\&|HIS|%d\rPID|0001||%010d^^^^PI\rOBX|1|NM|3D010|%d.%d|mg/dL\r" % (n, n * 7919 % 10**10, n % 300, n % 10) * 3)


def measure(name, args, env, cpus):
    before = ["taskset", "-c", cpus] if cpus else []
    p = subprocess.run(["/usr/bin/time", "-f", "%e %U %S %M"] + before + [AZEKURA, "--quiet"] + args, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if p.returncode:
        sys.exit("%s failed:\n%s" % (name, p.stderr))
    wall, user, system, peak = p.stderr.strip().splitlines()[-1].split()
    return float(wall), float(user) + float(system), int(peak) / 1024


def stream(gib):
    """The command that writes it."""
    noise = "openssl enc -aes-128-ctr -nosalt -pass pass:azekura -in /dev/zero 2>/dev/null | head -c %d" % (gib << 30)
    return ["sh", "-c", noise + " | LC_ALL=C tr '\\000-\\377' '[A*64][C*64][G*64][T*]'"]


def run(work, make, cpus=None):
    """Measures every step on one source, a folder or what a command writes: {step: (seconds, CPU seconds, peak MiB)}."""
    shutil.rmtree(work, ignore_errors=True)
    source, medium = work + "/source", work + "/medium"
    os.makedirs(medium)
    command = make(source)
    key = work + "/key"
    env = dict(os.environ, AZEKURA_STATE=work + "/state", AZEKURA_IDENTITY=key)
    subprocess.run([AZEKURA, "keys", "new", "--out", key], env=env, check=True, capture_output=True)
    recipient = re.search("age1[0-9a-z]+", open(key).read()).group()
    os.sync()
    time.sleep(1)
    what = ["--stdin-from-command", "--stdin-name", "stream", "--"] + command if command else [source]
    args = [["backup", "--init", "--recipient", recipient, "--to", medium] + what, ["backup", "--to", medium] + what,
            ["verify", medium], ["restore", "--from", medium, "--to", work + "/restored"]]
    steps = [(step, a) for step, a in zip(STEPS, args) if not command or step in ("first backup", "verify")]
    result = {step: measure(step, a, env, cpus) for step, a in steps}
    shutil.rmtree(work)
    return result


def plot(path, title, unit, series, x_unit):
    """Lines over logarithmic axes; series: {name: [(x, y)]}."""
    from math import ceil, floor, log10
    w, h, left, right, up, down = 640, 360, 70, 150, 40, 50
    points = [p for s in series.values() for p in s]
    x0, x1 = floor(log10(min(p[0] for p in points))), ceil(log10(max(p[0] for p in points)))
    y0, y1 = floor(log10(min(p[1] for p in points))), ceil(log10(max(p[1] for p in points)))
    x1, y1 = max(x1, x0 + 1), max(y1, y0 + 1)
    at = lambda x, y: (left + (log10(x) - x0) / (x1 - x0) * (w - left - right), h - down - (log10(y) - y0) / (y1 - y0) * (h - up - down))
    colours = ["#0b6e4f", "#c0392b", "#1f4e9c", "#b7791f", "#6b4c9a", "#444444", "#008c9e", "#a0527d"]
    svg = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">' % (w, h),
           '<rect width="100%" height="100%" fill="white"/>', '<text x="%d" y="22" font-size="14">%s</text>' % (left, title)]
    number = lambda e: "%g" % 10**e
    for e in range(x0, x1 + 1):
        x, _ = at(10**e, 10**y0)
        svg.append('<path d="M%.1f %d V%d" stroke="#ddd"/><text x="%.1f" y="%d" text-anchor="middle">%s</text>' % (x, up, h - down, x, h - down + 16, number(e)))
    for e in range(y0, y1 + 1):
        _, y = at(10**x0, 10**e)
        svg.append('<path d="M%d %.1f H%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>' % (left, y, w - right, left - 6, y + 4, number(e)))
    svg.append('<text x="%d" y="%d" text-anchor="middle">%s</text><text x="14" y="%d">%s</text>' % ((left + w - right) // 2, h - 12, x_unit, up - 6, unit))
    for i, (name, line) in enumerate(series.items()):
        c = colours[i % len(colours)]
        xy = [at(*p) for p in line]
        svg.append('<path d="M%s" fill="none" stroke="%s" stroke-width="2"/>' % (" L".join("%.1f %.1f" % p for p in xy), c))
        svg += ['<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>' % (x, y, c) for x, y in xy]
        svg.append('<text x="%d" y="%d" fill="%s">%s</text>' % (w - right + 10, up + 14 + 18 * i, c, name))
    open(path, "w").write("\n".join(svg + ["</svg>\n"]))


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--gib", default="1,4,16")
    p.add_argument("--stream", default="")
    p.add_argument("--files", default="20000,200000,2000000")
    p.add_argument("--folder")
    p.add_argument("--out", default="docs/scaling")
    a = p.parse_args()
    work = tempfile.mkdtemp(dir=a.folder) + "/w"
    rows, times, memory = [], {}, {}
    sizes = [float(g) for g in a.gib.split(",") if g]
    streams = [int(g) for g in a.stream.split(",") if g]
    counts = [int(n) for n in a.files.split(",") if n]
    # The middle one also on one core.
    cores = lambda all, x: [None, "0"] if x == all[len(all) // 2] else [None]
    todo = [("%g GiB" % g, "bytes", g, lambda top, g=g: large(top, g), c) for g in sizes for c in cores(sizes, g)]
    todo += [("stream of %g GiB" % g, "stream", g, lambda top, g=g: stream(g), None) for g in streams]
    todo += [("%d files" % n, "files", n, lambda top, n=n: small(top, n), c) for n in counts for c in cores(counts, n)]
    for name, kind, n, make, cpus in todo:
        result = run(work, make, cpus)
        print(name, cpus or "all cores", result, flush=True)
        for step, (wall, cpu, peak) in result.items():
            rows.append("| %s%s | %s | %.2f | %.2f | %.0f |" % (name, ", one core" if cpus else "", step, wall, cpu, peak))
            if not cpus:
                times.setdefault(kind, {}).setdefault(step, []).append((n, max(wall, 0.01)))
                memory.setdefault(kind, {}).setdefault(step, []).append((n, peak))
    open(a.out + ".md", "w").write("| source | step | seconds | CPU seconds | peak MiB |\n|---|---|---|---|---|\n" + "\n".join(rows) + "\n")
    for kind, unit in (("bytes", "GiB"), ("stream", "GiB"), ("files", "files")):
        if kind in times:
            plot("%s-%s-time.svg" % (a.out, kind), "Time against size", "seconds", times[kind], unit)
            plot("%s-%s-memory.svg" % (a.out, kind), "Peak memory against size", "MiB", memory[kind], unit)


main()
