# Exit codes, 126, 127 and death by a signal, as a shell sees them.
sh -c 'exit 0'; echo $?
sh -c 'exit 42'; echo $?
sh -c 'kill -TERM $$'; echo $?
sh -c 'kill -KILL $$'; echo $?
sh -c ./missing; echo $?
: >plain; sh -c ./plain; echo $?
sh -c 'exec ./missing'; echo $?
mkdir dir; sh -c ./dir; echo $?
(exit 3); echo $?
! true; echo $?
