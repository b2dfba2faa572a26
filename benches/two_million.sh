#!/usr/bin/env bash
# Peak memory of every step on a tree of many small files: benches/two_million.sh [COUNT] [FOLDER]
#
# Makes COUNT files (default 2,000,000) of a few hundred bytes, a hundred to a folder, and prints the peak resident memory (KiB) and the time of a
# first backup, an unchanged one, a verification and a restore. Needs some 5 KB of disk and one inode a file, twice.
set -eu
count=${1:-2000000}
top=${2:-$(mktemp -d)}
azekura=${AZEKURA:-$(dirname "$0")/../target/release/azekura}
mkdir -p "$top/source" "$top/medium"
python3 - "$top/source" "$count" <<'PY'
import os, sys
top, count = sys.argv[1], int(sys.argv[2])
for n in range(count):
    folder = "%s/%03d/%04d" % (top, n // 100000, n // 100)
    if n % 100 == 0:
        os.makedirs(folder, exist_ok=True)
    with open("%s/%09d" % (folder, n), "w") as f:
        f.write("MSH|^~\\&|HIS|%d\rPID|0001||%010d^^^^PI\rOBX|1|NM|3D010|%d.%d|mg/dL\r" % (n, n * 7919 % 10**10, n % 300, n % 10) * 3)
PY
export AZEKURA_STATE=$top/state AZEKURA_IDENTITY=$top/key
"$azekura" keys new --out "$top/key" >/dev/null 2>&1
step() {
    local name=$1
    shift
    /usr/bin/time -f "$name: %M KiB peak, %e s" "$azekura" --quiet "$@" >/dev/null
}
step "first backup" backup --init --recipient "$(grep -o 'age1[0-9a-z]*' "$top/key" | head -1)" --to "$top/medium" "$top/source"
step "unchanged backup" backup --to "$top/medium" "$top/source"
step "verification" verify "$top/medium"
step "restore" restore --from "$top/medium" --to "$top/restored"
