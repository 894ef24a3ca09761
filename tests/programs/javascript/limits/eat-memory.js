const blocks = []
for (;;) blocks.push(Buffer.alloc(4 * 1024 * 1024, 1))
