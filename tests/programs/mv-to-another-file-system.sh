# A tmpfs of the machine, where there is one, is another file system: mv has to copy.
# with: tree
# needs: mv mktemp
make_tree tree
away=$(mktemp -d /dev/shm/frng-test.XXXXXX) || exit
trap 'rm -rf "$away"' EXIT
mv tree "$away/tree"
show_tree "$away/tree"
mv "$away/tree" back
show_tree back
ls "$away"
