import { readDrainBudget } from '../../contract/drain-budget.ts'
import { LastResort } from '../../observe/last-resort.ts'
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
  /** Where `SHUTDOWN_HTTP_DRAIN_SECS` is read; default: this process's environment. */
  env?: Record<string, string | undefined>
  /** Ends the command like SIGTERM does. */
  signal?: AbortSignal
}

/** What a host may take to end itself after an error escaped; then its process ends without it. */
const ESCAPED_DEADLINE_MS = 3_000
const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const

/**
 * The command `tidegate host`: holds a tunnel until SIGTERM, SIGINT or SIGHUP (requests in flight finish, then it closes with 1000,
 * exit code 0; a second signal is ignored) or until it is replaced (exit code 9). The budget of what is in flight is
 * `SHUTDOWN_HTTP_DRAIN_SECS`. Throws `ERR_INVALID` for options that cannot work.
 */
export const runHost = async (options: HostCommandOptions): Promise<number> => {
  const log = options.log ?? createLog('host')
  const { budget } = readDrainBudget(options.env ?? process.env)
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
  const lastResort = new LastResort({
    log,
    what: `host ${options.hostId}`,
    deadlineMs: () => ESCAPED_DEADLINE_MS,
    end: async () => {
      try {
        await client.close()
      } finally {
        lastResort.sayWhy()
        process.exit(1)
      }
    },
  })
  const end = (): void => {
    if (!lastResort.used) finish(0)
  }
  for (const signal of SIGNALS) process.on(signal, end)
  options.signal?.addEventListener('abort', end, { once: true })
  if (options.signal?.aborted) end()
  client.start()
  const code = await finished
  // What a newer tunnel has replaced finishes too: its requests are still this host's.
  await client.drain({ budgetMs: budget.httpSeconds * 1_000 })
  for (const signal of SIGNALS) process.off(signal, end)
  options.signal?.removeEventListener('abort', end)
  lastResort.release()
  return code
}
