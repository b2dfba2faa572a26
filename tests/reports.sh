#!/bin/bash
# Makes a small session of evidence after an incident, all reports of it in both languages, and prints each with a real browser: the
# sheets are A4, the headings are on them, and no word lies outside of its sheet.
#
# AZEKURA is the program's path; KEEP, if set, a folder that gets the pages as HTML and PDF. Needs chromium, fonts for Japanese,
# pdfinfo and pdftotext; where they are missing it says so and passes, but not where REQUIRE is set.
set -euo pipefail

for program in chromium pdfinfo pdftotext python3; do
    if ! command -v "$program" >/dev/null; then
        echo "SKIPPED: no $program here, so no report was printed" >&2
        [ -z "${REQUIRE:-}" ] && exit 0 || exit 1
    fi
done
azekura=$(realpath "${AZEKURA:-target/debug/azekura}")
work=$(mktemp -d -p /var/tmp) # /tmp is often memory: nothing there is read back from a medium
trap 'rm -rf "$work"' EXIT
unset AZEKURA_EVIDENCE
export HOME=$work AZEKURA_STATE=$work/state TZ=UTC LC_ALL=C.UTF-8
failed=0
lang=ja
bad() {
    echo "FAILED: $1" >&2
    failed=1
}
# Runs azekura and compares its exit code.
run() { # code, arguments...
    local wanted=$1 code=0
    shift
    "$azekura" --config "$work/config.toml" --lang "$lang" "$@" >"$work/said" 2>&1 || code=$?
    if [ "$code" != "$wanted" ]; then
        bad "azekura $*: exit code $code, not $wanted"
        cat "$work/said" >&2
    fi
}

# A hospital; on the second night it gets names that somebody chose with care, and one as long as it may be.
cd "$work"
: >config.toml
mkdir -p chart/2025 medium
for i in 1 2 3 4 5 6; do echo "patient $i" >"chart/2025/カルテ-$i.txt"; done
run 0 keys new --out key.txt
recipient=$("$azekura" --config "$work/config.toml" keys show-recipient --identity key.txt | head -n 1)
run 0 backup --to medium --init --set 本院 --recipient "$recipient" "ehr=$work/chart"
echo "patient 7" >chart/2025/カルテ-7.txt
echo plain >'chart/<script>alert(1)<!--.txt'
echo plain >"chart/"$'\u202e'"txt.exe"
deep=chart
for i in 1 2 3 4; do deep=$deep/$(printf 'とても長い名前の部門システム%.0s' 1 2 3 4 5); done
mkdir -p "$deep"
echo deep >"$deep/$(printf 'x%.0s' $(seq 200))"
run 0 backup --to medium "ehr=$work/chart"
code=$("$azekura" --config "$work/config.toml" --json generations medium | python3 -c 'import json,sys; print(json.load(sys.stdin)["result"]["sets"][0]["generations"][-1]["check_code"])')
# The malware: an executable that the responder knows, encrypted charts, one gone.
echo evil >chart/2025/evil.locked
head -c 5000 /dev/urandom >chart/2025/カルテ-1.txt
rm chart/2025/カルテ-2.txt
run 0 backup --to medium "ehr=$work/chart"
echo '*.locked' >ioc.txt

run 0 evidence start --from medium --to session --by 鈴木 --witness 佐藤 --place 院長室
export AZEKURA_EVIDENCE=$work/session AZEKURA_IDENTITY=$work/key.txt
run 0 hold on --by 鈴木 --why 'ランサムウェアの疑い <b>'
run 0 media list
run 0 media log
run 0 verify medium --expect "$code"
run 5 generations medium --clean --ioc ioc.txt
run 5 compare --from medium --generation 2 --html compare-ja.html "ehr=$work/chart"
run 0 restore --from medium --generation 2 --to back
run 0 compare --exact --from medium --generation 2 "ehr=$work/back/ehr"
run 0 history --from medium --since 2020-01-01
mkdir quarantine
run 0 backup --quarantine --to quarantine --recipient "$recipient" "server1=$work/chart"
for lang in ja en; do
    run 0 report incident --discovered 2026-11-01T08:30 --out incident-$lang.html
    run 0 report reconnect --out reconnect-$lang.html
    run 0 report authenticity --since 2020-01-01 --out authenticity-$lang.html
    run 0 report readopt --generation 2 --by 院長 --witness 佐藤 --out readopt-$lang.html
