# Stopping and continuing jobs as an interactive shell does, without a terminal. bash tells of a job that
# ended whenever it comes to notice it, so only what was waited for is printed.
# needs: bash
bash -c '
set -m
sleep 100 & jobs; kill %1; wait %1 2>/dev/null; echo "terminated: $?"
sleep 100 &
kill -STOP %1; while [ -z "$(jobs -s)" ]; do sleep 0.05; done; jobs -s | grep -o "Stopped.*sleep"
kill -CONT %1; while [ -n "$(jobs -s)" ]; do sleep 0.05; done; jobs -r | grep -o "Running.*sleep"
kill -KILL %1; wait %1 2>/dev/null; echo "killed: $?"
(exit 7) & wait $!; echo "exited: $?"
' 2>/dev/null
bash -c '
true | false | true; echo "${PIPESTATUS[@]}"
sleep 0.1 & wait $!; echo "$?"
coproc cat; echo through >&"${COPROC[1]}"; read -r line <&"${COPROC[0]}"; echo "$line"
pid=$COPROC_PID; exec {COPROC[1]}>&-; wait "$pid"; echo "$?"
trap "echo got TERM" TERM; kill -TERM $$
trap "echo bye" EXIT
'
