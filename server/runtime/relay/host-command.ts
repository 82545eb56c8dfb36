import { createLog, type Log } from '../../observe/log.ts'
import { createHostClient } from './host-client.ts'

/** Exit code of `tidegate host` when a newer tunnel of the same host took over: a supervisor should not start it again. */
export const EXIT_REPLACED = 9

export interface HostCommandOptions {
  relays: string[]
  hostId: string
  token: string | (() => Promise<string>)
  to: string
  log?: Log
  /** Ends the command like SIGTERM does. */
  signal?: AbortSignal
}

/**
 * The command `tidegate host`: holds a tunnel until SIGTERM or SIGINT (closes with 1000, exit code 0) or until it is replaced
 * (exit code 9). Throws `ERR_INVALID` for options that cannot work.
 */
export const runHost = async (options: HostCommandOptions): Promise<number> => {
  const log = options.log ?? createLog('host')
  let finish: (code: number) => void = () => undefined
  const finished = new Promise<number>((resolve) => {
    finish = resolve
  })
  const client = createHostClient({
    relays: options.relays,
    hostId: options.hostId,
    token: options.token,
    to: options.to,
    log,
    onEvent: (event) => {
      if (event.type === 'replaced') finish(EXIT_REPLACED)
    },
  })
  const end = (): void => finish(0)
  process.on('SIGTERM', end)
  process.on('SIGINT', end)
  options.signal?.addEventListener('abort', end, { once: true })
  if (options.signal?.aborted) end()
  client.start()
  const code = await finished
  await client.close()
  process.off('SIGTERM', end)
  process.off('SIGINT', end)
  options.signal?.removeEventListener('abort', end)
  return code
}
