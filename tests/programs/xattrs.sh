# needs: setfattr getfattr
echo text >f; ln -s f l; mkdir d; mknod n c 1 3
setfattr -n user.a -v 1 f
setfattr -n trusted.b -v two f
setfattr -n security.c -v 0x00ff f
setfattr -n trusted.d -v dir d
setfattr -h -n trusted.e -v link l
setfattr -n trusted.f -v node n
setfattr -n user.g -v node n
getfattr -d -m - f d n
getfattr -h -d -m - l
setfattr -x trusted.b f; setfattr -x trusted.missing f
getfattr -d -m - f
getfattr -n trusted.missing f
getfattr --only-values -n user.a f; echo
