import sys
sys.stdout.buffer.write(bytes([0, 255, 254, 10, 0xC3, 0x28]))
