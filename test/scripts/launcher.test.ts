import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../', import.meta.url))
let folder: string
const started: ChildProcess[] = []
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-launcher-'))
  const lines = [
    'id: fra-1',
    'region: fra',
    `data: ${join(folder, 'data')}`,
    'control: { host: 127.0.0.1, port: 0, token: control-token-of-the-test }',
    'relay: { host: 127.0.0.1, port: 0, tokens: { host-a: host-token-of-the-test } }',
  ]
  writeFileSync(join(folder, 'node.yaml'), lines.join('\n'))
})
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** Starts a command line and gathers what it prints. */
const start = (command: string, args: string[]) => {
  const child = spawn(command, args, {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      SHUTDOWN_PRE_DRAIN_SECS: '1',
      npm_command: undefined,
      npm_lifecycle_event: undefined,
    },
  })
  started.push(child)
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text
    })
  const exit = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const printed = (text: string) =>
    expect.poll(() => output, { timeout: 15_000, interval: 50 }).toContain(text)
  return { child, exit, printed, output: () => output }
}

const nodeArgs = () => ['node', '--config', join(folder, 'node.yaml')]

/** A shell that stays between npm and the command dies by the first SIGTERM, and npm with it: the node would be killed, not drained. */
const asNpmRuns = () => [
  '-c',
  `'${join(root, 'bin/tidegate.mjs')}' ${nodeArgs()
    .map((arg) => `'${arg}'`)
    .join(' ')}`,
]

describe('a node under its launcher', () => {
  it('drains and exits 0 by SIGTERM to what npx started: the shell is not in between', async () => {
    const shell = (await import('node:fs'))
      .readFileSync(join(root, '.npmrc'), 'utf8')
      .match(/^script-shell=(.+)$/m)?.[1]
    expect(shell).toBeDefined()
    const { child, exit, printed, output } = start(shell ?? 'sh', asNpmRuns())
    await printed('is serving')
    child.kill('SIGTERM')
    expect(await exit).toBe(0)
    expect(output()).toContain('drain complete')
  })

  it('drains and ends when its launcher is killed without a word', async () => {
    const { child, printed } = start(process.execPath, ['bin/tidegate.mjs', ...nodeArgs()])
    await printed('is serving')
    child.kill('SIGKILL')
    // The node has the same standard output, so what it says last still arrives.
    await printed('drain complete')
  })

  it('keeps the exit code of a node that cannot start', async () => {
    writeFileSync(join(folder, 'node.yaml'), 'id: fra-1\nregion: fra\nnonsense: 1\n')
    const { exit, output } = start(process.execPath, ['bin/tidegate.mjs', ...nodeArgs()])
    expect(await exit).toBe(1)
    expect(output()).toContain('ERR_CONFIG')
  })
})
