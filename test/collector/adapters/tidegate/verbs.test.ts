import { once } from 'node:events'
import { createServer as createHttpServer, type RequestListener } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import type { DrainVerbs } from '../../../../server/collector/adapters/adapter.ts'
import { createAddressRules } from '../../../../server/collector/adapters/address.ts'
import { Control } from '../../../../server/collector/adapters/tidegate/control.ts'
import { TidegateVerbs } from '../../../../server/collector/adapters/tidegate/verbs.ts'
import { healthDocument } from './health-document.ts'

const closers: (() => Promise<void> | void)[] = []
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

const listen = async (server: Server): Promise<string> => {
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
const http = (listener: RequestListener) => listen(createHttpServer(listener))
const answering = (status: number, body: unknown) =>
  http((_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
  })
/** Where nobody listens any more. */
const gone = async (): Promise<string> => {
  const server = createTcpServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return `http://127.0.0.1:${port}`
}

const verbsOf = (
  url: string | (() => string),
): Required<Omit<DrainVerbs, 'hindrance' | 'pool' | 'forget' | 'twins'>> => {
  const control = new Control(createAddressRules([]))
  closers.push(() => control.close())
  return new TidegateVerbs(control, () => ({
    id: 'fra-1',
    url: typeof url === 'string' ? url : url(),
    token: 'secret',
    embedded: false,
  }))
}

const cordon = { drainId: 'd1', reason: 'kernel update' }
const order = { ...cordon, mode: 'hold', deadlineSeconds: 300, onDeadline: 'wait', initiator: 'ana' } as const
const back = { drainId: 'd1', version: 4, reason: 'kernel update', initiator: 'ana@example.com' }
const refusal = (code: string, message: string) => ({ error: { code, message, facts: {} } })

describe('the verbs of a Tidegate node', () => {
  it('ask its control listener, with the token, where it is now', async () => {
    const asked: string[] = []
    const take: RequestListener = async (request, response) => {
      let body = ''
      for await (const chunk of request) body += chunk
      asked.push(`${request.headers.authorization} ${request.method} ${request.url} ${body}`)
      response.end(JSON.stringify(healthDocument()))
    }
    const [before, after] = [await http(take), await http(take)]
    let url = before
    const verbs = verbsOf(() => `${url}/at/a/path`)
    expect(await verbs.cordon(cordon)).toEqual({ kind: 'accepted' })
    url = after
    for (const ask of [verbs.drain(order), verbs.resume(back), verbs.ready(back)])
      expect(await ask).toEqual({ kind: 'accepted' })
    expect(await verbs.observe()).toMatchObject({ facts: { state: 'serving', epoch: 'run1' } })
    const common = 'Bearer secret'
    expect(asked).toEqual([
      `${common} POST /at/a/path/cordon ${JSON.stringify(cordon)}`,
      expect.stringContaining(`${common} POST /at/a/path/drain ${JSON.stringify(order)}`),
      expect.stringContaining(`${common} POST /at/a/path/resume`),
      `${common} GET /at/a/path/healthz/ready `,
      `${common} GET /at/a/path/health `,
    ])
  })

  it.each([
    ['cordon', 404, 'accepted'],
    ['cordon', 409, 'accepted'],
    ['cordon', 500, 'refused'],
    ['drain', 202, 'accepted'],
    ['drain', 409, 'refused'],
    ['resume', 409, 'refused'],
    ['ready', 503, 'refused'],
  ] as const)('take an answer to %s of %i for %s', async (verb, status, kind) => {
    const verbs = verbsOf(await answering(status, refusal('ERR_CONFLICT', 'held by d0')))
    const asked =
      verb === 'drain'
        ? verbs.drain(order)
        : verb === 'cordon'
          ? verbs.cordon(cordon)
          : verb === 'resume'
            ? verbs.resume(back)
            : verbs.ready(back)
    expect((await asked).kind).toBe(kind)
  })

  it('say why a node refuses, in one clean line of bounded length', async () => {
    const message = `held by d0\u0000\u202e\n${'x'.repeat(100_000)}`
    const verbs = verbsOf(await answering(409, refusal('ERR_DRAIN_RUNNING', message)))
    const asked = await verbs.drain(order)
    expect(asked).toMatchObject({ why: expect.stringMatching(/^fra-1 refuses to drain: held by d0/) })
    expect(asked.kind === 'refused' && asked.why.length).toBeLessThan(400)
    expect(JSON.stringify(asked)).not.toMatch(/\\u0000|\u202e|\\n/)
    const mute = verbsOf(await answering(409, 'no'))
    expect(await mute.resume(back)).toMatchObject({ why: 'fra-1 refuses to resume: it gave no reason' })
  })

  it('tell a process that is not there from a machine that says nothing, and both from rubbish', async () => {
    const silent = await listen(createTcpServer(() => undefined))
    const rubbish = await answering(200, { ok: 'yes' })
    const broken = await listen(createTcpServer((socket) => socket.end('HTTP/1.1 nonsense\r\n\r\n')))
    const [nobody, nothing, nonsense, garbage, failing] = await Promise.all([
      verbsOf(await gone()).observe(),
      verbsOf(silent).observe(),
      verbsOf(rubbish).observe(),
      verbsOf(broken).observe(),
      verbsOf(await answering(500, healthDocument())).observe(),
    ])
    expect(nobody).toEqual({ facts: null, silent: true, refused: true })
    expect(nothing).toEqual({ facts: null, silent: true, refused: false })
    expect(nonsense).toEqual({ facts: null, silent: false })
    expect(garbage).toEqual({ facts: null, silent: true, refused: false })
    expect(failing).toEqual({ facts: null, silent: false })
  }, 15_000)

  it('never reject, and say that nobody knows whether the node heard', async () => {
    const dying = await listen(createTcpServer((socket) => socket.on('data', () => socket.destroy())))
    for (const url of [dying, await gone()]) {
      const verbs = verbsOf(url)
      for (const ask of [verbs.cordon(cordon), verbs.drain(order), verbs.resume(back), verbs.ready(back)])
        expect(await ask).toMatchObject({ kind: 'unheard', why: expect.stringContaining('fra-1') })
    }
  })
})
