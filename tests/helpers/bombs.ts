/** Python programs that exhaust something, and limits that end each of them soon. */
export const BOMBS = {
  memory: 'held = []\nwhile True: held.append(bytearray(1 << 20))',
  processes: 'import os\nwhile True:\n  try: os.fork()\n  except OSError: pass',
  output: 'while True: print("x" * 1000)',
  time: 'while True: pass',
  files: 'n = 0\nwhile True:\n  open(f"/tmp/{n}", "w").write("x" * 2**20); n += 1',
}
export const BOMB_LIMITS = { wallTimeMs: 1_000, memoryBytes: 64 * 2 ** 20, processes: 24, outputBytes: 10_000 }
