'use strict'

/*
 * The warm guest: `node -r warm.cjs main.js`, started before there is a main.js. Where fd 3 is a socket, this process is the
 * nursery of the nested tier (nursery/): it never runs a program itself, and each guest is a fork of it that goes on from there.
 *
 * A preload runs after Node has set itself up and before it looks for the program. So this file waits for the claim (one
 * line on fd 3, see PROTOCOL.md), and returns: from there on it is Node's own code that finds, classifies, compiles and
 * runs main.js, and stack traces, module types, exit codes are right because nothing imitates them.
 *
 * What is left to do here is to take back what tells a warm start from a plain one, and to have done early what a short
 * program would wait for. Each function below says which.
 */

const fs = require('node:fs')
const Module = require('node:module')
const { isMainThread } = require('node:worker_threads')

const CONTROL_FD = 3

/**
 * Runs once what every program needs that prints: 2 ms, of which each saves one. Nothing of it can be seen later except in
 * process.moduleLoadList.
 */
function warmOutput(pipe) {
  const terminal = silentConsole()
  terminal.log('%s', [1, 'a', { b: 2 }, new Map([[1, 2]])])
  warmPipe(pipe)
  process._tickCallback() // leave nothing in the queue: it would put a frame into the program's first stack traces
}

/** Loads what many programs need, in the same way: 4 ms, well spent only while no program waits for them. */
function warmModules() {
  const common =
    'assert async_hooks events fs/promises os path perf_hooks readline stream string_decoder timers/promises url util'
  for (const name of common.split(' ')) require(`node:${name}`)
  require('./warm-module.mjs')
  silentConsole().error(new Error('warm'))
  process._tickCallback()
}

function silentConsole() {
  const { Writable } = require('node:stream')
  const sink = new Writable({ write: (_chunk, _encoding, done) => done() })
  return new console.Console(sink, sink)
}

/**
 * process.stdout is a socket when it is a pipe: building the first one and its first write are 5 ms, the largest part by far.
 * The real one must not be touched, since that makes its pipe non-blocking, which programs that use fs.writeSync would
 * notice. So this is one on a second, writable opening of a pipe that is there, and what it writes is nothing.
 */
function warmPipe(number) {
  const { Socket } = require('node:net')
  try {
    const fd = fs.openSync(`/proc/self/fd/${number}`, 'r+')
    const pipe = new Socket({ fd, readable: false, writable: true })
    pipe.write('')
    pipe.write('')
    pipe.destroy()
  } catch {
    // Without /proc the first line of output is 1 ms later, and that is all.
  }
}

/**
 * Blocks until the line is there. EOF before its end means that no program will come. `meanwhile` is called when it is not
 * there yet: what the pipe gives first is the space that says so.
 */
function readClaim(meanwhile) {
  const chunk = Buffer.allocUnsafe(65536)
  const parts = []
  for (;;) {
    const size = fs.readSync(CONTROL_FD, chunk)
    if (size === 0) process.reallyExit(0)
    const last = chunk[size - 1] === 0x0a
    parts.push(Buffer.from(chunk.subarray(0, size)))
    if (last) break
    if (parts.length === 1) meanwhile()
  }
  fs.closeSync(CONTROL_FD)
  return JSON.parse(Buffer.concat(parts).toString('utf8'))
}

/**
 * Until now this was another folder (see language.json): resolving a preload makes Node remember whether the current folder has
 * a package.json, and the program may bring one.
 */
function becomePlace(env, cwd) {
  process.chdir(cwd)
  const { PATH, HOME, LANG, ...others } = process.env // the order of PROTOCOL.md, which the shell has lost
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, { PATH, HOME, LANG, ...others, ...env })
  if ('HOME' in env) Module._initPaths() // $HOME/.node_modules
}

/** The options up to `-r warm.cjs` are ours. The array under _preload_modules is the one that Node's own option table holds. */
function hideOptions() {
  const at = process.execArgv.indexOf(__filename)
  process.execArgv.splice(0, at + 1)
  process._preload_modules?.splice(0)
}

/** The module loader has seen our files; the program's must be the first. */
function hideModules() {
  for (const cache of [Module._cache, Module._pathCache]) {
    for (const key of Object.keys(cache)) if (key.includes(__dirname)) delete cache[key]
  }
}

