import type { AddressInfo } from 'node:net'
import { FrontDoor } from '../../server/api/front-door.ts'
import { createHostRule } from '../../server/api/host-rule.ts'
import { createWebServer } from '../../server/api/web-server.ts'
import { createClientAddresses } from '../../server/auth/client-address.ts'
import { Hub } from '../../server/live/hub.ts'
import { LiveSocket } from '../../server/live/socket.ts'
import { log } from '../store/fixtures.ts'
import { apiToken, startServer } from './server.ts'

/** The one port as people meet it: web server, front door, API, live stream, access and store; pages are a word. */
export const startRoom = async (
  snapshot: (topic: string) => Promise<unknown> = async (topic) => ({ topic }),
) => {
  const clients = createClientAddresses(['127.0.0.1'])
  const inner = await startServer({
    auth: { clients },
    api: { clients },
  })
  const hub = new Hub({ log, snapshot })
  const live = new LiveSocket({
    hub,
    log,
    authenticate: (request) => inner.auth.authenticateUpgrade(request),
    allowedOrigins: () => inner.auth.origins,
  })
  inner.auth.onRevoked(({ sessionId, tokenId }) => {
    if (sessionId !== null) live.closeSession(sessionId)
    if (tokenId !== null) live.closeToken(tokenId)
  })
  const door = new FrontDoor({
    api: inner.api.handle,
    pages: () => (_request, response) => response.end('page'),
    pagesUpgrade: () => null,
    live: () => live,
    hasSession: (request) => inner.auth.hasSession(request),
    needsSetup: () => false,
    hosts: createHostRule([]),
    clients,
    tls: false,
    dev: false,
    log,
  })
  const server = createWebServer(door, {
    headersTimeoutMs: 500,
    requestTimeoutMs: 1_000,
    checkIntervalMs: 100,
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    inner,
    hub,
    live,
    port,
    token: apiToken,
    openConnections: () =>
      new Promise<number>((resolve) => server.getConnections((_error, count) => resolve(count))),
    async close() {
      await live.close()
      hub.close()
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
      await inner.close()
    },
  }
}

/** Errors that nobody caught, from here to `stop`. */
export const watchEscapes = () => {
  const escaped: unknown[] = []
  const note = (error: unknown) => escaped.push(error)
  process.on('uncaughtException', note).on('unhandledRejection', note)
  return {
    escaped,
    stop: () => process.off('uncaughtException', note).off('unhandledRejection', note),
  }
}
