// Everything that a fresh clone lacks: packages and the pinned Node, the Prisma client, the pages' build.
// Each step leaves a stamp inside what it made, so that a stamp never outlives its thing, and a second start only
// compares hashes.

import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { inRoot, pinnedNode, root } from './paths.mjs'
import { interruption, runChild, SetupError } from './set-up-child.mjs'
import { withSetUpLock } from './set-up-lock.mjs'

export { SetupError }

const installStamp = inRoot('node_modules', '.tidegate-installed')
const generateStamp = inRoot('server', 'store', 'generated', '.tidegate-generated')
const buildStamp = inRoot('.next', '.tidegate-built')
const platform = `${process.platform}-${process.arch}`

/** Enough for a slow machine on a slow line; after that something is stuck. */
const STEP_TIMEOUT_MS = 20 * 60_000

/** What the pages are built from. */
const BUILD_SOURCES = [
  'app',
  'components',
  'public',
  join('server', 'contract'),
  'next.config.ts',
  'postcss.config.mjs',
  'tsconfig.json',
  'tsconfig.next.json',
  'package.json',
  'package-lock.json',
]

function readText(path) {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    // Missing means "not made yet", which is what every caller asks.
    return undefined
  }
}

function filesBelow(path) {
  let entries
  try {
    entries = readdirSync(path, { withFileTypes: true })
  } catch (error) {
    if (error.code === 'ENOTDIR') return [path]
    if (error.code === 'ENOENT') return []
    throw error
  }
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const full = join(path, entry.name)
      return entry.isDirectory() ? filesBelow(full) : entry.isFile() ? [full] : []
    })
}

function hashOf(sources, ...more) {
  const hash = createHash('sha256')
  for (const source of sources) {
    for (const file of filesBelow(inRoot(source))) {
      hash.update(`${relative(root, file)}\0`)
      hash.update(readFileSync(file))
    }
  }
  for (const fact of more) hash.update(`\0${fact}`)
  return hash.digest('hex')
}

/** A stamp is moved into place, so a crash leaves either all of it or nothing. */
function writeStamp(path, value) {
  mkdirSync(join(path, '..'), { recursive: true })
  writeFileSync(`${path}.${process.pid}`, value)
  renameSync(`${path}.${process.pid}`, path)
}

/** Where the folder was installed by npm itself, what npm wrote down says whether it fits the lock file. */
function npmInstalledTheLock() {
  const installed = readText(inRoot('node_modules', '.package-lock.json'))
  if (installed === undefined || !existsSync(pinnedNode)) return false
  const has = JSON.parse(installed).packages
  const wants = JSON.parse(readFileSync(inRoot('package-lock.json'), 'utf8')).packages
  return Object.entries(wants).every(
    ([path, wanted]) => path === '' || (has[path] ? has[path].version === wanted.version : wanted.optional),
  )
}

const install = {
  name: 'packages',
  path: installStamp,
  wanted: () => hashOf(['package-lock.json', '.npmrc'], platform),
  possible: () => existsSync(inRoot('package-lock.json')),
  adopt: npmInstalledTheLock,
  intact: () => existsSync(pinnedNode),
  describe: 'npm ci',
  async run(context) {
    const env = {
      ...process.env,
      // The tests use a browser of the machine, or fetch one when they need it.
      PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD: '1',
      // Prisma's own script would look for a native engine on a host that many networks cannot reach. Nothing here needs it: generating
      // is WASM, and the server applies its migrations itself.
      PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
      PRISMA_SKIP_POSTINSTALL_GENERATE: '1',
      // The pinned Node in node_modules/.bin is about to be replaced; npm has to run on the one outside.
      PATH: (process.env.PATH ?? '')
        .split(process.platform === 'win32' ? ';' : ':')
        .filter((folder) => !folder.includes('node_modules'))
        .join(process.platform === 'win32' ? ';' : ':'),
    }
    const argv = ['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error']
    const cli = process.env.npm_execpath
    const outerNode = process.env.npm_node_execpath
    const known =
      cli?.endsWith('npm-cli.js') && existsSync(cli) && outerNode && !outerNode.includes('node_modules')
    const [command, args] = known ? [outerNode, [cli, ...argv]] : ['npm', argv]
    await runChild(context, command, args, {
      env,
      failure: 'The packages could not be installed with npm ci; npm says why above.',
    })
    if (!existsSync(pinnedNode)) {
      throw new SetupError(
        'npm ci did not fetch the pinned Node.js, most likely because install scripts are switched off; allow that of the package "node" (npm config get ignore-scripts) and try again.',
      )
    }
  },
}

