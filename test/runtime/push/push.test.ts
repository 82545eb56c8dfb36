import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { decodeJwt, decodeProtectedHeader } from 'jose'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { pushRequestSchema } from '../../../server/contract/node-api.ts'
import type { PushConfig } from '../../../server/contract/node-config.ts'
import {
  type Endpoint,
  type Recorded,
  respond,
  type SeenRequest,
  startEndpoint,
  startPush,
} from './apns-endpoint.ts'

const payload = { aps: { alert: 'hello' } }
const fingerprint = (token: string) => createHash('sha256').update(token).digest('hex').slice(0, 12)

let endpoint: Endpoint
const open: Recorded[] = []
const begin = async (
  overrides: Partial<PushConfig> = {},
  at: Pick<Endpoint, 'port' | 'caPath' | 'keyPath'> = endpoint,
) => {
  const recorded = await startPush(at, overrides)
  open.push(recorded)
  return recorded
}

beforeEach(async () => {
  endpoint = await startEndpoint()
})
afterEach(async () => {
  await Promise.all(open.splice(0).map(({ push }) => push.destroy()))
  await endpoint.close()
})

describe('a push that is delivered', () => {
  it('carries the standard headers, an ES256 provider token and the payload, and reuses one session', async () => {
    const { push, ofType } = await begin()
    expect(push.stats()).toMatchObject({ sessionAlive: false, sessionAgeSeconds: null, sessionConnects: 0 })
    const [first] = await push.send({ token: 'aa11', payload, collapseId: 'c', expiration: 7, priority: 5 })
    await push.send({ tokens: ['bb22', 'cc33'], payload })
    expect(first).toMatchObject({ token: fingerprint('aa11'), outcome: 'delivered', status: 200 })
    expect(endpoint.sessions).toHaveLength(1)
    const seen = endpoint.requests[0] as SeenRequest
    expect(seen.headers).toMatchObject({
      ':method': 'POST',
      ':path': '/3/device/aa11',
      'apns-topic': 'com.example.app',
      'apns-push-type': 'alert',
      'apns-priority': '5',
      'apns-expiration': '7',
      'apns-collapse-id': 'c',
      'apns-id': first?.apnsId,
    })
    expect(JSON.parse(seen.body)).toEqual(payload)
    const jwt = String(seen.headers.authorization).replace('bearer ', '')
    expect(decodeProtectedHeader(jwt)).toMatchObject({ alg: 'ES256', kid: 'ABC123' })
    expect(decodeJwt(jwt)).toMatchObject({ iss: 'TEAM45' })
    expect(push.stats()).toMatchObject({
      received: 3,
      sendOk: 3,
      sendFail: 0,
      sessionAlive: true,
      sessionConnects: 1,
      breaker: 'closed',
    })
    expect(ofType('push.session_connected')).toHaveLength(1)
  })

  it('shares one dial among pushes that arrive together', async () => {
    const { push } = await begin()
    await Promise.all(Array.from({ length: 20 }, (_, i) => push.send({ token: `t${i}`, payload })))
    expect(endpoint.sessions).toHaveLength(1)
    expect(push.stats()).toMatchObject({ sendOk: 20, sessionConnects: 1 })
  })

  it('counts a key without tokens as received and noTokens, and sends to all tokens of a key', async () => {
    const { push } = await begin()
    expect(await push.send({ key: 'nobody', payload })).toEqual([{ token: null, outcome: 'no_token' }])
    await push.tokens.register('aa', 'anna')
    await push.tokens.register('bb', 'anna')
    expect(await push.send({ key: 'anna', payload })).toHaveLength(2)
    expect(push.stats()).toMatchObject({ received: 3, noTokens: 1, sendOk: 2, tokens: 2 })
  })

  it('never has more streams open than the peer allows', async () => {
    await endpoint.close()
    endpoint = await startEndpoint({ maxConcurrentStreams: 3 })
    let now = 0
    let most = 0
    endpoint.answer = (request) => {
      now += 1
      most = Math.max(most, now)
      setImmediate(() => {
        now -= 1
        respond(request, 200)
      })
    }
    const { push } = await begin()
    const outcomes = await push.send({ tokens: Array.from({ length: 30 }, (_, i) => `t${i}`), payload })
    expect(outcomes.every((one) => one.outcome === 'delivered')).toBe(true)
    expect(most).toBe(3)
    expect(endpoint.sessions).toHaveLength(1)
  })

  it('refuses a payload above 4 096 bytes before it counts as received', async () => {
    const { push } = await begin()
    await expect(push.send({ token: 'aa', payload: { text: 'x'.repeat(4_096) } })).rejects.toMatchObject({
      code: 'ERR_TOO_LARGE',
    })
    expect(push.stats().received).toBe(0)
  })
})

