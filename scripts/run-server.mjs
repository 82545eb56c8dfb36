// Hands over to the pinned Node, and stays in between only for signals and the exit code.

import { spawn } from 'node:child_process'
import { inRoot, pinnedNode } from './paths.mjs'
import { exitCodeOf, SetupError } from './set-up-child.mjs'

/** How often to look whether npm is still there. */
const PARENT_CHECK_MS = 500

/** Who started this process; asked at once, since set-up may take minutes and npm may go meanwhile. */
const firstParent = process.ppid

/**
 * Runs `server/cli.ts` with these arguments and waits for its end.
 *
 * Signals are passed on, and this process never ends before the server, so that npm does not either. A signal to the
 * whole process group reaches the server twice, once directly and once from here; it treats the second as the first.
 *
 * @param {string[]} args the command line after `tidegate`
 * @param {object} options
 * @param {boolean} options.longRunning opens a channel whose end (`disconnect`) shows the server that this process is gone, even by
 * SIGKILL
 * @param {boolean} [options.development] pages are compiled when they are requested, with hot reload
 * @returns {Promise<number>} the exit code
 */
export async function runServer(args, { longRunning, development = false }) {
  const child = spawn(pinnedNode, [inRoot('server', 'cli.ts'), ...args], {
    stdio: longRunning ? ['inherit', 'inherit', 'inherit', 'ipc'] : 'inherit',
    env: {
      ...process.env,
      NODE_ENV: development ? 'development' : 'production',
      NEXT_TELEMETRY_DISABLED: '1',
      ...(development ? { TIDEGATE_DEV: '1' } : {}),
    },
  })
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP']
  const forward = (signal) => {
    child.kill(signal)
  }
  for (const signal of signals) process.on(signal, forward)

  // npm killed by SIGKILL passes nothing on, and a terminal that closes takes npm along. A new parent means that only below npm: a
  // launcher that was put into the background by hand may outlive its shell.
  let watch
  if (process.env.npm_command !== undefined || process.env.npm_lifecycle_event !== undefined) {
    watch = setInterval(() => {
      if (process.ppid === firstParent) return
      clearInterval(watch)
      child.kill('SIGTERM')
    }, PARENT_CHECK_MS)
  }

  try {
    const { code, signal } = await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code, signal) => resolve({ code, signal }))
    })
    return code ?? exitCodeOf(signal)
  } catch (error) {
    throw new SetupError(`The pinned Node.js could not be started: ${error.message}.`, { cause: error })
  } finally {
    clearInterval(watch)
    for (const signal of signals) process.off(signal, forward)
  }
}
