import type { AddressInfo, Server } from 'node:net'
import { AppError } from '../../contract/errors.ts'

/**
 * Listens, and answers the actual port. Throws ERR_PORT_TAKEN with `{host, port}` when another process has it, ERR_CONFIG when
 * the address cannot be bound at all (no such address, no right to the port).
 */
export const bind = (server: Server, host: string, port: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      server.off('listening', listening)
      reject(
        cause.code === 'EADDRINUSE'
          ? new AppError(
              'ERR_PORT_TAKEN',
              `Port ${port} on ${host} is in use by another process`,
              { host, port },
              { cause },
            )
          : new AppError(
              'ERR_CONFIG',
              `${host}:${port} cannot be listened on: ${cause.message}`,
              { host, port },
              { cause },
            ),
      )
    }
    const listening = (): void => {
      server.off('error', failed)
      resolve((server.address() as AddressInfo).port)
    }
    server.once('error', failed)
    server.once('listening', listening)
    server.listen({ host, port, backlog: 1_024 })
  })
