// One program of the set-up: watched, bounded, and ended together with everything that it started.

import { spawn } from 'node:child_process'
import { constants } from 'node:os'
import { root } from './paths.mjs'

const GRACE_MS = 5_000

/** A failure that people see as one sentence, without a stack. */
export class SetupError extends Error {
  constructor(sentence, { exitCode = 1, cause } = {}) {
    super(sentence, { cause })
    this.sentence = sentence
    this.exitCode = exitCode
  }
}

/** The exit code by which shells report an end by this signal. */
export function exitCodeOf(signal) {
  return 128 + (constants.signals[signal] ?? 0)
}

/**
 * Turns SIGINT, SIGTERM and SIGHUP into an aborted signal, whose reason is the error to end with.
 *
 * @returns {{ signal: AbortSignal, end: () => void }}
 */
export function interruption() {
  const controller = new AbortController()
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const onSignal = (name) =>
    controller.abort(
      new SetupError(`Stopped by ${name} before the set-up was complete.`, { exitCode: exitCodeOf(name) }),
    )
  for (const name of signals) process.on(name, onSignal)
  return {
    signal: controller.signal,
    end() {
      for (const name of signals) process.off(name, onSignal)
    },
  }
}

/** A program and what it started; on Windows there are no groups, so the program alone. */
function signalGroup(child, signal) {
  try {
    if (process.platform === 'win32') child.kill(signal)
    else process.kill(-child.pid, signal)
  } catch (error) {
    if (error.code !== 'ESRCH') throw error
  }
}

/**
 * Runs a program to its end.
 *
 * @param {{ lock?: { addChild: (pid: number) => void }, stop: { signal: AbortSignal }, timeoutMs: number }} context
 * @param {string} command
 * @param {string[]} args
 * @param {{ env: NodeJS.ProcessEnv, quiet?: boolean, failure: string }} options `quiet` shows the program's output
 *   only when it fails
 * @throws {SetupError} `failure` when its exit code is not 0
 */
export async function runChild({ lock, stop, timeoutMs }, command, args, { env, quiet = false, failure }) {
  stop.signal.throwIfAborted()
  const output = []
  let outputBytes = 0
  // A group of its own, so that what the program starts ends with it. All its output goes to standard error: standard output belongs to
  // the command that this set-up is for.
  const child = spawn(command, args, {
    cwd: root,
    env,
    stdio: ['ignore', quiet ? 'pipe' : 2, quiet ? 'pipe' : 2],
    detached: process.platform !== 'win32',
  })
  if (quiet) {
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk) => {
        output.push(chunk)
        outputBytes += chunk.length
        while (outputBytes > 262_144) outputBytes -= output.shift().length
      })
    }
  }
  let killTimer
  let timedOut = false
  const end = () => {
    signalGroup(child, 'SIGTERM')
    killTimer ??= setTimeout(() => signalGroup(child, 'SIGKILL'), GRACE_MS)
  }
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, timeoutMs)
  stop.signal.addEventListener('abort', end, { once: true })
  try {
    const { code, signal } = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (code, signal) => resolve({ code, signal }))
      if (child.pid !== undefined) lock?.addChild(child.pid)
    })
    stop.signal.throwIfAborted()
    if (code === 0) return
    if (quiet) process.stderr.write(Buffer.concat(output))
    if (timedOut)
      throw new SetupError(`${failure} (It was stopped after ${Math.round(timeoutMs / 60_000)} minutes.)`)
    throw new SetupError(`${failure} (It ended with ${signal ?? `code ${code}`}.)`)
  } catch (error) {
    if (error.code === 'ENOENT')
      throw new SetupError(`${failure} (There is no program "${command}" on this machine.)`)
    throw error
  } finally {
    clearTimeout(timer)
    clearTimeout(killTimer)
    stop.signal.removeEventListener('abort', end)
  }
}