/** What the start has cost. On an idle machine that is how long it took; on a busy one the guests of a nursery would all begin late. */
function startMs() {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

/**
 * Clocks that count from the start of the process count from the claim, less the time a plain start takes. Programs that
 * search "until performance.now() is 1900" would otherwise give up at once in a sandbox that has waited for a minute.
 */
function hideWait(waitedMs) {
  const { uptime } = process
  process.uptime = { uptime: () => uptime() - waitedMs / 1000 }.uptime
  const clock = Object.getPrototypeOf(performance)
  const now = Object.getOwnPropertyDescriptor(clock, 'now')
  const plainNow = now.value
  now.value = {
    now() {
      return plainNow.call(this) - waitedMs
    },
  }.now
  Object.defineProperty(clock, 'now', now)
  const origin = Object.getOwnPropertyDescriptor(clock, 'timeOrigin')
  const plainOrigin = origin.get
  origin.get = Object.getOwnPropertyDescriptor(
    {
      get timeOrigin() {
        return plainOrigin.call(this) + waitedMs
      },
    },
    'timeOrigin',
  ).get
  Object.defineProperty(clock, 'timeOrigin', origin)
}

/**
 * Leaves by exit(3), as process.exit() does, instead of dismantling the heap first: 1.5 ms less. Only for exit code 0, since
 * Node has more to say about others (an unsettled await, for example), and only when no 'exit' listener could notice.
 *
 * `leave` is the way that a guest of a nursery may have. Node looks `emit` up on process when it exits. The getter uses that moment to register the only listener, and
 * answers with the function that would have been found anyway: no frame of ours in a stack, no listener for a program to count.
 */
function leaveQuickly(leave) {
  const { emit, listenerCount, on, reallyExit } = process
  const quit = (code) => {
    if (code !== 0 || process.exitCode || process.reallyExit !== reallyExit) return
    leave()
    reallyExit.call(process, 0)
  }
  let armed = false
  Object.defineProperty(Object.getPrototypeOf(process), 'emit', {
    configurable: true,
    enumerable: false,
    get() {
      if (process._exiting && !armed && listenerCount.call(process, 'exit') === 0) {
        armed = true
        on.call(process, 'exit', quit)
      }
      return emit
    },
    set(value) {
      Object.defineProperty(this, 'emit', { value, configurable: true, enumerable: true, writable: true })
    },
  })
}

/** The addon of nursery/ where this process is to be a nursery, else undefined. */
function loadNursery() {
  if (!fs.fstatSync(CONTROL_FD).isSocket()) return undefined
  const addon = { exports: {} }
  process.dlopen(addon, `${__dirname}/nursery.node`)
  return addon.exports
}

/** In a nursery: what is garbage now would be collected by each guest, for a third of what a short program costs. */
function collectGarbage() {
  const { setFlagsFromString } = require('node:v8')
  setFlagsFromString('--expose-gc')
  const collect = require('node:vm').runInNewContext('gc')
  setFlagsFromString('--no-expose-gc')
  collect()
}

const pairsOf = (env) => Object.entries(env).map((pair) => pair.join('='))

/** A fork has the pid and the Math.random of the others. V8 looks at the seed when a context asks for its first number; those of workers are to differ. */
function becomeSomebody(seed) {
  Object.defineProperty(process, 'pid', { value: Number(fs.readlinkSync('/proc/self')) })
  const { setFlagsFromString } = require('node:v8')
  setFlagsFromString(`--random-seed=${seed || 1}`)
  Math.random()
  setFlagsFromString('--random-seed=0')
}

if (isMainThread) {
  const nursery = loadNursery()
  warmOutput(nursery ? 1 : CONTROL_FD)
  let took = startMs()
  const warmUp = () => {
    warmModules()
    took = startMs()
  }
  if (nursery) {
    warmUp()
    collectGarbage()
    becomeSomebody(nursery.serve()) // serve returns in each guest, and only there
  }
  const { path, command, args, env, cwd } = readClaim(nursery ? () => {} : warmUp)
  // A request whose `env` acts while Node starts.
  if (command) nursery.become(path, command, pairsOf(env))
  nursery?.settle()
  hideWait(performance.now() - took)
  process.argv.push(...args)
  becomePlace(env, cwd)
  leaveQuickly(nursery?.leave ?? (() => {}))
}
// Worker threads of the program inherit the options, and with them this file.
hideOptions()
hideModules()
