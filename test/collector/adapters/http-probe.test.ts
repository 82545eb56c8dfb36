import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import { afterEach, describe, expect, it } from 'vitest'
import { createAddressRules } from '../../../server/collector/adapters/address.ts'
import { HttpProbe } from '../../../server/collector/adapters/http-probe.ts'

const closing: (() => unknown)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'
const FINAL = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}'

/** A peer that answers each request with these pieces, each in a segment of its own. */
const peer = async (answers: readonly (readonly string[])[]) => {
  let connections = 0
  let requests = 0
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    connections += 1
    sockets.add(socket.setNoDelay().on('error', () => socket.destroy()))
    socket.on('data', async () => {
      const pieces = answers[Math.min(requests, answers.length - 1)] ?? []
      requests += 1
      for (const piece of pieces) {
        socket.write(piece, 'latin1')
        await new Promise((done) => setTimeout(done, 15))
      }
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const probe = new HttpProbe({ timeoutMs: 2_000, rules: createAddressRules([]) })
  closing.push(
    () => server.close(),
    () => sockets.forEach((socket) => void socket.destroy()),
    () => probe.close(),
  )
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    ask: () => probe.ask({ id: 'a', url, embedded: false }, '/'),
    connections: () => connections,
    close: () => probe.close(),
  }
}

it('opens nothing more once it is closed, for whoever goes on asking', async () => {
  const { ask, connections, close } = await peer([[FINAL]])
  expect((await ask()).outcome).toBe('ok')
  await close()
  expect(await ask()).toMatchObject({ outcome: 'refused', reason: 'the collector ends' })
  expect(connections()).toBe(1)
})

it('reads all answers that have come before anything is made of the first, so that this is not taken for slowness of the others', async () => {
  // In a thread of its own: it answers while we stand still.
  const server = new Worker(
    `const { parentPort } = require('node:worker_threads')
     const server = require('node:http').createServer((_, answer) => answer.end('{}'))
     server.listen(0, '127.0.0.1', () => parentPort.postMessage(server.address().port))`,
    { eval: true },
  )
  const [port] = (await once(server, 'message')) as [number]
  const probe = new HttpProbe({ timeoutMs: 10_000, rules: createAddressRules([]) })
  closing.push(
    () => server.terminate(),
    () => probe.close(),
  )
  const log: string[] = []
  const ids = Array.from({ length: 8 }, (_, index) => `n${index}`)
  const askAll = () =>
    ids.map(async (id) => {
      const target = { id, url: `http://127.0.0.1:${port}`, embedded: false }
      const { outcome } = await probe.ask(target, '/', { take: () => void log.push('read') })
      log.push(outcome)
    })
  // The first round opens the connections.
  await Promise.all(askAll())
  log.length = 0
  const asked = askAll()
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_000)
  await Promise.all(asked)
  expect(log).toEqual([...ids.map(() => 'read'), ...ids.map(() => 'ok')])
})

describe('an answer that begins with interim answers', () => {
  it.each([
    ['100 alone', [CONTINUE, FINAL]],
    ['100 in the same segment', [CONTINUE + FINAL]],
    ['100 without a reason', ['HTTP/1.1 100\r\n\r\n', FINAL]],
    ['100 with fields', ['HTTP/1.1 100 Continue\r\nx-a: b\r\n', '\r\n', FINAL]],
    ['several of them', [CONTINUE, CONTINUE + CONTINUE, FINAL]],
    ['early hints, then 100', ['HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n', FINAL]],
    ['byte by byte', [...(CONTINUE + FINAL)]],
  ])('is read past them: %s', async (_, pieces) => {
    const { ask } = await peer([pieces])
    expect(await ask()).toMatchObject({ outcome: 'ok', status: 200, text: '{}' })
  })

  it('keeps its connection, for each answer again', async () => {
    const { ask, connections } = await peer([[CONTINUE, FINAL], [FINAL], [CONTINUE + FINAL]])
    for (let poll = 0; poll < 4; poll += 1) expect(await ask()).toMatchObject({ outcome: 'ok', text: '{}' })
    expect(connections()).toBe(1)
  })

  it('ends by its deadline where nothing but interim answers comes', async () => {
    const { ask } = await peer([Array.from({ length: 20 }, () => CONTINUE)])
    expect(await ask()).toMatchObject({ outcome: 'timeout', status: null })
  })

  it.each([
    [64, 'ok'],
    [65, 'bad_body'],
  ])('is read past %i of them: %s', async (times, outcome) => {
    const { ask } = await peer([[CONTINUE.repeat(times) + FINAL]])
    expect(await ask()).toMatchObject({ outcome })
  })

  it('is refused where its interim head has no end', async () => {
    const { ask } = await peer([['HTTP/1.1 100 Continue\r\n', `x-a: ${'a'.repeat(8_000)}\r\n`.repeat(4)]])
    expect((await ask()).outcome).not.toBe('ok')
  })

  it('leaves what looks like one within a body', async () => {
    const { ask } = await peer([['HTTP/1.1 200 OK\r\ncontent-length: 25\r\n\r\n', CONTINUE]])
    expect(await ask()).toMatchObject({ outcome: 'ok', text: CONTINUE })
  })
})

describe('one connection to a node', () => {
  it('carries one question after the other, also where they are asked at once', async () => {
    const answers = ['1', '22', '333'].map((text) => [
      `HTTP/1.1 200 OK\r\ncontent-length: ${text.length}\r\n\r\n${text}`,
    ])
    const { ask, connections } = await peer(answers)
    const read = await Promise.all([ask(), ask(), ask()])
    expect(read.map(({ text }) => text)).toEqual(['1', '22', '333'])
    expect(connections()).toBe(1)
  })

  it('is not used again where the node keeps it for a moment only, or says that it closes it', async () => {
    const { ask, connections } = await peer([
      ['HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 2\r\n\r\n{}'],
      ['HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n{}'],
      [FINAL],
    ])
    for (let poll = 0; poll < 4; poll += 1) expect(await ask()).toMatchObject({ outcome: 'ok', text: '{}' })
    expect(connections()).toBe(3)
  })
})