describe('GOAWAY', () => {
  it('lets streams in flight finish on the old session while new ones go to a fresh one', async () => {
    const held: SeenRequest[] = []
    endpoint.answer = (request) => {
      if (request.token === 'slow') held.push(request)
      else respond(request, 200)
    }
    const { push, event, ofType } = await begin()
    const slow = push.send({ token: 'slow', payload })
    await endpoint.until(() => held.length === 1)
    endpoint.sessions[0]?.goaway(0)
    await event('push.session_invalidated')
    const [quick] = await push.send({ token: 'quick', payload })
    expect(quick?.outcome).toBe('delivered')
    expect(endpoint.sessions).toHaveLength(2)
    respond(held[0] as SeenRequest, 200)
    expect(await slow).toMatchObject([{ outcome: 'delivered' }])
    expect(endpoint.requests.filter((request) => request.token === 'slow')).toHaveLength(1)
    expect(ofType('push.session_invalidated')).toMatchObject([{ reason: 'goaway' }])
    expect(push.stats()).toMatchObject({
      sendOk: 2,
      sendRetried: 0,
      sessionInvalidationsByReason: { goaway: 1 },
      sessionConnects: 2,
    })
  })

  it('does not let the late close of the old session touch its successor', async () => {
    const held: SeenRequest[] = []
    endpoint.answer = (request) => {
      if (request.token === 'slow') held.push(request)
      else respond(request, 200)
    }
    const { push, event } = await begin()
    const slow = push.send({ token: 'slow', payload })
    await endpoint.until(() => held.length === 1)
    endpoint.sessions[0]?.goaway(0)
    await event('push.session_invalidated')
    await push.send({ token: 'a', payload })
    endpoint.sessions[0]?.destroy() // closes the old session's socket while its successor works
    await endpoint.until(() => endpoint.sessions[0]?.destroyed === true)
    // The push that was cut off goes to the successor, which is the one session there is.
    await endpoint.until(() => held.length === 2)
    respond(held[1] as SeenRequest, 200)
    expect(await slow).toMatchObject([{ outcome: 'delivered' }])
    await push.send({ token: 'b', payload })
    expect(endpoint.sessions).toHaveLength(2)
    expect(push.stats()).toMatchObject({ sessionAlive: true, sessionInvalidations: 1, sessionConnects: 2 })
  })

  it('sends what the peer did not process once more, with the same apns-id', async () => {
    endpoint.answer = (request) => {
      // Last stream 1: the stream of this second push was not processed (RFC 9113 §6.8).
      if (endpoint.requests.length === 2) request.session.goaway(0, 1)
      else respond(request, 200)
    }
    const { push, ofType } = await begin()
    await push.send({ token: 'first', payload })
    const [outcome] = await push.send({ token: 'aa', payload })
    expect(outcome?.outcome).toBe('delivered')
    expect(endpoint.requests.slice(1).map((request) => request.apnsId)).toEqual([
      outcome?.apnsId,
      outcome?.apnsId,
    ])
    expect(ofType('push.retried')).toHaveLength(1)
    expect(push.stats()).toMatchObject({ sendOk: 2, sendRetried: 1, sendFail: 0 })
  })

  it('dials at most once a second after ENHANCE_YOUR_CALM', async () => {
    const { push, event } = await begin()
    await push.send({ token: 'a', payload })
    endpoint.sessions[0]?.goaway(11)
    await event('push.session_invalidated')
    await push.send({ token: 'b', payload })
    const second = performance.now()
    push.invalidate('again')
    await push.send({ token: 'c', payload })
    // The third session stands a second after the second, however quickly it was wanted.
    expect(performance.now() - second).toBeGreaterThan(900)
    expect(endpoint.sessions).toHaveLength(3)
  })
})

