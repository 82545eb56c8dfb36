// Runs a development tool of the clone with the pinned Node, in front of the person who asked for it.

import { spawn } from 'node:child_process'
import { delimiter } from 'node:path'
import { inRoot, pinnedNode, root } from './paths.mjs'
import { exitCodeOf, interruption } from './set-up-child.mjs'

const GRACE_MS = 10_000

/** The environment in which `node` is the pinned one, whatever the tool starts. */
export function toolEnvironment(more = {}) {
  return {
    ...process.env,
    PATH: `${inRoot('node_modules', '.bin')}${delimiter}${process.env.PATH ?? ''}`,
    ...more,
  }
}

/**
 * Runs a tool's script to its end; a signal to this process ends the tool with everything that it started.
 *
 * @param {string} script path below the root
 * @param {string[]} args
 * @param {object} [options]
 * @param {Record<string, string>} [options.env] added to the environment
 * @returns {Promise<number>} the exit code
 */
export async function runTool(script, args, { env = {} } = {}) {
  const stop = interruption()
  const child = spawn(pinnedNode, [inRoot(script), ...args], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: toolEnvironment(env),
    detached: process.platform !== 'win32',
  })
  let killTimer
  const signalAll = (signal) => {
    try {
      if (process.platform === 'win32') child.kill(signal)
      else process.kill(-child.pid, signal)
    } catch (error) {
      if (error.code !== 'ESRCH') throw error
    }
  }
  const end = () => {
    signalAll('SIGTERM')
    killTimer ??= setTimeout(() => signalAll('SIGKILL'), GRACE_MS)
  }
  stop.signal.addEventListener('abort', end, { once: true })
  try {
    const { code, signal } = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
    // A test that failed half-way may have left its server behind; nothing outlives the tool.
    signalAll('SIGKILL')
    stop.signal.throwIfAborted()
    return code ?? exitCodeOf(signal)
  } finally {
    clearTimeout(killTimer)
    stop.end()
  }
}
