#!/bin/sh
# Opens and checks a golden medium with nothing but age, zstd, openssl, b3sum and coreutils: what docs/format.md promises,
# in its section 20 above all.
# Installs these on Debian where they are missing (as root). AZEKURA, if set, is the tool's path: it must know the same check code.
set -eu
cd "$(dirname "$0")/golden"

missing=
for program in age zstd openssl b3sum; do
    command -v "$program" >/dev/null || missing="$missing $program"
done
if [ -n "$missing" ]; then
    # shellcheck disable=SC2086 # a list of words
    apt-get install -y --no-install-recommends $missing || case "$missing" in
    *b3sum*) cargo install --locked b3sum && PATH="$HOME/.cargo/bin:$PATH" ;;
    esac
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
good() { echo "good: $1"; }
bad() {
    echo "FAILED: $1" >&2
    failed=1
    : >"$work/failed" # a subshell's variables are its own
}
check() { # what, command...
    what=$1
    shift
    if "$@" >"$work/said" 2>&1; then good "$what"; else
        bad "$what"
        cat "$work/said" >&2
    fi
}

field() { # file, word: the rest of the line that begins with it
    sed -n "s/^$2 //p" "$1"
}
same() { [ "$1" = "$2" ]; }

# The worked example's pack, whose first file is known.
printf 'hello, world\n' >"$work/first"
age -d -i identity.txt vectors/pack.age | zstd -dcq | head -c 13 >"$work/found"
check "age and zstd open the example's pack" cmp "$work/first" "$work/found"
age -d -i identity.txt vectors/manifest.age | zstd -dcq >"$work/manifest"
check "age and zstd open the example's manifest" grep -q ehr-db1 "$work/manifest"

bytes() { # hexadecimal on standard input: the bytes
    tr -d "\n" | tr 'a-f' 'A-F' | basenc --base16 --decode
}

crockford() { # hexadecimal of 10 bytes; the alphabet of RFC 4648 becomes Crockford's
    echo "$1" | bytes | base32 | tr 'A-Z2-7' '0-9A-HJKMNP-TV-Z' | sed 's/..../&-/g; s/-$//'
}

public_key() { # hexadecimal of 32 bytes: a PEM file
    {
        echo '-----BEGIN PUBLIC KEY-----'
        echo "302a300506032b6570032100$1" | bytes | base64
        echo '-----END PUBLIC KEY-----'
    } >"$work/key.pem"
}

path() { # number, kind: of an object, below its set's folder
    printf '%05d/%08d.%s' $(($1 / 1000)) "$1" "$2"
}

# Section 20, word for word.
divide() { # seal: into $work/head and $work/list
    sed '/^signature /q' "$1" >"$work/head"
    sed '1,/^signature /d' "$1" >"$work/list"
}
verifies() { # head: checked with $work/key.pem
    sed '$d' "$1" >"$work/body"
    field "$1" 'signature ed25519' | bytes >"$work/signature"
    openssl pkeyutl -verify -pubin -inkey "$work/key.pem" -rawin -in "$work/body" -sigfile "$work/signature"
}
refuses() { ! verifies "$1"; }
sums() { # column of list (5: BLAKE3, 6: SHA-256): lines for b3sum or sha256sum; void objects have another kind's name
    awk -v column="$1" '$3 != "void" && $column != "-" {
        printf "%s  %05d/%08d.%s\n", $column, int($2 / 1000), $2, $3}' "$work/list"
}
both() { # file: its BLAKE3 and SHA-256
    echo "$(b3sum --no-names "$1") $(sha256sum "$1" | cut -d ' ' -f 1)"
}

for golden in v[0-9]*/*; do
    set=$(echo "$golden"/medium/AZEKURA/*)
    key=$(field "$set/00000/00000000.label" 'root-key ed25519')
    label=$(b3sum --no-names "$set/00000/00000000.label")
    generation=0
    previous=none
    for seal in "$set"/*/*.seal; do
        # A leftover of interrupted work: a later seal lists it as void.
        number=$(basename "$seal" .seal | sed 's/^0*//')
        if grep -q "^object $number void" "$set"/*/*.seal; then continue; fi
        generation=$((generation + 1))
        divide "$seal"
        head=$work/head
        check "$seal is of generation $generation" same "$(field "$head" generation)" "$generation"
        check "$seal names the label" same "$(field "$head" label)" "$label"
        check "$seal names the head before it" same "$(field "$head" previous)" "$previous"
        check "$seal names its list" same "$(field "$head" list)" "$(both "$work/list")"
        public_key "$key"
        check "openssl verifies $seal" verifies "$head"
        sed 's/^verdict .*/verdict alarm/' "$head" >"$work/changed"
        check "openssl refuses it when one word is changed" refuses "$work/changed"
        previous=$(both "$head")
        code=$(crockford "$(echo "$previous" | cut -c 1-20)")
        key=$(field "$head" 'next ed25519')
        sums 5 >"$work/blake3"
        sums 6 >"$work/sha256"
        check "there are as many digests of both kinds" same "$(wc -l <"$work/blake3")" "$(wc -l <"$work/sha256")"
        (cd "$set" && check "sha256sum agrees with the list in $seal" sha256sum -c "$work/sha256")
        (cd "$set" && check "b3sum agrees with the list in $seal" b3sum --check "$work/blake3")
        while read -r _ number kind length _; do
            [ "$kind" = void ] || same "$(stat -c %s "$set/$(path "$number" "$kind")")" "$length" || echo "length of object $number"
        done <"$work/list" >"$work/lengths"
        check "lengths agree with $seal" same "$(cat "$work/lengths")" ""
        check "check code of generation $generation is the tool's: $code" \
            grep -q "^generation $generation .* check code $code\$" "$golden/expected.txt"
        for number in $(sed -n 's/^object \([0-9]*\) pack .*/\1/p' "$work/list"); do
            pack="$set/$(path "$number" pack)"
            age -d -i identity.txt "$pack" | zstd -dcq >"$work/content"
            check "age and zstd open $pack" test -s "$work/content"
        done
    done
    if [ -n "${AZEKURA:-}" ]; then
        check "the tool knows the check code $code" "$AZEKURA" verify "$golden/medium" --expect "$code"
    fi
    check "$golden has generations" test "$generation" -gt 0
done

if [ "$failed" = 0 ] && [ ! -e "$work/failed" ]; then echo "all good"; else exit 1; fi
