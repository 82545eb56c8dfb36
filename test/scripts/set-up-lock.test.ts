import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

const modulePath = fileURLToPath(new URL('../../scripts/set-up-lock.mjs', import.meta.url))

let folder: string
let path: string
let children: ChildProcess[]

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-lock-'))
  path = join(folder, 'set-up.lock')
  children = []
})

afterEach(() => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(folder, { recursive: true, force: true })
})

/** A launcher of its own that takes the lock, says so, and gives it back when its input ends. */
function contender(body = ''): ChildProcess {
  const source = `
    import { spawn } from 'node:child_process'
    import { withSetUpLock } from ${JSON.stringify(modulePath)}
    const options = { path: ${JSON.stringify(path)}, timeoutMs: 20000, signal: new AbortController().signal }
    await withSetUpLock({ ...options, say: () => console.log('waiting') }, async (hold) => {
      ${body}
      console.log('held')
      for await (const _ of process.stdin);
    })
    console.log('released')
    process.exit(0)`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', source], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdout?.setEncoding('utf8')
  children.push(child)
  return child
}

function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = ''
    child.stdout?.on('data', (chunk: string) => {
      text += chunk
      if (text.includes(word)) resolve()
    })
    child.once('exit', () => reject(new Error(`ended without saying "${word}", after "${text}"`)))
  })
}

describe('the set-up lock', () => {
  it('lets the second launcher in when the first is done, and not before', async () => {
    const first = contender()
    await said(first, 'held')
    const second = contender()
    await said(second, 'waiting')
    expect(JSON.parse(readFileSync(path, 'utf8')).processes[0].pid).toBe(first.pid)
    const entered = said(second, 'held')
    first.stdin?.end()
    await entered
    expect(JSON.parse(readFileSync(path, 'utf8')).processes[0].pid).toBe(second.pid)
    second.stdin?.end()
    await once(second, 'exit')
    expect(existsSync(path)).toBe(false)
  })

  it('takes over from a launcher that was killed', async () => {
    const first = contender()
    await said(first, 'held')
    first.kill('SIGKILL')
    await once(first, 'exit')
    expect(existsSync(path)).toBe(true)
    await said(contender(), 'held')
  })

  it('waits for the installation that a killed launcher left behind', async () => {
    const first = contender(
      `const child = spawn('sleep', ['60']); hold.addChild(child.pid); console.log('child ' + child.pid + '.')`,
    )
    let text = ''
    first.stdout?.on('data', (chunk: string) => {
      text += chunk
    })
    await said(first, 'held')
    const orphan = Number(/child (\d+)\./.exec(text)?.[1])
    first.kill('SIGKILL')
    await once(first, 'exit')
    const second = contender()
    await said(second, 'waiting')
    const entered = said(second, 'held')
    process.kill(orphan, 'SIGKILL')
    await entered
  })

  it('takes over a lock whose process id belongs to another program by now', async () => {
    writeFileSync(path, JSON.stringify({ processes: [{ pid: process.pid, startTime: 'long ago' }] }))
    await said(contender(), 'held')
  })
})
