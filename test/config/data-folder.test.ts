import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { openDataFolder } from '../../server/config/data-folder.ts'

const modulePath = fileURLToPath(new URL('../../server/config/data-folder.ts', import.meta.url))

describe('the data folder', () => {
  let root: string
  let children: ChildProcess[]
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tidegate-data-'))
    children = []
  })
  afterEach(() => {
    for (const child of children) child.kill('SIGKILL')
    rmSync(root, { recursive: true, force: true })
  })

  /** A process of its own that takes the folder and says so; `before` stands in front of node, for example `unshare`. */
  const collector = (waitMs = 10_000, before: string[] = []) => {
    const source = `
      import { openDataFolder } from ${JSON.stringify(modulePath)}
      try {
        await openDataFolder(${JSON.stringify(root)}, false, false, { waitMs: ${waitMs}, onWait: () => console.log('waiting') })
        console.log('held by ' + process.pid)
        setInterval(() => undefined, 1_000)
      } catch (error) {
        console.log(error.code + ' ' + error.message)
      }`
    const [command, ...args] = [...before, process.execPath, '--input-type=module', '--eval', source]
    const child = spawn(command!, args, { stdio: ['ignore', 'pipe', 'inherit'] })
    children.push(child)
    let said = ''
    child.stdout.on('data', (chunk) => {
      said += chunk
    })
    const says = (pattern: RegExp) =>
      expect.poll(() => said, { timeout: 20_000, interval: 20 }).toMatch(pattern)
    return { child, says }
  }

  it('gives the demo a folder of its own', async () => {
    const folder = await openDataFolder(root, true, false)
    expect(folder.path).toBe(join(root, 'demo'))
    folder.release()
  })

  it('does not silently become a demo once it has held a real configuration', async () => {
    ;(await openDataFolder(root, false, false)).release()
    await expect(openDataFolder(root, true, false)).rejects.toThrow(/TIDEGATE_DEMO=1/)
    const folder = await openDataFolder(root, true, true)
    expect(folder.path).toBe(join(root, 'demo'))
    folder.release()
  })

  it('is one collector’s at a time, and the second is told whose', async () => {
    const first = await openDataFolder(root, false, false)
    await expect(openDataFolder(root, false, false, { waitMs: 0 })).rejects.toMatchObject({
      code: 'ERR_DATA_FOLDER',
      message: expect.stringContaining(`process ${process.pid} on`),
    })
    first.release()
    first.release()
    ;(await openDataFolder(root, false, false, { waitMs: 0 })).release()
  })

  it('starts again at once after SIGKILL, twelve times, also while the dead process is a zombie', async () => {
    for (let round = 0; round < 12; round++) {
      const { child, says } = collector()
      await says(/held by/)
      // Nobody waits for the child's end in between: to `kill(pid, 0)` it looks alive.
      child.kill('SIGKILL')
    }
    ;(await openDataFolder(root, false, false)).release()
  }, 60_000)

  it('waits for a collector that is just ending instead of giving up', async () => {
    const first = collector()
    await first.says(/held by/)
    const second = collector()
    await second.says(/waiting/)
    first.child.kill('SIGTERM')
    await second.says(/held by/)
  })

  it('is not blocked by a stranger who got the process number of the dead collector', async () => {
    // The parent of this test runs for as long as the test does.
    writeFileSync(join(root, 'collector.pid'), String(process.ppid))
    writeFileSync(
      join(root, 'tidegate.lock.owner'),
      JSON.stringify({ pid: process.ppid, host: 'here', since: '2026-01-01' }),
    )
    ;(await openDataFolder(root, false, false, { waitMs: 0 })).release()
    expect(existsSync(join(root, 'collector.pid'))).toBe(false)
  })

  it('is not shared by two containers with one volume', async ({ annotate }) => {
    const unshare = ['unshare', '--pid', '--fork', '--kill-child']
    const tried = spawnSync(unshare[0]!, [...unshare.slice(1), 'true'])
    if (tried.status !== 0) {
      await annotate(
        `No process-number namespaces here (${String(tried.stderr ?? tried.error).trim()}): two plain processes instead`,
      )
    }
    const before = tried.status === 0 ? unshare : []
    const first = collector(0, before)
    await first.says(before.length > 0 ? /held by 1\n/ : /held by/)
    const second = collector(300, before)
    await second.says(/ERR_DATA_FOLDER Another process holds the data folder/)
    const third = collector()
    await third.says(/waiting/)
    first.child.kill('SIGKILL')
    await third.says(/held by/)
  })

  it.runIf(process.platform === 'linux')('does not hang for ever where no folder can be made', async () => {
    await expect(openDataFolder('/proc/nope/deep', true, false)).rejects.toThrow(
      /cannot be written \(ENOENT\)/,
    )
  })

  it('says in one sentence that it cannot be written', async () => {
    const file = join(root, 'a-file')
    writeFileSync(file, '')
    chmodSync(file, 0o600)
    await expect(openDataFolder(join(file, 'below'), true, false)).rejects.toThrow(
      /cannot be written \(ENOTDIR\); set TIDEGATE_DATA/,
    )
  })
})
