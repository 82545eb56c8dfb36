import type { Server } from 'node:http'
import type { FrontDoor } from '../api/front-door.ts'
import { answerWaiting, type WaitingFor } from '../api/waiting-room.ts'
import { createWebServer } from '../api/web-server.ts'
import { type ClientAddresses, isLoopback } from '../auth/client-address.ts'
import { listen } from '../runtime/listen/listen.ts'

/** How long connections that are in use may take to end. */
const CLOSE_MS = 500

/**
 * The one port of the control room. It answers from the first moment, and says what the server is waiting for until there is a front
 * door.
 */
export class WebDoor {
  /** Connections that were closed at once, by the ceiling that they met. */
  readonly refused = { connections: 0, connections_of_source: 0 }
  readonly #server: Server
  #behind: FrontDoor | null = null
  #waitingFor: WaitingFor | null = null

  constructor(clients: ClientAddresses) {
    this.#server = createWebServer(
      {
        request: (request, response) => {
          if (this.#behind !== null) this.#behind.request(request, response)
          else answerWaiting(request, response, this.#waitingFor)
        },
        upgrade: (request, socket, head) => {
          if (this.#behind !== null) this.#behind.upgrade(request, socket, head)
          else socket.destroy()
        },
      },
      {
        isShared: (address) => isLoopback(address) || clients.isProxy(address),
        onRefused: (ceiling) => {
          this.refused[ceiling]++
        },
      },
    )
  }

  /** Resolves with the port. Rejects with `ERR_PORT_TAKEN`, `ERR_CONFIG`. */
  listen(host: string, port: number): Promise<number> {
    return listen(this.#server, host, port, { remedy: 'stop it, or set PORT to another one' })
  }

  /** Sets what callers are told to wait for. */
  wait(waitingFor: WaitingFor): void {
    this.#waitingFor = waitingFor
  }

  open(door: FrontDoor): void {
    this.#behind = door
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve())
      this.#server.closeIdleConnections()
      setTimeout(() => this.#server.closeAllConnections(), CLOSE_MS).unref()
    })
  }
}
