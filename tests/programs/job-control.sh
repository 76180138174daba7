# needs: bash
bash -c '
set -m
sleep 0.1 & jobs; wait %1; echo $?
sleep 100 & kill %1; wait %1; echo $?
sleep 100 & kill -STOP %1; sleep 0.3; jobs; kill -CONT %1; sleep 0.3; jobs; kill -KILL %1; wait %1; echo $?
(exit 7) & wait $!; echo $?
true | false | true; echo "${PIPESTATUS[@]}"
trap "echo got TERM" TERM; kill -TERM $$
trap "echo bye" EXIT
coproc cat; echo through >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"; exec {COPROC[1]}>&-
' 2>&1 | sed -E 's:line ([0-9]+) *\: +[0-9]+ :line \1\: PID :'
