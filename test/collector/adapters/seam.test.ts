import { describe, expect, it } from 'vitest'
import { importGraph } from '../../../scripts/import-graph.ts'

const graph = importGraph()

/** `file → what it imports` of a room, for whatever matches. */
const importsOf = (room: string, forbidden: RegExp, except = /^$/): string[] =>
  [...graph]
    .filter(([file]) => file.startsWith(room) && !except.test(file))
    .flatMap(([file, imports]) => [...imports].map((to) => [file, to] as const))
    .filter(([, to]) => forbidden.test(to))
    .map(([file, to]) => `${file} → ${to}`)

describe('the seam between the collector and the kinds of node', () => {
  it('lets nobody outside of the adapters import what one kind of node is', () => {
    const kinds = /^server\/collector\/adapters\/[^/]+\//
    expect(importsOf('server/collector/', kinds, /^server\/collector\/adapters\//)).toEqual([])
  })

  it('lets nobody outside of the adapters read a health document', () => {
    const document = /^server\/contract\/health\.ts$/
    expect(importsOf('server/collector/', document, /^server\/collector\/adapters\//)).toEqual([])
  })

  it('lets drains see facts, what the names of runs say, and verbs alone', () => {
    const adapters =
      /^server\/collector\/adapters\/(?!adapter\.ts$|facts\.ts$|run-names\.ts$)|^server\/contract\/node-api\.ts$/
    expect(importsOf('server/collector/drains/', adapters)).toEqual([])
    expect(importsOf('server/collector/drains/', /^server\/collector\/adapters\//).length).toBeGreaterThan(3)
  })
})