const generate = {
  name: 'client',
  path: generateStamp,
  wanted: () =>
    hashOf([
      join('prisma', 'schema.prisma'),
      'prisma.config.ts',
      join('node_modules', 'prisma', 'package.json'),
    ]),
  possible: () => existsSync(inRoot('prisma', 'schema.prisma')),
  intact: () => true,
  describe: 'prisma generate',
  async run(context) {
    await runChild(
      context,
      pinnedNode,
      [
        inRoot('node_modules', 'prisma', 'build', 'index.js'),
        'generate',
        '--schema',
        inRoot('prisma', 'schema.prisma'),
      ],
      {
        env: {
          ...process.env,
          // Prisma insists on a native schema engine even where it does not run it. Any program satisfies it; this
          // is for `generate` alone, since `migrate` would then do nothing and report success.
          PRISMA_SCHEMA_ENGINE_BINARY: pinnedNode,
          CHECKPOINT_DISABLE: '1',
          PRISMA_HIDE_UPDATE_MESSAGE: '1',
        },
        quiet: true,
        failure:
          'The database client could not be generated from prisma/schema.prisma; Prisma says why above.',
      },
    )
  },
}

const build = {
  name: 'pages',
  path: buildStamp,
  wanted: () => hashOf(BUILD_SOURCES, platform),
  possible: () => existsSync(inRoot('app')),
  intact: () => existsSync(inRoot('.next', 'BUILD_ID')),
  describe: 'next build',
  async run(context) {
    // Removed before the build begins: a half-made build must not look like the one before.
    rmSync(buildStamp, { force: true })
    await runChild(context, pinnedNode, [inRoot('node_modules', 'next', 'dist', 'bin', 'next'), 'build'], {
      env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' },
      quiet: true,
      failure: 'The pages could not be built with next build; it says why above.',
    })
  },
}

function isDone(step) {
  return !step.possible() || (readText(step.path) === step.wanted() && step.intact())
}

/**
 * Does what is missing, and nothing when nothing is.
 *
 * @param {object} options
 * @param {(line: string) => void} options.say one line a step, with its duration
 * @param {boolean} options.build whether the pages are needed as well
 * @throws {SetupError} with a sentence for people
 */
export async function setUp({ say, build: withPages }) {
  const steps = withPages ? [install, generate, build] : [install, generate]
  if (steps.every(isDone)) return
  const stop = interruption()
  try {
    await withSetUpLock({ say, signal: stop.signal, timeoutMs: STEP_TIMEOUT_MS }, async (lock) => {
      for (const step of steps) {
        // Somebody else may have done it while this launcher waited.
        if (isDone(step)) continue
        const wanted = step.wanted()
        if (step.adopt?.()) {
          writeStamp(step.path, wanted)
          continue
        }
        say(`set-up   ${step.name}: ${step.describe} …`)
        const startedAt = performance.now()
        await step.run({ lock, stop, timeoutMs: STEP_TIMEOUT_MS })
        writeStamp(step.path, wanted)
        say(`set-up   ${step.name}: ready after ${((performance.now() - startedAt) / 1000).toFixed(1)} s`)
      }
    })
  } catch (error) {
    if (stop.signal.aborted) throw stop.signal.reason
    throw error
  } finally {
    stop.end()
  }
}
