import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { errorBodySchema } from '../../server/contract/answers/error.ts'
import { liveServerSchema, SNAPSHOTS } from '../../server/contract/answers/live.ts'
import { errorCodesOf } from '../../server/contract/api/error-codes.ts'
import type { Route } from '../../server/contract/api/route.ts'
import { ROUTES } from '../../server/contract/api/table.ts'
import { ERROR_CODES, EVENT_DATA, type FleetEvent } from '../../server/contract/index.ts'
import { parseTopic } from '../../server/live/topic.ts'
import { type DemoRoom, startDemoRoom } from './demo-room.ts'
import { admin, apiToken } from './server.ts'

type Operation = keyof typeof ROUTES
// biome-ignore lint/suspicious/noExplicitAny: answers are read as a client without types reads them
type Answered = any

interface Ask {
  params?: Record<string, string>
  query?: string
  body?: unknown
  headers?: Record<string, string>
  /** Default: the administrator's token. */
  token?: string | null
}
interface Answer {
  status: number
  type: string
  text: string
  json: Answered
}

/** Parses, and shows what the schema does not know: a key that is not in it would be missing from what was parsed. */
const expectExactly = (schema: z.ZodType, json: unknown, what: string): void => {
  const parsed = schema.safeParse(json)
  expect(parsed.error === undefined ? '' : `${what}: ${z.prettifyError(parsed.error)}`).toBe('')
  expect(parsed.data, what).toEqual(json)
}

/** The facts of an event are exactly those of its type. */
const expectEvent = (event: FleetEvent): void =>
  expectExactly(EVENT_DATA[event.type], event.data, `data of ${event.type}`)

