import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'

interface LockedPackage {
  version?: string
  resolved?: string
  optionalDependencies?: Record<string, string>
}

const lock: { packages: Record<string, LockedPackage> } = JSON.parse(
  readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'),
)

/** Looks for a package as Node does: beside the one that asks, then in each folder above. */
function isLocked(from: string, name: string): boolean {
  for (let folder = from; ; ) {
    if (lock.packages[`${folder}${folder === '' ? '' : '/'}node_modules/${name}`]) return true
    if (folder === '') return false
    const above = folder.lastIndexOf('node_modules/')
    folder = above <= 0 ? '' : folder.slice(0, above - 1)
  }
}

describe('package-lock.json', () => {
  it('names the optional packages of every platform, without which npm ci refuses it', () => {
    const missing = Object.entries(lock.packages).flatMap(([path, entry]) =>
      Object.keys(entry.optionalDependencies ?? {}).filter((name) => !isLocked(path, name)),
    )
    expect(missing).toEqual([])
  })

  it('names no registry, so that an installation uses the one of its machine', () => {
    expect(Object.entries(lock.packages).filter(([, entry]) => entry.resolved !== undefined)).toEqual([])
  })

  it('has one version of everything that makes up Prisma', () => {
    const versions = ['prisma', '@prisma/client', '@prisma/adapter-libsql'].map(
      (name) => lock.packages[`node_modules/${name}`]?.version,
    )
    expect(versions).not.toContain(undefined)
    expect(new Set(versions).size).toBe(1)
  })
})
