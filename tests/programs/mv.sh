# with: tree
# needs: mv
make_tree tree
mkdir other
mv tree/etc/shadow other/shadow
mv tree/dev other/dev
echo new >over; chown 3:4 over
echo old >target; chown 5:6 target
mv -f over target
mv -n target tree/etc/passwd
show_tree tree; show_tree other
stat -c '%n %a %u:%g' target
