import { join } from 'node:path'
import { AppError, type Problem } from '../../contract/errors.ts'
import type { NodeConfig } from '../../contract/node-config.ts'
import { LastResort } from '../../observe/last-resort.ts'
import { createLog, type Log } from '../../observe/log.ts'
import type { TidegateNode } from '../part/node-face.ts'
import { createNode } from './node.ts'

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const
/** What a node may take to end itself after an error escaped; then its process ends without it. */
const ESCAPED_DEADLINE_MS = 3_000

export interface NodeCommandOptions {
  env?: Record<string, string | undefined>
  log?: Log
}

/** The standalone default of the control listener (design: what a node answers). */
const withControl = (config: NodeConfig): NodeConfig => ({
  ...config,
  control: config.control ?? { host: '127.0.0.1', port: 9460 },
})

/** Why it could not start: one line, with every problem of its configuration. */
const sayWhy = (error: unknown, config: NodeConfig, log: Log): void => {
  if (!(error instanceof AppError)) {
    log.error({ err: error }, `node ${config.id} could not start`)
    return
  }
  const { problems } = error.facts
  const list = Array.isArray(problems)
    ? `: ${(problems as Problem[]).map(({ path, message }) => `${path} ${message}`).join('; ')}`
    : ''
  log.error({ code: error.code, ...error.facts }, `${error.message}${list}`)
}

/**
 * `tidegate node`: one node alone, until a signal or a drain in mode `exit` ends it. Resolves with the process's exit code: 0
 * after a drain, also one with warnings; 1 when it could not start or an error escaped. Never rejects. The data folder is the
 * configuration's `data`, else `<TIDEGATE_DATA>/nodes/<id>`. An error that escapes ends the process itself, with code 1, within 3 s.
 */
export const runNode = async (given: NodeConfig, options: NodeCommandOptions = {}): Promise<number> => {
  const env = options.env ?? process.env
  const log = options.log ?? createLog('node')
  const config = withControl(given)
  const dataDir = config.data ?? join(env.TIDEGATE_DATA ?? './data', 'nodes', config.id)

  let finish: (code: number) => void = () => undefined
  const finished = new Promise<number>((resolve) => {
    finish = resolve
  })
  let node: TidegateNode
  try {
    node = createNode(config, { env, log, dataDir, exit: () => finish(0) })
  } catch (error) {
    sayWhy(error, config, log)
    return 1
  }

  const onSignal = (signal: NodeJS.Signals): void => {
    if (lastResort.used) return
    // A second one is ignored: it joins the sequence that runs, and npm passes signals to the whole group.
    node.drainForSignal(signal).then(
      () => finish(0),
      (error: unknown) => {
        log.error({ err: error }, 'the drain failed')
        finish(1)
      },
    )
  }
  const lastResort = new LastResort({
    log,
    what: `node ${config.id}`,
    deadlineMs: () => ESCAPED_DEADLINE_MS,
    end: async () => {
      try {
        await node.destroy()
      } finally {
        lastResort.sayWhy()
        // Whatever handle the defect has left must not keep a node alive that nobody can reach.
        process.exit(1)
      }
    },
  })
  for (const signal of SIGNALS) process.on(signal, onSignal)

  try {
    await node.start()
    const listeners = node.listeners().map(({ part, host, port }) => `${part} ${host}:${port}`)
    log.info(
      { control: node.control?.url, listeners: node.listeners() },
      `node ${config.id} (${config.region}) is ${node.health().state}: control ${node.control?.url ?? 'off'}${listeners.map((each) => `, ${each}`).join('')}`,
    )
    return await finished
  } catch (error) {
    sayWhy(error, config, log)
    return 1
  } finally {
    await node.close()
    for (const signal of SIGNALS) process.off(signal, onSignal)
    lastResort.release()
  }
}
