# A hundred short-lived programs, some at the same time, all with one tale.
i=0
while [ $i -lt 40 ]; do
    (echo $i >f$i; chown $i:$((i + 1)) f$i; chmod 4700 f$i) &
    i=$((i + 1))
done
wait
stat -c '%n %a %u:%g' f* | sort
seq 30 | xargs -P 8 -I{} sh -c 'mkdir d{}; chown {}:7 d{}'
stat -c '%n %u:%g' d* | sort
