import { Agent } from 'node:http'
import type { Log } from '../../observe/log.ts'
import type { RequestHead } from '../tunnel/frames.ts'
import type { TunnelStream } from '../tunnel/tunnel-stream.ts'
import { leavesBase } from './base-path.ts'
import { TargetRequest } from './target-request.ts'
import type { TargetServer } from './target-server.ts'
import { TargetSocket } from './target-socket.ts'

/** Requests from the relay at once; the relay's own ceiling is 1 000 a tunnel. */
const MAX_STREAMS = 2_000
/** Kept connections to the target that are not in use at the moment. */
const MAX_FREE_SOCKETS = 64

/** Serves what arrives on a tunnel's streams from one HTTP server. */
export class HostTarget {
  readonly #server: TargetServer
  readonly #sockets = new Map<TunnelStream, TargetSocket>()
  #open = 0

  /** `to` is the server that answers, for example `http://localhost:8080`; a path in it goes before every request's. */
  constructor(to: URL, log: Log) {
    this.#server = {
      host: to.hostname.replace(/^\[|\]$/g, ''),
      port: to.port === '' ? 80 : Number(to.port),
      authority: to.host,
      base: to.pathname.replace(/\/$/, ''),
      agent: new Agent({ keepAlive: true, maxFreeSockets: MAX_FREE_SOCKETS, scheduling: 'lifo' }),
      log,
    }
  }

  accept(stream: TunnelStream, head: RequestHead, hasBody: boolean): void {
    if (this.#open >= MAX_STREAMS) {
      stream.reset('host_busy', `The host serves ${MAX_STREAMS} requests at once, which is its ceiling`)
      return
    }
    this.#open += 1
    stream.onOver(() => {
      this.#open -= 1
      this.#sockets.delete(stream)
    })
    if (this.#server.base !== '' && leavesBase(head.path)) {
      refusePath(stream)
      return
    }
    try {
      if (head.upgrade === 'websocket')
        this.#sockets.set(stream, new TargetSocket(this.#server, stream, head))
      else new TargetRequest(this.#server, stream, head, hasBody).send()
    } catch (error) {
      // Node refuses what is not a valid request (a method or path it would not send).
      this.#server.log.debug({ err: error }, 'a request could not be sent to the target')
      stream.reset('protocol_error', 'The request cannot be sent to the target')
    }
  }

  /** What it serves now: WebSockets, and everything else. */
  pending(): { requests: number; sockets: number } {
    return { requests: this.#open - this.#sockets.size, sockets: this.#sockets.size }
  }

  /** Closes every WebSocket with 1001, on both sides. */
  goAway(): void {
    for (const socket of [...this.#sockets.values()]) socket.goAway()
  }

  close(): void {
    this.#server.agent.destroy()
  }
}

/** A path that would lead out of the base belongs to nobody: the target never sees it. */
const refusePath = (stream: TunnelStream): void => {
  const text = Buffer.from('The path leads out of what this host serves\n')
  const headers = ['Content-Type', 'text/plain; charset=utf-8', 'Content-Length', String(text.length)]
  stream.handler = { reset: () => undefined, data: (chunk) => stream.consumed(chunk.length) }
  stream.respond({ status: 400, message: 'Bad Request', headers }, true)
  stream.write(text)
  stream.end()
}