describe('a push that is malformed', () => {
  it('costs itself, not the node nor its drains: a token of half a character', async () => {
    const { push } = await begin()
    expect(await push.send({ token: '\ud800', payload })).toMatchObject([
      { outcome: 'failed', reason: 'internal' },
    ])
    // A second one, now that a session is up.
    await push.send({ token: 'fine', payload })
    expect(await push.send({ tokens: ['\udfff', 'good'], payload })).toMatchObject([
      { outcome: 'failed' },
      { outcome: 'delivered' },
    ])
    expect(push.pending()).toBe(0)
  })

  it.each([
    ['a lone surrogate as token', { token: '\ud800', payload }],
    ['a line feed in a token', { tokens: ['ok', 'a\nb'], payload }],
    ['a control character in the collapse id', { token: 'a', payload, collapseId: 'a\u0000b' }],
  ])('is refused before it is taken: %s', (_what, request) => {
    expect(pushRequestSchema.safeParse(request).success).toBe(false)
  })

  it('is refused with a sentence where its payload is nested without end', async () => {
    const { push } = await begin()
    const deep = JSON.parse(`${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`)
    await expect(push.send({ token: 'a', payload: deep })).rejects.toMatchObject({
      code: expect.stringMatching(/ERR_INVALID|ERR_TOO_LARGE/),
    })
    expect(push.pending()).toBe(0)
  })
})

describe('a stream that breaks', () => {
  it.each([2, 11])('is retried exactly once with the same apns-id after RST_STREAM %i', async (code) => {
    endpoint.answer = (request) => request.stream.close(code)
    const { push, ofType } = await begin()
    const [outcome] = await push.send({ token: 'aa', payload })
    expect(outcome).toMatchObject({ outcome: 'failed' })
    expect(endpoint.requests.map((request) => request.apnsId)).toEqual([outcome?.apnsId, outcome?.apnsId])
    expect(endpoint.sessions).toHaveLength(2)
    expect(ofType('push.retried')).toHaveLength(1)
    expect(push.stats()).toMatchObject({
      sendFail: 1,
      sendRetried: 1,
      sendRetriedUnproven: 1,
      sendOk: 0,
    })
  })

  it('is sent again up to five times where REFUSED_STREAM proves that it was not processed', async () => {
    let refusals = 5
    endpoint.answer = (request) => {
      if (refusals === 0) return respond(request, 200)
      refusals -= 1
      request.stream.close(7)
    }
    const { push } = await begin()
    expect(await push.send({ token: 'aa', payload })).toMatchObject([{ outcome: 'delivered' }])
    expect(new Set(endpoint.requests.map((request) => request.apnsId)).size).toBe(1)
    expect(push.stats()).toMatchObject({ sendOk: 1, sendFail: 0, sendRetried: 5, sendRetriedUnproven: 0 })
    refusals = Number.POSITIVE_INFINITY
    expect(await push.send({ token: 'bb', payload })).toMatchObject([
      { outcome: 'failed', reason: 'NGHTTP2_REFUSED_STREAM' },
    ])
    expect(endpoint.requests.filter((request) => request.token === 'bb')).toHaveLength(6 + 1)
  })

  it('is delivered although two sessions in a row say GOAWAY before they processed anything', async () => {
    endpoint.answer = (request) => {
      const young = endpoint.sessions.indexOf(request.session) < 2
      if (!young || request.stream.id === 1) respond(request, 200)
      // Last stream 1: all others on this session were not processed (RFC 9113 §6.8), and none of them is ever answered.
      if (young && request.stream.id === 1) request.session.goaway(0, 1)
    }
    const { push } = await begin()
    const tokens = Array.from({ length: 60 }, (_, i) => `t${i}`)
    const outcomes = await push.send({ tokens, payload })
    expect(outcomes.filter((one) => one.outcome !== 'delivered')).toEqual([])
    expect(push.stats()).toMatchObject({ sendOk: 60, sendFail: 0, sendRetriedUnproven: 0 })
  })

  it('is not retried after RST_STREAM with another code, nor once response headers are here', async () => {
    endpoint.answer = (request) => {
      if (request.token === 'cancel') return request.stream.close(8)
      request.stream.respond({ ':status': 500 })
      request.stream.write('{"rea', () => request.stream.close(2))
    }
    const { push } = await begin()
    expect(await push.send({ token: 'cancel', payload })).toMatchObject([{ outcome: 'failed' }])
    expect(await push.send({ token: 'half', payload })).toMatchObject([{ outcome: 'rejected', status: 500 }])
    expect(endpoint.requests).toHaveLength(2)
    expect(push.stats().sendRetried).toBe(0)
  })

  it('is sent again once when the connection is cut under it', async () => {
    let first = true
    endpoint.answer = (request) => {
      if (!first) return respond(request, 200)
      first = false
      for (const socket of endpoint.sockets) socket.destroy()
    }
    const { push, event } = await begin()
    expect(await push.send({ token: 'aa', payload })).toMatchObject([{ outcome: 'delivered' }])
    expect(['close', 'error']).toContain((await event('push.session_invalidated')).reason)
    expect(endpoint.requests).toHaveLength(2)
  })
})

