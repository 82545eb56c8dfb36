import { chmodSync, existsSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { openDataFolder } from '../../server/config/data-folder.ts'

describe('the data folder', () => {
  let root: string
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'tidegate-data-'))
  })

  it('gives the demo a folder of its own', () => {
    expect(openDataFolder(root, true, false).path).toBe(join(root, 'demo'))
  })

  it('does not silently become a demo once it has held a real configuration', () => {
    openDataFolder(root, false, false).release()
    expect(() => openDataFolder(root, true, false)).toThrow(/TIDEGATE_DEMO=1/)
    expect(openDataFolder(root, true, true).path).toBe(join(root, 'demo'))
  })

  it('is one collector’s at a time', () => {
    const file = join(root, 'collector.pid')
    // The parent of this test runs for as long as the test does.
    writeFileSync(file, String(process.ppid))
    expect(() => openDataFolder(root, false, false)).toThrow(/Another collector/)
  })

  it('is free again when its collector was killed', () => {
    writeFileSync(join(root, 'collector.pid'), '999999999')
    const folder = openDataFolder(root, false, false)
    folder.release()
    expect(existsSync(join(root, 'collector.pid'))).toBe(false)
  })

  it('says in one sentence that it cannot be written', () => {
    const file = join(root, 'a-file')
    writeFileSync(file, '')
    chmodSync(file, 0o600)
    expect(() => openDataFolder(join(file, 'below'), true, false)).toThrow(
      /cannot be written \(ENOTDIR\); set TIDEGATE_DATA/,
    )
  })
})