done
run 5 compare --from medium --generation 2 --html compare-en.html "ehr=$work/chart"
lang=ja
unset AZEKURA_EVIDENCE
run 0 evidence check session
run 0 evidence export session --out handed-over
ls handed-over/reports/*report.incident.html >/dev/null || bad "the export has no reports"
(cd handed-over && sha256sum --quiet -c SHA256SUMS) || bad "the export's digests"
# The same session with one line edited, and an empty one.
cp -r session edited
sed -i '5s/verify/verifY/' edited/record.jsonl
run 5 report incident --session edited --out broken-ja.html
run 0 evidence start --from medium --to fresh --by 鈴木 --witness 佐藤 --place 院長室
run 0 report incident --session fresh --out fresh-ja.html

look() { # page, most sheets, headings...
    local page=$1 most=$2 sheets size heading
    shift 2
    chromium --headless --no-sandbox --disable-gpu --no-pdf-header-footer --user-data-dir="$work/browser" \
        --print-to-pdf="$work/$page.pdf" "file://$work/$page.html" >"$work/browser.log" 2>&1 || bad "$page: chromium ended with $?"
    if [ ! -s "$page.pdf" ]; then
        bad "$page: no PDF was made"
        grep -v dbus "$work/browser.log" >&2
        return
    fi
    sheets=$(pdfinfo "$page.pdf" | sed -n 's/^Pages: *//p')
    size=$(pdfinfo "$page.pdf" | sed -n 's/^Page size: *//p')
    case $size in *A4*) ;; *) bad "$page: the sheet is $size" ;; esac
    [ "$sheets" -le "$most" ] || bad "$page: $sheets sheets, more than $most"
    # A browser may break a heading that it sets wide: blanks do not count.
    pdftotext -layout "$page.pdf" - | tr -d ' \n\f' >"$page.text"
    for heading in "$@"; do
        grep -qF "$(printf %s "$heading" | tr -d ' ')" "$page.text" || bad "$page: no \"$heading\" on it"
    done
    pdftotext -bbox "$page.pdf" "$page.bbox"
    python3 - "$page" <<'PY' || failed=1
import os, re, sys
page = sys.argv[1]
width, height, words, title, out = 0.0, 0.0, 0, 0.0, []
for line in open(page + ".bbox", encoding="utf-8"):
    if m := re.search(r'<page width="([\d.]+)" height="([\d.]+)"', line):
        width, height = float(m[1]), float(m[2])
    if m := re.search(r'<word xMin="([-\d.]+)" yMin="([-\d.]+)" xMax="([-\d.]+)" yMax="([-\d.]+)">(.*)</word>', line):
        words += 1
        x0, y0, x1, y1 = (float(m[i]) for i in range(1, 5))
        title = title or y1 - y0
        # The margin of 16 mm is 45 points; a tolerance of 8 is for glyphs that overhang and for the number of the sheet.
        if x0 < 37 or x1 > width - 37 or y0 < 8 or y1 > height - 8:
            out.append(m[5])
if out or words < 20:
    print(f"FAILED: {page}: of {words} words these lie outside of the sheet: {out[:5]}", file=sys.stderr)
    sys.exit(1)
# What is wider than the sheet a browser prints smaller, all of it: then the title is smaller than on the first page that was looked at.
if not os.path.exists("title"):
    open("title", "w").write(str(title))
if abs(title / float(open("title").read()) - 1) > 0.01:
    print(f"FAILED: {page}: something is wider than the sheet: the title is {title} points high", file=sys.stderr)
    sys.exit(1)
PY
    echo "printed: $page: $sheets sheets"
}

look fresh-ja 8 未確認
look incident-ja 8 インシデント報告書 報告期限と報告先 2026-12-30 兆候が出る前の最後の世代 影響を受けたバックアップ元 感染状態の隔離保存 感染状態を隔離して保存 時系列 署名・確認印 世代2 'ランサムウェアの疑い<b>'
look incident-en 8 'Incident report' 'Deadlines and addressees' 2026-12-30 'Timeline' 'Signatures'
look reconnect-ja 6 再接続用証跡 復元の一覧 再構築した機器 未確認 署名・確認印
look reconnect-en 6 'Evidence for reconnection' 'not verified'
look authenticity-ja 8 真正性の説明書 期間中の作成・変更 分からないこと 署名・確認印 '<script>alert(1)<!--' '\x{202e}txt.exe'
look authenticity-en 8 'Statement on authenticity' 'What is not known'
look readopt-ja 6 原本としての使用再開記録 宣言 遡及入力 署名・確認印
look readopt-en 6 'Record of resumed use' 'Retroactive entry'
look compare-ja 4 突合結果 一致しないもの
look compare-en 4 Comparison Differences
look broken-ja 8 記録は変更されています

# What the browser shows is what the page says: no markup came out of a name, and an edited record vouches for nothing.
for page in *-ja.html *-en.html; do
    ! grep -qi '<script\|<b>' "$page" || bad "$page: a name became markup"
    ! grep -q $'\u202e' "$page" || bad "$page: a character that turns the direction around"
done
# Behind the edited line 5 and what hangs on it there is much that is good; before it nothing is.
! grep -q '鈴木</td><td class="mark">○' broken-ja.html || bad "broken-ja: a fact of a broken line is shown as ○"

[ -z "${KEEP:-}" ] || { mkdir -p "$KEEP" && cp ./*.html ./*.pdf "$KEEP"; }
[ $failed = 0 ] && echo "all reports are good"
exit $failed
