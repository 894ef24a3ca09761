import { describe, expect, it } from 'vitest'
import type { AgentFrame, RunnerFrame } from '../core/frames.ts'
import type { SandboxEnd } from '../core/ports.ts'
import { settled } from '../tests/fakes/clock.ts'
import { FakeSandbox, resultFrame } from '../tests/fakes/sandbox.ts'
import type { AttachListeners } from './attach.ts'
import { HeldJob, jobOf } from './held-job.ts'
import { JobSandbox } from './job-sandbox.ts'
import { PodStream } from './pod-stream.ts'

const limits = {
  wallTimeMs: 1,
  cpuTimeMs: 1,
  memoryBytes: 1,
  outputBytes: 1000,
  processes: 1,
  openFiles: 1,
  fileSizeBytes: 1,
}
const execute: RunnerFrame = { type: 'execute', id: 'e1', code: '', stdin: '', args: [], env: {}, files: [], limits }

async function world(verdict: SandboxEnd = { reason: 'lost', detail: 'its pod is gone' }) {
  const written: string[] = []
  const calls: string[] = []
  let far: AttachListeners | undefined
  const stream = await PodStream.open(async (listeners) => {
    far = listeners
    return {
      write: (text) => written.push(text),
      pause() {},
      resume() {},
      answers: async () => true,
      close: () => calls.push('close'),
    }
  })
  const sandbox = new JobSandbox({
    job: new HeldJob('python-1'),
    language: 'python',
    version: '3.13.5',
    stream,
    examine: async (reason) => {
      calls.push(`examine ${reason}`)
      return verdict
    },
    release: async () => {
      calls.push('release')
    },
  })
  const frames: AgentFrame[] = []
  sandbox.onFrame((frame) => frames.push(frame))
  const say = (frame: object) => far?.stdout(Buffer.from(`${JSON.stringify(frame)}\n`))
  const cut = (reason: string) => far?.closed(reason)
  return { sandbox, frames, written, calls, say, cut }
}

describe('JobSandbox', () => {
  it('sends, hears, and is finished with the result', async () => {
    const { sandbox, frames, written, say, calls } = await world()
    sandbox.send(execute)
    say({ type: 'output', id: 'e1', stream: 'stdout', data: '1\n', encoding: 'utf8' })
    say(resultFrame('e1'))
    expect(written).toEqual([`${JSON.stringify(execute)}\n`])
    expect(frames.map(({ type }) => type)).toEqual(['output', 'result'])
    expect(await sandbox.ended).toEqual({ reason: 'finished' })
    expect(calls).toEqual([])
  })

  it.each<[SandboxEnd]>([[{ reason: 'out_of_memory' }], [{ reason: 'lost', detail: 'Evicted' }]])(
    'asks the pod what became of a stream that broke: %j',
    async (verdict) => {
      const { sandbox, cut, calls } = await world(verdict)
      sandbox.send(execute)
      cut('broken pipe')
      expect(await sandbox.ended).toEqual(verdict)
      expect(calls).toContain('examine broken pipe')
    },
  )

  it('needs nobody to tell it that the agent broke the protocol', async () => {
    const { sandbox, say, calls } = await world()
    sandbox.send(execute)
    say({ type: 'output', id: 'other', stream: 'stdout', data: '1\n', encoding: 'utf8' })
    expect(await sandbox.ended).toMatchObject({ reason: 'lost', detail: expect.stringContaining('does not run in it') })
    expect(calls).toEqual(['close'])
  })

  it('stays finished when its stream ends after the result', async () => {
    const { sandbox, say, cut, calls } = await world()
    sandbox.send(execute)
    say(resultFrame('e1'))
    cut('over')
    await settled()
    expect(await sandbox.ended).toEqual({ reason: 'finished' })
    expect(calls).not.toContain('examine over')
  })

  it('is destroyed once, and hears nothing after that', async () => {
    const { sandbox, frames, say, calls } = await world()
    sandbox.send(execute)
    await Promise.all([sandbox.destroy(), sandbox.destroy()])
    say(resultFrame('e1'))
    expect(frames).toEqual([])
    expect(await sandbox.ended).toEqual({ reason: 'finished' })
    expect(calls).toEqual(['close', 'release'])
  })

  it('passes a cancellation on', async () => {
    const { sandbox, written } = await world()
    sandbox.send({ type: 'cancel', id: 'e1' })
    expect(written).toEqual(['{"type":"cancel","id":"e1"}\n'])
  })
})

describe('jobOf', () => {
  it('knows a sandbox on a Job from others', async () => {
    const { sandbox } = await world()
    expect(jobOf(sandbox)?.name).toBe('python-1')
    expect(jobOf(new FakeSandbox())).toBeUndefined()
  })
})

describe('HeldJob', () => {
  it('writes in order, also after a failure', async () => {
    const job = new HeldJob('a')
    const order: number[] = []
    const block = Promise.withResolvers<void>()
    const first = job.inOrder(async () => {
      await block.promise
      order.push(1)
      throw new Error('lost')
    })
    const second = job.inOrder(async () => order.push(2))
    await settled()
    expect(order).toEqual([])
    block.resolve()
    await expect(first).rejects.toThrow('lost')
    await second
    expect(order).toEqual([1, 2])
  })
})
