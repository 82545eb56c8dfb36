// `npm test`: set-up, checks, unit, socket and store tests, end-to-end tests, and one line with the totals.
// `npm test -- --check | --unit | --e2e` runs a part; what follows `--` is given to that part's runner.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CHECKS, runChecks } from './checks.mjs'
import { chromium } from './chromium.mjs'
import { inRoot } from './paths.mjs'
import { SetupError, setUp } from './set-up.mjs'
import { runTool } from './tool.mjs'

const PARTS = ['check', 'unit', 'e2e']

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch {
    // A runner that broke before its end leaves no report; its exit code says so.
    return undefined
  }
}

/**
 * A runner may fail without a failed test (a file that does not load, an unhandled rejection): that counts as one.
 */
function withExitCode(counts, code) {
  return code !== 0 && counts.failed === 0 ? { ...counts, failed: 1 } : counts
}

async function unitTests(reports, args) {
  const file = join(reports, 'vitest.json')
  const code = await runTool('node_modules/vitest/vitest.mjs', [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...args,
  ])
  const report = readReport(file)
  return withExitCode(
    {
      passed: report?.numPassedTests ?? 0,
      failed: report?.numFailedTests ?? 0,
      skipped: (report?.numPendingTests ?? 0) + (report?.numTodoTests ?? 0),
    },
    code,
  )
}

function hasSpecs(folder) {
  if (!existsSync(folder)) return false
  return readdirSync(folder, { withFileTypes: true, recursive: true }).some(
    (entry) => entry.isFile() && /\.spec\.tsx?$/.test(entry.name),
  )
}

async function endToEndTests(reports, args, say) {
  if (!hasSpecs(inRoot('e2e'))) {
    say('e2e      there is no end-to-end test yet')
    return { passed: 0, failed: 0, skipped: 0 }
  }
  const browser = await chromium(say)
  say(`e2e      with ${browser}`)
  const file = join(reports, 'playwright.json')
  const results = inRoot('test-results', String(process.pid))
  const code = await runTool(
    'node_modules/@playwright/test/cli.js',
    ['test', '--reporter=list,json', ...args],
    {
      env: {
        PLAYWRIGHT_CHROMIUM: browser,
        PLAYWRIGHT_JSON_OUTPUT_FILE: file,
        // Two runs on one machine must not empty each other's folder.
        TIDEGATE_TEST_RESULTS: results,
      },
    },
  )
  // Pictures and traces are kept where something failed.
  if (code === 0) rmSync(results, { recursive: true, force: true })
  const stats = readReport(file)?.stats
  return withExitCode(
    {
      passed: stats?.expected ?? 0,
      failed: (stats?.unexpected ?? 0) + (stats?.flaky ?? 0),
      skipped: stats?.skipped ?? 0,
    },
    code,
  )
}

/**
 * @param {string[]} args
 * @param {(line: string) => void} say
 * @returns {Promise<number>} the exit code: 0 only when something ran and nothing failed
 */
export async function runTests(args, say) {
  const wanted = PARTS.filter((part) => args.includes(`--${part}`))
  const parts = wanted.length > 0 ? wanted : PARTS
  const rest = args.filter((arg) => !PARTS.includes(arg.replace(/^--/, '')))
  if (rest.length > 0 && (parts.length > 1 || parts[0] === 'check')) {
    throw new SetupError(
      `"${rest.join(' ')}" can be given to one runner only: npm test -- --unit ${rest[0]}, or --e2e.`,
    )
  }
  await setUp({ say, build: parts.includes('e2e') })
  const reports = mkdtempSync(join(tmpdir(), 'tidegate-test-'))
  const total = { passed: 0, failed: 0, skipped: 0 }
  const add = (counts) => {
    for (const key of Object.keys(total)) total[key] += counts[key]
  }
  try {
    if (parts.includes('check')) {
      const failedChecks = await runChecks(say)
      // A failed check shows in the total; a passed one is not a test and is not counted, unless nothing else was asked for.
      total.failed += failedChecks.length
      if (parts.length === 1) total.passed += CHECKS.length - failedChecks.length
    }
    if (parts.includes('unit')) add(await unitTests(reports, rest))
    if (parts.includes('e2e')) add(await endToEndTests(reports, rest, say))
  } finally {
    rmSync(reports, { recursive: true, force: true })
  }
  if (total.passed + total.failed === 0) say('No test ran, which counts as a failure.')
  const skipped = total.skipped > 0 ? `, ${total.skipped} skipped` : ''
  say(`${total.passed} passed, ${total.failed} failed${skipped}`)
  return total.failed === 0 && total.passed > 0 ? 0 : 1
}
