import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generate } from 'selfsigned'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { PushEndpoint, type PushEndpointOptions } from '../../server/demo/push-endpoint.ts'
import { type Endpoint, type Recorded, startEndpoint, startPush } from '../runtime/push/apns-endpoint.ts'

const payload = { aps: { alert: 'hello' } }
/** Lends its folder and signing key. */
let other: Endpoint
let endpoint: PushEndpoint
let client: Recorded

const begin = async (options: Partial<PushEndpointOptions> = {}): Promise<void> => {
  const pems = await generate([{ name: 'commonName', value: 'demo' }], {
    keyType: 'ec',
    algorithm: 'sha256',
    extensions: [
      { name: 'basicConstraints', cA: true },
      { name: 'subjectAltName', altNames: [{ type: 7, ip: '127.0.0.1' }] },
    ],
  })
  const caPath = join(other.folder, 'demo-ca.pem')
  await writeFile(caPath, pems.cert)
  endpoint = await PushEndpoint.start({ key: pems.private, cert: pems.cert, ...options })
  client = await startPush({ port: endpoint.port, caPath, keyPath: other.keyPath }, { requestTimeoutMs: 300 })
}

beforeEach(async () => {
  other = await startEndpoint()
})
afterEach(async () => {
  await client.push.destroy()
  await endpoint.close()
  await other.close()
})

describe("the demo's push endpoint", () => {
  it('answers 410 and 400 now and then, and the node prunes those tokens', async () => {
    const lots = [0.1, 0.3, 0.9]
    let turn = 0
    // The endpoint draws a lot, then a delay, for every push; the first draw is the session's.
    await begin({
      rejectedShare: 0.25,
      random: () => (turn++ % 2 === 1 ? (lots[(turn - 2) / 2] ?? 0.9) : 0.5),
    })
    for (const token of ['a', 'b', 'c']) {
      await client.push.tokens.register(token, token)
      await client.push.send({ token, payload })
    }
    expect(client.push.stats()).toMatchObject({
      sendOk: 1,
      sendRejected: { Unregistered: 1, BadDeviceToken: 1 },
      tokens: 1,
    })
  })

  it('sends GOAWAY now and then, and no push is lost', async () => {
    await begin({ goawayEveryMs: 20, rejectedShare: 0 })
    while (client.ofType('push.session_invalidated').length < 3) {
      expect(await client.push.send({ tokens: ['a', 'b'], payload })).toMatchObject([
        { outcome: 'delivered' },
        { outcome: 'delivered' },
      ])
    }
    expect(client.ofType('push.session_invalidated').every(({ reason }) => reason === 'goaway')).toBe(true)
    expect(client.push.stats().sendFail).toBe(0)
  })

  it('sends the session away when it sticks, and answers no stream until it is let go', async () => {
    await begin({ rejectedShare: 0 })
    await client.push.send({ token: 'a', payload })
    endpoint.setStuck(true)
    expect(await client.event('push.session_invalidated')).toMatchObject({ reason: 'goaway' })
    expect(await client.push.send({ tokens: ['a', 'b'], payload })).toMatchObject([
      { reason: 'timeout' },
      { reason: 'timeout' },
    ])
    expect(client.push.stats()).toMatchObject({ sessionAlive: true, sendOk: 1, sendFail: 2 })
    endpoint.setStuck(false)
    expect(await client.push.send({ token: 'a', payload })).toMatchObject([{ outcome: 'delivered' }])
  })

  it('sends the next session away when it sticks before there was one', async () => {
    await begin({ rejectedShare: 0 })
    endpoint.setStuck(true)
    const sent = client.push.send({ token: 'a', payload })
    expect(await client.event('push.session_invalidated')).toMatchObject({ reason: 'goaway' })
    expect(await sent).toMatchObject([{ outcome: 'failed' }])
  })
})
