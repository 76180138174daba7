# with: tree
# needs: touch rm du
make_tree tree
touch -d '2021-01-01 UTC' tree/home/user/locked; stat -c '%Y %a %u' tree/home/user/locked
touch new; stat -c '%a %u:%g' new
cat tree/home/user/locked; echo more >>tree/home/user/locked; cat tree/home/user/locked
sed -i s/more/less/ tree/home/user/locked; stat -c '%a %u:%g' tree/home/user/locked
sort -o tree/etc/passwd tree/etc/passwd; stat -c '%a %u:%g' tree/etc/passwd
head -c 4 tree/dev/null | wc -c
rm -rf tree; ls
