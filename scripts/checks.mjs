// Format, lint with the import rules, circles, unused code, types, and the smaller tools.

import { existsSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { SetupError } from './set-up-child.mjs'
import { runTool } from './tool.mjs'

const BIOME = 'node_modules/@biomejs/biome/bin/biome'
const KNIP = 'node_modules/knip/bin/knip.js'
const TSC = 'node_modules/typescript/bin/tsc'

/** What `check` runs, one after the other; all of them run even when one fails. */
export const CHECKS = [
  { name: 'format, lint and import rules', run: () => runTool(BIOME, ['check', '--error-on-warnings', '.']) },
  { name: 'no circle of imports', run: () => runTool('scripts/import-graph.ts', []) },
  { name: 'nothing unused', run: () => runTool(KNIP, ['--no-progress']) },
  { name: 'types', run: () => runTool(TSC, ['--noEmit', '--project', 'tsconfig.json']) },
]

/**
 * @param {(line: string) => void} say
 * @returns {Promise<string[]>} the names of those that failed
 */
export async function runChecks(say) {
  const failed = []
  for (const { name, run } of CHECKS) {
    const startedAt = performance.now()
    const ok = (await run()) === 0
    if (!ok) failed.push(name)
    say(
      `check    ${name}: ${ok ? 'passed' : 'FAILED'} after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`,
    )
  }
  return failed
}

/** `npm run check` */
export async function check() {
  const failed = await runChecks((line) => process.stdout.write(`${line}\n`))
  return failed.length === 0 ? 0 : 1
}

/** `npm run format`: formats, sorts imports and applies the safe fixes. */
export function format(args) {
  return runTool(BIOME, ['check', '--write', ...(args.length > 0 ? args : ['.'])])
}

/** `npm run docs`: writes the documents that are made from the code. */
export function documents() {
  return runTool('scripts/documents.mjs', [])
}

/** `npm run knip`: files, exports and dependencies that nobody uses. */
export function knip(args) {
  return runTool(KNIP, args)
}

/** How long `npm run fuzz` tries each surface, in seconds; ordinary test runs try for a few. */
const FUZZ_SECONDS = 60

/** `npm run fuzz -- [SECONDS] [FILTER]`: the fuzz tests alone, for longer; each prints its seed. */
export function fuzz(args) {
  const named = /^\d+$/.test(args[0] ?? '')
  const seconds = named ? args[0] : (process.env.TIDEGATE_FUZZ_SECONDS ?? String(FUZZ_SECONDS))
  const [filter = '/fuzz-'] = named ? args.slice(1) : args
  return runTool('node_modules/vitest/vitest.mjs', ['run', filter], {
    env: { TIDEGATE_FUZZ_SECONDS: seconds },
  })
}

/** `npm run bench -- [NAME]` */
export function bench(args) {
  if (!existsSync(inRoot('bench', 'run.mjs')))
    throw new SetupError('There is no bench/run.mjs in this clone.')
  return runTool('bench/run.mjs', args)
}