describe('every call of the API, asked of a real collector with a real fleet', () => {
  let room: DemoRoom
  const answered = new Map<Operation, Set<number>>()

  const call = async (name: Operation, ask: Ask = {}): Promise<Answer> => {
    const route: Route = ROUTES[name]
    const path = route.path.replace(/:(\w+)/g, (_, param) => encodeURIComponent(ask.params?.[param] ?? ''))
    const token = ask.token === undefined ? apiToken : ask.token
    const response = await fetch(`${room.url}${path}${ask.query ? `?${ask.query}` : ''}`, {
      method: route.method,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(ask.body === undefined ? {} : { 'content-type': 'application/json' }),
        ...ask.headers,
      },
      ...(ask.body === undefined ? {} : { body: JSON.stringify(ask.body) }),
    })
    const text = await response.text()
    const type = response.headers.get('content-type') ?? ''
    const json = type.startsWith('application/json') && text !== '' ? JSON.parse(text) : undefined
    answered.set(name, (answered.get(name) ?? new Set()).add(response.status))
    return { status: response.status, type, text, json }
  }

  /** Asks, and holds the answer against the table: its status, its shape without one key more, its media type. */
  const good = async (name: Operation, ask: Ask = {}): Promise<Answered> => {
    const route: Route = ROUTES[name]
    const answer = await call(name, ask)
    expect([name, answer.status, answer.status === route.status ? '' : answer.text]).toEqual([
      name,
      route.status,
      '',
    ])
    if (!route.hasAnswer) {
      expect(answer.text).toBe('')
      return null
    }
    if (answer.json === undefined) {
      expect(Object.keys(route.also ?? {})).toContain(answer.type.split(';')[0])
      return answer.text
    }
    expectExactly(route.answer, answer.json, name)
    return answer.json
  }

  /** Asks for what must be refused, and holds the error against the codes that the table lists. */
  const bad = async (name: Operation, code: keyof typeof ERROR_CODES, ask: Ask = {}): Promise<Answered> => {
    const { status, json } = await call(name, ask)
    expectExactly(errorBodySchema, json, name)
    expect([name, status, json.error.code]).toEqual([name, ERROR_CODES[code].status, code])
    expect(errorCodesOf(ROUTES[name]), `${name} lists ${code}`).toContain(code)
    return json.error.facts
  }

  const eventually = (check: () => Promise<void>) => vi.waitFor(check, { timeout: 20_000, interval: 100 })

  beforeAll(async () => {
    room = await startDemoRoom()
    await eventually(async () => {
      const { totals } = await good('getOverview')
      expect(totals.tunnels).toBe(24)
      expect(totals.connections).toBeGreaterThan(0)
    })
  }, 60_000)
  afterAll(async () => {
    await room?.close()
  }, 30_000)

  it('of the fleet', async () => {
    await good('getHeartbeats')
    await good('getHeartbeats', { query: 'region=fra' })
    expect((await good('listRegions')).items).toHaveLength(1)
    expect((await good('getRegion', { params: { id: 'fra' } })).nodeList).toHaveLength(2)
    expect((await good('listNodes', { query: 'region=fra&limit=1' })).nextCursor).toEqual(expect.any(String))
    const node = await good('getNode', { params: { id: 'fra-1' } })
    expect(node.listeners.length).toBeGreaterThan(0)
    expect(node.health).toMatchObject({ node: 'fra-1' })
    expect(await good('getNodeHealth', { params: { id: 'fra-1' } })).toMatchObject({ push: {}, relay: {} })
    expect((await good('listTunnels', { query: 'region=fra' })).items).toHaveLength(24)
    const all = await good('listConnections')
    expect(all.unknown).toEqual([])
    await eventually(async () =>
      expect((await good('listConnections', { query: 'node=fra-1' })).items.length).toBeGreaterThan(0),
    )

    await bad('getHeartbeats', 'ERR_NOT_FOUND', { query: 'region=nope' })
    await bad('listNodes', 'ERR_INVALID', { query: 'colour=red' })
    await bad('getNode', 'ERR_NOT_FOUND', { params: { id: 'x'.repeat(300) } })
    await bad('listConnections', 'ERR_NOT_FOUND', { query: 'node=nope' })
  })

  it('of measurements and events', async () => {
    const series = await good('getSeries', { query: 'metric=tunnels,bytes_up,latency_ms&scope=node:fra-1' })
    expect(series.series.length).toBeGreaterThan(0)
    await eventually(async () => {
      const { items } = await good('listEvents', { query: 'limit=1000' })
      expect(new Set(items.map((event: FleetEvent) => event.type)).size).toBeGreaterThan(3)
      for (const event of items) expectEvent(event)
    })
    expect(await good('listEvents', { headers: { accept: 'text/csv' } })).toMatch(/^"id","at"/)
    await bad('getSeries', 'ERR_INVALID', { query: 'metric=nope' })
    await bad('getSeries', 'ERR_NOT_FOUND', { query: 'metric=tunnels&scope=node:nope' })
    await bad('listEvents', 'ERR_INVALID', { query: 'from=yesterday' })
  })

  it('of game days and the incident that one opens', { timeout: 60_000 }, async () => {
    const demo = await good('getDemo')
    expect(demo.relays.length).toBe(2)
    expect((await good('listScenarios')).items.length).toBeGreaterThan(1)
    await good('startScenario', { params: { name: 'push-stuck' }, body: { node: 'fra-1' } })
    await bad('startScenario', 'ERR_CONFLICT', { params: { name: 'push-stuck' }, body: { node: 'fra-2' } })
    await bad('startScenario', 'ERR_NOT_FOUND', { params: { name: 'nope' } })
    let id = ''
    await eventually(async () => {
      const { items } = await good('listIncidents', { query: 'status=active' })
      expect(items.length).toBeGreaterThan(0)
      id = items[0].id
    })
    const params = { id }
    expect((await good('getOverview')).incidents.length).toBeGreaterThan(0)
    expect((await good('getIncident', { params })).signals[0].kind).toBe('push.stuck')
    await good('acknowledgeIncident', { params, body: { reason: 'on it' } })
    await good('addNote', { params, body: { text: 'seen' } })
    await good('addAnnotation', { body: { title: 'deploy 1', kind: 'deploy', regions: ['fra'] } })
    await good('patchIncident', { params, body: { title: 'Pushes stand still' } })
    const timeline = await good('getTimeline', { params })
    expect(new Set(timeline.items.map(({ kind }: { kind: string }) => kind)).size).toBeGreaterThan(2)
    expect((await good('exportIncident', { params, query: 'format=json' })).items.length).toBeGreaterThan(0)
    expect(await good('exportIncident', { params })).toContain('# Pushes stand still')
    await good('mitigateIncident', { params })
    await good('resolveIncident', { params })
    await bad('acknowledgeIncident', 'ERR_CONFLICT', { params })
    await bad('addNote', 'ERR_INVALID', { params, body: { text: '', colour: 'red' } })
    await good('invalidatePushSession', { params: { id: 'fra-2' }, body: { reason: 'try' } })
    await good('endScenario', { params: { name: 'push-stuck' } })
    await watchLive(['overview', 'tunnels', 'region:fra', 'node:fra-1', `incident:${id}`, 'events'])
  })

  it('of kicks', async () => {
    const { items } = await good('listTunnels')
    await good('kickTunnel', { params: { hostId: items[0].hostId }, body: { reason: 'try' } })
    await bad('kickTunnel', 'ERR_NOT_FOUND', { params: { hostId: 'nope' } })
    await eventually(async () => {
      const [first] = (await good('listConnections', { query: 'node=fra-2' })).items
      await good('closeConnection', { params: { node: 'fra-2', id: first.id } })
    })
    await bad('closeConnection', 'ERR_NOT_FOUND', { params: { node: 'fra-2', id: 'nope' } })
  })

  it('of a drain from its plan to its report', { timeout: 60_000 }, async () => {
    const subject = { node: 'fra-2', strategy: { deadlineSeconds: 30 } }
    expect((await good('previewDrain', { body: subject })).moves).toHaveLength(1)
    const request = { ...subject, reason: 'kernel update' }
    await bad('createDrain', 'ERR_CONFIRM_MISMATCH', { body: { ...request, confirm: 'fra-1' } })
    await bad('createDrain', 'ERR_NOT_FOUND', { body: { ...request, node: 'nope', confirm: 'nope' } })
    await bad('createDrain', 'ERR_DRAIN_BLOCKED', {
      body: { region: 'fra', reason: 'x', confirm: 'fra' },
    })
    const { id } = await good('createDrain', { body: { ...request, confirm: 'fra-2' } })
    const params = { id }
    await bad('createDrain', 'ERR_DRAIN_RUNNING', { body: { ...request, confirm: 'fra-2' } })
    const drainWhere = async (...states: string[]) => {
      let drain: Answered
      await eventually(async () => {
        drain = await good('getDrain', { params })
        expect(states).toContain(drain.state)
      })
      return drain
    }
    const { version } = await drainWhere('running')
    await bad('pauseDrain', 'ERR_VERSION_CONFLICT', { params, body: { version: version + 7 } })
    const paused = await good('pauseDrain', { params, body: { version } })
    await good('continueDrain', { params, body: { version: paused.version } })
    const live = watchLive([`drain:${id}`, 'overview'])
    const drained = await drainWhere('drained')
    await live
    expect(drained.report.moves.length).toBeGreaterThan(0)
    expect((await good('getOverview')).held).toHaveLength(1)
    await good('listDrains', { query: 'region=fra' })
    await good('listDrains', { query: 'active=true' })
    await good('resumeDrain', { params, body: { version: drained.version } })
    const resumed = await drainWhere('resumed')
    await bad('abortDrain', 'ERR_CONFLICT', { params, body: { version: resumed.version } })
    const again = await good('createDrain', { body: { ...request, confirm: 'fra-2' } })
    await eventually(async () => {
      const { version } = await good('getDrain', { params: { id: again.id } })
      await good('abortDrain', { params: { id: again.id }, body: { version, end: 'serving' } })
    })
    const { items } = await good('listEvents', { query: 'limit=1000' })
    for (const event of items) expectEvent(event)
  })

  it('of maintenance', async () => {
    const in1h = new Date(Date.now() + 3_600_000).toISOString()
    const body = { title: 'Kernel update', from: new Date().toISOString(), to: in1h, reason: 'CVE-2026-1234' }
    const { id } = await good('createMaintenance', { body: { ...body, regions: ['fra'] } })
    expect((await good('listMaintenance', { query: 'status=active' })).items[0]).toMatchObject({
      id,
      held: [],
    })
    expect((await good('getNode', { params: { id: 'fra-1' } })).maintenance).toMatchObject({ until: in1h })
    expect((await good('getRegion', { params: { id: 'fra' } })).intent).toBe('maintenance')
    await good('endMaintenance', { params: { id } })
    await bad('endMaintenance', 'ERR_CONFLICT', { params: { id } })
    await bad('endMaintenance', 'ERR_NOT_FOUND', { params: { id: 'nobody' } })
    const { problems } = await bad('createMaintenance', 'ERR_INVALID', {
      body: { ...body, regions: ['fra', 'nowhere'], nodes: ['nobody'] },
    })
    expect(problems.map(({ path }: { path: string }) => path)).toEqual(['regions[1]', 'nodes[0]'])
    await bad('createMaintenance', 'ERR_INVALID', { body: { ...body, to: body.from } })
    expect((await good('listMaintenance', { query: 'status=past' })).items).toMatchObject([{ id }])
  })

  it('of people, tokens and the room itself', async () => {
    await good('getMe')
    await good('getSystem')
    expect(await good('getConfig')).toMatchObject({ refused: null, needsRestart: [] })
    expect(await good('checkConfig', { body: { text: '' } })).toMatchObject({ ok: false })
    await bad('checkConfig', 'ERR_INVALID', { body: { file: 'x' } })
    const gone = await good('probeNode', { body: { url: 'http://127.0.0.1:1/' } })
    expect(gone).toMatchObject({ kind: null, reading: { outcome: 'refused' } })
    const { problems } = await bad('probeNode', 'ERR_INVALID', { body: {} })
    expect(problems).toMatchObject([{ path: 'url' }])
    const told = await good('testNotification', { body: { channel: 'hook' } })
    expect(told).toMatchObject({ kind: 'test', state: 'sent', attempts: 1, answer: '200 ok' })
    const { items: sent } = await good('listNotifications', { query: 'state=sent&limit=1' })
    expect(sent).toMatchObject([{ id: told.id, channel: 'hook' }])
    await bad('listNotifications', 'ERR_INVALID', { query: 'state=lost' })
    expect((await good('listNotificationChannels')).items).toMatchObject([{ name: 'hook', state: 'ok' }])
    await bad('testNotification', 'ERR_NOT_FOUND', { body: { channel: 'team' } })
    expect((await good('listAudit')).items.length).toBeGreaterThan(5)
    expect((await good('getOpenApi')).openapi).toBe('3.1.1')
    const body = { email: 'ben@example.com', password: 'a long password', role: 'viewer' }
    const user = await good('createUser', { body })
    await bad('createUser', 'ERR_CONFLICT', { body })
    await good('changeUser', { params: { id: user.id }, body: { role: 'operator' } })
    await good('listUsers')
    await good('removeUser', { params: { id: user.id } })
    await bad('removeUser', 'ERR_NOT_FOUND', { params: { id: user.id } })
    const token = await good('createToken', { body: { name: 'ci', role: 'viewer' } })
    const listed = await good('listTokens')
    expect(JSON.stringify(listed)).not.toContain(token.token)
    await good('removeToken', { params: { id: token.id } })
    await bad('removeToken', 'ERR_NOT_FOUND', { params: { id: token.id } })
  })

  it('of strangers, and of those who sign in', async () => {
    await good('getLive', { token: null })
    await good('getReady', { token: null })
    expect(await good('getMetrics', { token: null })).toContain('tidegate_store_up 1')
    await bad('setUp', 'ERR_NOT_FOUND', { token: null, body: { key: 'x', ...admin } })
    await bad('signIn', 'ERR_UNAUTHENTICATED', { token: null, body: { ...admin, password: 'wrong' } })
    await bad('signIn', 'ERR_INVALID', { token: null, body: {} })
    await good('signIn', { token: null, body: admin })
    expect(await good('getSession', { token: null })).toBeNull()
    const response = await fetch(`${room.url}/api/auth/sign-in/email`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(admin),
    })
    const cookie = response.headers
      .getSetCookie()
      .map((each) => each.split(';')[0])
      .join('; ')
    const mine = { token: null, headers: { cookie, origin: room.url } }
    expect((await good('getSession', mine)).user.role).toBe('admin')
    await bad('signOut', 'ERR_ORIGIN', { token: null, headers: { cookie, origin: 'https://evil.example' } })
    await good('signOut', mine)
  })

  it('of what is not built yet', async () => {
    await bad('setPushBreaker', 'ERR_UNSUPPORTED', { params: { id: 'fra-1' } })
    await bad('restoreTokens', 'ERR_UNSUPPORTED', { params: { id: 'fra-1' } })
  })

  it('refuses by the codes that it documents: strangers, lesser roles, unknown ids, bad queries and bodies', async () => {
    const tokens: Record<string, string> = {}
    for (const role of ['viewer', 'operator'])
      tokens[role] = (await good('createToken', { body: { name: role, role } })).token
    for (const name of Object.keys(ROUTES) as Operation[]) {
      const route: Route = ROUTES[name]
      const params = Object.fromEntries(
        [...route.path.matchAll(/:(\w+)/g)].map(([, param]) => [param, 'nope']),
      )
      if (route.role !== null) await bad(name, 'ERR_UNAUTHENTICATED', { params, token: null })
      if (route.role === 'operator') await bad(name, 'ERR_FORBIDDEN', { params, token: tokens.viewer! })
      if (route.role === 'admin') await bad(name, 'ERR_FORBIDDEN', { params, token: tokens.operator! })
      if (route.hasQuery) await bad(name, 'ERR_INVALID', { params, query: 'colour=red' })
      if (route.hasParams && !route.hasBody && !route.hasQuery) await bad(name, 'ERR_NOT_FOUND', { params })
      if (route.hasBody) {
        const plain = { body: {}, headers: { 'content-type': 'text/plain' } }
        // Some look for what the path names first.
        const { status, json } = await call(name, { params, ...plain })
        expectExactly(errorBodySchema, json, name)
        expect([name, [404, 415].includes(status)]).toEqual([name, true])
        expect(errorCodesOf(route)).toContain(json.error.code)
      }
    }
  })

  it('has left out none', () => {
    const later = ['setPushBreaker', 'restoreTokens', 'setUp']
    const unanswered = (Object.keys(ROUTES) as Operation[]).filter(
      (name) => !answered.get(name)?.has(ROUTES[name].status),
    )
    expect(unanswered.sort()).toEqual(later.sort())
  })

  /** Follows the live stream until every topic has told its state, and holds every frame against its schema. */
  const watchLive = async (names: string[]): Promise<void> => {
    const waiting = new Set(names)
    const frames: string[] = []
    const subscriber = room.hub.join((text) => void frames.push(text))
    try {
      subscriber.subscribe(names.map((name) => parseTopic(name)!))
      await vi.waitFor(
        () => {
          for (const text of frames.splice(0)) {
            const frame = JSON.parse(text)
            expectExactly(liveServerSchema, frame, frame.type)
            expect(frame.type).not.toBe('error')
            if (frame.type === 'event') expectEvent(frame.event)
            if (frame.type !== 'snapshot') continue
            const kind = frame.topic.split(/[:?]/)[0] as keyof typeof SNAPSHOTS
            expectExactly(SNAPSHOTS[kind], frame.data, frame.topic)
            expect(frame.data).not.toBeNull()
            waiting.delete(frame.topic)
          }
          expect([...waiting]).toEqual([])
        },
        { timeout: 10_000, interval: 50 },
      )
    } finally {
      subscriber.close()
    }
  }
})
