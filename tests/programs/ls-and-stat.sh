# with: tree
# needs: ls stat
make_tree tree
ls -lnR --time-style=+ tree | grep -v '^total'
ls -lndF --time-style=+ tree tree/dev/* tree/bin/*
stat -c '%n %F %A %a %u %g %U %G %h %t %T %s' tree/dev/null tree/dev/sda tree/bin/su tree/bin/soft
stat -L -c '%n %F %a %u:%g' tree/bin/soft
test -u tree/bin/su && test -g tree/bin/wall && test -k tree/tmp && test -b tree/dev/sda && test -c tree/dev/null \
    && test -p tree/dev/initctl && test -O tree/bin/su && test -G tree/bin/su && echo all true
test -O tree/home/user; echo $?
test -r tree/home/user/locked; echo $?
test -x tree/home/user/locked; echo $?
