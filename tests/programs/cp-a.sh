# with: tree
# needs: cp
make_tree tree
cp -a tree copy
show_tree copy
cp -r --no-preserve=all tree/etc plain
show_tree plain
cp -p tree/etc/shadow shadow
cp --preserve=mode tree/bin/su su
cp -R tree/dev dev
stat -c '%n %a %u:%g' shadow su
show_tree dev
cp -a tree/. copy/
show_tree copy
