import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, expect, it, onTestFinished } from 'vitest'
import { plainAddress } from '../../server/wire/plain-address.ts'
import { answerOnSocket, type RawAnswer } from '../../server/wire/raw-answer.ts'
import { sameBytes, sameSecret } from '../../server/wire/same-secret.ts'
import { statusClass } from '../../server/wire/status-class.ts'

/** What a client reads that is answered so, on a real socket whose client keeps its half open. */
const answered = async (answer: RawAnswer): Promise<string> => {
  const gone = Promise.withResolvers<void>()
  const server = createServer({ allowHalfOpen: true }, (socket: Socket) => {
    socket.on('close', () => gone.resolve())
    answerOnSocket(socket, answer)
  }).listen(0, '127.0.0.1')
  onTestFinished(() => void server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true })
  onTestFinished(() => void client.destroy())
  const read = await text(client)
  await gone.promise
  return read
}

describe('an answer on a raw socket', () => {
  it.each<[string, RawAnswer, string]>([
    [
      'without a body',
      { status: 405 },
      'HTTP/1.1 405 Method Not Allowed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    ],
    [
      'with a body, counted in bytes',
      { status: 400, headers: { 'Cache-Control': 'no-store' }, body: { word: 'für' } },
      'HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nCache-Control: no-store\r\n' +
        'Connection: close\r\nContent-Length: 15\r\n\r\n{"word":"für"}',
    ],
    [
      'with a status that has no name',
      { status: 499 },
      'HTTP/1.1 499 Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n',
    ],
  ])(
    'is whole, and ends the connection of a client that would keep it: %s',
    async (_name, answer, wanted) => {
      expect(await answered(answer)).toBe(wanted)
    },
  )

  it('destroys a socket that cannot be written to', () => {
    const socket = connect({ port: 1, host: '127.0.0.1' })
    socket.on('error', () => undefined)
    socket.end()
    answerOnSocket(socket, { status: 400 })
    expect(socket.destroyed).toBe(true)
  })
})

describe('one way to', () => {
  it.each([
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['192.0.2.1', '192.0.2.1'],
    ['2001:db8::1', '2001:db8::1'],
    ['::ffff:c000:201', '::ffff:c000:201'],
    ['', ''],
    [undefined, ''],
  ])('name the client %s', (address, wanted) => {
    expect(plainAddress(address)).toBe(wanted)
  })

  it.each([
    [200, '2xx'],
    [101, '1xx'],
    [599, '5xx'],
    [600, 'other'],
    [99, 'other'],
    [0, 'other'],
  ])('class the status %i', (status, wanted) => {
    expect(statusClass(status)).toBe(wanted)
  })

  it.each([
    ['secret', 'secret', true],
    ['secret', 'Secret', false],
    ['secret', 'secret ', false],
    ['', 'secret', false],
    ['', '', true],
  ])('compare the secrets %j and %j', (given, wanted, same) => {
    expect(sameSecret(given, wanted)).toBe(same)
    expect(sameBytes(Buffer.from(given), Buffer.from(wanted))).toBe(same)
  })
})
