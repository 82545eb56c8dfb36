import type { AddressInfo, Server } from 'node:net'
import { AppError } from '../../contract/errors.ts'

export interface ListenOptions {
  /** Connections that the kernel keeps until they are accepted; default 1 024. */
  backlog?: number
  /** What an operator should know where the port is taken, as the end of the sentence; default: none. */
  remedy?: string
}

const failure = (
  cause: NodeJS.ErrnoException,
  host: string,
  port: number,
  remedy: string | undefined,
): AppError => {
  const facts = { host, port }
  if (cause.code === 'EADDRINUSE') {
    const advice = remedy === undefined ? '' : `; ${remedy}`
    const sentence = `Port ${port} on ${host} is in use by another process${advice}`
    return new AppError('ERR_PORT_TAKEN', sentence, facts, { cause })
  }
  const sentence =
    cause.code === 'EACCES'
      ? `Port ${port} on ${host} may not be bound by this user`
      : `${host}:${port} cannot be listened on: ${cause.message}`
  return new AppError('ERR_CONFIG', sentence, facts, { cause })
}

/**
 * Listens, and returns the actual port. The one place where a port is bound, so that one fault has one code everywhere. Rejects with
 * `ERR_PORT_TAKEN` and `{host, port}` when another process has it, `ERR_CONFIG` when the address cannot be bound at all (no such address,
 * no right to the port). The caller must listen for errors after that.
 */
export const listen = (
  server: Server,
  host: string,
  port: number,
  { backlog = 1_024, remedy }: ListenOptions = {},
): Promise<number> =>
  new Promise((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      server.off('listening', listening)
      reject(failure(cause, host, port, remedy))
    }
    const listening = (): void => {
      server.off('error', failed)
      resolve((server.address() as AddressInfo).port)
    }
    server.once('error', failed)
    server.once('listening', listening)
    server.listen({ host, port, backlog })
  })
