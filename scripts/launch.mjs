// What each npm script does once Node is known to be new enough.

import { bench, check, documents, format, fuzz, knip } from './checks.mjs'
import { runServer } from './run-server.mjs'
import { SetupError, setUp } from './set-up.mjs'
import { runTests } from './test.mjs'

const toStdout = (line) => process.stdout.write(`${line}\n`)
const toStderr = (line) => process.stderr.write(`${line}\n`)

/** Commands that run until they are stopped; they must notice the launcher's death. */
const LONG_RUNNING = new Set(['start', 'node', 'host'])

/**
 * Runs one npm script.
 *
 * @param {string[]} args the script's name and what follows it
 * @returns {Promise<number>} the exit code
 */
export async function launch([script, ...rest]) {
  switch (script) {
    case 'start':
      await setUp({ say: toStdout, build: true })
      return runServer(['start', ...rest], { longRunning: true })
    case 'dev':
      await setUp({ say: toStdout, build: false })
      return runServer(['start', ...rest], { longRunning: true, development: true })
    case 'setup':
      await setUp({ say: toStdout, build: true })
      return 0
    case 'test':
      return runTests(rest, toStdout)
    case 'check':
      await setUp({ say: toStdout, build: false })
      return check(rest)
    case 'format':
      await setUp({ say: toStdout, build: false })
      return format(rest)
    case 'bench':
      await setUp({ say: toStderr, build: false })
      return bench(rest)
    case 'fuzz':
      await setUp({ say: toStdout, build: false })
      return fuzz(rest)
    case 'docs':
      await setUp({ say: toStdout, build: false })
      return documents()
    case 'knip':
      await setUp({ say: toStdout, build: false })
      return knip(rest)
    default:
      throw new SetupError(`There is no script "${script}" here; npm run lists them.`)
  }
}

/**
 * Runs one `tidegate` command. Set-up reports go to standard error, so that `--json` on standard output stays clean.
 *
 * @param {string[]} args the command line after `tidegate`
 * @returns {Promise<number>} the command's exit code
 */
export async function runCommand(args) {
  const command = args.find((arg) => !arg.startsWith('-')) ?? ''
  const help = args.includes('--help') || args.includes('-h')
  await setUp({ say: toStderr, build: command === 'start' && !help })
  return runServer(args, { longRunning: LONG_RUNNING.has(command) && !help })
}
