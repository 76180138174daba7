# needs: python3
/usr/bin/python3 -u - <<'EOF'
import os, stat, socket, tempfile, shutil, subprocess
def show(p):
    s = os.lstat(p); print(p, oct(s.st_mode), s.st_uid, s.st_gid, s.st_nlink, os.major(s.st_rdev), os.minor(s.st_rdev))
open("f", "w").close(); os.chown("f", 1000, 2000); show("f")
os.chmod("f", 0o6755); show("f")
os.symlink("f", "l"); os.lchown("l", 3, 4); show("l"); show("f")
os.mknod("n", stat.S_IFCHR | 0o600, os.makedev(1, 3)); show("n")
os.mkfifo("p"); os.chown("p", -1, 9); show("p")
with open("n", "rb") as n: print(n.read(5))
for e in sorted(os.scandir("."), key=lambda e: e.name): print(e.name, e.is_file(follow_symlinks=False), e.is_symlink())
os.setxattr("f", "trusted.x", b"v"); print(os.listxattr("f"), os.getxattr("f", "trusted.x"))
s = socket.socket(socket.AF_UNIX); s.bind("s"); os.chown("s", 5, 6); show("s")
shutil.copy2("f", "g"); show("g")
fd = os.open("f", os.O_RDONLY); os.unlink("f"); os.fchown(fd, 7, 8); print(os.fstat(fd).st_uid)
pid = os.fork()
if pid == 0:
    os.setgroups([1, 2]); os.setresgid(5, 5, 5); os.setresuid(6, 6, 6)
    print(os.getresuid(), os.getresgid(), os.getgroups(), flush=True)
    try: os.setuid(0)
    except PermissionError as e: print(e.strerror, flush=True)
    os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), os.getuid())
print(subprocess.run(["id", "-u"], user=1000, group=1000, extra_groups=[], capture_output=True).stdout)
EOF
