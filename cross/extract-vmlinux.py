"""extract-vmlinux.py VMLINUZ OUT: the ELF file in the bzImage of an x86 kernel (Documentation/arch/x86/boot.rst).

An emulator starts that one by PVH, in half the time: the kernel need not unpack itself.
"""
import bz2
import lzma
import struct
import subprocess
import sys
import zlib

image = open(sys.argv[1], 'rb').read()
setup_sectors = image[0x1f1] or 4
offset, length = struct.unpack_from('<II', image, 0x248)
payload = image[(setup_sectors + 1) * 512 + offset:][:length]
if payload.startswith(b'\xfd7zXZ\0'):
    kernel = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(payload)
elif payload.startswith(b'\x1f\x8b'):
    kernel = zlib.decompressobj(31).decompress(payload)
elif payload.startswith(b'BZh'):
    kernel = bz2.BZ2Decompressor().decompress(payload)
elif payload.startswith(b'\x28\xb5\x2f\xfd'):
    kernel = subprocess.run(['zstd', '-dcq'], input=payload, stdout=subprocess.PIPE).stdout
else:
    sys.exit(f'{sys.argv[1]}: compressed by an unknown method')
if not kernel.startswith(b'\x7fELF'):
    sys.exit(f'{sys.argv[1]}: no ELF file in it')
open(sys.argv[2], 'wb').write(kernel)