describe('an answer other than 2xx', () => {
  it('makes a new provider token after 403 ExpiredProviderToken and sends once more', async () => {
    endpoint.answer = (request) => respond(request, 403, { reason: 'ExpiredProviderToken' })
    const { push } = await begin()
    const [outcome] = await push.send({ token: 'aa', payload })
    expect(outcome).toMatchObject({ outcome: 'rejected', status: 403, reason: 'ExpiredProviderToken' })
    expect(endpoint.requests).toHaveLength(2)
    const [one, two] = endpoint.requests.map((request) => request.headers.authorization)
    expect(two).not.toBe(one)
    expect(push.stats()).toMatchObject({
      sendRejected: { ExpiredProviderToken: 1 },
      sendRetried: 1,
      sendOk: 0,
    })
  })

  it('waits out a short Retry-After and counts a long one as rejected', async () => {
    const at: number[] = []
    endpoint.answer = (request) => {
      at.push(performance.now())
      if (request.token === 'long')
        respond(request, 503, { reason: 'ServiceUnavailable' }, { 'retry-after': '3600' })
      else if (at.length === 1) respond(request, 429, { reason: 'TooManyRequests' }, { 'retry-after': '1' })
      else respond(request, 200)
    }
    const { push } = await begin()
    expect(await push.send({ token: 'short', payload })).toMatchObject([{ outcome: 'delivered' }])
    expect((at[1] ?? 0) - (at[0] ?? 0)).toBeGreaterThan(950)
    expect(await push.send({ token: 'long', payload })).toMatchObject([{ outcome: 'rejected', status: 503 }])
    expect(push.stats()).toMatchObject({ sendOk: 1, sendRejected: { ServiceUnavailable: 1 }, sendRetried: 1 })
  })

  it('names the status where the body says nothing usable', async () => {
    endpoint.answer = (request) => {
      request.stream.respond({ ':status': 502 })
      request.stream.end('<html>bad gateway</html>')
    }
    const { push, ofType } = await begin()
    expect(await push.send({ token: 'aa', payload })).toMatchObject([
      { outcome: 'rejected', reason: 'HTTP_502' },
    ])
    expect(ofType('push.rejected')).toMatchObject([
      { status: 502, reason: 'HTTP_502', token: fingerprint('aa') },
    ])
  })
})

