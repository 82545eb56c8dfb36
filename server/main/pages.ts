import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import type { Duplex } from 'node:stream'
import type { Log } from '../observe/log.ts'

/** The page renderer. */
export interface Pages {
  handle(request: IncomingMessage, response: ServerResponse): unknown
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): unknown
  close(): Promise<void>
}

/**
 * Prepares the pages. The renderer is given a server that never listens, because it would add an upgrade listener of its own to ours;
 * upgrades meant for the renderer (hot reload in development) are handed to that server.
 */
export const openPages = async (dev: boolean, port: number, log: Log): Promise<Pages> => {
  const { default: next } = await import('next')
  const decoy = createServer()
  const app = next({
    dev,
    dir: join(import.meta.dirname, '..', '..'),
    customServer: true,
    hostname: 'localhost',
    port,
    httpServer: decoy,
  })
  await app.prepare()
  log.debug('pages are ready')
  return {
    handle: app.getRequestHandler(),
    upgrade: (request, socket, head) => decoy.emit('upgrade', request, socket, head),
    close: () => app.close(),
  }
}
