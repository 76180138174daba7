# with: tree
# needs: tar
make_tree tree
tar -cf a.tar --numeric-owner --sort=name tree
tar -tvf a.tar --numeric-owner
mkdir out
tar -xpf a.tar --numeric-owner -C out
show_tree out
mkdir plain
tar -xf a.tar -C plain --no-same-permissions --no-same-owner
show_tree plain
tar -cf - --owner=5 --group=6 --numeric-owner tree/etc | tar -tvf - --numeric-owner
