import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ConnectionLists } from '../../server/api/connection-lists.ts'
import { exportMarkdown } from '../../server/collector/incidents/export.ts'
import { annotationSchema, noteSchema, plainLine } from '../../server/contract/index.ts'
import { startServer, type TestServer } from './server.ts'

const bidi = '\u202egpj.exe\u2066\u200f'
const deceiving = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/

describe('what operators write', () => {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server.close())

  it.each(['0000-01-01T00:00:00Z', '1999-12-31T23:59:59Z', '9999-01-01T00:00:00Z'])(
    'cannot be dated %s, where it would stand first or last for ever',
    async (at) => {
      const noted = await server.asAdmin('POST', '/api/v1/annotations', { at, title: 'x', kind: 'note' })
      expect([noted.status, noted.json.error.facts.problems]).toEqual([
        400,
        [{ path: 'at', message: 'must lie between the year 2000 and 366 days from now' }],
      ])
      const started = await server.asAdmin('PATCH', '/api/v1/incidents/i1', { startedAt: at })
      expect([started.status, started.json.error.facts.problems]).toEqual([
        400,
        [{ path: 'startedAt', message: 'must lie between the year 2000 and now' }],
      ])
    },
  )

  it('loses what a terminal or a page would obey: NUL, ESC, bidirectional marks', () => {
    expect(annotationSchema.parse({ title: `  a\0b\x1b[31m\n${bidi}c `, kind: 'note' }).title).toBe(
      'a b [31m gpj.exec',
    )
    expect(noteSchema.parse({ text: `one\r\ntwo\t\0${bidi}\ud800` }).text).toBe('one\ntwo\tgpj.exe\ufffd')
    expect(plainLine('family 👩‍👧, می‌خواهم'), 'what scripts need stays').toBe('family 👩‍👧, می‌خواهم')
    expect(noteSchema.safeParse({ text: '\0\u202e ' }).success).toBe(false)
  })

  it('does not turn an exported incident around, also what was stored before', () => {
    const at = '2026-04-27T18:00:00.000Z'
    const note = {
      id: 'n',
      at,
      receivedAt: at,
      kind: 'note' as const,
      source: 'ana',
      title: bidi,
      data: { text: `x\n${bidi}` },
    }
    const incident = {
      id: 'i',
      title: `lost ${bidi}`,
      severity: 'critical' as const,
      state: 'open' as const,
      signals: [],
      regions: [],
      nodes: [],
      startedAt: at,
      detectedAt: at,
      impact: bidi,
      drains: [],
    }
    const markdown = exportMarkdown({ incident, items: [note], gaps: [], from: at, to: at, exportedAt: at })
    expect(markdown).not.toMatch(deceiving)
    expect(markdown).toContain('gpj.exe')
  })

  it('is not repeated as it is, where it names what does not exist', async () => {
    for (const path of ['/nodes/', '/drains/', '/incidents/', '/demo/scenarios/']) {
      const method = path.startsWith('/demo') ? 'DELETE' : 'GET'
      const answer = await server.asAdmin(method, `/api/v1${path}${encodeURIComponent(`x${bidi}\0`)}`)
      expect([path, answer.status]).toEqual([path, 404])
      expect(answer.json.error.message).not.toMatch(deceiving)
      expect(answer.text).not.toMatch(deceiving)
    }
    expect((await server.asAdmin('GET', '/api/v1/nodes//health')).status).toBe(404)
  })

  it('a megabyte of unknown keys is refused in a short answer', async () => {
    const keys = Object.fromEntries(Array.from({ length: 60_000 }, (_, index) => [`key-${index}`, 1]))
    const answer = await server.asAdmin('POST', '/api/v1/annotations', keys)
    expect([answer.status, answer.json.error.code]).toEqual([400, 'ERR_INVALID'])
    expect(answer.text.length).toBeLessThan(10_000)
    expect(answer.json.error.facts.problems).toHaveLength(21)
    expect(answer.json.error.facts.problems.at(-1).message).toMatch(/^and \d+ more problems$/)
    const stranger = await server.call('POST', '/api/auth/sign-in/email', { body: { x: 'y'.repeat(20_000) } })
    expect([stranger.status, stranger.json.error.facts]).toEqual([413, { limit: 16 * 1024 }])
    const long = await server.asAdmin('POST', '/api/v1/annotations', { ['\u202e'.repeat(500_000)]: 1 })
    expect(long.text.length).toBeLessThan(1_000)
  })
})

describe('connections of the whole fleet', () => {
  it('are asked of a few nodes at a time, once for all viewers, and a silent node is named', async () => {
    let atOnce = 0
    let most = 0
    let asked = 0
    const nodes = Array.from({ length: 100 }, (_, index) => `n-${index}`)
    const lists = new ConnectionLists({
      nodes: () => nodes,
      freshMs: 50,
      deadlineMs: 1_000,
      async connections(node) {
        asked++
        most = Math.max(most, ++atOnce)
        await new Promise((resolve) => setTimeout(resolve, node === 'n-7' ? 3_000 : 2))
        atOnce--
        if (node === 'n-9') throw new Error('away')
        return { items: [], total: 1 }
      },
    })
    const answers = await Promise.all(Array.from({ length: 50 }, (_, index) => lists.ofFleet(index + 1)))
    expect([most, asked]).toEqual([8, 100])
    for (const answer of answers) expect(answer).toEqual({ items: [], total: 98, unknown: ['n-7', 'n-9'] })
    await new Promise((resolve) => setTimeout(resolve, 100))
    await lists.ofNode('n-1', 10)
    expect(asked).toBe(101)
  })
})
