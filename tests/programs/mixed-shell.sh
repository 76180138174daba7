# A shell, a program of another ABI, a program of the first again: one tree, one state.
# mixed
: >f; chown 1000:2000 f; chmod 2710 f
"$FRNG_CASE" role look
"$FRNG_CASE_OTHER" role look
"$FRNG_CASE" role exec "$FRNG_CASE_OTHER" | sed "s,$FRNG_CASE_OTHER,OTHER,"
mkdir d; cd d
"$FRNG_CASE" role make
stat -c '%n %F %a %u:%g %t:%T' *
chown -h 7:8 *
cp ../f f
"$FRNG_CASE_OTHER" role look
find . | cpio -o -H newc --quiet --reproducible | cpio -tv --quiet | awk '{ print $1, $3, $4, $NF }'
