import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { unread } from '../../../server/collector/adapters/adapter.ts'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { failureOf, HttpProbe } from '../../../server/collector/adapters/http-probe.ts'
import type { PollOutcome } from '../../../server/collector/adapters/reading.ts'
import { freePort } from './program.ts'

const closers: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const asked = async (port: number) => {
  const probe = new HttpProbe({ timeoutMs: 500, rules: createAddressRules([]) })
  closers.push(() => probe.close())
  return probe.ask({ id: 'gw-1', url: `http://127.0.0.1:${port}/`, embedded: false }, '/')
}

/** A port that does this with each connection. */
const listening = async (on: (socket: Socket) => void): Promise<number> => {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    on(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => void server.close())
  return (server.address() as AddressInfo).port
}

describe('a look at a node that brought nothing', () => {
  it('is a refusal where nobody listens', async () => {
    expect(unread(await asked(await freePort()))).toEqual({ facts: null, silent: true, refused: true })
  })

  it('is silence, and no word on its process, where the connection is reset or nothing comes', async () => {
    const reset = await listening((socket) => socket.resetAndDestroy())
    expect(unread(await asked(reset))).toEqual({ facts: null, silent: true, refused: false })
    const mute = await listening((socket) => closers.push(() => void socket.destroy()))
    expect(unread(await asked(mute))).toEqual({ facts: null, silent: true, refused: false })
  })

  it.each(['ENETUNREACH', 'EHOSTUNREACH', 'ECONNRESET'])('is no word on its process at %s', (code) => {
    const failure = failureOf(Object.assign(new Error(`connect ${code}`), { code }))
    expect(unread({ ...failure, status: null })).toEqual({ facts: null, silent: true, refused: false })
  })

  it('needs every address of a name to say that nobody listens', () => {
    const of = (...codes: string[]) =>
      failureOf(
        Object.assign(
          new AggregateError(codes.map((code) => Object.assign(new Error(`connect ${code}`), { code }))),
          { code: codes[0] },
        ),
      )
    expect(of('ECONNREFUSED', 'ECONNREFUSED').isAbsent).toBe(true)
    expect(of('ECONNREFUSED', 'ETIMEDOUT').isAbsent).toBeUndefined()
  })

  it.each<[PollOutcome, number | null]>([
    ['bad_status', 503],
    // HAProxy says of a server that it is down: it answers without a status.
    ['bad_status', null],
    ['bad_body', null],
    ['tls', null],
    ['refused', 200],
  ])('is an answer all the same: %s, status %s', (outcome, status) => {
    expect(unread({ outcome, status })).toEqual({ facts: null, silent: false })
  })
})