describe('pruning', () => {
  const prunes: [number, string, Record<string, number>][] = [
    [410, 'Unregistered', { pruneOnUnregistered: 1 }],
    [410, 'ExpiredToken', { pruneOther: 1 }],
    [400, 'BadDeviceToken', { pruneOnBadDeviceToken: 1 }],
    [400, 'DeviceTokenNotForTopic', { pruneOnTopicMismatch: 1 }],
  ]
  it.each(prunes)('removes a token after %i %s', async (status, reason, counted) => {
    endpoint.answer = (request) => respond(request, status, { reason, timestamp: Date.now() + 1_000 })
    const { push, ofType } = await begin()
    await push.tokens.register('aa', 'anna')
    await push.send({ key: 'anna', payload })
    expect(push.tokens.count()).toBe(0)
    expect(push.stats()).toMatchObject(counted)
    expect(ofType('token.pruned')).toEqual([{ reason, status, token: fingerprint('aa') }])
    expect(await push.send({ key: 'anna', payload })).toMatchObject([{ outcome: 'no_token' }])
  })

  it.each([
    [400, 'TopicDisallowed'],
    [403, 'InvalidProviderToken'],
    [413, 'PayloadTooLarge'],
    [500, 'InternalServerError'],
  ])('keeps a token after %i %s', async (status, reason) => {
    endpoint.answer = (request) => respond(request, status, { reason })
    const { push } = await begin()
    await push.tokens.register('aa', 'anna')
    await push.send({ key: 'anna', payload })
    expect(push.tokens.count()).toBe(1)
  })

  it('keeps a token that was registered again while the push was on its way', async () => {
    const held: SeenRequest[] = []
    endpoint.answer = (request) => held.push(request)
    const { push, ofType } = await begin()
    await push.tokens.register('aa', 'anna')
    const sent = push.send({ key: 'anna', payload })
    await endpoint.until(() => held.length === 1)
    await push.tokens.register('aa', 'anna')
    respond(held[0] as SeenRequest, 410, { reason: 'Unregistered', timestamp: Date.now() + 60_000 })
    expect(await sent).toMatchObject([{ outcome: 'rejected', status: 410 }])
    expect(push.tokens.byKey('anna')).toEqual(['aa'])
    expect(push.stats().pruneOnUnregistered).toBe(0)
    expect(ofType('token.pruned')).toEqual([])
  })

  it('removes a token that was dead before it was registered', async () => {
    endpoint.answer = (request) =>
      respond(request, 410, { reason: 'Unregistered', timestamp: Date.now() - 60_000 })
    const { push } = await begin()
    await push.tokens.register('aa', 'anna')
    await push.send({ key: 'anna', payload })
    expect(push.tokens.count()).toBe(0)
    expect(push.stats().pruneOnUnregistered).toBe(1)
  })
})

