import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { constants } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { expect } from 'vitest'
import { z } from 'zod'
import type { AgentFrame, OutputFrame, ResultFrame } from '../../core/frames.ts'
import type { Limits } from '../../core/limits.ts'
import { statusOf } from '../../core/outcome.ts'
import type { SandboxProvider } from '../../core/ports.ts'
import { bubblewrapArguments, GUEST_PATH, type Host, type Identity, passwd } from '../../local/bubblewrap-command.ts'
import { kubectl, run as runCommand } from './cluster.ts'
import type { TestProgram } from './programs.ts'

const MEBIBYTE = 1024 * 1024
const BY_HAND = readFileSync(join(import.meta.dirname, 'by-hand.py'), 'utf8')
const BY_HAND_IN_POD = readFileSync(join(import.meta.dirname, 'by-hand-in-pod.py'), 'utf8')
const PYTHON = ['/usr/bin/python3', '-I', '-S', '-c', BY_HAND]

/** Where the agent puts programs; running by hand uses the same folder, since tracebacks name it. */
const WORK_FOLDER = '/tmp/work'

/** Far from what a well-behaved program needs. */
const WIDE: Limits = {
  wallTimeMs: 20_000,
  cpuTimeMs: 20_000,
  memoryBytes: 512 * MEBIBYTE,
  outputBytes: 16 * MEBIBYTE,
  processes: 64,
  openFiles: 256,
  fileSizeBytes: 64 * MEBIBYTE,
}

const LanguageFile = z.object({ file: z.string(), run: z.array(z.string()) })
const ByHand = z.object({ stdout: z.string(), stderr: z.string(), status: z.int() })

export interface PodPlace {
  namespace: string
  name: string
  /** The folder of this repository that the image was made of. */
  images: string
}

/** Bytes as latin1: every byte is one character, so what is compared is exact. */
const exact = (chunks: Buffer[]) => Buffer.concat(chunks).toString('latin1')

/** What by-hand.py takes. */
function jobOf(images: string, folder: string, program: TestProgram, path: string) {
  const { file, run } = LanguageFile.parse(JSON.parse(readFileSync(join(images, folder, 'language.json'), 'utf8')))
  return {
    ...{ file, code: program.code, stdin: program.stdin, files: program.files, folder: WORK_FOLDER },
    command: [...run.map((word) => word.replace('{file}', file)), ...program.args],
    env: { PATH: path, HOME: '/tmp', LANG: 'C.UTF-8', ...program.env },
  }
}

function readAnswer(text: string) {
  const { stdout, stderr, status } = ByHand.parse(JSON.parse(text))
  const decoded = (encoded: string) => exact([Buffer.from(encoded, 'base64')])
  return {
    stdout: decoded(stdout),
    stderr: decoded(stderr),
    exitCode: status < 0 ? null : status,
    signalNumber: status < 0 ? -status : 0,
  }
}

/** `python3 main.py`, `node main.js`: in the same world as a sandbox's, but with no agent, no warm guest, no seccomp. */
export async function runByHand(host: Host, identity: Identity, folder: string, program: TestProgram) {
  const child = spawn(host.bwrap, bubblewrapArguments(host, identity, folder, PYTHON), {
    stdio: ['pipe', 'pipe', 'inherit', 'pipe', 'pipe'],
    env: {},
  })
  type Streams = [stdin: Writable, stdout: Readable, stderr: null, passwd: Writable, info: Readable]
  const [stdin, stdout, , passwdPipe, info] = child.stdio as unknown as Streams
  passwdPipe.end(passwd(identity))
  info.resume()
  stdin.end(JSON.stringify(jobOf(host.images, folder, program, GUEST_PATH)))
  return readAnswer((await buffer(stdout)).toString())
}

/** The same for many, in a pod of its own of a sandbox's image, which has an empty /tmp and no more. */
export async function runByHandInPod(pod: PodPlace, folder: string, programs: readonly TestProgram[]) {
  const path = await kubectl('exec', '-n', pod.namespace, pod.name, '--', 'printenv', 'PATH')
  const lines = programs.map((program) => JSON.stringify(jobOf(pod.images, folder, program, path)))
  const command = ['python3', '-I', '-S', '-c', BY_HAND_IN_POD, BY_HAND]
  const args = ['exec', '-i', '-n', pod.namespace, pod.name, '--', ...command]
  const answers = (await runCommand('kubectl', args, { stdin: `${lines.join('\n')}\n` })).split('\n')
  return new Map(programs.map(({ name }, index) => [name, readAnswer(answers[index] ?? '')]))
}

/** What runByHand says, of a program that ran in a sandbox; and what ended it. */
export function asByHand({ result, stdout, stderr }: RanInSandbox) {
  const { exitCode, signal, cause } = result
  const signalNumber = signal === null ? 0 : constants.signals[signal as keyof typeof constants.signals]
  return { stdout, stderr, exitCode, signalNumber, cause }
}

/** Holds the end of a program that misbehaves against what its sidecar expects. */
export function expectEnd({ status, stdout, result }: RanInSandbox, wanted: TestProgram['expect']): void {
  expect({ status, stdout, signal: result.signal }).toMatchObject({ status: wanted?.status, ...wanted })
}

type RanInSandbox = Awaited<ReturnType<typeof runInSandbox>>

/** The same program through a sandbox: agent, warm guest, seccomp, limits. */
export async function runInSandbox(provider: SandboxProvider, program: TestProgram) {
  const sandbox = await provider.start(program.language, AbortSignal.timeout(30_000))
  try {
    const { promise, resolve, reject } = Promise.withResolvers<ResultFrame>()
    const chunks = { stdout: [] as Buffer[], stderr: [] as Buffer[] }
    const onOutput = ({ stream, data, encoding }: OutputFrame) => chunks[stream].push(Buffer.from(data, encoding))
    sandbox.onFrame((frame: AgentFrame) => {
      if (frame.type === 'output') onOutput(frame)
      if (frame.type === 'result') resolve(frame)
    })
    void sandbox.ended.then((end) => end.reason !== 'finished' && reject(new Error(JSON.stringify(end))))
    const { code, stdin, args, env, files } = program
    sandbox.send({
      ...{ type: 'execute', id: program.name, code, stdin, args, env, files },
      limits: { ...WIDE, ...program.limits },
    })
    const result = await promise
    return { result, status: statusOf(result), stdout: exact(chunks.stdout), stderr: exact(chunks.stderr) }
  } finally {
    await sandbox.destroy()
  }
}
