import asyncio
async def work(n):
    await asyncio.sleep(0.002 * n)
    return n * n
async def main():
    print(await asyncio.gather(*(work(n) for n in (3, 1, 2))))
    async with asyncio.TaskGroup() as tg:
        t = tg.create_task(work(4))
    print(t.result())
    try:
        await asyncio.wait_for(asyncio.sleep(1), 0.005)
    except TimeoutError as e:
        print("timeout", repr(e))
    q = asyncio.Queue()
    await q.put(1)
    print(await q.get(), asyncio.current_task().get_name())
asyncio.run(main())
