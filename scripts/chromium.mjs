// The browser for the end-to-end tests: the machine's own where it has one, else fetched.

import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { SetupError } from './set-up-child.mjs'
import { runTool } from './tool.mjs'

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable']
const INSTALL_TIMEOUT_MS = 10 * 60_000

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    // Absent or not executable: the next candidate may do.
    return false
  }
}

function onThePath() {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  for (const folder of folders) {
    if (folder === '') continue
    for (const name of NAMES) {
      const path = join(folder, name)
      if (isExecutable(path)) return path
    }
  }
  const mac = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome'
  return isExecutable(mac) ? mac : undefined
}

/** Playwright keeps its browsers in folders named after their build; any complete one will do. */
function fetchedByPlaywright() {
  const folder =
    process.env.PLAYWRIGHT_BROWSERS_PATH ??
    join(homedir(), process.platform === 'darwin' ? 'Library/Caches' : '.cache', 'ms-playwright')
  if (!existsSync(folder)) return undefined
  const builds = readdirSync(folder).filter((name) => name.startsWith('chromium-'))
  for (const build of builds.sort().reverse()) {
    for (const inside of [
      'chrome-linux64/chrome',
      'chrome-linux/chrome',
      'chrome-mac/Chromium.app/Contents/MacOS/Chromium',
      'chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
    ]) {
      const path = join(folder, build, inside)
      if (isExecutable(path)) return path
    }
  }
  return undefined
}

function find() {
  const named = process.env.PLAYWRIGHT_CHROMIUM
  if (named !== undefined && named !== '') {
    if (isExecutable(named)) return named
    throw new SetupError(`PLAYWRIGHT_CHROMIUM names ${named}, which is not a program that can be run here.`)
  }
  return onThePath() ?? fetchedByPlaywright()
}

function installWithApt(say) {
  if (process.getuid?.() !== 0 || spawnSync('apt-get', ['--version'], { stdio: 'ignore' }).status !== 0)
    return
  say('set-up   browser: apt-get install chromium …')
  const options = {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: INSTALL_TIMEOUT_MS,
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  }
  spawnSync('apt-get', ['update', '-qq'], options)
  spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'chromium'], options)
}

/**
 * @param {(line: string) => void} say
 * @returns {Promise<string>} the path of a Chromium
 * @throws {SetupError} where there is none and none can be fetched
 */
export async function chromium(say) {
  const present = find()
  if (present) return present
  installWithApt(say)
  const installed = find()
  if (installed) return installed
  say('set-up   browser: playwright install chromium …')
  await runTool('node_modules/@playwright/test/cli.js', ['install', 'chromium'], {
    env: { PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '' },
  })
  const fetched = find()
  if (fetched) return fetched
  throw new SetupError(
    'The end-to-end tests need Chromium, and neither the machine nor Playwright has one: install the package "chromium" or name the program in PLAYWRIGHT_CHROMIUM.',
  )
}
