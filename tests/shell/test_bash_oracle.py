"""The same small lines in the real bash and on a simulated device: same output, same status."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from labs.testing import device, run

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash on this machine")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

ONE_LINERS = r"""
echo "a  b"  c
echo 'single $HOME' "double \$X \"q\""
echo a\ b \\ \'
X=5; echo $X ${X} "${X}y" '$X'
echo ${U:-def} ${U-def2} ${U:+alt} x
X=abcdef; echo ${#X} ${X:2} ${X:1:3} ${X: -2} ${X%f} ${X#a}
F=/etc/a/b.conf; echo ${F##*/} ${F%/*} ${F%.conf} ${F#*/}
X=hello; echo ${X/l/L} ${X//l/L} ${X^} ${X^^}
echo $((1+2*3)) $((7/2)) $((-7/2)) $((7%3)) $((2**10)) $((1<2)) $((5>3&&2>1))
i=3; echo $((i++)) $i $((++i)) $((i+=5)) $i
echo $((0x10)) $((010)) $((1?2:3)) $((~0))
echo $(echo nested $(echo deep))
echo `echo back` "`echo quoted`"
for i in 1 2 3; do echo -n "$i "; done; echo
for i in {1..5}; do echo -n $i; done; echo {a,b}{1,2} x{,y} {05..08} {a..d}
i=0; while [ $i -lt 3 ]; do echo $i; i=$((i+1)); done
i=0; until [ $i -ge 2 ]; do echo u$i; i=$((i+1)); done
if [ -z "" ]; then echo empty; else echo full; fi
if false; then echo 1; elif true; then echo 2; else echo 3; fi
case abc in a*) echo starts;; *) echo other;; esac
case x in y|z) echo no;; x) echo yes;; esac
false; echo $?
true && echo yes || echo no
false && echo yes || echo no
! true; echo $?
! false; echo $?
(exit 7); echo $?
{ echo a; echo b; } | tr ab xy
(cd /; pwd); echo done
f() { echo "f:$1:$#"; return 3; }; f one two; echo $?
f() { local v=in; echo $v; }; v=out; f; echo $v
echo one two | while read a b; do echo "$b $a"; done
printf '%s-%s\n' a b c
printf '%5d|%-5s|%05.2f|%x\n' 42 ab 3.14159 255
printf 'no newline'
printf '%s\n' "a b" c
printf '%b\n' 'a\tb'
printf '%d\n' abc
echo -e 'a\tb\nc'
echo -n x; echo y
cat <<< "here $((1+1))"
echo a > f; echo b >> f; cat f
echo err >&2
{ echo out; echo err >&2; } 2>&1 | sort
echo x > f 2>&1; cat < f
cat nosuch
cat nosuch 2>/dev/null; echo $?
ls nosuch
echo hello | wc -c
printf 'b\na\nc\n' | sort
printf '10\n9\n2\n' | sort -n
printf 'a b\nc a\n' | sort -k2
printf 'a\na\nb\n' | uniq -c
printf 'a:b:c\n' | cut -d: -f2
printf 'a:b:c\n' | cut -d: -f1,3
printf 'abcdef\n' | cut -c2-4
printf '1\n2\n3\n4\n' | head -n 2
printf '1\n2\n3\n4\n' | tail -n 2
printf '1\n2\n3\n4\n' | tail -n +3
printf '1\n2\n3\n' | head -n -1
printf 'x y  z\n' | awk '{print $2}'
printf 'a,b\n' | awk -F, '{print $2 "-" $1}'
printf 'a 1\nb 20\n' | awk '$2 > 5 {print $1, NR}'
printf 'foo\nbar\n' | grep o
printf 'foo\nbar\n' | grep -v o
printf 'foo\nbar\n' | grep -c x; echo $?
printf 'foo\nbar\n' | grep -n a
printf 'a1\nb22\n' | grep -oE '[0-9]+'
printf '1\n2\n3\n4\n5\n' | grep -A1 -B1 3
printf 'foo bar\n' | sed 's/o/0/g;s/bar/[&]/'
printf '1\n2\n3\n' | sed -n '2p'
printf '1\n2\n3\n' | sed '2d'
printf '1\n2\n3\n' | sed '2,$s/^/x/'
printf 'key = 1\n' | sed -E 's/(key) = ([0-9]+)/\1: \2/'
printf 'a\nb\nc\n' | sed '/b/,/c/d'
printf 'hello\n' | tr a-z A-Z
printf 'aabb\n' | tr -s a
printf 'a1b2\n' | tr -d 0-9
printf 'a\nb\n' | tr '\n' ','
printf 'a b\nccc d\n' | column -t
printf 'a\nb\n' > f1; printf 'a\nc\n' > f2; diff f1 f2; echo $?
printf '1\n2\n' > f1; printf 'a\nb\n' > f2; paste f1 f2; paste -sd, f1
seq 3; seq 2 4; seq -w 8 10; seq 1 .5 2; seq 3 -1 1
[ 1 -eq 1 ] && [ a = a ] && [ a != b ] && echo ok
[ -f nosuch ] || echo missing
[[ abc == a* && 3 -lt 5 ]] && echo dbl
[[ v12 =~ ^v[0-9]+$ ]] && echo re
[ 1 -eq x ]; echo $?
[ a b ]; echo $?
test; echo $?
cd nosuch; echo $?
nosuchcmd; echo $?
echo $(cat <<< inner)
set -- a "b c" d; echo $# "$2" $*; for x in "$@"; do echo "[$x]"; done; shift; echo $1
x='a  b'; echo $x; echo "$x"
IFS=:; x=a:b:c; for p in $x; do echo $p; done
IFS=, read -r a b c <<< "1,2,3 4"; echo "$a|$b|$c"
touch a.txt b.txt c.log; echo *.txt; echo *.none; echo "*.txt"; echo [ab].*
mkdir -p d/e; touch d/e/f; find d; find . -name f -type f; ls d
echo a; echo b & wait; echo c
break
for i in 1 2 3 4; do [ $i = 2 ] && continue; [ $i = 4 ] && break; echo $i; done
eval 'echo ev $((1+1))'
export A=1; env | grep ^A=
A=2 printenv A; echo "[$A]"
readonly R=1; R=2; echo no
type cd
command -v cd
true | false; echo $?
set -o pipefail; false | true; echo $?
echo ~ ~/x | sed "s#$HOME#H#g"
basename /a/b.c .c; dirname /a/b/c; basename /a/
printf 'x\n' > t; cp t u; mv u v; cat v; rm t v; ls t
rm nosuch; rm -f nosuch; echo $?
mkdir d; mkdir d; rmdir d; rmdir d
head -n x /dev/null
sort nosuch; cut -f 1 nosuch; wc nosuch; tail nosuch; head nosuch; tac nosuch
printf 'a b c\n' > f; wc f; wc -l f; wc -l < f; wc f f
printf 'a\tb\n' | cat -A; printf 'x\n\n\ny\n' | cat -s -n
echo abc | md5sum; echo abc | sha256sum
echo abc | rev; printf '1\n2\n' | tac; printf 'a\n\nb\n' | nl
printf 'abc\n' | hexdump -C; printf 'abc\n' | xxd
timeout 5 echo hi
env X=1 sh -c 'echo $X'
sh -c 'echo $0 $1' a b
printf 'echo s $1\nexit 4\n' > s.sh; sh s.sh arg; echo $?
printf 'nosuch1\n' > s.sh; bash s.sh; sh s.sh
sh nosuch.sh; bash nosuch.sh
printf 'a\nb\nc\n' | xargs; printf 'a b\n' | xargs -n1 echo x; printf '1\n2\n' | xargs -I{} echo n{}
echo a >nodir/f; echo $?
echo hi > /; cat /
cat < nosuch
X=1 Y=2; echo $X$Y; X+=0; echo $X
echo "$(printf 'a\nb\n\n')"end
x=$(false); echo $?
let x=3+4; echo $x; ((x>5)) && echo big; ((x=0)); echo $?
echo $'tab\there'
echo a#b #comment
echo a{b
echo $((1/0)); echo after
echo $(( 1 + ))
time_x=1; echo ${time_x}; echo $1x
printf '%s %s\n' $(seq 4)
uniq -d <<< $'a\na\nb'
date -u -d @0 +%F_%T; date -u -d 2026-02-03 '+%a %d %b %j %e'
date -d nonsense
kill -l >/dev/null; kill 999999; kill abc
cut -f x f
grep -E 'a(' f
sed 's/a' f
sed 'k' f
tr a
seq x
sleep x
mv a; cp a; cp a b c; mv nosuch x; cp nosuch x; touch; mkdir; rm
""".strip("\n").split("\n")
MORE = [
    "cat <<EOF\nx $((2+2)) $HOME_NOT\nEOF\necho after",
    "cat <<'EOF'\nx $((2+2)) `a`\nEOF",
    "cat <<-E\n\ttab\n\tE",
    "printf 'a\\nb\\n' | sed '1a\\\nX'",
    "if true\nthen echo multi\nfi",
    "echo a \\\n b",
    "f() {\n echo in\n}\nf",
    "cat <<A; cat <<B\n1\nA\n2\nB",
    "for i in 1 2\ndo\n echo $i\ndone | tac",
    "echo 'a\nb' | grep -c .",
    'while read -r a rest; do echo "$rest"; done <<E\n1 2 3\n4 5\nE',
]


def told_alike(text: str) -> str:
    """A shell without a terminal counts lines in its messages, and the simulator adds hints."""
    text = re.sub(r"-bash: line \d+: ", "-bash: ", text)
    return re.sub(r"^netwerf: .*\n", "", text, flags=re.MULTILINE)


@pytest.mark.parametrize("line", [*ONE_LINERS, *MORE])
def test_line_run_answers_as_bash_does(line: str, tmp_path: Path) -> None:
    """Each line runs in an empty directory with standard error joined to standard output."""
    environment = {**os.environ, "HOME": "/root", "LC_ALL": "C.UTF-8", "PATH": PATH}
    real = subprocess.run(
        ["bash", "-c", line, "-bash"],
        cwd=tmp_path,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=20,
        check=False,
    )
    node = device()
    run(node, "mkdir /root/work; cd /root/work")
    ours = run(node, line)
    jobs = re.sub(r"^\[\d+\].*\n", "", ours.text, flags=re.MULTILINE)
    assert (told_alike(jobs), ours.status) == (told_alike(real.stdout), real.returncode)
