# needs: install
echo text >f
install -o 5 -g 6 -m 4711 f g
install -d -o 7 -g 8 -m 2770 d d/e
install -m 000 f h
install -D -o 9 -g 9 -m 644 f deep/er/f
stat -c '%n %F %a %u:%g' f g d d/e h deep deep/er deep/er/f
cat h
install -o root -g root -m 755 f g
stat -c '%n %F %a %u:%g' g