describe('an endpoint that does not answer', () => {
  it('does not cost six hours of pushes when a session answers PING and no stream: a fresh one is tried', async () => {
    endpoint.answer = (request) => {
      if (request.session !== endpoint.sessions[0]) respond(request, 200)
    }
    const { push, ofType } = await begin({ requestTimeoutMs: 600, pingIntervalMs: 20, pingTimeoutMs: 15_000 })
    const tokens = Array.from({ length: 40 }, (_, i) => `t${i}`)
    const outcomes = await push.send({ tokens, payload })
    // Two streams in a row may be bad luck; the third is a verdict on the session, and what hung on it is sent once more.
    expect(outcomes.filter((one) => one.outcome === 'failed').map((one) => one.reason)).toEqual([
      'timeout',
      'timeout',
    ])
    expect(ofType('push.session_invalidated')).toMatchObject([{ reason: 'unanswered' }])
    expect(push.stats()).toMatchObject({ sendOk: 38, sendFail: 2, sessionConnects: 2, sessionAlive: true })
    await endpoint.until(() => endpoint.requests.slice(0, 40).every(({ stream }) => stream.rstCode === 8)) // each was reset
  })

  it('probes with one push at a time while nothing is answered, and the others keep their attempts', async () => {
    endpoint.answer = () => undefined
    const { push } = await begin({ requestTimeoutMs: 400 })
    const early = await push.send({ tokens: ['a', 'b'], payload })
    expect(early.map((one) => one.reason)).toEqual(['timeout', 'timeout'])
    const late = push.send({ tokens: Array.from({ length: 30 }, (_, i) => `t${i}`), payload })
    // The old session takes what its limit allows; from the third session on it is one stream each.
    await endpoint.until(() => endpoint.sessions.length >= 3 && endpoint.requests.length >= 34)
    expect(push.pending()).toBeGreaterThan(25)
    expect(push.stats()).toMatchObject({ sendOk: 0, sessionInvalidationsByReason: { unanswered: 2 } })
    // In between a session stays up, as its PINGs prove; that it delivers nothing is what the counters say.
    await expect.poll(() => push.stats().sessionAlive).toBe(true)
    endpoint.answer = (request) => respond(request, 200)
    const outcomes = await late
    expect(outcomes.filter((one) => one.outcome === 'failed').length).toBeLessThan(3)
    expect(push.stats().sessionAlive).toBe(true)
  })

  it('counts a push whose 200 came as delivered, although its stream never ends', async () => {
    endpoint.answer = (request) => request.stream.respond({ ':status': 200 })
    const { push } = await begin({ requestTimeoutMs: 300 })
    expect(await push.send({ token: 'a', payload })).toMatchObject([{ outcome: 'delivered' }])
    await endpoint.until(() => endpoint.requests[0]?.stream.rstCode === 8)
    expect(push.stats()).toMatchObject({ sendOk: 1, sendFail: 0 })
  })

  it('waits without limit for an answer where the timeout is 0', async () => {
    endpoint.answer = (request) => setTimeout(() => respond(request, 200), 150)
    const { push } = await begin({ requestTimeoutMs: 0, connectTimeoutMs: 0, deadlineMs: 0 })
    expect(await push.send({ token: 'a', payload })).toMatchObject([{ outcome: 'delivered' }])
  })

  it('is noticed by an unanswered ping when the path swallows everything', async () => {
    // A TCP forwarder between client and endpoint that stops forwarding without closing anything.
    const sockets: Socket[] = []
    let swallow = false
    const path = createServer((client) => {
      const { port } = endpoint
      const target = new (client.constructor as typeof Socket)().connect(port, '127.0.0.1')
      sockets.push(client, target)
      client.on('data', (chunk) => (swallow ? undefined : target.write(chunk)))
      target.on('data', (chunk) => (swallow ? undefined : client.write(chunk)))
      for (const socket of [client, target]) socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => path.listen(0, '127.0.0.1', resolve))
    const { port } = path.address() as { port: number }
    const { push, event } = await begin({ pingIntervalMs: 50, pingTimeoutMs: 50 }, { ...endpoint, port })
    await push.send({ token: 'a', payload })
    swallow = true
    expect(await event('push.session_invalidated')).toMatchObject({ reason: 'ping_timeout' })
    expect(push.stats()).toMatchObject({
      sessionAlive: false,
      sessionInvalidationsByReason: { ping_timeout: 1 },
    })
    swallow = false
    expect(await push.send({ token: 'b', payload })).toMatchObject([{ outcome: 'delivered' }])
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => path.close(resolve))
  })

  it('fails what exceeds the queue with queue_full, and what waits too long with queue_timeout', async () => {
    await endpoint.close()
    endpoint = await startEndpoint({ maxConcurrentStreams: 1 })
    endpoint.answer = () => undefined
    const { push } = await begin({ maxQueued: 2, requestTimeoutMs: 400, deadlineMs: 200 })
    await push.send({ token: 'x', payload: { aps: {} } }).then(
      () => undefined,
      () => undefined,
    )
    const outcomes = await push.send({ tokens: ['a', 'b', 'c', 'd'], payload })
    expect(outcomes.map((one) => one.reason)).toEqual([
      'timeout',
      'queue_timeout',
      'queue_full',
      'queue_full',
    ])
    expect(push.pending()).toBe(0)
    expect(push.stats()).toMatchObject({ received: 5, sendFail: 5 })
  })

  it('loses no push while the endpoint refuses connections for a while: a dial is not an attempt to deliver', async () => {
    const dead = { ...endpoint, port: endpoint.port }
    const { caPath, keyPath } = endpoint
    const closedPort = await new Promise<number>((resolve) => {
      const server = createServer().listen(0, '127.0.0.1', () => {
        const { port } = server.address() as { port: number }
        server.close(() => resolve(port))
      })
    })
    const { push } = await begin({ deadlineMs: 20_000 }, { caPath, keyPath, port: closedPort })
    const waiting = push.send({ token: 'a', payload })
    await vi.waitFor(() => expect(push.stats().sessionConnectFailures).toBeGreaterThan(2), 10_000)
    expect(push.stats()).toMatchObject({
      sendFail: 0,
      sendRetried: 0,
      sessionConnects: 0,
      sessionAlive: false,
      lastFailureReason: 'ECONNREFUSED',
    })
    expect(push.pending()).toBe(1)
    const forwarder = createServer((client) => {
      const target = new (client.constructor as typeof Socket)().connect(dead.port, '127.0.0.1')
      client.pipe(target).pipe(client)
      for (const socket of [client, target]) socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => forwarder.listen(closedPort, '127.0.0.1', resolve))
    expect(await waiting).toMatchObject([{ outcome: 'delivered' }])
    expect(await push.send({ token: 'b', payload })).toMatchObject([{ outcome: 'delivered' }])
    await push.destroy()
    await new Promise((resolve) => forwarder.close(resolve))
  })

  it('gives up a dial whose peer accepts and says nothing', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => {
      sockets.push(socket)
      socket.on('error', () => undefined)
    })
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const { push } = await begin({ connectTimeoutMs: 60, deadlineMs: 500 }, { ...endpoint, port })
    const soon = { token: 'a', payload, expiration: Math.floor(Date.now() / 1000) + 3_600 }
    const patient = push.send(soon)
    expect(await push.send({ token: 'b', payload })).toMatchObject([
      { outcome: 'failed', reason: 'connect_timeout' },
    ])
    // Its own expiration lies an hour ahead, so it goes on waiting.
    expect(push.pending()).toBe(1)
    expect(sockets.length).toBeGreaterThan(1)
    await push.destroy()
    expect(await patient).toMatchObject([{ outcome: 'failed', reason: 'closed' }])
    for (const socket of sockets) socket.destroy()
    await new Promise((resolve) => silent.close(resolve))
  })

  it('does not trust an endpoint whose certificate is not signed by a known authority', async () => {
    const other = await startEndpoint()
    const { push } = await begin({ ca: other.caPath, deadlineMs: 300 })
    expect(await push.send({ token: 'a', payload })).toMatchObject([{ outcome: 'failed' }])
    expect(endpoint.requests).toHaveLength(0)
    await other.close()
  })
})

