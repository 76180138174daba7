# with: tree
# needs: find
make_tree tree
for question in '-uid 1000' '-gid 42' '-perm -4000' '-perm -2000' '-perm 000' '-type b' '-type c' '-type p' \
    '-type l' '-nouser -uid 1000' '-perm -1000 -type d' '! -uid 0' '-links +1 -type f' '-readable -name locked' \
    '-writable -name locked' '-executable -type f' '-newer tree/etc/passwd' '-empty -type d' '-size 0 -type f'; do
    echo "== $question"
    find tree $question | sort
done
find tree -printf '%P %y %m %U:%G %n %l\n' | sort
find tree -uid 1000 -delete; find tree | sort
