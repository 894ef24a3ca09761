import asyncio, sys
async def main():
    loop = asyncio.get_running_loop()
    print(await loop.run_in_executor(None, sys.stdin.readline))
    p = await asyncio.create_subprocess_exec("echo", "sub", stdout=asyncio.subprocess.PIPE)
    out, _ = await p.communicate()
    print(out, p.returncode)
asyncio.run(main())