describe('verbs', () => {
  it('drops the session for new pushes when an operator says so', async () => {
    const { push, event } = await begin()
    await push.send({ token: 'a', payload })
    push.invalidate('looks stuck')
    expect(await event('push.session_invalidated')).toMatchObject({
      reason: 'operator',
      detail: 'looks stuck',
    })
    expect(push.stats().sessionAlive).toBe(false)
    await push.send({ token: 'b', payload })
    expect(endpoint.sessions).toHaveLength(2)
  })

  it('refuses while draining, flushes what is pending, and serves again', async () => {
    const held: SeenRequest[] = []
    endpoint.answer = (request) => held.push(request)
    const { push } = await begin()
    const sent = push.send({ token: 'a', payload })
    await endpoint.until(() => held.length === 1)
    push.refuse(true)
    await expect(push.send({ token: 'b', payload })).rejects.toMatchObject({ code: 'ERR_DRAINING' })
    expect(push.pending()).toBe(1)
    expect(await push.flush(AbortSignal.timeout(20))).toEqual({ flushed: 0, left: 1 })
    const flushed = push.flush(AbortSignal.timeout(10_000))
    respond(held[0] as SeenRequest, 200)
    expect(await flushed).toEqual({ flushed: 1, left: 0 })
    expect(await sent).toMatchObject([{ outcome: 'delivered' }])
    push.refuse(false)
    endpoint.answer = (request) => respond(request, 200)
    expect(await push.send({ token: 'b', payload })).toMatchObject([{ outcome: 'delivered' }])
  })

  it('lets what is in flight finish on close, and leaves no socket behind', async () => {
    const held: SeenRequest[] = []
    endpoint.answer = (request) => held.push(request)
    const { push } = await begin()
    const sent = push.send({ token: 'a', payload })
    await endpoint.until(() => held.length === 1)
    const closed = push.close()
    respond(held[0] as SeenRequest, 200)
    expect(await sent).toMatchObject([{ outcome: 'delivered' }])
    await closed
    await push.close()
    await endpoint.until(() => endpoint.sessions.every((session) => session.destroyed))
    await expect(push.send({ token: 'b', payload })).rejects.toMatchObject({ code: 'ERR_DRAINING' })
  })

  it('settles everything as failed on destroy', async () => {
    endpoint.answer = () => undefined
    const { push } = await begin()
    const sent = push.send({ tokens: ['a', 'b'], payload })
    await endpoint.until(() => endpoint.requests.length === 2)
    await push.destroy()
    expect((await sent).map((one) => one.outcome)).toEqual(['failed', 'failed'])
    expect(push.stats()).toMatchObject({ sendFail: 2, sendRetried: 0 })
  })

  it('says which file is missing when the key cannot be read', async () => {
    await expect(startPush({ ...endpoint, keyPath: '/nowhere/AuthKey.p8' })).rejects.toMatchObject({
      code: 'ERR_CONFIG',
    })
  })
})
